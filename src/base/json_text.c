#include "base/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How many bytes the UTF-8 character at `at` has; 0: it is none. A zero byte may end it early. RFC
// 3629 gives the ranges of the second byte, which exclude overlong forms and surrogates.
static size_t character_length(const unsigned char *at)
{
	unsigned char least = *at == 0xe0 ? 0xa0 : *at == 0xf0 ? 0x90 : 0x80;
	unsigned char most = *at == 0xed ? 0x9f : *at == 0xf4 ? 0x8f : 0xbf;
	size_t length = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	if (*at < 0x80)
		return 1;
	if (*at < 0xc2 || *at > 0xf4 || at[1] < least || at[1] > most)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

json_t *json_text(const char *text)
{
	char *valid = malloc(4 * strlen(text) + 1);
	if (!valid)
		return NULL;
	char *end = valid;
	while (*text) {
		size_t length = character_length((const unsigned char *)text);
		if (length == 0) {
			end += snprintf(end, sizeof("\\xNN"), "\\x%02X", (unsigned char)*text++);
			continue;
		}
		end = mempcpy(end, text, length);
		text += length;
	}
	json_t *string = json_stringn(valid, (size_t)(end - valid));
	free(valid);
	return string;
}

void json_put(json_t **object, const char *name, json_t *value)
{
	if (json_object_set_new(*object, name, value) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

void json_append(json_t **array, json_t *value)
{
	if (json_array_append_new(*array, value) == 0)
		return;
	json_decref(*array);
	*array = NULL;
}

json_t *json_finite(double number)
{
	return isfinite(number) ? json_real(number) : json_null();
}
