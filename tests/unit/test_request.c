// A request of the control protocol, taken apart: control/commands.
#include "test.h"

#include "control/commands.h"
#include "peer.h"

#define RANDOM_LINES 100000

struct example {
	const char *line;
	size_t length; // 0: strlen
	enum request_result result;
	size_t count;
	const char *words[REQUEST_MAX_WORDS];
};

static const struct example examples[] = {
	{"ping", 0, REQUEST_OK, 1, {"ping"}},
	{"ping\r", 0, REQUEST_OK, 1, {"ping"}},
	{"  ping  ", 0, REQUEST_OK, 1, {"ping"}},
	{"stats json", 0, REQUEST_OK, 2, {"stats", "json"}},
	{"stats    json\r", 0, REQUEST_OK, 2, {"stats", "json"}},
	{"\tstats \t json\t", 0, REQUEST_OK, 2, {"stats", "json"}},
	{"a b c d", 0, REQUEST_OK, 4, {"a", "b", "c", "d"}},
	{"a b c d  ", 0, REQUEST_OK, 4, {"a", "b", "c", "d"}},
	{"a b c d e", 0, REQUEST_TOO_MANY_WORDS, 4, {"a", "b", "c", "d"}},
	{"", 0, REQUEST_EMPTY, 0, {NULL}},
	{"\r", 0, REQUEST_EMPTY, 0, {NULL}},
	{" \t ", 0, REQUEST_EMPTY, 0, {NULL}},
	{"\r\r", 0, REQUEST_OK, 1, {"\r"}}, // only one belongs to the end of the line
	{"pi\rng", 0, REQUEST_OK, 1, {"pi\rng"}},
	{"pi\xff\x01ng", 0, REQUEST_OK, 1, {"pi\xff\x01ng"}},
	{"ping\0", 5, REQUEST_NOT_TEXT, 0, {NULL}},
	{"\0ping", 5, REQUEST_NOT_TEXT, 0, {NULL}},
	{"stats \0json", 11, REQUEST_NOT_TEXT, 0, {NULL}},
	{"\0\r", 2, REQUEST_NOT_TEXT, 0, {NULL}},
};

TEST(lines_are_taken_apart_into_words) {
	for (size_t i = 0; i < COUNT_OF(examples); i++) {
		const struct example *example = &examples[i];
		size_t length = example->length ? example->length : strlen(example->line);
		char *line = malloc(length + 1); // the sanitizer sees a byte too many
		memcpy(line, example->line, length);
		struct request request;
		assert_int_equal(request_parse(line, length, &request), example->result);
		if (example->result == REQUEST_OK) {
			assert_int_equal(request.count, example->count);
			for (size_t word = 0; word < example->count; word++)
				assert_string_equal(request.words[word], example->words[word]);
		}
		free(line);
	}
}

static void check_random(const struct request *request, enum request_result result,
			 const char *line, size_t length) {
	assert_int_equal(result == REQUEST_OK,
			 request->count > 0 && result != REQUEST_TOO_MANY_WORDS);
	assert_true(request->count <= REQUEST_MAX_WORDS);
	for (size_t i = 0; i < request->count; i++) {
		const char *word = request->words[i];
		assert_true(word >= line && word < line + length);
		assert_true(word[0] != '\0' && strpbrk(word, " \t") == NULL);
		assert_true(word + strlen(word) <= line + length);
	}
}

TEST(any_bytes_are_survived) {
	static const char likely[] = "  \t\r\0abz\n\xff";
	uint64_t seed = 5;
	for (int i = 0; i < RANDOM_LINES; i++) {
		size_t most = i % 100 ? 20 : PROTOCOL_MAX_LINE;
		size_t length = (size_t)pattern_number(&seed, 0, most);
		char *line = malloc(length + 1);
		for (size_t at = 0; at < length; at++) {
			line[at] = likely[pattern_number(&seed, 0, sizeof(likely) - 2)];
			if (i % 2)
				line[at] = (char)pattern_number(&seed, 0, 255);
		}
		bool nul = memchr(line, '\0',
				  length && line[length - 1] == '\r' ? length - 1 : length) != NULL;
		struct request request;
		enum request_result result = request_parse(line, length, &request);
		assert_int_equal(result == REQUEST_NOT_TEXT, nul);
		check_random(&request, result, line, length);
		free(line);
	}
}
