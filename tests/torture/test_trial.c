// One run of each tortured program, as a test: TORTURE names the file that says which call fails;
// without it none does. test_calls.c runs it again and again. With short counts every read and
// write, here or there, moves fewer bytes than it could: nothing else may be different.
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/cmdline.h"
#include "base/error.h"
#include "ctl.h"
#include "peer.h"
#include "stats.h"
#include "tolerant.h"
#include "torture.h"

#define SMALL ((size_t)20 << 10)
#define LARGE ((size_t)1 << 20) // more than the buffers of an AF_UNIX connection
#define WATCH_MS 60
#define WATCH_LONG_MS 500
#define SPIN_HITS 200 // in the long time; sixteen for each pause of 100 ms are no spinning

static struct torture *torture;
static const char *setting; // of the environment of the program

BEFORE_EACH {
	const char *path = getenv("TORTURE");
	path = path ? path : place_path("torture");
	setting = test_text("TORTURE=%s", path);
	torture = torture_share(path);
	torture->short_counts = strcmp(test_with(), "short") == 0;
	int error = torture->error;
	tolerant_of_ends = error == ECONNRESET || error == EPIPE || error == ETIMEDOUT ||
			   error == EHOSTUNREACH;
}

#define TRIAL(name) TEST(name, .with = {"whole", "short"})

struct torture *torture_share(const char *path) {
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(struct torture)), 0);
	void *shared =
		mmap(NULL, sizeof(struct torture), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	close(fd);
	return shared;
}

static bool lasts(void) { return torture->error && torture->for_ever; }

// How long to wait for what may never come.
static uint64_t patience(void) { return clock_deadline(lasts() ? 150 * NS_PER_MS : PATIENCE); }

// Its TCP address as it has printed or logged it; empty: not yet.
static const char *tcp_address(const char *text) {
	const char *line = strstr(text, "listening on 127.");
	char address[64] = "";
	if (line && strchr(line, '\n'))
		sscanf(line, "listening on %63s", address);
	return test_text("%s", address);
}

// Whether it serves; else it has ended. After a failure it may be that it cannot print, or not log.
static bool serves(struct daemon *daemon) {
	struct process *process = daemon->process;
	uint64_t quiet = clock_deadline(NS_PER_S);
	bool is_mute =
		torture->call == CALL_getnameinfo || (torture->call == CALL_write && lasts());
	wait_until(*tcp_address(process_output(process, NULL)) || !process_is_running(process) ||
		   (torture->hits && clock_now() >= quiet &&
		    (is_mute ? ctl_is_live(daemon->control)
			     : *tcp_address(process_errors(process, NULL)) != '\0')));
	return process_is_running(daemon->process);
}

// A text has as many members as when nothing fails.
static void expect_whole(size_t index, const char *text) {
	size_t quotes = 0;
	for (const char *c = text; *c; c++)
		quotes += *c == '"';
	if (!torture->error)
		torture->quotes[index] = quotes;
	else if (quotes != torture->quotes[index])
		fail_msg("not all is in this: %s", text);
}

// A complete reply to this is as it is when nothing fails, or an error.
static void expect_reply(size_t index, const char *control, const char *request) {
	const char *reply = tolerant_ask(test_text("unix:%s", control), request, patience());
	const char *body = strchr(reply, '\n');
	if (body && strtoul(reply, NULL, 10) == 200 &&
	    strtoul(reply + 4, NULL, 10) == strlen(body + 1))
		expect_whole(index, body);
}

static void use(const char *tcp, const char *path, const char *http, const char *control) {
	int parked = *tcp ? peer_try_connect(tcp, NULL) : -1;
	int reset = *tcp ? peer_try_connect(tcp, NULL) : -1;
	if (reset >= 0 && peer_send_some(reset, "reset", 5) > 0) {
		poll(&(struct pollfd){.fd = reset, .events = POLLIN}, 1, 100); // for its echo
		peer_reset(reset);
	}
	tolerant_echo(peer_try_connect(path, NULL), 1, LARGE, true, patience());
	tolerant_echo(*tcp ? peer_try_connect(tcp, NULL) : -1, 2, SMALL, false, patience());
	tolerant_ask(test_text("unix:%s", control),
		     "stats\nconnections json\nledger json\nworkers\n", patience());
	expect_reply(0, control, "stats json\n");
	expect_reply(1, control, "stats prometheus\n");
	if (*http)
		tolerant_ask(http, "GET /metrics HTTP/1.0\r\n\r\n", patience());
	tolerant_echo(parked, 3, SMALL, false, patience());
}

// The fault is over: all is well again.
static void expect_well(struct daemon *daemon, const char *tcp, const char *path) {
	torture->pause = true;
	if (*tcp)
		assert_true(tolerant_echo(peer_connect(tcp), 4, SMALL, false, patience()));
	assert_true(tolerant_echo(peer_connect(path), 5, SMALL, false, patience()));
	stats_wait_at_rest(daemon);
	close(daemon->control_fd);
	daemon->control_fd = -1;
	wait_or_fail(process_descriptors(daemon->process) <= torture->descriptors,
		     "%zu descriptors, not %zu", process_descriptors(daemon->process),
		     torture->descriptors);
	torture->pause = false;
}

static unsigned watch(struct process *process, int ms, uint64_t *cpu) {
	unsigned before = torture->hits;
	*cpu = process_cpu_time(process);
	poll(NULL, 0, ms);
	*cpu = process_cpu_time(process) - *cpu;
	return torture->hits - before;
}

static void expect_no_spinning(struct process *process) {
	uint64_t cpu;
	unsigned hits = watch(process, WATCH_MS, &cpu);
	if (hits < SPIN_HITS * WATCH_MS / WATCH_LONG_MS && cpu < WATCH_MS * NS_PER_MS / 3)
		return;
	hits = watch(process, WATCH_LONG_MS, &cpu);
	if (hits >= SPIN_HITS || cpu >= WATCH_LONG_MS * NS_PER_MS / 2)
		fail_msg("it spins: %u failures and %ju ms of CPU time in %d ms", hits,
			 (uintmax_t)(cpu / NS_PER_MS), WATCH_LONG_MS);
}

static void expect_refusal(struct process *process) {
	process_expect_status(process, EXIT_UNREACHABLE);
	const char *text = process_errors(process, NULL);
	const char *const reasons[] = {
		torture->error < 0 ? gai_strerror(torture->error) : error_text(torture->error),
		"memory", "a live server", "another server", "undefined symbol"};
	size_t lines = 0, named = 0;
	for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
		lines += memcmp(line, "echod: ", 7) == 0;
	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		named += strstr(text, reasons[i]) != NULL;
	if (lines != 1 || named == 0)
		fail_msg("not one line that tells of '%s': %s", reasons[0], text);
}

// One signal ends it; without poll(2) three do, if they are seen one by one.
static void end(struct process *process) {
	bool is_blind = lasts() && torture->call == CALL_poll;
	process_signal(process, SIGTERM);
	if (is_blind)
		wait_until((process_signal_pause(), !process_is_running(process)) ||
			   (process_signal(process, SIGTERM), false));
	int status = process_wait(process);
	if (status != 128 + SIGTERM || !is_blind)
		process_expect_status(process, 0);
}

TRIAL(echod) {
	daemon_program = TORTURE_FOLDER "/torture_echod";
	const char *path = place_address("echo");
	struct daemon *daemon = daemon_spawn(
		PROCESS(.arguments = STRINGS("--listen", path, "--listen", "127.0.0.1:0",
					     "--listen-proxy", place_address("proxy"), "--faulty",
					     test_text("%s=reset", place_address("faulty")),
					     "--http", "127.0.0.1:0", "--workers", "2",
					     "--patience", "1ms", "--max-connections", "20",
					     "--max-per-source", "20", "--drain-timeout", "300ms"),
			.environment = STRINGS(setting)));
	if (!serves(daemon)) {
		expect_refusal(daemon->process);
		return;
	}
	if (!torture->error)
		torture->descriptors = process_descriptors(daemon->process);
	const char *tcp = tcp_address(process_output(daemon->process, NULL));
	tcp = *tcp ? tcp : tcp_address(process_errors(daemon->process, NULL));
	sscanf(process_output(daemon->process, NULL), "http on %127[^\n]", daemon->http);
	use(tcp, path, daemon->http, daemon->control);
	if (lasts())
		expect_no_spinning(daemon->process);
	if (torture->heals)
		torture->error = 0;
	if (!lasts())
		expect_well(daemon, tcp, path);
	end(daemon->process);
}

// Runs a tool. Returns whether it has ended well; else it must say why.
static bool run_tool(const char *const *arguments, int in, struct process **process) {
	*process = process_start(
		PROCESS(.arguments = arguments, .environment = STRINGS(setting), .in = in));
	int status = process_wait(*process);
	bool is_silent = !*process_errors(*process, NULL) && torture->call != CALL_write;
	if (status > EXIT_INCONCLUSIVE || status == EXIT_USAGE || (status != 0 && is_silent))
		fail_msg("status %d: %s", status, process_errors(*process, NULL));
	if (!torture->error)
		assert_int_equal(status, 0);
	return status == 0;
}

TRIAL(echoctl) {
	struct process *process;
	struct daemon *daemon = daemon_start(NULL);
	const char *program = TORTURE_FOLDER "/torture_echoctl";
	if (run_tool(STRINGS(program, "-c", daemon->control, "stats", "--json"), 0, &process))
		expect_whole(0, process_output(process, NULL));
	daemon_stop(daemon);
}

TRIAL(echocat) {
	static char bytes[SMALL];
	size_t size;
	struct process *process;
	struct daemon *daemon = daemon_start(NULL);
	pattern_fill(1, 0, bytes, SMALL);
	int in = open(place_file("in", bytes, SMALL), O_RDONLY | O_CLOEXEC);
	const char *program = TORTURE_FOLDER "/torture_echocat";
	bool is_well = run_tool(STRINGS(program, daemon->address[0], "-t", "2s"), in, &process);
	const char *echo = process_output(process, &size);
	assert_true(size == SMALL || (!is_well && size < SMALL));
	assert_memory_equal(echo, bytes, size);
	close(in);
	daemon_stop(daemon);
}

// A result has all its members, except in what depends on the run.
static void expect_whole_result(json_t *result) {
	static const char *const varies[] = {"errors", "experiment", "first_errors", "intervals",
					     "reasons"};
	json_t *each;
	uint64_t messages = 0;
	size_t i;
	json_array_foreach(json_object_get(result, "intervals"), i, each) messages +=
		stats_get(each, "messages");
	assert_int_equal(messages, 200);
	assert_int_equal(stats_get(result, "messages"), 200);
	for (i = 0; i < COUNT_OF(varies); i++) {
		json_object_del(result, varies[i]);
		json_object_del(json_object_get(result, "evidence"), varies[i]);
	}
	expect_whole(0, test_keep(json_dumps(result, 0)));
}

TRIAL(echoload) {
	struct process *process;
	struct daemon *daemon = daemon_start(NULL);
	const char *program = TORTURE_FOLDER "/torture_echoload", *result = place_path("json");
	bool is_well = run_tool(STRINGS(program, daemon->address[0], "-n", "200", "-c", "2", "-t",
					"2", "--timeout", "2s", "--no-experiment",
					"--allow-client-bound", "--json", result, "--csv",
					place_path("csv"), "--hlog", place_path("hlog")),
				0, &process);
	if (is_well)
		expect_whole_result(json_from(place_read(result)));
	daemon_stop(daemon);
}
