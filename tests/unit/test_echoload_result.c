// The result of a run, written and read: tools/echoload/result/result and result_read.
#include <math.h>

#include "base/clock.h"
#include "echoload_runs.h"
#include "load.h"
#include "place.h"

// Begins at a whole microsecond, as these are written.
static const struct made_run run =
	MADE_RUN(.seed = 1, .started = UINT64_C(1795365243123456000), .seconds = 5, .rate = 1000.0,
		 .swing = 0.1, .median = 30000.0, .samples = 1000);

static struct result made, back;
static struct echod_error error;

BEFORE_EACH {
	static const struct fault faults[] = {
		{FAULT_FLIPPED, .connection = 17, .offset = 4096, .length = 1, .bits = 4},
		{FAULT_CROSSED, .connection = 4, .offset = UINT64_C(1) << 40, .length = 64,
		 .other = 17, .other_offset = 9},
		{FAULT_SURPLUS, .connection = 0, .offset = 10, .length = 3},
	};
	made_run_init(&made, &run);
	json_object_set_new(json_array_get(result_get(&made, "runs"), 0), "seconds",
			    json_real(5.123456789)); // which no double is
	for (size_t i = 0; i < COUNT_OF(faults); i++)
		assert_int_equal(result_add_fault(&made, "127.0.0.1:7001", &faults[i]), 0);
	result_add_error(&made, "refused", 3, "connection 5 at 0.1 s: \x1b[31mno\n");
	result_add_error(&made, "short", 0, NULL);
	result_add_error(&made, "timeout", 1, NULL);
	hdr_record(made.uncorrected, 5);
	hdr_record_many(made.uncorrected, UINT64_C(3600) * NS_PER_S, 10000000);
}

AFTER_EACH {
	result_free(&made);
	result_free(&back);
}

static const char *write_result(void) {
	const char *path = place_path("run.json");
	assert_int_equal(result_write(&made, path, &error), 0);
	return path;
}

// Numbers are equal where 5 is 5.0. NOLINTNEXTLINE(misc-no-recursion)
static void expect_whole(const json_t *one, const json_t *other) {
	const char *key;
	json_t *member;
	size_t i;
	if (json_is_number(one)) {
		double number = json_number_value(one); // of a real, 15 digits are written
		double least = json_is_real(one) ? fabs(number) * 1e-14 : 0;
		assert_true(fabs(number - json_number_value(other)) <= least);
		return;
	}
	assert_int_equal(json_typeof(one), json_typeof(other));
	assert_int_equal(json_object_size(one), json_object_size(other));
	assert_int_equal(json_array_size(one), json_array_size(other));
	if (json_is_string(one))
		assert_string_equal(json_string_value(one), json_string_value(other));
	json_object_foreach((json_t *)one, key, member) {
		expect_whole(member, json_object_get(other, key));
	}
	json_array_foreach(one, i, member) { expect_whole(member, json_array_get(other, i)); }
}

TEST(what_is_written_is_read) {
	assert_int_equal(result_read(&back, write_result(), &error), 0);
	assert_int_equal(result_lasted(&back), 5123456789);
	assert_memory_equal(back.latency, made.latency, sizeof(*made.latency));
	assert_memory_equal(back.uncorrected, made.uncorrected, sizeof(*made.uncorrected));
	assert_int_equal(json_array_size(result_get(&back, "intervals")), 5);
	assert_int_equal(json_array_size(result_get(&back, "faults")), 3);
	expect_whole(back.json, made.json);
	const json_t *crossed = load_member(back.json, "faults.1");
	assert_int_equal(load_count(back.json, "faults.0.bits"), 4);
	assert_int_equal(json_object_size(crossed), 8);
	assert_string_equal(load_text(crossed, "kind"), fault_kind_names[FAULT_CROSSED]);
	assert_string_equal(load_text(crossed, "target"), "127.0.0.1:7001");
	assert_int_equal(load_count(crossed, "other"), 17);
	assert_int_equal(load_count(crossed, "other_offset"), 9);
	assert_int_equal(load_count(crossed, "offset"), UINT64_C(1) << 40);
	assert_string_equal(result_verdict(&back), "SERVER-BOUND");
}

TEST(what_other_programs_write_is_read) {
	static const char *const scripts[] = {
		// A byte-order mark; the ends of lines of other systems; white space around it.
		"(printf '\\357\\273\\277'; cat run.json) >other.json",
		"sed 's/$/\\r/' run.json >other.json",
		"(echo; cat run.json; echo; echo) >other.json",
		// Whole numbers as fractions and with exponents.
		"sed -E 's/: ([0-9]+)(,?)$/: \\1.0\\2/' run.json >other.json",
		"sed -E 's/: ([0-9])([0-9]{3})(,?)$/: \\1.\\2e3\\3/; s/: ([0-9]+)(,?)$/: "
		"\\1E0\\2/' run.json >other.json",
		// All of them as a double prints: what is above 2^53 would change.
		"python3 -c 'import json; print(json.dumps(json.load(open(\"run.json\"), "
		"parse_int=float)))' >other.json",
	};
	const char *path = write_result();
	for (size_t i = 0; i < COUNT_OF(scripts); i++) {
		const char *command = test_text("cd $(dirname %s) && %s", path, scripts[i]);
		// NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe)
		assert_int_equal(system(command), 0);
		if (result_read(&back, place_path("other.json"), &error) != 0)
			fail_msg("%s: %s", scripts[i], error.message);
		assert_memory_equal(back.latency, made.latency, sizeof(*made.latency));
		expect_whole(back.json, made.json);
		result_free(&back);
	}
}

TEST(the_keys_are_those_that_are_documented) {
	const char *const *keys =
		STRINGS("schema", "messages", "messages_per_second", "bytes", "bytes_per_second",
			"seconds", "latency_ns", "latency_uncorrected_ns", "bytes_verified",
			"faults", "faults_found", "errors", "first_errors", "verdict", "evidence",
			"configuration", "machine", "runs", "intervals", "histogram");
	static const struct {
		const char *key;
		double percent;
	} percents[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99_9", 99.9}, {"p99_99", 99.99}};
	const json_t *root = load_result_of_file(write_result());
	size_t count = 0;
	for (; keys[count]; count++)
		load_member(root, keys[count]);
	assert_int_equal(json_object_size(root), count);
	const json_t *latency = load_member(root, "latency_ns");
	for (size_t i = 0; i < COUNT_OF(percents); i++)
		assert_int_equal(load_count(latency, percents[i].key),
				 hdr_percentile(made.latency, percents[i].percent));
	assert_int_equal(load_count(latency, "min"), made.latency->min);
	assert_int_equal(load_count(latency, "max"), made.latency->max);
	assert_int_equal(load_number(latency, "mean"), hdr_mean(made.latency));
	assert_int_equal(json_object_size(latency), COUNT_OF(percents) + 3);
	assert_int_equal(load_count(root, "latency_uncorrected_ns.min"), 5);
	assert_int_equal(load_count(root, "bytes"), result_total(&made, "bytes"));
	assert_int_equal(load_number(root, "bytes_per_second"), result_rate(&made, "bytes"));
	double messages = (double)result_total(&made, "messages");
	double rate = load_number(root, "messages_per_second");
	assert_true(rate > messages / 5.2 && rate < messages / 5.1);
}

TEST(errors_are_counted_by_name_and_harmless_to_print) {
	const char *path = write_result();
	const json_t *root = load_result_of_file(path);
	assert_int_equal(json_object_size(load_member(root, "errors")), 2);
	assert_int_equal(load_count(root, "errors.refused"), 3);
	load_expect_beginning(load_text(root, "first_errors.refused"), "connection 5 at 0.1 s: ");
	assert_int_equal(result_read(&back, path, &error), 0);
	assert_int_equal(result_errors(&back), 4);
	for (const char *c = place_read(path); *c; c++)
		assert_true(*c == '\n' || (*c >= 0x20 && *c <= 0x7e));
}

TEST(faults_beyond_the_limit_are_only_counted) {
	const struct fault fault = {.kind = FAULT_LOST, .length = 1};
	for (unsigned i = 0; i < 2 * RESULT_FAULTS; i++)
		assert_int_equal(result_add_fault(&made, "", &fault), 0);
	assert_int_equal(result_read(&back, write_result(), &error), 0);
	assert_int_equal(json_array_size(result_get(&back, "faults")), RESULT_FAULTS);
	assert_int_equal(result_count(back.json, "faults_found"), 2 * RESULT_FAULTS + 3);
}

TEST(a_fault_that_names_no_run_is_of_the_first) {
	json_object_del(json_array_get(result_get(&made, "faults"), 1), "run");
	assert_int_equal(result_read(&back, write_result(), &error), 0);
	assert_true(json_equal(load_member(back.json, "faults.1.run"),
			       load_member(back.json, "faults.0.run")));
}

TEST(time_counts_once_where_runs_overlap) {
	static const struct {
		uint64_t from, to; // s
	} runs[] = {{10, 20}, {5, 12}, {30, 31}, {11, 13}, {20, 22}, {40, 40}};
	result_free(&made);
	assert_int_equal(result_init(&made), 0);
	assert_int_equal(result_lasted(&made), 0);
	assert_int_equal(result_add_run(&made, &(struct result_run){0}), 0);
	assert_int_equal(result_read(&back, write_result(), &error), 0);
	assert_memory_equal(back.latency, made.latency, sizeof(*made.latency));
	assert_true(result_rate(&made, "messages") == 0.0);
	for (size_t i = 0; i < COUNT_OF(runs); i++) {
		const struct result_run one = {.started = runs[i].from * NS_PER_S,
					       .lasted = (runs[i].to - runs[i].from) * NS_PER_S,
					       .messages = 60};
		assert_int_equal(result_add_run(&made, &one), 0);
	}
	assert_int_equal(result_lasted(&made), 18 * NS_PER_S);
	assert_int_equal(result_started(&made), 5 * NS_PER_S);
	assert_true(result_rate(&made, "messages") == 20.0);
}

// Writes `root` and expects it to be refused with one line that holds `what`.
static void refuse(const json_t *root, const char *what) {
	error = (struct echod_error){0};
	const char *path = place_path("wrong.json");
	assert_int_equal(json_dump_file(root, path, 0), 0);
	int status = result_read(&back, path, &error);
	result_free(&back);
	if (status == 0)
		fail_msg("'%s' was not refused", what);
	assert_int_equal(error.kind, ECHOD_ERROR_USAGE);
	assert_contains(error.message, what);
	assert_null(strchr(error.message, '\n'));
}

TEST(what_is_missing_or_of_the_wrong_type_is_named) {
	static const char *const needed[] = {"schema",	       "runs",	       "intervals",
					     "faults",	       "faults_found", "errors",
					     "bytes_verified", "verdict",      "evidence",
					     "configuration",  "machine",      "histogram"};
	json_t *whole = load_result_of_file(write_result());
	for (size_t i = 0; i < COUNT_OF(needed); i++) {
		json_t *root = json_keep(json_copy(whole));
		json_object_del(root, needed[i]);
		refuse(root, needed[i]);
		json_object_set_new(root, needed[i], json_true());
		refuse(root, needed[i]);
	}
}

TEST(what_cannot_be_is_refused) {
	static const struct {
		const char *list, *key;
		double value;
		const char *what;
	} wrong[] = {
		{"runs", "messages", 0.5, "'messages' is not a whole number from 0"},
		{"runs", "messages", 0x1p54, "from 0 to 2^53"},
		{"runs", "messages", -1, "'messages' is not a whole number from 0"},
		{"runs", "started_us", -1, "from 0 to 2^53"},
		{"runs", "seconds", -1, "not a time"},
		{"runs", "seconds", 1000000001, "not a time"},
		{"intervals", "time", -1, "not a time"},
		{"faults", "kind", 0, "not a string"},
		{"faults", "run", 1, "cannot be"},
		{"faults", "connection", -1, "from 0 to 2^53"},
	};
	json_t *whole = load_result_of_file(write_result());
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		json_t *root = json_keep(json_deep_copy(whole));
		json_t *first = json_array_get(json_object_get(root, wrong[i].list), 0);
		json_object_set_new(first, wrong[i].key, json_real(wrong[i].value));
		refuse(root, wrong[i].what);
	}
	json_t *histogram = json_object_get(json_object_get(whole, "histogram"), "latency");
	static const char *const facts[] = {"min", "max", "count"};
	for (size_t i = 0; i < COUNT_OF(facts); i++) {
		json_t *fact = json_incref(json_object_get(histogram, facts[i]));
		json_object_set_new(histogram, facts[i], json_integer(1));
		refuse(whole, "contradicts itself");
		json_object_set_new(histogram, facts[i], fact);
	}
	json_object_set_new(whole, "verdict", json_string("None"));
	refuse(whole, "'verdict' is none");
	json_object_set_new(whole, "verdict", json_string(""));
	json_object_set_new(json_object_get(whole, "errors"), "short", json_true());
	refuse(whole, "'short' is not a whole number");
	json_object_clear(json_object_get(whole, "errors"));
	json_object_set_new(histogram, "hdr_v2", json_string("HISTORY"));
	refuse(whole, "is no histogram");
	json_array_clear(json_object_get(whole, "runs"));
	refuse(whole, "'runs' is empty");
}

// What the server's ledger says may be there, also of one of several runs.
TEST(a_ledger_that_cannot_be_is_refused) {
	json_t *ledger = json_keep(json_pack(
		"{s:i, s:i, s:i, s:i, s:n, s:[], s:[], s:[s]}", "connections", 2, "unknown", 0,
		"failed", 0, "failed_found", 0, "unexplained", "receipts", "errors", "says", ""));
	json_t *whole = load_result_of_file(write_result());
	for (int merged = 0; merged < 2; merged++) {
		const char *format = merged ? "{s:[{}, {s:O}]}" : "{s:O}";
		json_t *evidence = merged ? json_pack(format, "runs", "ledger", ledger)
					  : json_pack(format, "ledger", ledger);
		json_object_set_new(whole, "evidence", evidence);
		json_object_set_new(ledger, "says", json_pack("[s]", ""));
		assert_int_equal(json_dump_file(whole, place_path("run.json"), 0), 0);
		assert_int_equal(result_read(&back, place_path("run.json"), &error), 0);
		result_free(&back);
		json_object_set_new(ledger, "says", json_pack("[i]", 1));
		refuse(whole, "'says' is not a string");
	}
}

static void refuse_file(const char *path, const char *what) {
	assert_int_equal(result_read(&back, path, &error), -1);
	assert_contains(error.message, what);
}

TEST(other_schemas_and_other_files_are_refused) {
	refuse(json_keep(json_pack("{s:i}", "schema", 2)),
	       "has schema 2, and this echoload reads schema 1 only");
	refuse(json_keep(json_pack("{s:i}", "schema", 0)), "has schema 0");
	refuse(json_keep(json_pack("[i]", 1)), "'it' is not an object");
	refuse_file(place_file("a.json", "{\n\"a\" 1}", 8), "is no JSON: line 2");
	refuse_file(place_file("a.json", "{\"a\":1,\"a\":1}", 13), "is no JSON: line 1");
	refuse_file(place_file("a.json", "\xEF\xBB{}", 4), "is no JSON: line 1");
	refuse_file(place_path("none.json"), "No such file");
	refuse_file("/", "cannot read '/': Is a directory");
	assert_int_equal(result_write(&made, "/nonexistent/x.json", &error), -1);
	assert_contains(error.message, "cannot write '/nonexistent/x.json'");
	assert_int_equal(result_write(&made, "/dev/full", &error), -1);
	assert_contains(error.message, "No space left");
}
