#include "trial.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"

#define MESSAGE 1000
#define LONG_ENOUGH (15 * NS_PER_S) // no further trial of this behaviour begins
#define BRIEF_COUNT (8 << 20)	    // in place of more than LONG_COUNT
#define LONG_COUNT (64 << 20)
#define BRIEF_DELAY (500 * NS_PER_MS) // in place of more than LONG_DELAY
#define LONG_DELAY (5 * NS_PER_S)

const struct behaviour behaviours[] = {
#define CASE(...) {__VA_ARGS__},
#include "cases.def"
#undef CASE
};
const unsigned behaviour_count = sizeof(behaviours) / sizeof(behaviours[0]);
const char *const verdict_words[] = {"kept", "info", "changed", "broken", "not-run"};

void tell(struct trial *trial, enum verdict verdict, const char *format, ...)
{
	if (verdict < trial->verdict || (verdict == trial->verdict && trial->seen[0]))
		return;
	trial->verdict = verdict;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(trial->seen, sizeof(trial->seen), format, arguments);
	va_end(arguments);
}

// A trial that cannot be run ends the row.
static void run_trial(struct result *result, const struct path *path)
{
	const struct behaviour *row = result->behaviour;
	struct trial trial = {.path = path, .delay = row->delay, .count = row->count};
	struct pair *pair = &trial.pair;
	pair_init(pair);
	trial.first = row->first == CLIENT ? &pair->client : &pair->server;
	trial.other = row->first == CLIENT ? &pair->server : &pair->client;
	if (path->brief && row->delay > LONG_DELAY)
		trial.delay = BRIEF_DELAY;
	if (path->brief && row->count > LONG_COUNT)
		trial.count = BRIEF_COUNT;
	const char *unable = far_listen(path->far, "accept");
	if (!unable)
		row->run(&trial);
	pair_close(pair);
	if (path->far->unable[0])
		tell(&trial, VERDICT_NOT_RUN, "%.150s", path->far->unable);
	if (result->runs == 0 ||
	    (trial.verdict > result->verdict && trial.verdict != VERDICT_NOT_RUN)) {
		result->verdict = trial.verdict;
		memcpy(result->seen, trial.seen, sizeof(trial.seen));
	}
	result->of[trial.verdict]++;
	result->runs += trial.verdict != VERDICT_NOT_RUN;
}

void result_find(struct result *result, const struct behaviour *behaviour, const struct path *path,
		 int repeats)
{
	uint64_t start = clock_now();
	*result = (struct result){.behaviour = behaviour, .selected = true};
	do
		run_trial(result, path);
	while (result->runs < (repeats ? repeats : behaviour->repeats) &&
	       result->of[VERDICT_NOT_RUN] == 0 && clock_now() - start < LONG_ENOUGH);
	result->duration = clock_now() - start;
	if (result->runs < 2 || result->verdict == VERDICT_INFO)
		return;
	char seen[sizeof(result->seen)];
	memcpy(seen, result->seen, sizeof(seen));
	snprintf(result->seen, sizeof(result->seen), "kept %d of %d%s%.160s",
		 result->of[VERDICT_KEPT], result->runs, *seen ? "; " : "", seen);
}

bool trial_open_with(struct trial *trial, enum hello hello)
{
	const char *why = path_open_pairs(trial->path, &trial->pair, 1, hello);
	if (why)
		tell(trial, VERDICT_BROKEN, "no connection: %s", why);
	return !why;
}

bool trial_open(struct trial *trial)
{
	return trial_open_with(trial, HELLO_FIRST);
}

void trial_play(struct trial *trial)
{
	(void)play(&trial->pair, 1, trial->path->timeout);
}

void trial_pass(struct trial *trial, struct end *from, struct end *to)
{
	end_put(from, to, MESSAGE);
	trial_play(trial);
	judge(trial, to, ENDING_NONE);
}

void trial_exchange(struct trial *trial)
{
	trial_pass(trial, trial->first, trial->other);
	trial_pass(trial, trial->other, trial->first);
}

bool trial_silence(struct trial *trial, uint64_t duration)
{
	uint64_t deadline = clock_deadline(duration);
	const struct end *end = NULL;
	while (!end && clock_now() < deadline) {
		uint64_t left = deadline - clock_now();
		play_for(&trial->pair, 1, left < 50 * NS_PER_MS ? left : 50 * NS_PER_MS);
		end = trial->pair.client.ending	  ? &trial->pair.client
		      : trial->pair.server.ending ? &trial->pair.server
						  : NULL;
	}
	if (end)
		tell(trial, VERDICT_BROKEN, "after %s of silence the %s got %s",
		     UNITS_DURATION(end->quiet), end->name, end_ending(end));
	return !end;
}

void judge(struct trial *trial, const struct end *end, enum ending expected)
{
	char text[END_TEXT_SIZE];
	bool exact = end->received == end->wanted && end->first_wrong == UINT64_MAX;
	if (exact && end->ending == expected)
		return;
	if (exact && expected == ENDING_FIN && end->ending == ENDING_RESET)
		tell(trial, VERDICT_CHANGED, "%s got a reset in place of FIN", end->name);
	else if (exact && expected == ENDING_RESET && end->ending == ENDING_FIN)
		tell(trial, VERDICT_CHANGED, "%s got FIN in place of a reset", end->name);
	else
		tell(trial, VERDICT_BROKEN, "%s", end_format(end, text));
}
