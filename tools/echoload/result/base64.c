// Bytes as text (RFC 4648). Any thread.
#include "base64.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const unsigned char *bytes, size_t length)
{
	char *text = malloc((length + 2) / 3 * 4 + 1);
	if (!text)
		return NULL;
	char *at = text;
	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t group = (uint32_t)bytes[i] << 16;
		group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= left > 2 ? (uint32_t)bytes[i + 2] : 0;
		*at++ = digits[group >> 18];
		*at++ = digits[group >> 12 & 63];
		*at++ = digits[group >> 6 & 63];
		*at++ = digits[group & 63];
	}
	for (size_t padding = (3 - length % 3) % 3; padding > 0; padding--)
		at[-(ptrdiff_t)padding] = '=';
	*at = '\0';
	return text;
}

// The value of a digit, or -1.
static int value_of(char digit)
{
	const char *found = digit ? strchr(digits, digit) : NULL;
	return found ? (int)(found - digits) : -1;
}

// Reads four digits, of which the last `padding` ones stand for nothing.
static int read_group(const char *text, unsigned padding, uint32_t *group)
{
	*group = 0;
	for (unsigned i = 0; i < 4; i++) {
		int value = i + padding < 4 ? value_of(text[i]) : 0;
		if (value < 0)
			return -1;
		*group = *group << 6 | (uint32_t)value;
	}
	return 0;
}

unsigned char *base64_decode(const char *text, size_t *length)
{
	size_t size = strlen(text);
	unsigned padding = 0;
	while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
		padding++;
	errno = EINVAL;
	if (size == 0 || size % 4 != 0)
		return NULL;
	unsigned char *bytes = malloc(size / 4 * 3);
	if (!bytes)
		return NULL;
	for (size_t i = 0; i < size / 4; i++) {
		uint32_t group;
		if (read_group(text + 4 * i, 4 * (i + 1) == size ? padding : 0, &group) != 0) {
			free(bytes);
			errno = EINVAL;
			return NULL;
		}
		bytes[3 * i] = (unsigned char)(group >> 16);
		bytes[3 * i + 1] = (unsigned char)(group >> 8);
		bytes[3 * i + 2] = (unsigned char)group;
	}
	*length = size / 4 * 3 - padding;
	return bytes;
}
