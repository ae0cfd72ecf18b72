// What people see while echoload runs: tools/echoload/run/report and base/screen, on a
// pseudo-terminal and on a file.
#include "test.h"

#include "base/clock.h"
#include "echoload/run/run.h"
#include "printed.h"

static const struct report_line moment = {
	.elapsed = 4 * NS_PER_S,
	.duration = 10 * NS_PER_S,
	.messages = 205000,
	.rate = 51234.5,
	.p50 = 22100,
	.p99 = 55300,
};

TEST(a_terminal_is_known) {
	struct terminal terminal;
	struct screen screen;
	terminal_open(&terminal, 80);
	printed_environment("xterm", "", "C.UTF-8");
	screen_open(&screen, terminal.file);
	assert_true(screen.terminal && screen.colour && screen.utf8);
	printed_environment("xterm", "1", "C");
	screen_open(&screen, terminal.file);
	assert_true(screen.terminal);
	assert_false(screen.colour || screen.utf8);
	printed_environment("dumb", "", "C");
	screen_open(&screen, terminal.file);
	assert_false(screen.terminal || screen.colour);
	terminal_close(&terminal);
}

static void print_what_it_is(FILE *file) {
	struct screen screen;
	screen_open(&screen, file);
	fprintf(file, "%d %d %d", screen.terminal, screen.colour, screen.utf8);
}

TEST(a_file_is_no_terminal) {
	printed_environment("xterm", "", "C.UTF-8");
	assert_string_equal(printed_by(print_what_it_is), "0 0 1");
}

TEST(progress_fits_any_width) {
	printed_environment("xterm", "", "C.UTF-8");
	for (unsigned short columns = 1; columns <= 200; columns++) {
		struct terminal terminal;
		struct screen screen;
		struct report_line now = moment;
		now.errors = columns % 2 ? 1234567 : 0;
		terminal_open(&terminal, columns);
		screen_open(&screen, terminal.file);
		report_progress(&screen, &now);
		const char *text = printed_on(&terminal);
		assert_true(strncmp(text, "\r\033[K", 4) == 0);
		assert_null(strchr(text, '\n'));
		assert_true(printed_width() < columns);
		terminal_close(&terminal);
	}
}

TEST(progress_tells_how_it_goes) {
	struct terminal terminal;
	struct screen screen;
	printed_environment("xterm", "", "C");
	terminal_open(&terminal, 80);
	screen_open(&screen, terminal.file);
	report_progress(&screen, &moment);
	assert_string_equal(printed_on(&terminal),
			    "\r\033[K[######        ]     6.0 s left   51.2k/s  0 errors  "
			    "p50  22.1 us  p99  55.3 us");

	struct report_line bad = moment;
	bad.errors = 1;
	report_progress(&screen, &bad);
	printed_on(&terminal);
	printed_shows("\033[31m");
	printed_shows("1 error ");

	screen_clear(&screen);
	assert_string_equal(printed_on(&terminal), "\r\033[K");
	screen_clear(&screen);
	assert_string_equal(printed_on(&terminal), "");
	terminal_close(&terminal);
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
	struct terminal terminal;
	struct screen screen;
	printed_environment("xterm", "", "C");
	terminal_open(&terminal, 80);
	screen_open(&screen, terminal.file);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct report_line now = moment;
		now.duration = cases[i].duration;
		now.count = cases[i].count;
		report_progress(&screen, &now);
		printed_on(&terminal);
		printed_shows(cases[i].shown);
	}
	terminal_close(&terminal);
}

TEST(what_is_not_known_yet_is_not_shown) {
	struct terminal terminal;
	struct screen screen;
	printed_environment("xterm", "", "C");
	terminal_open(&terminal, 80);
	screen_open(&screen, terminal.file);
	struct report_line now = {.duration = 10 * NS_PER_S};
	report_progress(&screen, &now);
	printed_on(&terminal);
	printed_shows("   warming up       -/s  0 errors  p50        -  p99        -");
	now.elapsed = NS_PER_S / 2;
	report_progress(&screen, &now);
	printed_on(&terminal);
	printed_shows("     9.5 s left       -/s  0 errors  p50        -");
	terminal_close(&terminal);
}

static struct hdr latency;

static void print_intervals(FILE *file) {
	const struct result_interval busy = {
		.length = 4 * NS_PER_S, .messages = 204938, .bytes = UINT64_C(204938) * 64};
	const struct result_interval idle = {.from = 4 * NS_PER_S, .length = NS_PER_S};
	struct screen screen;
	screen_open(&screen, file);
	report_progress(&screen, &moment);
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
	struct terminal terminal;
	struct screen screen;
	printed_environment("xterm", "", "C.UTF-8");
	terminal_open(&terminal, 80);
	screen_open(&screen, terminal.file);
	report_interval(&screen, &(struct result_interval){.length = NS_PER_S}, &latency, 50);
	assert_string_equal(printed_on(&terminal), "");
	terminal_close(&terminal);
}
