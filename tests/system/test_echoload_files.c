// Scenario: the files that two runs of echoload leave behind, and what its subcommands make of
// them.
#include <sys/stat.h>

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
	unsigned long long messages = 0;
	double seconds = 0;
	for (char *line = strchr(text, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
		double before = seconds, rate;
		unsigned long long here, bytes;
		unsigned connections;
		assert_int_equal(sscanf(line, "%lf,%llu,%lf,%llu,%*u,%*u,%*u,%*u,%*u,0,%u\n",
					&seconds, &here, &rate, &bytes, &connections),
				 5);
		assert_true(seconds > before && rate > 0);
		assert_int_equal(bytes, 64 * here);
		assert_int_equal(connections, 2);
		messages += here;
		rows++;
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

TEST(merge) {
	static const char *const sums[] = {"messages", "bytes", "bytes_verified",
					   "histogram.latency.count",
					   "histogram.uncorrected.count"};
	json_t *merged = load_result(load_ends(EXIT_OK, "merge", runs.json[0], runs.json[1]));
	for (size_t i = 0; i < COUNT_OF(sums); i++)
		assert_int_equal(load_count(merged, sums[i]),
				 load_count(runs.result[0], sums[i]) +
					 load_count(runs.result[1], sums[i]));
	uint64_t slow = load_count(runs.result[0], "latency_ns.max"),
		 fast = load_count(runs.result[1], "latency_ns.max");
	assert_int_equal(load_count(merged, "latency_ns.max"), slow > fast ? slow : fast);
	assert_int_equal(json_array_size(load_member(merged, "runs")), 2);

	const char *path = place_path("merged.json");
	struct process *process =
		load_ends(EXIT_OK, "merge", "-o", path, runs.json[0], runs.json[1]);
	assert_string_equal(process_output(process, NULL), "");
	load_result_of_file(path);
	load_refuses(EXIT_USAGE, "a run that another one holds too", "merge", runs.json[0], path);
	load_refuses(EXIT_USAGE, runs.csv, "merge", runs.csv);
}

// Two runs of the same name have those of their folders before it.
TEST(names_of_runs) {
	const char *const paths[] = {place_path("before/run.json"), place_path("after/run.json")};
	assert_int_equal(mkdir(place_path("before"), 0700), 0);
	assert_int_equal(mkdir(place_path("after"), 0700), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(link(runs.json[i], paths[i]), 0);
	const char *page = place_path("names.html");
	load_ends(EXIT_OK, "report", paths[0], paths[1], paths[1], "-o", page);
	const char *text = place_read(page);
	static const char *const labels[] = {">before/run, ", ">after/run, "};
	for (size_t i = 0; i < COUNT_OF(labels); i++) {
		const char *at = text;
		for (int times = 0; times < 3; times++, at++) // the table and two legends
			assert_non_null(at = strstr(at, labels[i]));
	}
}

// One run a side names no winner, nor does one that was disturbed by others on the machine; and a
// run is not compared with itself.
TEST(compare) {
	struct process *process =
		load_ends(EXIT_INCONCLUSIVE, "compare", runs.json[0], runs.json[1]);
	const char *text = process_output(process, NULL);
	if (!strstr(process_errors(process, NULL), ".json': it does not count: ")) {
		assert_contains(text, "throughput  no winner");
		assert_contains(text, "p99         no winner");
	}
	load_refuses(EXIT_USAGE, "a run that another one holds too", "compare", runs.json[0],
		     runs.json[0]);
	load_refuses(EXIT_USAGE, "missing.json", "compare", runs.json[0],
		     place_path("missing.json"));
}

TEST(report) {
	const char *const paths[] = {place_path("out.svg"), place_path("out.html")};
	static const char *const beginnings[] = {"<svg ", "<!DOCTYPE html>"};
	static const char *const parts[] = {"<svg", "</svg>", "slow, ", "fast, "};
	for (size_t i = 0; i < 2; i++) {
		struct process *process =
			load_ends(EXIT_OK, "report", runs.json[0], runs.json[1], "-o", paths[i]);
		assert_string_equal(process_output(process, NULL), "");
		const char *text = place_read(paths[i]);
		load_expect_beginning(text, beginnings[i]);
		for (size_t k = 0; k < COUNT_OF(parts); k++)
			assert_contains(text, parts[k]);
	}
	load_refuses(EXIT_UNREACHABLE, "/no-such-folder/out.svg", "report", runs.json[0], "-o",
		     "/no-such-folder/out.svg");
}
