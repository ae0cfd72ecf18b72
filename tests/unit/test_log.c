// The log: base/log, under a clock that the test moves.
#include "expect.h"

#include <time.h>

#include "base/clock.h"
#include "base/log.h"

static uint64_t fake_now = NS_PER_S;

WRAP(int, clock_gettime, (clockid_t id, struct timespec *now)) {
	now->tv_sec = (time_t)(fake_now / NS_PER_S);
	now->tv_nsec = (long)(fake_now % NS_PER_S);
	return 0;
}

static struct {
	int lines;
	enum echod_log_level level;
	char event[32], last[1024];
	size_t fields;
	bool full; // the sink drops what it gets
} heard;

static int hear(void *context, const struct echod_log_entry *entry) {
	assert_ptr_equal(context, &heard);
	heard.lines++;
	heard.level = entry->level;
	heard.fields = entry->field_count;
	snprintf(heard.event, sizeof(heard.event), "%s", entry->event);
	snprintf(heard.last, sizeof(heard.last), "%s", entry->message);
	return !heard.full;
}

static struct log the_log;

BEFORE_EACH {
	memset(&heard, 0, sizeof(heard));
	the_log = (struct log){.level = ECHOD_LOG_INFO, .sink = hear, .context = &heard};
}

TEST(passes_what_the_level_wants) {
	for (enum echod_log_level wanted = ECHOD_LOG_ERROR; wanted < LOG_LEVELS; wanted++) {
		before_each();
		the_log.level = wanted;
		for (enum echod_log_level level = ECHOD_LOG_ERROR; level < LOG_LEVELS; level++) {
			assert_int_equal(log_wants(&the_log, level), level <= wanted);
			log_write(&the_log, level, "tried", NULL, "at %d", level);
		}
		assert_int_equal(heard.lines, wanted + 1);
		assert_int_equal(heard.level, wanted);
		assert_int_equal(the_log.dropped, 0);
	}
}

TEST(the_level_may_change_and_a_sink_be_missing) {
	log_write(&the_log, ECHOD_LOG_DEBUG, "tried", NULL, "unwanted");
	atomic_store(&the_log.level, ECHOD_LOG_DEBUG);
	log_write(&the_log, ECHOD_LOG_DEBUG, "tried", NULL, "wanted");
	assert_int_equal(heard.lines, 1);
	assert_string_equal(heard.last, "wanted");
	the_log.sink = NULL;
	log_write(&the_log, ECHOD_LOG_ERROR, "tried", NULL, "nobody hears this");
	assert_int_equal(the_log.dropped, 0);
}

TEST(a_line_that_the_sink_drops_is_counted) {
	heard.full = true;
	log_write(&the_log, ECHOD_LOG_INFO, "tried", NULL, "one");
	log_write(&the_log, ECHOD_LOG_INFO, "tried", NULL, "two");
	log_write(&the_log, ECHOD_LOG_DEBUG, "tried", NULL, "not wanted, so not dropped");
	assert_int_equal(the_log.dropped, 2);
}

TEST(a_line_is_printable_ascii) {
	log_write(&the_log, ECHOD_LOG_INFO, "tried", NULL, "a\nb\rc\033[1m\x7f\x80\xff %s",
		  "\\x0A ~");
	assert_string_equal(heard.last, "a?b?c?[1m??? \\x0A ~");
	log_write(&the_log, ECHOD_LOG_INFO, "tried", NULL, "%02000d", 1);
	assert_in_range(strlen(heard.last), 500, 600);
}

TEST(an_entry_has_its_event_and_its_fields) {
	log_write(&the_log, ECHOD_LOG_INFO, "first", NULL, "no fields");
	assert_string_equal(heard.event, "first");
	assert_int_equal(heard.fields, 0);
	log_write(&the_log, ECHOD_LOG_INFO, "second",
		  LOG_FIELDS({"peer", .text = "\xE9"}, {"connection", .number = 7}), "two fields");
	assert_string_equal(heard.event, "second");
	assert_int_equal(heard.fields, 2);
	log_write(&the_log, ECHOD_LOG_INFO, "third",
		  LOG_FIELDS({"connection", .number = 7}, {.name = NULL}), "one");
	assert_int_equal(heard.fields, 1);
}

TEST(level_names_go_both_ways) {
	enum echod_log_level level;
	struct echod_error error = {0};
	for (enum echod_log_level i = ECHOD_LOG_ERROR; i < LOG_LEVELS; i++) {
		assert_int_equal(log_level_parse(log_level_name(i), &level, NULL), 0);
		assert_int_equal(level, i);
	}
	const char *const *bad = STRINGS("", "Info", "warn", "trace", "info ", "0");
	for (; *bad; bad++)
		assert_error(log_level_parse(*bad, &level, &error), &error, ECHOD_ERROR_USAGE,
			     LOG_LEVEL_NAMES);
}

TEST(escape_leaves_printable_ascii) {
	char all[256], escaped[4 * sizeof(all) + 1];
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	assert_ptr_equal(log_escape(all, sizeof(all), escaped, sizeof(escaped)), escaped);
	size_t length = strlen(escaped);
	assert_int_equal(length, 94 + 4 * (256 - 94));
	for (size_t i = 0; i < length; i++)
		assert_in_range((unsigned char)escaped[i], 0x20, 0x7e);
	assert_contains(escaped, "\\x00\\x01");
	assert_contains(escaped, "[\\x5C]");
	assert_contains(escaped, "}~\\x7F\\x80");
	char text[8]; // it ends between characters
	assert_string_equal(log_escape("abcdefghij", 10, text, sizeof(text)), "abcdefg");
	assert_string_equal(log_escape("abc\n", 4, text, sizeof(text)), "abc\\x0A");
	assert_string_equal(log_escape("abcd\n", 5, text, sizeof(text)), "abcd");
	assert_string_equal(log_escape("abc", 3, text, 1), "");
	assert_string_equal(log_escape("", 0, text, sizeof(text)), "");
}

ABORTS(what_is_no_level_has_no_name) { log_level_name(LOG_LEVELS); }

TEST(a_limit_passes_one_a_second) {
	struct log_limit limit = {0};
	uint64_t suppressed = 99;
	assert_true(log_limit_pass(&the_log, &limit, &suppressed));
	assert_int_equal(suppressed, 0);
	for (int i = 0; i < 5; i++)
		assert_false(log_limit_pass(&the_log, &limit, &suppressed));
	fake_now += NS_PER_S - 1;
	assert_false(log_limit_pass(&the_log, &limit, &suppressed));
	assert_int_equal(the_log.dropped, 6);
	fake_now += 1;
	assert_true(log_limit_pass(&the_log, &limit, &suppressed));
	assert_int_equal(suppressed, 6);
	fake_now += NS_PER_S;
	assert_true(log_limit_pass(&the_log, &limit, &suppressed));
	assert_int_equal(suppressed, 0);
	assert_int_equal(the_log.dropped, 6);
}
