// The ring between standard input and standard output: tools/echocat/window.
#include "test.h"

#include "echocat/window.h"

#define CAPACITY 16

static unsigned char ring[CAPACITY];
static struct window window;
static struct difference difference;

BEFORE_EACH { window_init(&window, ring, sizeof(ring)); }

// Reads `length` bytes of `bytes` into the window, in as many pieces as it takes.
static void feed(const char *bytes, size_t length) {
	while (length > 0) {
		struct span room = window_room(&window);
		assert_int_not_equal(room.length, 0);
		size_t piece = length < room.length ? length : room.length;
		memcpy(room.bytes, bytes, piece);
		window.read += piece;
		bytes += piece;
		length -= piece;
	}
}

static bool receive(const char *bytes) {
	return window_receive(&window, (const unsigned char *)bytes, strlen(bytes), &difference);
}

TEST(wrong_byte_is_found_and_written_out_as_it_came) {
	for (size_t wrong = 0; wrong < 10; wrong++) {
		// Starts at 10, so that the ring's end is among the offsets.
		window = (struct window){ring, CAPACITY, 10, 10, 10, 10};
		feed("abcdefghij", 10);
		window.sent = 20;
		char echo[] = "abcdefghij";
		echo[wrong] = '#';
		assert_false(receive(echo));
		assert_int_equal(difference.offset, 10 + wrong);
		assert_int_equal(difference.sent, "abcdefghij"[wrong]);
		assert_int_equal(difference.received, '#');
		assert_in_range(window.received, 10 + wrong + 1, 20);
		assert_int_equal(ring[(10 + wrong) % CAPACITY], '#');
	}
}

TEST(surplus_is_found_though_more_has_been_read) {
	feed("abcdef", 6);
	window.sent = 3;
	assert_false(receive("abcd")); // although the next byte is a d
	assert_int_equal(difference.offset, 3);
	assert_int_equal(difference.sent, DIFFERENCE_NOTHING);
	assert_int_equal(difference.received, 'd');
	assert_int_equal(window.received, 3);
	assert_int_equal(window_unwritten(&window).length, 3);
}

// In any order and in any pieces of reading, sending, receiving and writing.
TEST(stream_passes_whole_in_random_pieces) {
	unsigned random = 1;
	while (window.written < 100000) {
		random = random * 1103515245U + 12345U;
		size_t wish = 1 + (random >> 8) % 9;
		struct span span;
		switch ((random >> 16) % 4) {
		case 0:
			span = window_room(&window);
			for (size_t i = 0; i < wish && i < span.length; i++)
				span.bytes[i] = (unsigned char)(window.read++ % 251);
			break;
		case 1:
			span = window_unsent(&window);
			window.sent += wish < span.length ? wish : span.length;
			break;
		case 2: {
			unsigned char echo[9];
			size_t length = 0;
			for (; length < wish && window.received + length < window.sent; length++)
				echo[length] = (unsigned char)((window.received + length) % 251);
			assert_true(window_receive(&window, echo, length, &difference));
			break;
		}
		default:
			span = window_unwritten(&window);
			for (size_t i = 0; i < wish && i < span.length; i++)
				assert_int_equal(span.bytes[i], window.written++ % 251);
		}
		assert_true(window.read - window.written <= CAPACITY);
	}
}
