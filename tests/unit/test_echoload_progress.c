// The screen while echoload runs: tools/echoload/run/report and base/screen, on a
// pseudo-terminal and on a file.
#include "echoload/run/run.h"
#include "printed.h"

static const struct report_line midway = {4 * NS_PER_S,	      .duration = 10 * NS_PER_S,
					  .messages = 205000, .rate = 51234.5,
					  .p50 = 22100,	      .p99 = 55300};

static struct screen screen;

BEFORE_EACH {
	printed_environment("xterm", "", "C");
	screen_open(&screen, terminal_open(80));
}

AFTER_EACH { terminal_close(); }

TEST(a_terminal_is_known) {
	assert_true(screen.terminal && screen.colour);
	assert_false(screen.utf8);
	printed_environment("xterm", "", "C.UTF-8");
	screen_open(&screen, screen.file);
	assert_true(screen.terminal && screen.colour && screen.utf8);
	printed_environment("xterm", "1", "C");
	screen_open(&screen, screen.file);
	assert_true(screen.terminal);
	assert_false(screen.colour || screen.utf8);
	printed_environment("dumb", "", "C");
	screen_open(&screen, screen.file);
	assert_false(screen.terminal || screen.colour);
}

static const char *progress(const struct report_line *line) {
	report_progress(&screen, line);
	return printed_on_terminal();
}

TEST(progress_fits_any_width) {
	printed_environment("xterm", "", "C.UTF-8");
	for (unsigned short columns = 1; columns <= 200; columns++) {
		terminal_close();
		screen_open(&screen, terminal_open(columns));
		struct report_line line = midway;
		line.errors = columns % 2 ? 1234567 : 0;
		const char *text = progress(&line);
		assert_true(strncmp(text, "\r\033[K", 4) == 0);
		assert_null(strchr(text, '\n'));
		assert_true(printed_width() < columns);
	}
}

TEST(progress_tells_how_it_goes) {
	assert_string_equal(progress(&midway),
			    "\r\033[K[######        ]     6.0 s left   51.2k/s  0 errors  "
			    "p50  22.1 us  p99  55.3 us");
	struct report_line bad = midway;
	bad.errors = 1;
	progress(&bad);
	printed_shows("\033[31m", "1 error ");
	screen_clear(&screen);
	assert_string_equal(printed_on_terminal(), "\r\033[K");
	screen_clear(&screen);
	assert_string_equal(printed_on_terminal(), "");
}

TEST(the_end_that_is_nearer_counts) {
	static const struct {
		uint64_t duration, count;
		const char *shown;
	} cases[] = {
		{10 * NS_PER_S, 410000, "     4.0 s left"}, // half of the messages are through
		{10 * NS_PER_S, 4100000, "     6.0 s left"},
		{CLOCK_NEVER, 820000, "    12.0 s left"},
		{CLOCK_NEVER, 0, "  4.0 s so far"},
		{4 * NS_PER_S, 0, "]     0.0 s left"}, // over
		{3 * NS_PER_S, 0, "]     0.0 s left"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct report_line line = midway;
		line.duration = cases[i].duration;
		line.count = cases[i].count;
		assert_contains(progress(&line), cases[i].shown);
	}
}

TEST(what_is_not_known_yet_is_not_shown) {
	struct report_line line = {.duration = 10 * NS_PER_S};
	assert_contains(progress(&line),
			"   warming up       -/s  0 errors  p50        -  p99        -");
	line.elapsed = NS_PER_S / 2;
	assert_contains(progress(&line), "     9.5 s left       -/s  0 errors  p50        -");
}

static struct hdr latency;

static void print_intervals(FILE *file) {
	const struct result_interval busy = {
		.length = 4 * NS_PER_S, .messages = 204938, .bytes = UINT64_C(204938) * 64};
	const struct result_interval idle = {.from = 4 * NS_PER_S, .length = NS_PER_S};
	screen_open(&screen, file);
	report_progress(&screen, &midway);
	hdr_reset(&latency);
	hdr_record_many(&latency, 22100, 98);
	hdr_record_many(&latency, 55300, 2);
	report_interval(&screen, &busy, &latency, 50);
	hdr_reset(&latency);
	report_interval(&screen, &idle, &latency, 0);
	screen_clear(&screen);
}

TEST(a_file_gets_interval_lines) {
	printed_environment("xterm", "", "C.UTF-8");
	assert_string_equal(
		printed_by(print_intervals),
		"     time connections messages/s       bytes/s        p50        p99   errors\n"
		"      4 s          50      51.2k       3.1 MiB    22.1 us    55.3 us        0\n"
		"      5 s           0          0           0 B          -          -        0\n");
}

TEST(a_terminal_gets_no_interval_lines) {
	report_interval(&screen, &(struct result_interval){.length = NS_PER_S}, &latency, 50);
	assert_string_equal(printed_on_terminal(), "");
}
