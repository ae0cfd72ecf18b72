#include "difference.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t difference_find(const void *sent, const void *received, size_t length)
{
	if (memcmp(sent, received, length) == 0)
		return length;
	const unsigned char *left = sent;
	const unsigned char *right = received;
	size_t same = 0;
	while (same < length && left[same] == right[same])
		same++;
	return same;
}

// `0x41 'A'`, or `0x00` when it is not printable.
static const char *format_byte(int byte, char *text, size_t size)
{
	snprintf(text, size, byte >= 0x20 && byte <= 0x7e ? "0x%02X '%c'" : "0x%02X", byte, byte);
	return text;
}

char *difference_format(const struct difference *difference, char *text)
{
	char sent[16];
	char received[16];
	format_byte(difference->received, received, sizeof(received));
	if (difference->sent == DIFFERENCE_NOTHING)
		snprintf(text, DIFFERENCE_TEXT_SIZE,
			 "surplus byte at offset %" PRIu64 ": received %s, sent nothing",
			 difference->offset, received);
	else
		snprintf(text, DIFFERENCE_TEXT_SIZE,
			 "the echo differs at offset %" PRIu64 ": sent %s, received %s",
			 difference->offset, format_byte(difference->sent, sent, sizeof(sent)),
			 received);
	return text;
}
