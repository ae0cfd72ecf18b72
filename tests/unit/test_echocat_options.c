// The command line of echocat: tools/echocat/options. What is refused is said on standard error.
#include "test.h"

#include "base/clock.h"
#include "echocat/options.h"

#define MAX_ARGUMENTS 12

// Reads the words of `line`, which stay in `words` as long as the options are used.
static int read_line(struct options *options, char *words, size_t size, const char *line) {
	char *argv[MAX_ARGUMENTS + 1] = {NULL};
	int argc = 0;
	assert_true(strlen(line) < size);
	strcpy(words, line);
	char *rest = NULL;
	for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		assert_true(argc < MAX_ARGUMENTS);
		argv[argc++] = strcmp(word, "EMPTY") == 0 ? word + strlen(word) : word;
	}
	return options_read(options, argc, argv);
}

TEST(defaults_are_the_servers) {
	struct options options;
	char words[200];
	assert_int_equal(read_line(&options, words, sizeof(words), "echocat"), -1);
	assert_string_equal(options.address.host, "127.0.0.1");
	assert_int_equal(options.address.port, 65432);
	assert_int_equal(options.message_count, 0);
	assert_false(options.ping);
	assert_int_equal(options.timeout, 10 * NS_PER_S);
	assert_false(options.half_close);
	options_free(&options);
	assert_int_equal(read_line(&options, words, sizeof(words), "echocat --half-close"), -1);
	assert_true(options.half_close);
	options_free(&options);
}

TEST(operands_are_host_and_port) {
	struct options options;
	char words[200];
	assert_int_equal(read_line(&options, words, sizeof(words), "echocat ::1 -m a 7"), -1);
	assert_string_equal(options.address.host, "::1");
	assert_int_equal(options.address.port, 7);
	options_free(&options);
	assert_int_equal(read_line(&options, words, sizeof(words), "echocat unix:/run/e"), -1);
	assert_true(options.address.is_unix);
	assert_string_equal(options.address.path, "/run/e");
	options_free(&options);
}

TEST(messages_keep_their_order) {
	struct options options;
	char words[200];
	assert_int_equal(read_line(&options, words, sizeof(words),
				   "echocat -m one host --message=two 1 --message three"),
			 -1);
	assert_int_equal(options.message_count, 3);
	assert_string_equal(options.messages[0], "one");
	assert_string_equal(options.messages[1], "two");
	assert_string_equal(options.messages[2], "three");
	assert_int_equal(options.count, 1);
	assert_false(options.ping);
	options_free(&options);
}

TEST(count_and_interval_make_it_a_ping) {
	struct options options;
	char words[200];
	assert_int_equal(read_line(&options, words, sizeof(words), "echocat -c 5"), -1);
	assert_true(options.ping);
	assert_int_equal(options.count, 5);
	assert_int_equal(options.interval, 0);
	assert_int_equal(options.message_count, 1);
	assert_string_equal(options.messages[0], "Hello, world");
	options_free(&options);
	assert_int_equal(read_line(&options, words, sizeof(words), "echocat -i 250ms -m x"), -1);
	assert_true(options.ping);
	assert_int_equal(options.count, 0); // until interrupted
	assert_int_equal(options.interval, 250 * NS_PER_MS);
	assert_int_equal(options.message_count, 1);
	assert_string_equal(options.messages[0], "x");
	options_free(&options);
}

TEST(timeout_may_be_never) {
	struct options options;
	char words[200];
	assert_int_equal(read_line(&options, words, sizeof(words), "echocat -t never"), -1);
	assert_int_equal(options.timeout, CLOCK_NEVER);
	options_free(&options);
	assert_int_equal(read_line(&options, words, sizeof(words), "echocat --timeout 1.5s"), -1);
	assert_int_equal(options.timeout, 1500 * NS_PER_MS);
	options_free(&options);
}

TEST(nonsense_is_a_usage_error) {
	static const char *const lines[] = {
		"echocat host 0",
		"echocat host 65536",
		"echocat host port",
		"echocat host 7 more",
		"echocat EMPTY",
		"echocat unix:",
		"echocat unix:/run/e 7",
		"echocat -m EMPTY",
		"echocat -m",
		"echocat -c",
		"echocat -c -1",
		"echocat -c many",
		"echocat -i never",
		"echocat -i 5",
		"echocat -t 0",
		"echocat -t 0ms",
		"echocat -t soon",
		"echocat --quiet",
		"echocat --half-close -m x",
		"echocat --half-close -c 1",
	};
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct options options;
		char words[200];
		assert_int_equal(read_line(&options, words, sizeof(words), lines[i]), 2);
		options_free(&options);
	}
}
