// Scenario: echoload's verdict, with the server, the generator or the path between them slowed down
// on purpose: on this machine, and with the server on another host, as far as one can tell.
// ECHOLOAD_VERDICT_SCENES names the group, such as "server:" (default all); ECHOLOAD_VERDICT_RUNS
// says how often each (default 1); of 20 runs 19 have to be right, and none may be confidently
// wrong.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cmdline.h"
#include "crowd.h"
#include "daemon.h"
#include "load.h"
#include "path.h"
#include "place.h"
#include "stats.h"
#include "throttle.h"

#include <jansson.h>

#define SERVER_CPU 0
#define STATISTIC 20 // runs
#define CLIENT_CPU "1"
#define PATIENCE_WITH_OTHERS (10 * NS_PER_S) // for a run that they do not disturb

struct scene {
	const char *name;
	const char *verdict; // the right one
	const char *options[8];
	// Slows something down, before echoload is started (`client` NULL) or just after.
	struct throttle *(*slow)(const struct daemon *daemon, struct process *client);
	bool proxy; // it is one, to go through
	bool blind; // without --control
	// The server is at the far end of this path, and nothing is known of it: blind too.
	const struct path_spec *path;
};

static struct throttle *server_quota(const struct daemon *daemon, struct process *client)
{
	return client ? NULL : throttle_quota(process_pid(daemon->process), 0.2);
}

static struct throttle *server_stopped(const struct daemon *daemon, struct process *client)
{
	return client ? NULL : throttle_stop_and_go(process_pid(daemon->process), 0.3);
}

static struct throttle *server_neighbour(const struct daemon *daemon, struct process *client)
{
	(void)daemon;
	return client ? NULL : throttle_neighbour(SERVER_CPU);
}

static struct throttle *client_quota(const struct daemon *daemon, struct process *client)
{
	(void)daemon;
	return client ? throttle_quota(process_pid(client), 0.2) : NULL;
}

static struct throttle *client_stopped(const struct daemon *daemon, struct process *client)
{
	(void)daemon;
	return client ? throttle_stop_and_go(process_pid(client), 0.3) : NULL;
}

static struct throttle *client_neighbour(const struct daemon *daemon, struct process *client)
{
	(void)daemon;
	return client ? NULL : throttle_neighbour(1);
}

static struct throttle *paced_path(const struct daemon *daemon, struct process *client)
{
	return client ? NULL : throttle_pacing_proxy(daemon->port, 128 << 10);
}

static struct throttle *server_slow(const struct daemon *daemon, struct process *client)
{
	return client ? NULL : throttle_stop_and_go(process_pid(daemon->process), 0.1);
}

#define LONG                           \
	{                              \
		.delay = 5 * NS_PER_MS \
	}
#define SHORT                      \
	{                          \
		.delay = NS_PER_MS \
	}
#define LOSSY                                       \
	{                                           \
		.delay = NS_PER_MS, .per_mille = 60 \
	}
#define NARROW                                                       \
	{                                                            \
		.delay = NS_PER_MS, .rate = 2000000, .queue = 200000 \
	}

// For messages that are small: so few fit that a busy server keeps up.
#define SLIM                                                        \
	{                                                           \
		.delay = NS_PER_MS, .rate = 400000, .queue = 200000 \
	}

static const struct path_spec long_path = {LONG, LONG};
static const struct path_spec short_path = {SHORT, SHORT};
static const struct path_spec lossy_path = {LOSSY, LOSSY};
static const struct path_spec narrow_there = {NARROW, SHORT};
static const struct path_spec narrow_back = {SHORT, NARROW};
static const struct path_spec slim_back = {SHORT, SLIM};

static const struct scene scenes[] = {
	{"server: quota", "SERVER-BOUND", {"-c", "10"}, .slow = server_quota},
	{"server: stop and go", "SERVER-BOUND", {"-c", "10"}, .slow = server_stopped},
	{"server: neighbour", "SERVER-BOUND", {"-c", "10"}, .slow = server_neighbour},
	{"client: quota", "CLIENT-BOUND", {"-c", "10"}, .slow = client_quota},
	{"client: stop and go", "CLIENT-BOUND", {"-c", "10"}, .slow = client_stopped},
	{"client: neighbour", "CLIENT-BOUND", {"-c", "10"}, .slow = client_neighbour},
	{"path: paced", "NETWORK-BOUND", {"-c", "10"}, .slow = paced_path, .proxy = true},
	{"server: quota, blind", "SERVER-BOUND", {"-c", "10"}, .slow = server_quota, .blind = true},
	// What answers is idle: it may be a proxy, or a server that waits itself.
	{"path: paced, blind",
	 "INCONCLUSIVE",
	 {"-c", "10"},
	 .slow = paced_path,
	 .proxy = true,
	 .blind = true},
	{"nothing: low rate", "RATE-LIMITED", {"-c", "10", "--rate", "200"}, .slow = NULL},
	{"far, path: long", "NETWORK-BOUND", {"-c", "10"}, .path = &long_path},
	{"far, path: lossy", "NETWORK-BOUND", {"-c", "10"}, .path = &lossy_path},
	{"far, path: narrow there",
	 "NETWORK-BOUND",
	 {"-c", "10", "-s", "16k"},
	 .path = &narrow_there},
	{"far, path: slim back", "NETWORK-BOUND", {"-c", "200"}, .path = &slim_back},
	{"far, path: narrow there, stream",
	 "NETWORK-BOUND",
	 {"-c", "2", "-m", "stream"},
	 .path = &narrow_there},
	{"far, path: narrow back, stream",
	 "NETWORK-BOUND",
	 {"-c", "2", "-m", "stream"},
	 .path = &narrow_back},
	{"far, server: slow",
	 "SERVER-BOUND",
	 {"-c", "10"},
	 .slow = server_slow,
	 .path = &short_path},
	{"far, server: slow, large",
	 "SERVER-BOUND",
	 {"-c", "10", "-s", "16k"},
	 .slow = server_slow,
	 .path = &short_path},
	// What TCP tells of a stream is little.
	{"far, server: slow, stream",
	 "INCONCLUSIVE",
	 {"-c", "2", "-m", "stream"},
	 .slow = server_slow,
	 .path = &short_path},
	{"far, nothing: low rate",
	 "RATE-LIMITED",
	 {"-c", "10", "--rate", "200"},
	 .path = &short_path},
};
#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

static const char *result_file; // of the scene that is played

static struct process *start_load(const struct scene *scene, const char *target,
				  const char *control)
{
	const char *arguments[24] = {"taskset", "-c",	  CLIENT_CPU, ECHOLOAD_PROGRAM, target,
				     "-d",	"1500ms", "--json",   result_file};
	size_t count = 9;
	for (size_t i = 0; scene->options[i]; i++)
		arguments[count++] = scene->options[i];
	if (!scene->blind && !scene->path) {
		arguments[count++] = "--control";
		arguments[count++] = control;
	}
	const struct process_spec spec = {.arguments = arguments};
	return process_start(&spec);
}

enum outcome { RIGHT, UNDECIDED, WRONG, DISTURBED };

// Whether others had so much of the machine that the scene was not the one meant, and the verdict
// says no more than that. Where it is the generator that is slowed down, they only help.
static bool was_disturbed(const struct scene *scene, const char *verdict, const json_t *result,
			  uint64_t path_waits)
{
	if (path_waits > NS_PER_S / 10)
		return true;
	const json_t *server = json_object_get(json_object_get(result, "evidence"), "server");
	double starved = json_number_value(json_object_get(server, "thread_waiting"));
	double stolen = load_number(result, "evidence.stolen");
	// Where it is the path that is slowed down, the server has a CPU to itself.
	if (strcmp(verdict, "SERVER-BOUND") == 0 && strcmp(scene->verdict, "NETWORK-BOUND") == 0)
		return starved > 0.1 || stolen > 0.1;
	if (strcmp(verdict, "INCONCLUSIVE") == 0 && stolen > 0.1)
		return true;
	// A rate so low is only missed by who does not run for a while, be it the path.
	if (strcmp(scene->verdict, "RATE-LIMITED") == 0 &&
	    load_number(result, "messages_per_second") <
		    0.99 * load_number(result, "evidence.offered_per_second"))
		return true;
	bool owned = strcmp(verdict, "CLIENT-BOUND") == 0 || strcmp(verdict, "INCONCLUSIVE") == 0;
	return owned && strcmp(scene->verdict, "CLIENT-BOUND") != 0 &&
	       (load_number(result, "evidence.thread_waiting") > 0.1 ||
		load_number(result, "evidence.stalled") > 0.05);
}

static enum outcome judge(const struct scene *scene, const json_t *result, uint64_t path_waits)
{
	const char *verdict = json_string_value(json_object_get(result, "verdict"));
	if (strcmp(verdict, scene->verdict) == 0)
		return RIGHT;
	char *evidence = json_dumps(json_object_get(result, "evidence"), JSON_COMPACT);
	printf("%s: %s %s\n", scene->name, verdict, evidence);
	free(evidence);
	if (was_disturbed(scene, verdict, result, path_waits))
		return DISTURBED;
	return strcmp(verdict, "INCONCLUSIVE") == 0 ? UNDECIDED : WRONG;
}

static enum outcome play(const struct scene *scene, const struct daemon *daemon,
			 const struct path *path)
{
	char target[32];
	uint64_t waited = path ? path_waited(path) : 0;
	struct throttle *before = scene->slow ? scene->slow(daemon, NULL) : NULL;
	snprintf(target, sizeof(target), "%s:%u", scene->path ? PATH_FAR : "127.0.0.1",
		 (unsigned)(scene->proxy ? throttle_port(before) : daemon->port));
	struct process *load = start_load(scene, target, daemon->control);
	struct throttle *after = scene->slow ? scene->slow(daemon, load) : NULL;
	int status = process_wait(load);
	if (status != EXIT_OK && status != EXIT_INCONCLUSIVE)
		fail_msg("status %d: %s", status, process_errors(load, NULL));
	json_t *result = load_result_of_file(result_file);
	enum outcome outcome = judge(scene, result, path ? path_waited(path) - waited : 0);
	json_decref(result);
	if (after)
		throttle_end(after);
	if (before)
		throttle_end(before);
	return outcome;
}

static struct daemon *start_server(const struct path *path)
{
	if (!path)
		return daemon_start("--workers", "4", NULL);
	path_go_far(path);
	static const char address[] = PATH_FAR ":0";
	struct daemon *daemon = daemon_start("--listen", address, "--workers", "4", NULL);
	path_go_near(path);
	return daemon;
}

static void test_scene(void **state)
{
	const struct scene *scene = *state;
	size_t runs = crowd_number("ECHOLOAD_VERDICT_RUNS", 1);
	size_t count[4] = {0};
	struct path *path = scene->path ? path_open(scene->path) : NULL;
	struct daemon *daemon = start_server(path);
	throttle_pin(process_pid(daemon->process), SERVER_CPU);
	result_file = place_path("run.json");
	uint64_t until = clock_deadline(runs * PATIENCE_WITH_OTHERS);
	// On a machine that others use too, a few runs are repeated until so many are right; many
	// of them are a statistic.
	bool few = runs < STATISTIC;
	while (count[WRONG] == 0 && count[RIGHT] + (few ? 0 : count[UNDECIDED]) < runs) {
		count[play(scene, daemon, path)]++;
		if (clock_now() < until)
			continue;
		if (!few)
			fail_msg("%s: others have had the machine all the time", scene->name);
		break; // each run has said so, or that it does not know: that is right too
	}
	daemon_stop(daemon);
	if (path)
		path_close(path);
	print_message("%zu of %zu right, %zu wrong, %zu undecided; %zu disturbed\n", count[RIGHT],
		      runs, count[WRONG], count[UNDECIDED], count[DISTURBED]);
	assert_int_equal(count[WRONG], 0);
	assert_true(few || 20 * count[RIGHT] >= 19 * runs);
}

// The server dies in the midst of the run. However busy anyone was until then, what came after
// tells nothing.
static void test_killed(void **state)
{
	const char *mode = *state;
	struct daemon *daemon = daemon_start(NULL);
	result_file = place_path("run.json");
	const char *arguments[] = {
		ECHOLOAD_PROGRAM, daemon->address[0], "-m", mode, "-c", "10", "-d", "2s",
		"--json",	  result_file,	      NULL};
	struct process *load = process_start(&(struct process_spec){.arguments = arguments});
	stats_wait_at_least(daemon, "bytes_sent", 10000);
	process_kill(daemon->process);
	int status = process_wait(load); // what was on its way may be missing, which is a fault
	assert_true(status == EXIT_OK || status == EXIT_CHECK_FAILED);
	json_t *result = load_result_of_file(result_file);
	const json_t *reasons = load_member(result, "evidence.reasons");
	assert_string_equal(json_string_value(load_member(result, "verdict")), "INCONCLUSIVE");
	assert_non_null(strstr(json_string_value(json_array_get(reasons, 0)),
			       "connections that failed and were tried again"));
	json_decref(result);
}

int main(void)
{
	static char stream[] = "stream", churn[] = "churn";
	struct CMUnitTest tests[SCENES + 2] = {
		{"killed: stream", test_killed, NULL, daemon_teardown, stream},
		{"killed: churn", test_killed, NULL, daemon_teardown, churn},
	};
	for (size_t i = 0; i < SCENES; i++)
		tests[2 + i] = (struct CMUnitTest){scenes[i].name, test_scene, NULL,
						   daemon_teardown, (void *)(uintptr_t)&scenes[i]};
	const char *group = getenv("ECHOLOAD_VERDICT_SCENES");
	size_t length = group ? strlen(group) : 0;
	size_t named = 0;
	size_t count = 0;
	for (size_t i = 0; i < SCENES + 2; i++) {
		if (group && strncmp(tests[i].name, group, length) != 0)
			continue;
		named++;
		if (i < 2 || !scenes[i - 2].path || path_is_possible())
			tests[count++] = tests[i];
	}
	if (named > count)
		printf("no /dev/net/tun: no server on another host\n");
	return named == 0 || _cmocka_run_group_tests("verdict", tests, count, NULL, NULL);
}
