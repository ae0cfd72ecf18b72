// Where an echo differs, and the words for it: tools/echocat/difference.
#include "test.h"

#include "echocat/difference.h"

TEST(difference_is_found_at_every_offset) {
	unsigned char sent[100], received[100];
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (unsigned char)(i * 7);
	for (size_t i = 0; i < sizeof(sent); i++) {
		memcpy(received, sent, sizeof(sent));
		received[i] ^= 0x80;
		assert_int_equal(difference_find(sent, received, sizeof(sent)), i);
		received[sizeof(sent) - 1] ^= 1; // a later one changes nothing
		assert_int_equal(difference_find(sent, received, sizeof(sent)), i);
		assert_int_equal(difference_find(sent, received, i), i);
	}
}

static void expect_words(struct difference difference, const char *words) {
	char text[DIFFERENCE_TEXT_SIZE];
	assert_string_equal(difference_format(&difference, text), words);
}

TEST(both_bytes_are_named) {
	expect_words((struct difference){5, '~', 0x7F},
		     "the echo differs at offset 5: sent 0x7E '~', received 0x7F");
	expect_words(
		(struct difference){UINT64_MAX, 0x1F, ' '},
		"the echo differs at offset 18446744073709551615: sent 0x1F, received 0x20 ' '");
	expect_words((struct difference){12, DIFFERENCE_NOTHING, '!'},
		     "surplus byte at offset 12: received 0x21 '!', sent nothing");
}
