#include "window.h"

#include <string.h>

#include "base/assert.h"

void window_init(struct window *window, unsigned char *ring, size_t capacity)
{
	ensure(capacity && (capacity & (capacity - 1)) == 0);
	*window = (struct window){.capacity = capacity};
	window->ring = ring;
}

static struct span span_at(const struct window *window, uint64_t from, uint64_t to)
{
	size_t start = (size_t)(from & (window->capacity - 1));
	size_t length = (size_t)(to - from);
	size_t straight = window->capacity - start;
	return (struct span){window->ring + start, length < straight ? length : straight};
}

struct span window_room(const struct window *window)
{
	return span_at(window, window->read, window->written + window->capacity);
}

struct span window_unsent(const struct window *window)
{
	return span_at(window, window->sent, window->read);
}

struct span window_unwritten(const struct window *window)
{
	return span_at(window, window->written, window->received);
}

bool window_receive(struct window *window, const unsigned char *bytes, size_t length,
		    struct difference *difference)
{
	while (length > 0) {
		struct span sent = span_at(window, window->received, window->sent);
		size_t expected = length < sent.length ? length : sent.length;
		size_t same = difference_find(sent.bytes, bytes, expected);
		if (same < expected || expected == 0) {
			difference->offset = window->received + same;
			difference->sent = expected ? sent.bytes[same] : DIFFERENCE_NOTHING;
			difference->received = bytes[same];
			memcpy(sent.bytes, bytes, expected);
			window->received += expected;
			return false;
		}
		window->received += expected;
		bytes += expected;
		length -= expected;
	}
	return true;
}
