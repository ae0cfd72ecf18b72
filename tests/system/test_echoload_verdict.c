// Scenario: echoload's verdict where the limit is known, as each scene puts it there.
// `system_verdict echoload_verdict [SCENE...]` plays the scenes whose names begin like this
// (default: all), as often each as ECHOD_TEST_CALLS says (default: once), and prints the score of
// each. A confident untruth fails. At least 19 of 20 calls have to be right, without those that
// others disturbed and that say so. With fewer than 20 calls each must be right in the end: some
// are repeated, once if others disturbed them.
#include "base/cmdline.h"
#include "crowd.h"
#include "daemon.h"
#include "load.h"
#include "place.h"
#include "scene.h"
#include "stats.h"

#define MANY 20			     // calls: their shares mean something
#define REPEAT_UNTIL (20 * NS_PER_S) // after a scene's start, with fewer calls
#define MOST_DISTURBED 2	     // times as many calls as wanted, with many

// Servers. Sizes are of the default message.
static const struct odd_spec rate_1000 = {ODD_RATE, .arg = 1000};
static const struct odd_spec delays = {ODD_DELAYS, .arg = 0.005};
static const struct odd_spec locks = {ODD_LOCKS, .arg = 0.001};
static const struct odd_spec works = {ODD_WORKS, .arg = 0.0001};
static const struct odd_spec batches = {ODD_BATCHES, .arg = 0.0008};
static const struct odd_spec forks = {ODD_FORKS, .arg = 0.0001};
static const struct odd_spec sleeps = {ODD_ECHOES, .stop_every = 50 * NS_PER_MS,
				       .stop_for = 30 * NS_PER_MS};

// Paths: of each direction the delay, packets lost of 1,000, bytes a second, bytes that may wait.
#define LANE(ms, lost, bytes, room) \
	{ .delay = (ms)*NS_PER_MS, .per_mille = (lost), .rate = (bytes), .queue = (room) }
#define SHORT LANE(1, 0, 0, 0)
static const struct path_spec short_path = {SHORT, SHORT};
static const struct path_spec long_path = {LANE(5, 0, 0, 0), LANE(5, 0, 0, 0)};
static const struct path_spec far_path = {LANE(10, 0, 0, 0), LANE(10, 0, 0, 0)};
static const struct path_spec lossy_path = {LANE(1, 60, 0, 0), LANE(1, 60, 0, 0)};
static const struct path_spec narrow_there = {LANE(1, 0, 2000000, 200000), SHORT};
static const struct path_spec narrow_back = {SHORT, LANE(1, 0, 2000000, 200000)};
// For messages that are small: so few fit that a busy server keeps up.
static const struct path_spec slim_back = {SHORT, LANE(1, 0, 400000, 200000)};

#define SERVER "SERVER-BOUND"
#define CLIENT "CLIENT-BOUND"
#define NETWORK "NETWORK-BOUND"
#define CONCURRENCY "CONCURRENCY-BOUND"
#define SATURATED "SATURATED"
#define OVERLOADED "OVERLOADED"
#define LIMITED "RATE-LIMITED"
#define OPEN "INCONCLUSIVE"
#define STREAM "-m", "stream"
#define TEN \
	{ "-c", "10" }
#define BUSY \
	{ NEIGHBOUR, 0 }

static const struct scene scenes[] = {
	{"server/quota", {SERVER, SATURATED}, TEN, .server = {QUOTA, 0.2}},
	{"server/quota_blind", {SERVER, SATURATED}, TEN, .server = {QUOTA, 0.2}, .blind = true},
	{"server/works", {SERVER, SATURATED}, TEN, .odd = &works},
	{"server/forks", {SERVER, SATURATED}, TEN, .odd = &forks},
	// Each message costs less when there are more. Whether it is full is not known then.
	{"server/batches", {OPEN " " SERVER, SATURATED}, TEN, .odd = &batches},
	{"neighbour/server", {SERVER, SATURATED}, TEN, .server = BUSY},
	{"neighbour/client", {CLIENT}, TEN, .client = BUSY},
	{"client/quota", {CLIENT}, TEN, .client = {QUOTA, 0.2}},
	{"client/stops", {CLIENT}, TEN, .client = {STOPS, 0.3}},
	{"client/together", {CLIENT}, TEN, .together = true},
	{"client/open", {CLIENT}, {"-c", "10", "--rate", "50k"}, .client = {QUOTA, 0.2}},
	{"concurrency/one", {CONCURRENCY}, {"-c", "1"}, .odd = &delays},
	{"concurrency/ten", {CONCURRENCY}, TEN, .odd = &delays},
	{"concurrency/open", {CONCURRENCY}, {"-c", "10", "--rate", "5000"}, .odd = &delays},
	{"concurrency/path", {CONCURRENCY}, TEN, .path = &long_path},
	{"overload/token", {OVERLOADED}, {"-c", "100", "--rate", "1100"}, .odd = &rate_1000},
	{"overload/twice", {OVERLOADED}, {"-c", "10", "--rate", "2000"}, .odd = &rate_1000},
	{"overload/quota", {OVERLOADED}, {"-c", "50", "--rate", "60k"}, .server = {QUOTA, 0.2}},
	{"creep/token", {OVERLOADED}, {"-c200", "--rate=1010", "-d10s"}, .odd = &rate_1000},
	{"unseen/stranger", {CONCURRENCY}, TEN, .odd = &delays, .stranger = true},
	{"unseen/stranger_full", {SATURATED " " SERVER}, TEN, .odd = &works, .stranger = true},
	{"unseen/no_proc", {OPEN, SATURATED}, TEN, .odd = &rate_1000, .no_proc = true},
	{"unseen/no_proc_neighbour", {CLIENT " " OPEN}, TEN, .client = BUSY, .no_proc = true},
	{"rate/low", {LIMITED}, {"-c", "10", "--rate", "200"}, .odd = NULL},
	{"rate/neighbour", {LIMITED " " CLIENT}, {"-c", "10", "--rate", "200"}, .client = BUSY},
	{"rate/token", {LIMITED}, {"-c", "100", "--rate", "800"}, .odd = &rate_1000},
	{"rate/path", {LIMITED}, {"-c", "10", "--rate", "200"}, .path = &short_path},
	{"lock/ten", {SATURATED}, TEN, .odd = &locks},
	{"lock/hundred", {SATURATED}, {"-c", "100"}, .odd = &locks},
	{"sleeper/stops", {SERVER, SATURATED}, TEN, .server = {STOPS, 0.3}},
	{"sleeper/naps", {SATURATED}, TEN, .odd = &sleeps},
	{"sleeper/token", {SATURATED}, TEN, .odd = &rate_1000},
	{"proxy/pacer", {SATURATED}, TEN, .proxy = PACER},
	{"proxy/pacer_blind", {SATURATED}, TEN, .proxy = PACER, .blind = true},
	{"proxy/token", {SATURATED}, TEN, .odd = &rate_1000, .proxy = HAPROXY},
	{"proxy/lock", {SATURATED}, TEN, .odd = &locks, .proxy = HAPROXY},
	{"path/narrow", {NETWORK, SATURATED}, {"-c", "10", "-s", "8k"}, .path = &narrow_there},
	{"path/slim", {NETWORK, SATURATED}, {"-c", "200"}, .path = &slim_back},
	{"path/lossy", {NETWORK " " CONCURRENCY}, TEN, .path = &lossy_path},
	{"path/stream_there", {NETWORK, SATURATED}, {"-c", "2", STREAM}, .path = &narrow_there},
	{"path/stream_back", {NETWORK, SATURATED}, {"-c", "2", STREAM}, .path = &narrow_back},
	{"far/token", {SATURATED}, {"-c", "38"}, .odd = &rate_1000, .path = &far_path},
	{"far/stops", {CONCURRENCY}, TEN, .server = {STOPS, 0.3}, .path = &short_path},
	// With more to do the server gets a larger share of its CPU.
	{"far/neighbour",
	 {OPEN " " SATURATED},
	 {"-c", "40"},
	 .odd = &works,
	 .server = BUSY,
	 .path = &short_path},
	{"far/works", {SATURATED}, {"-c", "40"}, .odd = &works, .path = &short_path},
};

static size_t calls;   // of each scene
static uint64_t began; // of the scene, clock_now

struct score {
	size_t of[SCENE_OUTCOMES];
	size_t played, right, disturbed; // `disturbed`: those that are not right
};

static bool wants_another(const struct score *score) {
	if (calls >= MANY)
		return score->played - score->disturbed < calls &&
		       score->played < (1 + MOST_DISTURBED) * calls;
	if (score->of[SCENE_WRONG] > 0 || score->right == calls || score->disturbed > calls)
		return false;
	return score->played < calls ||
	       (score->played < 4 * calls && clock_now() - began < REPEAT_UNTIL);
}

static void expect_right(const struct score *score) {
	assert_int_equal(score->of[SCENE_WRONG], 0);
	size_t counted = score->played - score->disturbed;
	if (calls >= MANY && counted < calls)
		fail_msg("others have had the machine all the time");
	if (calls >= MANY)
		assert_true(20 * score->right >= 19 * counted);
	else // each of the others says that it does not know, and others have had the machine
		assert_true(score->right >= calls || counted == score->right);
}

TEST_ROWS(verdict_is_right, const struct scene *scene, scenes) {
	static const char *const outcomes[] = {"right", "weak", "inconclusive", "excused", "WRONG"};
	struct score score = {0};
	if (!scene_is_possible(scene)) {
		printf("%s needs what is not here: /dev/net/tun or haproxy\n", scene->name);
		skip();
	}
	calls = crowd_number("ECHOD_TEST_CALLS", 1);
	began = clock_now();
	while (wants_another(&score)) {
		struct scene_call call = scene_play(scene);
		bool right = call.outcome == SCENE_RIGHT;
		score.played++;
		score.of[call.outcome]++;
		score.right += right;
		score.disturbed += !right && call.outcome != SCENE_WRONG && call.disturbed;
		if (!right)
			printf("%s: %s: %s\n", scene->name, outcomes[call.outcome], call.said);
		test_clean_up();
	}
	printf("%-22s %3zu calls:", scene->name, score.played);
	for (size_t i = 0; i < SCENE_OUTCOMES; i++)
		printf(" %zu %s,", score.of[i], outcomes[i]);
	printf(" %zu of those not right disturbed\n", score.disturbed);
	fflush(stdout);
	expect_right(&score);
}

// The server dies in the midst of the run. However busy it was until then, what came after says
// nothing.
TEST(verdict_is_open, .with = {"killed/stream", "killed/churn"}) {
	const char *mode = strchr(test_with(), '/') + 1;
	struct daemon *daemon = daemon_start(NULL);
	const char *file = place_path("run.json");
	struct process *load = process_start_simple(ECHOLOAD_PROGRAM, daemon->address[0], "-m",
						    mode, "-c", "10", "-d", "2s", "--json", file);
	stats_wait_at_least(daemon, "bytes_sent", 10000);
	process_kill(daemon->process);
	int status = process_wait(load); // what was on its way may be missing, which is a fault
	assert_true(status == EXIT_OK || status == EXIT_CHECK_FAILED ||
		    status == EXIT_INCONCLUSIVE);
	json_t *result = load_result_of_file(file);
	assert_string_equal(load_text(result, "verdict"), OPEN);
	assert_contains(load_text(result, "evidence.reasons.0"),
			"connections that failed and were tried again");
}
