// The command line of echoload: tools/echoload/run/run_options with arguments.
// Refusals go to standard error, which is caught in a file.
#include "caught.h"
#include "echoload/run/run_options.h"
#include "process.h"

#define MAX_ARGUMENTS 48

// The result of a command line.
static struct run_options options;
static const struct load_config *const config = &options.load.config;
static struct caught caught;

static int read_options(void *arguments) {
	char **argv = arguments;
	int argc = 0;
	while (argv[argc])
		argc++;
	return run_options_read(&options, argc, argv);
}

// Reads the words of `line` behind the program's name; EMPTY is the empty one. They stay until the
// next line.
static int try(const char *line) {
	static char words[1100];
	char *argv[MAX_ARGUMENTS + 1] = {"echoload"}, *rest = NULL;
	int argc = 1;
	assert_true(strlen(line) < sizeof(words));
	strcpy(words, line);
	for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		assert_true(argc < MAX_ARGUMENTS);
		argv[argc++] = strcmp(word, "EMPTY") == 0 ? word + strlen(word) : word;
	}
	caught = caught_from(read_options, argv);
	return caught.status;
}

static void takes(const char *line) {
	if (try(line) != -1)
		fail_msg("'%s': %s", line, caught.err);
	assert_string_equal(caught.err, "");
}

// In one line, with the status of wrong usage.
static void refuses(const char *line, const char *reason) {
	if (try(line) != 2)
		fail_msg("'%s' gave %d", line, caught.status);
	if (strncmp(caught.err, "echoload: ", 10) != 0 || !strstr(caught.err, reason))
		fail_msg("'%s' gave '%s', which lacks '%s'", line, caught.err, reason);
	assert_ptr_equal(strchr(caught.err, '\n'), caught.err + strlen(caught.err) - 1);
}

static void expects(const char *const *texts) {
	unsigned count = 0;
	for (; texts[count]; count++)
		assert_string_equal(options.expects[count].text, texts[count]);
	assert_int_equal(options.expect_count, count);
}

static const char *target(size_t index) {
	static char text[ADDRESS_TEXT_SIZE];
	assert_true(index < config->target_count);
	return endpoint_format(&config->targets[index], text);
}

TEST(defaults_are_a_closed_loop) {
	takes("");
	assert_int_equal(config->target_count, 1);
	assert_string_equal(target(0), "127.0.0.1:65432");
	assert_int_equal(config->mode, MODE_PING);
	assert_true(config->connections == 1 && config->pipeline == 1 && config->threads == 1);
	assert_true(config->source_count == 0 && config->cpu_count == 0 && !config->control);
	assert_int_equal(config->sizes.most, 64);
	assert_true(config->rate == 0 && config->count == 0);
	assert_true(config->warmup == 0 && config->ramp == 0);
	assert_int_equal(config->duration, 10 * NS_PER_S);
	assert_int_equal(config->timeout, 5 * NS_PER_S);
	assert_true(config->verify && !config->spin);
	for (size_t i = 0; i < OUTPUT_FILES; i++)
		assert_null(options.files[i]);
	assert_false(options.data_on_stdout || options.search.text || options.allow_client_bound);
	assert_int_equal(options.interval, NS_PER_S);
	assert_false(options.interval_lines);
	expects(STRINGS("errors==0", "unanswered==0"));
	takes("--allow-errors");
	expects(STRINGS(NULL));
}

TEST(every_load_can_be_asked_for) {
	takes("127.0.0.1:7 [::1]:8 unix:/run/e -c 1000 --pipeline 8 --rate 50k --arrival poisson "
	      "--mode ping -s 64:9,16k -d 1m -n 5000 --warmup 2s --ramp 500ms -t 4 --cpu 0,2-3 "
	      "--timeout never --run 4711 --no-verify --spin --control /run/echod.sock");
	assert_int_equal(config->target_count, 3);
	assert_string_equal(target(1), "[::1]:8");
	assert_string_equal(target(2), "unix:/run/e");
	assert_int_equal(config->connections, 1000);
	assert_int_equal(config->pipeline, 8);
	assert_true(config->rate == 50000 && config->arrival == ARRIVAL_POISSON);
	assert_int_equal(config->sizes.count, 2);
	assert_int_equal(config->duration, 60 * NS_PER_S);
	assert_int_equal(config->count, 5000);
	assert_true(config->warmup == 2 * NS_PER_S && config->ramp == 500 * NS_PER_MS);
	assert_true(config->threads == 4 && config->cpu_count == 3);
	assert_memory_equal(config->cpus, ((const unsigned[]){0, 2, 3}), 3 * sizeof(unsigned));
	assert_true(config->timeout == CLOCK_NEVER);
	assert_int_equal(config->run, 4711);
	assert_true(config->spin && !config->verify);
	assert_string_equal(config->control, "/run/echod.sock");
}

TEST(every_output_can_be_asked_for) {
	takes("--json - --hgrm a.hgrm --hlog b.hlog --csv c.csv -i 2s --expect p99<5ms "
	      "--expect=errors==0 --allow-client-bound --search p99.9<=1ms");
	assert_string_equal(options.files[OUTPUT_JSON], "-");
	assert_string_equal(options.files[OUTPUT_HGRM], "a.hgrm");
	assert_string_equal(options.files[OUTPUT_HLOG], "b.hlog");
	assert_string_equal(options.files[OUTPUT_CSV], "c.csv");
	assert_int_equal(options.interval, 2 * NS_PER_S);
	assert_true(options.data_on_stdout && options.interval_lines && options.allow_client_bound);
	expects(STRINGS("p99<5ms", "errors==0", "unanswered==0"));
	assert_string_equal(options.search.text, "p99.9<=1ms");
	assert_true(options.search.percent == 99.9);
	takes("--json - --json file");
	assert_false(options.data_on_stdout);
}

TEST(sources_are_of_the_targets_family) {
	takes("--source 127.0.0.2,127.0.0.3 127.0.0.1:7");
	assert_int_equal(config->source_count, 2);
	assert_int_equal(config->sources[1].as.v4.sin_addr.s_addr, htonl(0x7f000003));
	assert_int_equal(config->sources[1].as.v4.sin_port, 0);
	takes("--source 127.0.0.2 --source ::1 [::1]:7 --cpu 3 --cpu 1"); // the last counts
	assert_int_equal(config->sources[0].as.any.sa_family, AF_INET6);
	assert_true(config->source_count == 1 && config->cpu_count == 1);
}

TEST(each_mode_has_its_defaults) {
	takes("--mode stream");
	assert_int_equal(config->sizes.most, 65536);
	assert_int_equal(config->pipeline, 16);
	takes("--mode churn");
	assert_int_equal(config->visit, 1);
	takes("--mode churn --visit 20 --pipeline 2");
	assert_int_equal(config->visit, 20);
	takes("--mode idle -c 1000");
	assert_true(config->rate == 10 && config->extra == 500);
	takes("--mode idle --rate 0.5");
	assert_true(config->rate == 0.5);
	takes("--mode half-close");
	assert_int_equal(config->visit, 65536);
	takes("--visit 1.5m --mode half-close");
	assert_int_equal(config->visit, 3 << 19);
	assert_int_equal(config->sizes.most, 3 << 19); // a visit is one message
	takes("-n 10");
	assert_true(config->duration == CLOCK_NEVER);
	takes("-n 10 -d 1s");
	assert_int_equal(config->duration, NS_PER_S);
	takes("127.0.0.1:1 127.0.0.1:2 127.0.0.1:3 -t 3");
	assert_int_equal(config->connections, 3);
	assert_int_equal(config->extra, 2);
	takes("--no-experiment -c 3 -d 8s");
	assert_int_equal(config->extra, 0);
	assert_int_equal(config->interval, NS_PER_S / 4);
	takes("-d 7999ms");
	assert_int_equal(config->interval, NS_PER_S / 10);
}

TEST(runs_differ_unless_numbered) {
	takes("");
	uint64_t run = config->run;
	takes("");
	// Four times the same number of 32 bits: no.
	for (int i = 0; i < 2 && config->run == run; i++)
		takes("");
	assert_true(config->run != run);
	takes("--run 9007199254740992"); // as all readers of JSON have it
	assert_true(config->run == UINT64_C(1) << 53);
}

TEST(what_goes_together_is_taken) {
	takes("--mode churn");
	assert_false(config->resets);
	takes("--mode churn --linger rst");
	assert_true(config->resets);
	takes("--mode churn --linger rst --linger fin");
	assert_false(config->resets);
	takes("--mode idle --arrival poisson");
	takes("--search p99<1ms --arrival poisson --expect lateness.p99<1ms");
	takes("--expect uncorrected.p99<1ms --rate 5");
	takes("--expect uncorrected.p99<1ms --mode idle");
	takes("--no-verify --expect errors==0");
	takes("--csv x --json y --hgrm /dev/null --hlog /dev/null");
}

static const struct refused {
	const char *line, *reason;
} refused[] = {
	{"127.0.0.1", "'127.0.0.1' is not an address"},
	{"127.0.0.1:0", "lacks a host or a port"},
	{":7", "lacks a host or a port"},
	{"EMPTY", "'' is not an address"},
	{"--mode pong", "--mode: 'pong' is not one of ping|stream|churn|idle|half-close"},
	{"-d 0", "--duration: '0' must be longer than 0"},
	{"-d 10", "--duration: '10' is not a duration"},
	{"--source localhost", "--source: 'localhost' is not an IP address"},
	{"--source 127.0.0.2,", "--source: '' is not an IP address"},
	{"--source 127.0.0.2:80", "--source: '127.0.0.2:80' is not an IP address"},
	{"--cpu 0,", "--cpu: ''"},
	{"--cpu 3-1", "--cpu: '3-1' ends before it begins"},
	{"--control EMPTY", "--control: ''"},
	{"--search errors==0", "--search: 'errors==0' is not a limit of a latency"},
	{"--search p99>1ms", "--search: 'p99>1ms' is not a limit of a latency"},
	{"--expect p99", "--expect: 'p99' is no check"},
	{"--json EMPTY", "--json: '' is no file"},
	{"--interval 1.5s", "--interval: '1.5s' is not one or more whole seconds"},
	{"--verbose", "unknown or ambiguous option '--verbose'"},
	{"--run 9007199254740993", "'9007199254740993' is not a whole number from 0 to"},
	// What does not go together.
	{"--rate 5k --mode stream",
	 "--rate: not together with --mode stream, only with ping, idle"},
	{"--rate 5k --mode churn", "--rate: not together with --mode churn"},
	{"--search p99<1ms --mode idle", "--search: not together with --mode idle, only with ping"},
	{"--mode half-close -s 64",
	 "--size: not together with --mode half-close, only with ping, stream, churn, idle"},
	{"--mode half-close --pipeline 2", "--pipeline: not together"},
	{"--linger rst", "--linger: not together with --mode ping, only with churn"},
	{"--mode churn --linger 0", "--linger: '0' is not one of fin|rst"},
	{"--visit 5", "--visit: not together with --mode ping, only with churn, half-close"},
	{"--mode churn --visit 64k", "--visit: '64k' is not a whole number"},
	{"--mode half-close --visit 2g", "--visit: '2g' is not a size from 1 to 1g"},
	{"--arrival poisson", "--arrival: needs --rate or --search"},
	{"--mode churn --arrival poisson", "--arrival: not together with --mode churn"},
	{"--search p99<1ms --rate 5k", "--search: not together with --rate"},
	{"--expect lateness.p99<1ms",
	 "--expect: 'lateness.p99<1ms' is not measured: only the open loop"},
	{"--no-verify --expect faults==0", "--expect: 'faults==0' is not measured: --no-verify"},
	{"--search p99<1ms -n 5", "--search: not together with --count"},
	{"--search p99<1ms -d never", "--search: not together with --duration never"},
	{"-t 2", "--threads: '2' is more than the connections (--connections 1)"},
	{"127.0.0.1:1 127.0.0.1:2 -c 1", "--connections: '1' is less than the 2 targets"},
	{"--hgrm f --hlog f", "--hlog: 'f' is written by --hgrm already"},
	{"--source ::1 127.0.0.1:7", "[::1]:0 cannot reach 127.0.0.1:7"},
	{"--source ::1,127.0.0.2", "'127.0.0.2' is of another address family than"},
	{"--source 127.0.0.2 unix:/run/e", "cannot reach unix:/run/e"},
	// Outputs are different files, however they are written.
	{"--csv ./x --json x", "--csv: './x' is written by --json already"},
	{"--hgrm /tmp/x --hlog /tmp/../tmp/x", "--hlog: '/tmp/../tmp/x' is written by"},
};

TEST_ROWS(refuses_line, const struct refused *row, refused) { refuses(row->line, row->reason); }

TEST(bad_values_are_named) {
	const char *const *line = STRINGS(
		"--connections 0", "--connections 1000001", "--pipeline 0", "--rate 0", "--rate 5g",
		"--rate -5", "--arrival often", "--size 0", "--count 0", "--warmup never",
		"--ramp x", "--threads 257", "--cpu 1024", "--timeout 0", "--run -1",
		"--run 9223372036854775808", "--search uncorrected.p99<1ms", "--interval 0");
	for (; *line; line++) {
		const char *value = strchr(*line, ' ') + 1;
		refuses(*line, test_text("%.*s: '%s'", (int)(value - 1 - *line), *line, value));
	}
}

TEST(what_is_one_too_many_is_refused) {
	static const struct {
		const char *first, *other, *reason;
		int most;
	} cases[] = {
		{"127.0.0.1:7", " 127.0.0.1:7", "'127.0.0.1:7' is one too many: at most 16 targets",
		 CONFIG_ENDPOINTS},
		{"--expect=p50<1s", " --expect=p50<1s",
		 "--expect: 'p50<1s' is one too many: at most 32", RUN_OPTIONS_EXPECTS},
		{"--source=::1 [::1]:7 --source=::1", ",::1", "'::1' is one too many: at most 256",
		 CONFIG_SOURCES},
		{"--cpu=0", ",0", "--cpu: more than 256 CPUs", CONFIG_CPUS},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char line[1100];
		strcpy(line, cases[i].first);
		for (int more = 1; more < cases[i].most; more++)
			strcat(line, cases[i].other);
		takes(line);
		refuses(strcat(line, cases[i].other), cases[i].reason);
	}
}
