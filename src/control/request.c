#include "control/request.h"

#include <string.h>

enum request_result request_parse(char *line, size_t length, struct request *request)
{
	*request = (struct request){0};
	if (length > 0 && line[length - 1] == '\r')
		length--;
	if (memchr(line, '\0', length))
		return REQUEST_NOT_TEXT;
	line[length] = '\0';
	char *rest = NULL;
	for (char *word = strtok_r(line, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
		if (request->count == REQUEST_MAX_WORDS)
			return REQUEST_TOO_MANY_WORDS;
		request->words[request->count++] = word;
	}
	return request->count ? REQUEST_OK : REQUEST_EMPTY;
}
