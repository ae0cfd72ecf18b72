// Scenario: the files that two runs of echoload leave behind.
#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "place.h"

#define SECONDS 11
#define SECONDS_TEXT "11s"

// The two runs that all tests of this file read: made once, at the same time.
static struct {
	struct daemon *daemon;
	const char *json[2], *csv, *hgrm, *hlog;
	json_t *result[2];
	const char *printed; // interval lines and report of the first
} runs;

BEFORE_ALL {
	runs.json[0] = place_path("slow.json");
	runs.json[1] = place_path("fast.json");
	runs.csv = place_path("slow.csv");
	runs.hgrm = place_path("slow.hgrm");
	runs.hlog = place_path("slow.hlog");
	struct daemon *daemon = runs.daemon = daemon_start(NULL);
	struct process *first = process_start_simple(
		ECHOLOAD_PROGRAM, "--allow-client-bound", daemon->address[0], "-c", "2", "--rate",
		"300", "-d", SECONDS_TEXT, "-i", "1s", "--json", runs.json[0], "--csv", runs.csv,
		"--hgrm", runs.hgrm, "--hlog", runs.hlog);
	struct process *second = process_start_simple(
		ECHOLOAD_PROGRAM, "--allow-client-bound", daemon->address[0], "-c", "2", "--rate",
		"300", "-d", SECONDS_TEXT, "--json", runs.json[1]);
	process_expect_status(first, EXIT_OK);
	process_expect_status(second, EXIT_OK);
	// There is no terminal: no progress, no colours.
	assert_string_equal(process_errors(first, NULL), "");
	assert_null(strchr(process_output(first, NULL), '\x1b'));
	runs.printed = test_text("%s", process_output(first, NULL));
	for (size_t i = 0; i < 2; i++)
		runs.result[i] = load_result_of_file(runs.json[i]);
}

AFTER_ALL { daemon_stop(runs.daemon); }

// The last interval may have taken in the one before it, on a machine that stood still.
static size_t count_intervals(void) {
	size_t count = json_array_size(load_member(runs.result[0], "intervals"));
	assert_in_range(count, SECONDS - 1, SECONDS);
	return count;
}

TEST(json) {
	load_expect_report(strstr(runs.printed, "load "));
	for (size_t i = 0; i < 2; i++) {
		const json_t *result = runs.result[i];
		uint64_t messages = 0;
		double seconds = 0;
		size_t index;
		json_t *interval;
		json_array_foreach(load_member(result, "intervals"), index, interval) {
			messages += load_count(interval, "messages");
			seconds += load_number(interval, "seconds");
			assert_true(load_count(interval, "p99") > 0);
		}
		assert_int_equal(messages, load_count(result, "messages"));
		assert_true(seconds > SECONDS - 0.001 && seconds < SECONDS + 0.001);
		assert_int_equal(load_errors(result, NULL), 0);
		assert_true(json_is_false(load_member(result, "evidence.interrupted")));
	}
}

TEST(csv) {
	const char *text = place_read(runs.csv);
	load_expect_beginning(text, "seconds,messages,messages_per_second,bytes,p50_ns,");
	size_t rows = 0;
	unsigned long long messages = 0, here;
	double seconds = 0;
	unsigned connections;
	for (char *line = strchr(text, '\n') + 1; *line; line = strchr(line, '\n') + 1, rows++) {
		assert_int_equal(sscanf(line, "%lf,%llu,%*f,%*u,%*u,%*u,%*u,%*u,%*u,0,%u", &seconds,
					&here, &connections),
				 3);
		assert_int_equal(connections, 2);
		messages += here;
	}
	assert_int_equal(rows, count_intervals());
	assert_int_equal(messages, load_count(runs.result[0], "messages"));
	assert_true(seconds > SECONDS - 0.001 && seconds < SECONDS + 0.001);
}

TEST(histograms) {
	const char *text = place_read(runs.hgrm);
	const char *at = strstr(text, "Total count");
	unsigned long long count;
	assert_non_null(at);
	assert_int_equal(sscanf(at, "Total count = %llu]", &count), 1);
	assert_int_equal(count, load_count(runs.result[0], "histogram.latency.count"));

	text = place_read(runs.hlog);
	load_expect_beginning(text, "#[Logged with echoload " ECHOD_VERSION);
	size_t lines = 0;
	for (at = text; (at = strchr(at, '\n')); at++)
		lines += at[1] >= '0' && at[1] <= '9';
	assert_int_equal(lines, count_intervals());
}

TEST(interval_lines) {
	assert_contains(runs.printed, "messages/s");
	size_t rows = 0;
	const char *line = strchr(runs.printed, '\n') + 1; // after the heading
	for (unsigned second, connections; sscanf(line, " %u s %u ", &second, &connections) == 2;
	     line = strchr(line, '\n') + 1) {
		assert_int_equal(connections, 2);
		rows++;
	}
	assert_int_equal(rows, count_intervals());
	load_expect_beginning(line, "load ");
}
