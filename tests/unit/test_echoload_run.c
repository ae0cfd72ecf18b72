// One run of the load, with an engine that is played: when it ends, what is sampled, which
// experiment is made, and what the result says: tools/echoload/run/run and outputs.
#include "base/clock.h"
#include "echoload/run/run.h"
#include "load.h"
#include "place.h"

#define SHORT (40 * NS_PER_MS)

static struct run run;
static struct run_options options;
static struct load_config *const config = &options.load.config;
static struct outputs outputs;
static struct echod_error error;
static struct progress progress; // as the engine tells of it all the time
static unsigned opened, begun, ended;
static struct load_config experimented;
static unsigned visits; // from one call to the next
static uint64_t slice, most, messages, patience;
static bool goes_on; // until the patience ends

WRAP(struct engine *, engine_open, (const struct load_config *of, struct echod_error *why)) {
	return opened++ < 2 ? (struct engine *)&opened : NULL;
}
WRAP(void, engine_close, (struct engine * engine, struct counters *counters)) {}
WRAP(void, server_probe_begin, (struct server_probe * probe)) { begun++; }
WRAP(void, server_probe_end, (struct server_probe * probe)) { ended++; }

WRAP(void, experiment_make,
     (struct experiment * made, struct engine *engine, const struct load_config *of,
      uint64_t length, uint64_t time, struct counters *found)) {
	*made = (struct experiment){.outcome = EXPERIMENT_MORE, .pairs = 3, .extra = 9};
	experimented = *of;
	slice = length;
	most = time;
}

WRAP(int, engine_run,
     (struct engine * engine, const struct engine_calls *calls, struct engine_result *result,
      struct echod_error *why)) {
	uint64_t deadline = clock_deadline(patience);
	for (; (goes_on = calls->idle(calls->context, &progress)) && clock_now() < deadline;
	     progress.connected += visits)
		poll(NULL, 0, 1);
	*result = (struct engine_result){config, calloc(1, sizeof(struct counters)),
					 .lasted = config->duration, .connected = 2};
	load_errors_note(&result->unconnected, LOAD_REFUSED, ECONNREFUSED, 0, 1);
	struct counters *counters = result->counters;
	hdr_reset(&counters->latency);
	hdr_record_many(&counters->latency, NS_PER_MS, messages);
	counters->messages = messages;
	counters->bytes = messages * 64;
	load_errors_note(&counters->errors, LOAD_OTHER, 0, 1, 1);
	for (uint64_t half = 0; half <= 2; half++) // the last has no time
		calls->interval(calls->context,
				&(struct interval){half * NS_PER_S / 2,
						   (half < 2 ? half + 1 : half) * NS_PER_S / 2, 5,
						   counters, 2, half == 2});
	return 0;
}

BEFORE_EACH {
	*config = (struct load_config){.target_count = 1,
				       .connections = 2,
				       .threads = 1,
				       .pipeline = 1,
				       .extra = 1,
				       .duration = NS_PER_S,
				       .timeout = SHORT / 2};
	assert_int_equal(sizes_parse("64", &config->sizes, &error), 0);
	assert_int_equal(endpoint_from_ip("::1", &config->targets[0], NULL), 0);
	options.files[OUTPUT_JSON] = place_path("result");
	options.interval = NS_PER_S;
	memset(&outputs, 0, sizeof(outputs));
	assert_int_equal(outputs_open(&outputs, &options, &error), 0);
	outputs.recording = true;
	opened = begun = ended = 0;
	progress = (struct progress){1, 2, 2, 0};
	patience = SHORT;
	messages = 1000;
}

AFTER_EACH { outputs_close(&outputs); }

static const struct step {
	const char *name;
	uint64_t duration;
	struct progress progress;   // elapsed, live, connected, failed
	bool goes_on, begins, ends; // the latter: the probe of the server
} steps[] = {
	{"warming up", NS_PER_S, {0, 2, 2, 0}, true, false, false},
	{"all are there", NS_PER_S, {1, 2, 2, 0}, true, true, false},
	{"one is missing", NS_PER_S, {300 * NS_PER_MS, 1, 1, 1}, true, false, false},
	{"for long", NS_PER_S, {300 * NS_PER_MS + 1, 1, 1, 1}, true, true, false},
	{"nearly over", NS_PER_S, {NS_PER_S - 1, 2, 2, 0}, true, true, false},
	{"over", NS_PER_S, {NS_PER_S, 2, 2, 0}, true, true, true},
	{"lost", NS_PER_S, {1, 0, 2, 2}, true, false, false},
	{"lost for ever", CLOCK_NEVER, {1, 0, 2, 2}, false, false, false},
	{"one lives", CLOCK_NEVER, {1, 1, 2, 0}, true, false, false},
	{"they come", CLOCK_NEVER, {1, 0, 2, 0}, true, false, false},
	{"not yet", CLOCK_NEVER, {1, 0, 0, 1}, true, false, false},
	{"nobody there", NS_PER_S, {1, 0, 0, 2}, false, false, false},
};

TEST_ROWS(when_it_ends, const struct step *row, steps) {
	config->duration = row->duration;
	progress = row->progress;
	visits = strcmp(row->name, "they come") == 0;
	patience = row->goes_on ? SHORT : 20 * NS_PER_S;
	uint64_t from = clock_now();
	bool fails = progress.connected == 0 && progress.failed == 2;
	assert_int_equal(run_load(&run, config, &outputs, &error), fails ? -1 : 0);
	assert_int_equal(goes_on, row->goes_on);
	assert_true(fails || clock_now() - from >= SHORT / 2);
	assert_true(row->goes_on || clock_now() - from < 4 * NS_PER_S);
	assert_int_equal(begun > 0, row->begins);
	assert_int_equal(ended > 1, row->ends);
	if (fails)
		assert_contains(error.message,
				"cannot connect to [::1]:0: refused: Connection refused");
	assert_int_equal(run.result.counters == NULL, fails);
	engine_result_free(&run.result);
}

static const struct trial {
	const char *name;
	unsigned seconds, pipeline, extra;
	uint64_t messages, slice, most; // ms
	unsigned lighter;		// the pipeline of the experiment
	unsigned opened;
	const char *why;
} trials[] = {
	{"a fifth", 15, 1, 1, 15000, 3000, 5000, 1, 1, NULL},
	{"at least", 2, 1, 1, 2000, 2000, 4000, 1, 1, NULL},
	{"at most", 60, 1, 1, 60000, 5000, 5000, 1, 1, NULL},
	{"lighter", 23, 100, 1, 11500, 4600, 5000, 50, 2, NULL},
	{"lightest", 23, 100, 1, 10, 4600, 5000, 1, 2, NULL},
	{"not wanted", 15, 1, 0, 15000, 0, 0, 0, 1, "--no-experiment"},
};

TEST_ROWS(the_experiment_suits_the_run, const struct trial *row, trials) {
	config->duration = row->seconds * NS_PER_S;
	config->pipeline = row->pipeline;
	config->extra = row->extra;
	messages = row->messages;
	slice = most = experimented.pipeline = 0;
	assert_int_equal(run_load(&run, config, &outputs, &error), 0);
	assert_int_equal(slice, row->slice * NS_PER_MS / 23);
	assert_int_equal(most, row->most * NS_PER_MS);
	assert_int_equal(experimented.pipeline, row->lighter);
	assert_int_equal(opened, row->opened);
	assert_int_equal(run.evidence.experiment.lighter, row->opened > 1);
	if (row->why)
		assert_string_equal(run.evidence.experiment.why, row->why);
	engine_result_free(&run.result);
}

// With ' in place of ".
static void expect_json(json_t *json, const char *text) {
	char *packed = json_dumps(json_keep(json), JSON_COMPACT | JSON_REAL_PRECISION(6));
	for (char *at = test_keep(packed); (at = strchr(at, '"'));)
		*at = '\'';
	assert_string_equal(packed, text);
}

static void expect_interval(const json_t *result) {
	assert_int_equal(load_count(result, "intervals.0.messages"), 2000);
	assert_int_equal(load_count(result, "intervals.0.bytes"), 2 * 64000);
	assert_int_equal(load_count(result, "intervals.0.errors"), 2);
	assert_int_equal(json_array_size(load_member(result, "intervals")), 1);
}

TEST(the_result_says_all_of_it) {
	config->rate = 1000;
	assert_int_equal(run_load(&run, config, &outputs, &error), 0);
	struct evidence *of = &run.evidence;
	assert_int_equal(of->intervals, 3);
	double *const numbers[] = {
		&of->thread_busy,    &of->thread_waiting,   &of->failing, &of->stalled,
		&of->throttled,	     &of->stolen,	    &of->idle,	  &of->lateness_p99,
		&of->window_limited, &of->least_round_trip, &of->offered, &of->rise};
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		*numbers[i] = 11 + (double)i;
	of->server = (struct server_view){{31, 32, 33, 34, 35, 36}, 37, 38, 39, true, true};
	run.verdict = (struct verdict){.kind = VERDICT_SATURATED, .line = {"a", "b"}, .count = 2};
	struct usage *usage = &run.result.usage;
	usage->threads = 2;
	usage->thread[1] = (struct usage_thread){1, 2, 10, 3, 4};
	usage->tcp = (struct usage_tcp){.retransmits = 1, .unread = 2, .unsent = 3};
	run.result.live = 4;
	run.result.counters->unanswered = 5;
	run.result.counters->fault_count = 2;
	load_errors_note(&run.result.counters->errors, LOAD_TIMEOUT, 0, 1, 0);
	// clang-format off
	of->experiment = (struct experiment){
		EXPERIMENT_PARTLY, "why", 41, 42, 43, 44 * NS_PER_S, 45, 46, 47, 48, true, 49, 50, 51};
	*config = (struct load_config){
		.target_count = 1, .connections = 3, .pipeline = 4, .threads = 5, .cpus = {6, 7},
		.cpu_count = 2, .visit = 8, .mode = MODE_CHURN, .resets = true, .rate = 9,
		.duration = CLOCK_NEVER, .count = 10, .timeout = NS_PER_S, .control = "c", .spin = true};
	// clang-format on
	assert_int_equal(sizes_parse("64:1,1k..2k:3", &config->sizes, &error), 0);
	assert_int_equal(endpoint_from_ip("::1", &config->targets[0], NULL), 0);
	assert_int_equal(outputs_finish(&outputs, &run, json_from("{\"more\": 7}"), &error), 0);
	engine_result_free(&run.result);
	json_t *result = load_result_of_file(options.files[OUTPUT_JSON]);
	assert_string_equal(load_text(result, "first_errors.timeout"),
			    "after 0 ns on connection 1 to [::1]:0");
	assert_string_equal(load_text(result, "faults.1.target"), "[::1]:0");
	expect_interval(result);
	expect_json(json_incref(json_object_get(result, "evidence")),
		    "{'reasons':['a','b'],'interrupted':false,'threads':[{'user':0.0,'system':0.0,"
		    "'waiting':0.0},{'user':0.1,'system':0.2,'waiting':0.4}],'connections_open':4,"
		    "'unanswered':5,'retransmits':1,'unread_bytes':2,'unsent_bytes':3,"
		    "'experiment':{'outcome':'partly','why':'why','connections':41.0,'added':42.0,"
		    "'pairs':43.0,'slice_seconds':44.0,'bytes_per_second':45.0,'gain':46.0,"
		    "'gain_low':47.0,'gain_high':48.0,'thread_load':49.0,"
		    "'least_round_trip_ns':50.0,'round_trip_ns':51.0},'server':{'cpu':31.0,"
		    "'cpu_wanted':32.0,'cpu_idle':33.0,'thread_busy':35.0,'thread_waiting':36.0,"
		    "'stopped':37.0,'throttled':34.0,'workers_busy':38.0,"
		    "'thread_busy_at_rest':39.0},'thread_busy':11.0,'thread_waiting':12.0,"
		    "'cpus_idle':17.0,'failing':13.0,'stalled':14.0,'throttled':15.0,'stolen':16.0,"
		    "'offered_per_second':21.0,'lateness_p99_ns':18.0,'window_limited':19.0,"
		    "'least_round_trip_ns':20.0,'latency_rise_ns':22.0,'more':7}");
	expect_json(json_incref(json_object_get(result, "configuration")),
		    "{'version':'" ECHOD_VERSION "','targets':['[::1]:0'],'sources':[],"
		    "'mode':'churn','connections':3,'pipeline':4,'threads':5,'cpus':[6,7],"
		    "'sizes':[{'least':64,'most':64,'share':0.25},{'least':1024,'most':2048,"
		    "'share':0.75}],'visit':8,'linger':'rst','rate':9.0,'arrival':'constant',"
		    "'duration_seconds':null,'count':10,'warmup_seconds':0.0,'ramp_seconds':0.0,"
		    "'timeout_seconds':1.0,'control':'c','verify':false,'spin':true}");
}
