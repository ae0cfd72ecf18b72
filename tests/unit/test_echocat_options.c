// The command line of echocat: tools/echocat/options. Errors go to standard error.
#include "test.h"

#include "base/clock.h"
#include "echocat/options.h"

#define MAX_ARGUMENTS 12

static struct options options;
static char words[200]; // `options` points into it

AFTER_EACH {
	options_free(&options);
	options = (struct options){0};
}

// Reads the arguments in `line`, with "" for EMPTY. The options of the line before are freed.
static int read_line(const char *line) {
	char *argv[MAX_ARGUMENTS + 1] = {"echocat"};
	int argc = 1;
	after_each();
	assert_true(strlen(line) < sizeof(words));
	strcpy(words, line);
	char *rest = NULL;
	for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		assert_true(argc < MAX_ARGUMENTS);
		argv[argc++] = strcmp(word, "EMPTY") == 0 ? word + strlen(word) : word;
	}
	return options_read(&options, argc, argv);
}

TEST(defaults_are_the_servers_and_options_change_them) {
	assert_int_equal(read_line(""), -1);
	assert_string_equal(options.address.host, "127.0.0.1");
	assert_int_equal(options.address.port, 65432);
	assert_int_equal(options.message_count, 0);
	assert_false(options.ping);
	assert_int_equal(options.timeout, 10 * NS_PER_S);
	assert_false(options.half_close);
	assert_int_equal(read_line("--half-close -t never"), -1);
	assert_true(options.half_close);
	assert_int_equal(options.timeout, CLOCK_NEVER);
	assert_int_equal(read_line("--timeout 1.5s"), -1);
	assert_int_equal(options.timeout, 1500 * NS_PER_MS);
}

TEST(operands_are_host_and_port) {
	assert_int_equal(read_line("::1 -m a 7"), -1);
	assert_string_equal(options.address.host, "::1");
	assert_int_equal(options.address.port, 7);
	assert_int_equal(read_line("[::1]"), -1);
	assert_string_equal(options.address.host, "::1");
	assert_int_equal(read_line("unix:/run/e"), -1);
	assert_true(options.address.is_unix);
	assert_string_equal(options.address.path, "/run/e");
}

TEST(messages_keep_their_order) {
	assert_int_equal(read_line("-m one host --message=two 1 --message three"), -1);
	assert_int_equal(options.message_count, 3);
	assert_string_equal(options.messages[0], "one");
	assert_string_equal(options.messages[1], "two");
	assert_string_equal(options.messages[2], "three");
	assert_int_equal(options.count, 1);
	assert_false(options.ping);
}

static void check_ping(const char *line, uint64_t count, uint64_t interval, const char *message) {
	assert_int_equal(read_line(line), -1);
	assert_true(options.ping);
	assert_int_equal(options.count, count);
	assert_int_equal(options.interval, interval);
	assert_int_equal(options.message_count, 1);
	assert_string_equal(options.messages[0], message);
}

TEST(count_and_interval_make_it_a_ping) {
	check_ping("-c 5", 5, 0, "Hello, world");
	check_ping("-i 250ms -m x", 0, 250 * NS_PER_MS, "x"); // until interrupted
}

TEST(an_invalid_line_is_a_usage_error) {
	char lines[] = "host 0|host 65536|host port|host 7 more|EMPTY|unix:|unix:/run/e 7|"
		       "-m EMPTY|-m|-c|-c -1|-c many|-i never|-i 5|-t 0|-t 0ms|-t soon|--quiet|"
		       "--half-close -m x|--half-close -c 1";
	for (char *rest = lines, *line; (line = strsep(&rest, "|"));)
		if (read_line(line) != 2)
			fail_msg("%s: not refused", line);
}
