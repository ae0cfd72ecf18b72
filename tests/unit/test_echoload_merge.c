// Several results become one: tools/echoload/result/merge.
#include "base/clock.h"
#include "echoload/result/formats.h"
#include "echoload/result/merge.h"
#include "echoload_runs.h"
#include "load.h"
#include "place.h"

#define NOON (UINT64_C(1795348800) * NS_PER_S)

static struct result sum, other;
static struct echod_error error;

BEFORE_EACH {
	result_free(&sum);
	assert_int_equal(result_init(&sum), 0);
}

AFTER_EACH {
	result_free(&sum);
	result_free(&other);
}

static size_t size_of(const struct result *result, const char *list) {
	return json_array_size(result_get(result, list));
}

static uint64_t count_in(const struct result *result, const char *list, size_t index,
			 const char *name) {
	return result_count(json_array_get(result_get(result, list), index), name);
}

static json_t *interval_of(const struct result *result, size_t interval) {
	return json_array_get(result_get(result, "intervals"), interval);
}

static uint64_t begin_of(const struct result *result, size_t interval) {
	return result_time(interval_of(result, interval), "time");
}

static struct made_run run_of(uint64_t seed, uint64_t started) {
	const struct made_run run =
		MADE_RUN(.seed = seed, .started = started, .seconds = 5, .rate = 1000.0,
			 .swing = 0.1, .median = 10000.0 * (double)seed, .samples = 500);
	return run;
}

static void make_other(uint64_t seed, uint64_t started) {
	const struct made_run run = run_of(seed, started);
	made_run_init(&other, &run);
}

// The first result becomes the sum.
static void add_other(void) {
	if (size_of(&sum, "runs") > 0) {
		assert_int_equal(merge_add(&sum, &other, &error), 0);
		result_free(&other);
		return;
	}
	result_free(&sum);
	sum = other;
	other = (struct result){0};
}

static void merge(uint64_t seed, uint64_t started) {
	make_other(seed, started);
	add_other();
}

TEST(the_sum_is_as_if_it_had_been_one_run) {
	struct result whole;
	assert_int_equal(result_init(&whole), 0);
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct made_run run = run_of(seed, NOON + seed * NS_PER_MS);
		made_run_fill(&whole, &run);
		merge(seed, run.started);
	}
	assert_memory_equal(sum.latency, whole.latency, sizeof(*sum.latency));
	assert_memory_equal(sum.uncorrected, whole.uncorrected, sizeof(*sum.uncorrected));
	assert_int_equal(result_total(&sum, "messages"), result_total(&whole, "messages"));
	assert_int_equal(result_total(&sum, "bytes"), result_total(&whole, "bytes"));
	assert_int_equal(result_count(sum.json, "bytes_verified"),
			 result_count(whole.json, "bytes_verified"));
	assert_int_equal(size_of(&sum, "runs"), 4);
	assert_int_equal(result_lasted(&sum), 5 * NS_PER_S + 3 * NS_PER_MS);
	result_free(&whole);
}

TEST(intervals_of_the_same_second_become_one) {
	merge(1, NOON);
	uint64_t first = count_in(&sum, "intervals", 1, "messages"), messages = 0;
	merge(2, NOON + 501 * NS_PER_MS); // its first second is the other's second one
	static struct hdr hdr;
	assert_int_equal(size_of(&sum, "intervals"), 6);
	for (size_t i = 0; i < 6; i++) {
		messages += count_in(&sum, "intervals", i, "messages");
		hdr_reset(&hdr);
		assert_int_equal(
			hdr_v2_add(&hdr, load_text(interval_of(&sum, i), "hdr_v2"), &error), 0);
		assert_int_equal(hdr.count, i == 0 || i == 5 ? 500 : 1000);
		assert_int_equal(hdr_index(count_in(&sum, "intervals", i, "p99")),
				 hdr_index(hdr_percentile(&hdr, 99.0)));
	}
	assert_int_equal(messages, result_total(&sum, "messages"));
	assert_true(count_in(&sum, "intervals", 1, "messages") > first + 500);
	assert_int_equal(begin_of(&sum, 0), 0);
	assert_int_equal(begin_of(&sum, 5), 4 * NS_PER_S + 501 * NS_PER_MS);
}

// Makes its intervals so many seconds long.
static void stretch(const struct result *result, unsigned length) {
	for (size_t k = 0; k < size_of(result, "intervals"); k++) {
		json_t *one = interval_of(result, k);
		json_object_set_new(one, "time", json_integer((json_int_t)k * length));
		json_object_set_new(one, "seconds", json_real(length - 0.01));
	}
}

// What cannot be added up so that it is right is refused.
TEST(results_of_another_kind_are_refused) {
	static const struct {
		const char *setting;
		double value;
		unsigned length; // of an interval, s
		const char *why; // NULL: it is added
	} cases[] = {
		{"connections", 50, 1, NULL},
		{"cpus", 7, 1, NULL},
		{"connections", 51, 1, "it is of another load: 'connections' differs"},
		{"rate", 100, 1, "it is of another load: 'rate' differs"},
		{"connections", 50, 5, "its intervals are of 5 s, those of another one of 1 s"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		merge(1, NOON);
		while (size_of(&sum, "intervals") > 2)
			json_array_remove(result_get(&sum, "intervals"), 2);
		make_other(2, NOON);
		stretch(&other, cases[i].length);
		error = (struct echod_error){0};
		json_object_set_new(result_get(&other, "configuration"), cases[i].setting,
				    json_integer((json_int_t)cases[i].value));
		int status = merge_add(&sum, &other, &error);
		assert_int_equal(status, cases[i].why ? -1 : 0);
		assert_int_equal(error.kind, cases[i].why ? ECHOD_ERROR_USAGE : 0);
		if (cases[i].why)
			assert_string_equal(error.message, cases[i].why);
		before_each();
	}
}

// As jq 1.6 writes 1.0 as 1.
TEST(whole_numbers_are_the_same_with_and_without_a_point) {
	merge(1, NOON);
	make_other(1, NOON);
	json_t *configuration = result_get(&other, "configuration");
	json_t *first = json_array_get(result_get(&other, "runs"), 0);
	json_t *list = json_pack("[{s:i, s:f}]", "from", 64, "weight", 1.0);
	assert_int_equal(json_object_set_new(configuration, "connections", json_real(50)), 0);
	assert_int_equal(json_object_set_new(configuration, "sizes", list), 0);
	double number = json_number_value(json_object_get(first, "run"));
	assert_int_equal(json_object_set_new(first, "run", json_real(number)), 0);
	list = json_pack("[{s:f, s:i}]", "from", 64.0, "weight", 1);
	json_object_set_new(merge_entry(result_get(&sum, "configuration"), 0), "sizes", list);
	assert_int_equal(merge_check(&sum, &other, &error), -1);
	assert_string_equal(error.message, "it holds a run that another one holds too");
	json_object_set_new(first, "run", json_real(number + 1.0));
	assert_int_equal(merge_check(&sum, &other, &error), 0);
	list = json_pack("[{s:f, s:i}]", "from", 64.0, "weight", 2);
	json_object_set_new(configuration, "sizes", list);
	assert_int_equal(merge_check(&sum, &other, &error), -1);
	assert_string_equal(error.message, "it is of another load: 'sizes' differs");
}

// The rest of an interval is no other kind of interval.
TEST(a_run_that_was_interrupted_is_added) {
	struct made_run run = run_of(2, NOON + 900 * NS_PER_MS);
	run.seconds = 1;
	for (int turn = 0; turn < 2; turn++) { // whichever comes first
		before_each();
		merge(1, NOON);
		stretch(&sum, 2);
		made_run_init(&other, &run);
		struct result first = turn ? other : sum;
		other = turn ? sum : other;
		sum = first;
		add_other();
		assert_int_equal(size_of(&sum, "intervals"), 5);
		assert_int_equal(result_time(interval_of(&sum, 0), "seconds"), 1990 * NS_PER_MS);
	}
	stretch(&sum, 1);
	run = run_of(3, NOON + 3600 * NS_PER_S);
	run.seconds = 2;
	made_run_init(&other, &run);
	add_other();
	assert_int_equal(size_of(&sum, "intervals"), 7);
	assert_int_equal(begin_of(&sum, 5), 3600 * NS_PER_S);
	assert_int_equal(result_lasted(&sum), 7 * NS_PER_S);
}

TEST(the_order_does_not_matter) {
	merge(1, NOON + 60 * NS_PER_S);
	merge(2, NOON);
	merge(3, NOON + 2500 * NS_PER_MS); // half a second from others
	struct result reverse = sum;
	assert_int_equal(result_init(&sum), 0);
	merge(3, NOON + 2500 * NS_PER_MS);
	merge(2, NOON);
	merge(1, NOON + 60 * NS_PER_S);
	assert_memory_equal(sum.latency, reverse.latency, sizeof(*sum.latency));
	assert_int_equal(size_of(&sum, "intervals"), 15);
	assert_int_equal(size_of(&sum, "intervals"), size_of(&reverse, "intervals"));
	for (size_t i = 0; i < size_of(&sum, "intervals"); i++) {
		assert_int_equal(begin_of(&sum, i), begin_of(&reverse, i));
		assert_int_equal(count_in(&sum, "intervals", i, "messages"),
				 count_in(&reverse, "intervals", i, "messages"));
		assert_string_equal(load_text(interval_of(&sum, i), "hdr_v2"),
				    load_text(interval_of(&reverse, i), "hdr_v2"));
	}
	assert_int_equal(result_lasted(&sum), 12500 * NS_PER_MS);
	assert_int_equal(result_lasted(&reverse), 12500 * NS_PER_MS);
	result_free(&reverse);
}

TEST(faults_say_whose_they_are) {
	const struct fault fault = {.kind = FAULT_LOST, .connection = 3, .length = 8};
	merge(1, NOON);
	make_other(2, NOON);
	assert_int_equal(result_add_fault(&sum, "", &fault), 0);
	for (size_t i = 0; i < RESULT_FAULTS; i++)
		assert_int_equal(result_add_fault(&other, "unix:/x", &fault), 0);
	result_set_count(other.json, "faults_found", 9000); // more than are kept
	result_add_error(&other, "short", 2, "first");
	assert_int_equal(merge_add(&sum, &other, &error), 0);
	assert_int_equal(size_of(&sum, "faults"), RESULT_FAULTS);
	assert_int_equal(result_count(sum.json, "faults_found"), 9001);
	assert_int_equal(count_in(&sum, "faults", 0, "run"), 0);
	assert_int_equal(count_in(&sum, "faults", 1, "run"), 1);
	assert_string_equal(load_text(sum.json, "faults.1.target"), "unix:/x");
	assert_int_equal(result_errors(&sum), 2);
	assert_string_equal(load_text(sum.json, "first_errors.short"), "first");
	const char *path = place_path("sum.json");
	result_free(&other);
	assert_int_equal(result_write(&sum, path, &error), 0);
	assert_int_equal(result_read(&other, path, &error), 0);
	assert_int_equal(count_in(&other, "faults", 1, "run"), 1);
}

TEST(what_differs_is_listed_once_each) {
	merge(1, NOON);
	merge(2, NOON);
	assert_int_equal(load_count(sum.json, "machine.cpus"), 2);
	assert_string_equal(result_verdict(&sum), "SERVER-BOUND");
	for (int i = 0; i < 3; i++) {
		make_other(3, NOON + (uint64_t)i * NS_PER_US);
		json_object_set_new(result_get(&other, "machine"), "cpus",
				    json_integer(i < 2 ? 4 : 8));
		result_set_verdict(&other, "NETWORK-BOUND");
		add_other();
	}
	assert_int_equal(json_array_size(load_member(sum.json, "machine.runs")), 3);
	assert_int_equal(load_count(sum.json, "machine.runs.1.cpus"), 4);
	assert_string_equal(result_verdict(&sum), "INCONCLUSIVE");
}

TEST(one_client_that_was_full_makes_all_so) {
	static const char *const orders[][3] = {
		{"CLIENT-BOUND", "SERVER-BOUND", "SERVER-BOUND"},
		{"SERVER-BOUND", "CLIENT-BOUND", "SERVER-BOUND"},
		{"SERVER-BOUND", "RATE-LIMITED", "CLIENT-BOUND"},
		{"INCONCLUSIVE", "CLIENT-BOUND", "INCONCLUSIVE"},
	};
	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		before_each();
		for (size_t k = 0; k < 3; k++) {
			make_other(1 + k, NOON);
			result_set_verdict(&other, orders[i][k]);
			add_other();
		}
		assert_string_equal(result_verdict(&sum), "CLIENT-BOUND");
	}
}

TEST(the_command_merges_files) {
	const struct made_run runs[] = {run_of(1, NOON), run_of(2, NOON + NS_PER_S)};
	char *a = made_run_write("a.json", &runs[0]), *b = made_run_write("b.json", &runs[1]);
	char *all = (char *)place_path("all.json");
	assert_int_equal(subcommand_run(merge_main, stderr, "merge", a, b, "-o", all), 0);
	assert_string_equal(subcommand_said, "");
	merge(1, NOON);
	merge(2, NOON + NS_PER_S);
	assert_int_equal(result_read(&other, all, &error), 0);
	assert_memory_equal(sum.latency, other.latency, sizeof(*sum.latency));
	assert_int_equal(result_total(&sum, "messages"), result_total(&other, "messages"));
	assert_int_equal(size_of(&sum, "intervals"), size_of(&other, "intervals"));
	// What was merged merges on, but never twice.
	subcommand_refuses(merge_main, 2, "b.json': it holds a run that another one holds too\n",
			   "merge", all, b);
	subcommand_refuses(merge_main, 2, "cannot read 'no.json'", "merge", all, "no.json");
	subcommand_refuses(merge_main, 2,
			   "echoload merge: nothing to merge (see echoload merge --help)\n",
			   "merge");
}
