// Scenario: the search for the highest rate, against servers whose highest rate is known.
#include "base/cmdline.h"
#include "load.h"
#include "odd_server.h"

#define WITHIN 0.02 // of the server's rate
// The server cannot make up for a longer time in which others have its CPU.
#define STALL (5 * NS_PER_MS)
// For a search that they do not disturb. Under a sanitizer, where times mean little, one is enough.
#define PATIENCE_WITH_OTHERS ((sizeof(ECHOD_SANITIZE) > 1 ? 1 : 10) * NS_PER_S)

// Waits for its end as long as it shows that it goes on.
static int wait_while_it_goes_on(struct process *process) {
	while (process_is_running(process)) {
		size_t before = strlen(process_errors(process, NULL));
		wait_until(!process_is_running(process) ||
			   strlen(process_errors(process, NULL)) > before);
	}
	return process_wait(process);
}

// Whether others had the server's CPU, or the generator's, for long enough to matter.
static bool was_disturbed(const struct odd_server *server, struct process *process) {
	size_t count;
	const struct odd_span *spans = odd_spans(server, &count);
	for (size_t i = 0; i < count; i++) {
		if (spans[i].to - spans[i].from > STALL)
			return true;
	}
	return strstr(process_errors(process, NULL), "client-bound") != NULL;
}

static struct process *start_search(const struct odd_server *server, const char *limit,
				    const char *timeout) {
	return process_start_simple(LOAD_FOR_RESULT, server->address, "-c", "100", "-d", "700ms",
				    "--search", limit, "--timeout", timeout);
}

static void expect_report(struct process *process, const char *limit, double held) {
	const char *said = process_errors(process, NULL);
	json_t *result = load_result(process);
	assert_true(load_number(result, "configuration.rate") == held);
	double missed = load_number(result, "evidence.search.missed");
	assert_true(missed > held && missed < 1.05 * held);
	assert_in_range(load_count(result, "evidence.search.runs"), 3, 30);
	assert_contains(said,
			test_text("\n%s holds up to %.0f/s, not at %.0f/s", limit, held, missed));
	load_expect_report(strstr(said, "\nload ") + 1);
}

static void find_rate(double rate, const char *limit) {
	uint64_t until = clock_deadline(PATIENCE_WITH_OTHERS);
	bool right, disturbed;
	do {
		struct odd_server *server = odd_server(ODD_RATE, .arg = rate);
		struct process *process = start_search(server, limit, "5s");
		int status = wait_while_it_goes_on(process);
		json_t *result = load_result(process);
		double held = load_number(result, "evidence.search.held");
		right = held >= (1 - WITHIN) * rate && held <= (1 + WITHIN) * rate;
		disturbed = was_disturbed(server, process);
		if (!right && !disturbed)
			fail_msg("found %.0f: %s", held, process_errors(process, NULL));
		// Of a rate a little above the server's, the last run may miss the limit.
		if (right && !disturbed && held <= rate)
			load_expect_status(process, status, EXIT_OK);
		if (right)
			expect_report(process, limit, held);
	} while (!right && clock_now() < until);
}

static const struct search {
	const char *name;
	double rate;
	const char *limit;
} searches[] = {
	// A queue that grows for a second does not miss a limit of half a second, and yet it grows.
	{"loose_1000", 1000, "p99<500ms"},
	{"loose_5000", 5000, "p99<500ms"},
	{"tight_1000", 1000, "p99<20ms"},
	{"tight_5000", 5000, "p99<20ms"},
};

TEST_ROWS(highest_rate, const struct search *search, searches) {
	find_rate(search->rate, search->limit);
}

static void expect_none(const struct odd_server *server, const char *limit, const char *why) {
	struct process *process = start_search(server, limit, "300ms");
	load_expect_status(process, wait_while_it_goes_on(process), EXIT_CHECK_FAILED);
	const char *said = process_errors(process, NULL);
	if (!strstr(said, why) || !strstr(said, " holds at no rate that was tried, not at "))
		fail_msg("not '%s': %s", why, said);
	load_expect_report(strstr(said, "\nload ") + 1);
	json_t *result = load_result(process);
	assert_true(load_number(result, "evidence.search.held") == 0);
	double missed = load_number(result, "evidence.search.missed");
	assert_true(missed > 0 && missed == load_number(result, "configuration.rate"));
}

TEST(none_holds) {
	expect_none(odd_server(ODD_ECHOES), "p99<1us", "expected p99<1us, measured ");
	expect_none(odd_server(ODD_LOSES, .arg = 50), "p99<10s", "messages were lost");
}
