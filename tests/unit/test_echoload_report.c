// The report at the end of a run, and its histogram: tools/echoload/run/report and bars.
#include "echoload/run/run.h"
#include "printed.h"

#define FAULTS 12

static struct load_config config;
static struct counters counters;
static struct run run;

// An open loop of 10 s in which a fifth of the messages waits for up to 200 ms. What is printed is
// as long as it can be, and everything that can go wrong does.
BEFORE_EACH {
	counters_reset(&counters);
	for (uint64_t i = 1; i <= 100000; i++) {
		hdr_record(&counters.latency, i % 5 ? 20000 + i : i * 2000);
		hdr_record(&counters.uncorrected, 20000 + i);
		hdr_record(&counters.lateness, i % 100);
	}
	counters.messages = 100000;
	counters.visits = 5000;
	counters.bytes = counters.verified = 6400000;
	for (int i = 0; i < LOAD_ERRORS; i++)
		load_errors_note(&counters.errors, (enum load_error)i, EMFILE, 999999,
				 1234 * NS_PER_MS);
	counters.fault_count = 1000012;
	for (size_t i = 0; i < FAULTS; i++)
		counters.faults[i] = (struct fault){(enum fault_kind)(i % FAULT_KINDS),
						    .connection = 17 + (uint32_t)i,
						    .offset = (UINT64_C(1) << 43) - 1,
						    .length = i + 1,
						    .bits = 0x84,
						    .other = 999999,
						    .other_offset = 5};
	config = (struct load_config){
		.target_count = 2,
		.targets = {{.length = sizeof(struct sockaddr_un), .as.local.sun_family = AF_UNIX},
			    {.length = sizeof(struct sockaddr_in),
			     .as.v4 = {.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons(7001)}}},
		.connections = 1000000,
		.pipeline = 65536,
		.threads = 256,
		.rate = 20000,
		.arrival = ARRIVAL_POISSON,
		.run = UINT64_MAX,
		.sizes = {.count = 2, .parts = {{.least = 64}, {.least = 16384}}, .most = 16384},
		.verify = true,
	};
	char *path = config.targets[0].as.local.sun_path;
	memset(path, 'x', sizeof(config.targets[0].as.local.sun_path) - 1);
	path[3] = '\n';
	run = (struct run){
		.result = {.config = &config, .counters = &counters, .lasted = 10 * NS_PER_S},
		.verdict = {.kind = VERDICT_SERVER_BOUND,
			    .line = {"the busiest thread of the generator used 41 % of a CPU, and "
				     "was never late by more than 99 ns",
				     "workers busy 99 %"},
			    .count = 2},
	};
	printed_environment("xterm", "", "C.UTF-8");
}

static void print(FILE *file) {
	struct screen screen;
	screen_open(&screen, file);
	report_print(&screen, &run);
}

TEST(a_bad_run_fits_80_columns) {
	printed_by(print);
	assert_in_range(printed_width(), 60, 79);
	printed_shows_not("\033");
	printed_shows("open loop at 20.0k/s (poisson)", " and 1 more,\n",
		      "messages of 64 B to 16.0 KiB,", "only 0 of 1000000 were open at the end\n",
		      "10.0k messages/s, 625.0 KiB/s; 100000 messages in 10.0 s",
		      "500 visits/s, 5000 in all\n", "  corrected   ", "  uncorrected ",
		      "  lateness    ");
	for (int i = 0; i < LOAD_ERRORS; i++)
		printed_shows(test_text("%s: 1, the first after 1.2 s", load_error_rows[i].name));
	printed_shows("-> raise the hard limit: sudo prlimit --pid $$ --nofile",
		      "verdict       SERVER-BOUND\n              the busiest thread",
		      "\n              workers busy 99 %\n");
}

TEST(the_first_ten_faults_are_shown) {
	printed_by(print);
	printed_shows("faults        1000012\n",
		      "flipped: connection 17 to 127.0.0.1:7001, offset 8796093022207,",
		      "byte, bits 0x84\n", "lost: connection 18 to", "unix:xxx?xxx",
		      "crossed: connection 21 to 127.0.0.1:7001, offset 8796093022207,",
		      "bytes of connection 999999 to 127.0.0.1:7001, offset 5\n", "connection 26 ");
	printed_shows_not("connection 27 ");
	printed_shows("and 1000002 more\n");
	counters.fault_count = 10;
	printed_by(print);
	printed_shows_not("and 0 more");
}

TEST(a_good_run_is_short) {
	counters.errors = (struct load_errors){0};
	counters.fault_count = 0;
	hdr_reset(&counters.uncorrected);
	hdr_reset(&counters.lateness);
	counters.visits = 0;
	config.rate = 0;
	printed_by(print);
	printed_shows("closed loop, pipeline 65536", "  closed loop ");
	printed_shows_not("corrected", "visits", "lateness");
	config.mode = MODE_CHURN;
	printed_by(print);
	printed_shows_not("were open");
	printed_shows("errors        none\n", "verified      6.1 MiB, byte for byte\n",
		      "faults        none\n");
}

TEST(nothing_is_made_up) {
	hdr_reset(&counters.latency);
	config.verify = false;
	run.result.lasted = 0;
	counters.messages = 0;
	counters.bytes = 0;
	printed_by(print);
	printed_shows("0 messages/s, 0 B/s; 0 messages in 0 ns",
		      "latency       not measured: no message came back\n",
		      "verified      nothing (--no-verify)\n");
	printed_shows_not("faults   ");
}

TEST(an_early_end_is_said) {
	printed_by(print);
	printed_shows_not("interrupted");
	run.interrupted = true;
	printed_by(print);
	printed_shows("interrupted   by a signal, before its time\n");
	run.result.lasted = 0;
	printed_by(print);
	printed_shows("interrupted   by a signal, before anything was recorded\n");
}

TEST(a_terminal_gets_colour, .teardown = terminal_close) {
	FILE *terminal = terminal_open(80);
	print(terminal);
	printed_on_terminal();
	printed_shows("\033[31merrors        \033[0m", "\033[1mverdict       \033[0mSERVER-BOUND");
	assert_in_range(printed_width(), 60, 79);
	printed_environment("xterm", "1", "C.UTF-8");
	print(terminal);
	printed_on_terminal();
	printed_shows_not("\033[");
}

static bool utf8;

static void draw(FILE *file) {
	report_histogram(&(struct screen){.file = file, .utf8 = utf8}, &counters.latency);
}

// How many bars the histogram has, and how many percent of the samples they are in all.
static size_t histogram(double *percent) {
	const char *line = printed_by(draw);
	size_t lines = 0;
	line += strcspn(line, "\n"); // the end of the heading
	for (*percent = 0; *line && (line = strchr(line + 1, '\n')); lines++) {
		const char *number = line - 2; // before " %"
		while (number[-1] != ' ')
			number--;
		*percent += strtod(number, NULL);
	}
	return lines;
}

TEST(the_histogram_has_all_samples) {
	double percent;
	utf8 = true;
	assert_in_range(histogram(&percent), 5, 11);
	assert_true(percent > 99.4 && percent < 100.6);
	assert_in_range(printed_width(), 60, 79);
	printed_shows("█");
	utf8 = false;
	assert_in_range(histogram(&percent), 5, 11);
	assert_in_range(printed_width(), 60, 79);
	printed_shows("#");
	printed_shows_not("█");
}

TEST(a_histogram_of_few_values_is_small) {
	double percent;
	utf8 = true;
	hdr_reset(&counters.latency);
	assert_int_equal(histogram(&percent), 0);
	hdr_record(&counters.latency, 0);
	assert_int_equal(histogram(&percent), 1);
	assert_true(percent == 100);
	hdr_reset(&counters.latency);
	for (uint64_t i = 0; i < 100000; i++)
		hdr_record(&counters.latency, 22000 + i % 100);
	hdr_record(&counters.latency, 5 * NS_PER_S);
	utf8 = false;
	assert_int_equal(histogram(&percent), 2);
	printed_shows("22.1 us ####", "5.0 s # <0.1 %");
	hdr_reset(&counters.latency);
	hdr_record_many(&counters.latency, 1000, 50);
	hdr_record_many(&counters.latency, 10000, 50);
	assert_int_equal(histogram(&percent), 10);
	printed_shows("# 50.0 %\n", " us  0.0 %\n");
}
