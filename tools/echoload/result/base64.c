// Bytes as text (RFC 4648). Any thread.
#include "base64.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

char *base64_encode(const unsigned char *bytes, size_t length)
{
	char *text = malloc((length + 2) / 3 * 4 + 1);
	char *at = text;
	for (size_t i = 0; i < length && text; i += 3) {
		size_t left = length - i;
		uint32_t group = 0;
		for (size_t k = 0; k < 3; k++)
			group = group << 8 | (k < left ? bytes[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			*at++ = digits[k <= left ? group >> (18 - 6 * k) & 63 : 64];
	}
	if (text)
		*at = '\0';
	return text;
}

unsigned char *base64_decode(const char *text, size_t *length)
{
	size_t size = strlen(text);
	size_t count = strcspn(text, "=");
	if (size == 0 || size % 4 != 0 || size - count > 2 || strspn(text, digits) != size ||
	    strspn(text + count, "=") != size - count) {
		errno = EINVAL;
		return NULL;
	}
	unsigned char *bytes = malloc(size / 4 * 3);
	uint32_t bits = 0;
	*length = 0;
	for (size_t i = 0; i < count && bytes; i++) {
		bits = bits << 6 | (uint32_t)(strchr(digits, text[i]) - digits);
		if (i % 4 != 0) // the first digit of a group alone is no byte
			bytes[(*length)++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
	}
	return bytes;
}
