// Each call of a program that can fail does so in turn, once and for ever, in a run of its own
// (test_trial.c). A place is a call with its callers; those that only a failure leads to are found
// on the way. In CI each place fails at its first call, with one errno. With TORTURE_ALL=1 a place
// has more callers, and all errnos and later calls are tried too. TORTURE_SHARE=N, under a
// sanitizer 2: one place of N, which TORTURE_SEED chooses.
#include <netdb.h>
#include <sys/mman.h>

#include "place.h"
#include "process.h"
#include "torture.h"

#define AT_ONCE 3
#define CALLERS 2
#define ALL_CALLERS 8
#define MOST_ERRNOS 16
#define LAST_TURN 16 // of by hand

static const struct {
	const char *name;
	int errnos[MOST_ERRNOS];
} calls[] = {
#define ROW(name, ...) {#name, {__VA_ARGS__}},
#define CALL(type, name, parameters, arguments, result, ...) {#name, {__VA_ARGS__}},
#include "calls.def"
};

struct place {
	uint64_t place;
	int call;
	unsigned calls; // in a run, at most
	unsigned limit; // beyond it none is reached, as where only another failure leads to
};

struct trial {
	struct process *process; // NULL: none
	struct torture *torture;
	const char *path;
};

// The modes; after `heals` the failures end, and the program has to be well again.
static const struct mode {
	const char *name, *program;
	bool for_ever, heals;
} modes[] = {
	{"once", "echod", false, false},	{"for_ever", "echod", true, false},
	{"until_it_ends", "echod", true, true}, {"echoctl", "echoctl", false, false},
	{"echocat", "echocat", false, false},	{"echoload", "echoload", false, false},
};

static const struct mode *mode;
static struct place places[TORTURE_SITES];
static size_t place_total, clean_total; // the latter: of runs without a failure
static struct trial trials[AT_ONCE];
static size_t tried, missed, failed;
static struct cursor {
	unsigned error, turn;
	size_t place;
} cursor; // what is next

static size_t number(const char *name, size_t otherwise) {
	const char *value = getenv(name);
	return value ? strtoul(value, NULL, 10) : otherwise;
}

static bool is_all(void) { return number("TORTURE_ALL", 0) > 0; }

static struct place *find_place(uint64_t place) {
	size_t i = 0;
	while (i < place_total && places[i].place != place)
		i++;
	assert_true(i < TORTURE_SITES);
	return &places[i];
}

static void merge(struct torture *torture) {
	for (size_t i = 0; i < TORTURE_SITES; i++) {
		const struct torture_site *site = &torture->sites[i];
		if (site->place == 0)
			continue;
		struct place *place = find_place(site->place);
		if (place == &places[place_total])
			places[place_total++] =
				(struct place){site->place, site->call, .limit = LAST_TURN};
		if (place->calls < site->calls)
			place->calls = site->calls;
	}
}

static void start(struct trial *trial) {
	memset(trial->torture->sites, 0, sizeof(trial->torture->sites));
	trial->torture->hits = 0;
	trial->torture->pause = false;
	trial->torture->callers = is_all() ? ALL_CALLERS : CALLERS;
	trial->process = process_start(
		PROCESS(.arguments = STRINGS("/proc/self/exe", "trial",
					     test_text("%s whole", mode->program)),
			.environment = STRINGS(test_text("TORTURE=%s", trial->path))));
}

// The errno that comes next of those of this place, 0 for none; the cursor is beyond it then.
static int take_errno(const struct place *place) {
	unsigned most = place->calls < place->limit ? place->calls : place->limit;
	while (cursor.turn <= (is_all() ? most : 1)) {
		int error = calls[place->call].errnos[cursor.error++];
		bool is_waste = mode->for_ever && (error == EINTR || error == EAGAIN);
		if (error && !is_waste && (is_all() || cursor.error == 1))
			return error;
		if (!error) {
			cursor.error = 0;
			cursor.turn *= 2;
		}
	}
	return 0;
}

// Takes the next failure to be tried. Returns whether there is one.
static bool take(struct torture *torture) {
	bool is_slow = sizeof(ECHOD_SANITIZE) > 1 && strcmp(mode->program, "echod") == 0;
	size_t shares = number("TORTURE_SHARE", is_slow ? 2 : 1), seed = number("TORTURE_SEED", 0);
	torture->error = 0;
	while (!torture->error && cursor.place < (is_all() ? place_total : clean_total)) {
		const struct place *place = &places[cursor.place];
		bool is_wanted = (place->place >> 7) % shares == seed % shares;
		torture->place = place->place;
		torture->call = place->call;
		torture->error = is_wanted ? take_errno(place) : 0;
		torture->turn = cursor.turn;
		if (!torture->error)
			cursor = (struct cursor){.turn = 1, .place = cursor.place + 1};
	}
	torture->for_ever = mode->for_ever;
	torture->heals = mode->heals;
	return torture->error;
}

static void account(struct trial *trial) {
	struct torture *torture = trial->torture;
	merge(torture);
	tried++;
	missed += torture->hits == 0;
	if (torture->hits == 0)
		find_place(torture->place)->limit = torture->turn - 1;
	if (process_wait(trial->process) == 0)
		return;
	failed++;
	const struct place *place = find_place(torture->place);
	print_error("%s, %s fails with %s, call %u from %016jx (%u failures), status %d:\n%s%s",
		    mode->name, calls[place->call].name, strerror(torture->error), torture->turn,
		    (uintmax_t)torture->place, torture->hits, process_wait(trial->process),
		    process_errors(trial->process, NULL), process_output(trial->process, NULL));
}

// Starts and ends trials until there are no more.
static void run_all(void) {
	bool runs = true;
	while (runs) {
		runs = false;
		for (size_t i = 0; i < AT_ONCE; i++) {
			struct trial *trial = &trials[i];
			if (trial->process && process_is_running(trial->process)) {
				runs = true;
				continue;
			}
			if (trial->process)
				account(trial);
			if (trial->process)
				process_forget(trial->process);
			trial->process = NULL;
			if (take(trial->torture)) {
				start(trial);
				runs = true;
			}
		}
		poll(NULL, 0, 2);
	}
}

TEST_ROWS(calls_fail, const struct mode *each, modes) {
	mode = each;
	place_total = tried = missed = failed = 0;
	cursor = (struct cursor){.turn = 1};
	for (size_t i = 0; i < AT_ONCE; i++) {
		trials[i].path = place_path(test_text("torture%zu", i));
		trials[i].torture = torture_share(trials[i].path);
	}
	for (size_t i = 0; i < AT_ONCE; i++) // which see what a clean run calls
		start(&trials[i]);
	for (size_t i = 0; i < AT_ONCE; i++) {
		process_expect_status(trials[i].process, 0);
		merge(trials[i].torture);
		trials[i].process = NULL;
	}
	clean_total = place_total;
	run_all();
	for (size_t i = 0; i < AT_ONCE; i++)
		munmap(trials[i].torture, sizeof(struct torture));
	print_message("%s: %zu failures of calls from %zu places, %zu of them not reached; wrong "
		      "after %zu\n",
		      mode->name, tried, place_total, missed, failed);
	assert_int_equal(failed, 0);
	assert_true(tried >= 10 && (is_all() || missed <= tried / 5));
}
