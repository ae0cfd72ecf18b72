// Words of a command line. One thread.
#include "words.h"

const char *words_put_in(const char *word, const struct daemon *daemon, const char *result,
			 const char *output) {
	if (strcmp(word, WORD_ADDRESS) == 0)
		return daemon->address[0];
	if (strcmp(word, WORD_CONTROL) == 0)
		return daemon->control;
	if (strcmp(word, WORD_RESULT) == 0)
		return result;
	return strcmp(word, WORD_OUTPUT) == 0 ? output : word;
}
