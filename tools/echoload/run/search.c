#include "run.h"

#include <math.h>

#include "base/clock.h"
#include "base/json_text.h"

#define RATE_FIRST 1000.0 // messages a second
#define RATE_STEP 4.0	  // from one rate to the next, until one does not hold
#define RATE_MOST 1e9	  // of --rate
#define NEAR 1.02	  // the highest rate that held and the lowest that did not, apart
#define APART 1.005	  // rates that are worth a run of their own
#define RETREAT 1.01	  // when a rate that held does not hold again
#define RUNS 20		  // at most, until the highest rate is known
#define CONFIRMING 10	  // more, at most

enum outcome { MISSED, HELD, ENDED }; // the last: a signal came, or the run could not begin

bool search_holds(const struct run *run, const struct expect *limit, char line[static EXPECT_LINE])
{
	const struct counters *counters = run->result.counters;
	if (!expect_judge(limit, &run->result, line))
		return false;
	bool lost = counters->unanswered > 0 || counters->fault_count > 0 ||
		    load_errors_total(&counters->errors) > 0;
	snprintf(line, EXPECT_LINE, "%s",
		 lost ? "messages were lost, see errors and faults" : "the rate was not sustained");
	return !lost && run->evidence.sustained;
}

// A message answered at a time t has waited for the share of t by which more messages are due than
// are served.
static void note_capacity(struct search *search, const struct evidence *evidence, uint64_t lasted)
{
	double count = evidence->intervals;
	if (evidence->rise > 0 && count > 1)
		search->capacity = evidence->offered *
				   (1 - evidence->rise / (double)lasted * count / (count - 1));
}

// Runs at search->config.rate. `offered` gets the rate of messages due, which may by chance be
// less.
static enum outcome run_once(struct search *search, double *offered, bool *client_bound,
			     struct echod_error *error)
{
	struct run run;
	char line[EXPECT_LINE];
	enum outcome outcome = ENDED;
	if (run_load(&run, &search->config, search->outputs, error) != 0)
		return outcome;
	search->runs++;
	search->interrupted = run.interrupted;
	if (!run.interrupted) {
		outcome = search_holds(&run, search->limit, line) ? HELD : MISSED;
		*offered = run.evidence.offered;
		*client_bound = run.verdict.kind == VERDICT_CLIENT_BOUND;
		note_capacity(search, &run.evidence, run.result.lasted);
		fprintf(search->outputs->report.file, "%10.0f/s  %s%s\n", search->config.rate,
			outcome == HELD ? "holds" : line, *client_bound ? " (client-bound)" : "");
		fflush(search->outputs->report.file);
	}
	engine_result_free(&run.result);
	return outcome;
}

// Runs at a rate. One run that misses may have been disturbed: two decide. If it held, *rate
// becomes the rate of messages due.
static enum outcome try_rate(struct search *search, double *rate, struct echod_error *error)
{
	enum outcome outcome = MISSED;
	double offered = *rate;
	bool client_bound = false;
	search->config.rate = *rate;
	for (unsigned tries = 0; tries < 2 && outcome == MISSED; tries++)
		outcome = run_once(search, &offered, &client_bound, error);
	if (outcome == HELD)
		*rate = fmin(*rate, offered);
	if (outcome == MISSED && (search->missed == 0 || *rate < search->missed)) {
		search->missed = *rate;
		search->client_bound = client_bound;
	}
	return outcome;
}

// The rate to try next, between the highest that held and the lowest that did not: just below and
// just above what the server seems to sustain, if there is such a guess. 0: none.
static double next_rate(const struct search *search, double least)
{
	static const double guesses[] = {0.99, 1.01};
	if (search->missed == 0)
		return RATE_STEP * search->held <= RATE_MOST ? RATE_STEP * search->held : 0;
	if (search->held > 0 ? search->missed <= NEAR * search->held : search->missed <= least)
		return 0;
	for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++) {
		double guess = guesses[i] * search->capacity;
		if (guess > fmax(APART * search->held, least) && APART * guess < search->missed)
			return guess;
	}
	return search->held > 0 ? sqrt(search->held * search->missed)
				: fmax(search->missed / RATE_STEP, least);
}

// A rate may hold by luck, so it has to hold again, or a lower one has.
static enum outcome confirm(struct search *search, struct echod_error *error)
{
	enum outcome outcome = MISSED;
	while (outcome == MISSED && search->runs < RUNS + CONFIRMING) {
		outcome = try_rate(search, &search->held, error);
		if (outcome == MISSED)
			search->held /= RETREAT;
	}
	if (outcome == MISSED)
		search->held = 0;
	return outcome;
}

int search_run(struct search *search, struct outputs *outputs, struct echod_error *error)
{
	const struct run_options *options = outputs->options;
	*search = (struct search){
		.config = options->load.config, .limit = &options->search, .outputs = outputs};
	search->config.extra = 0; // no experiment
	double samples = hdr_samples_for(options->search.percent);
	double least = fmax(1.05 * samples / clock_seconds(search->config.duration), 1);
	enum outcome outcome = HELD;
	double rate = fmax(RATE_FIRST, least);
	while (outcome != ENDED && rate > 0 && search->runs < RUNS) {
		outcome = try_rate(search, &rate, error);
		if (outcome == HELD)
			search->held = fmax(search->held, rate);
		rate = next_rate(search, least);
	}
	if (outcome != ENDED && search->held > 0)
		outcome = confirm(search, error);
	return outcome == ENDED && !search->interrupted ? -1 : 0;
}

void search_print(const struct search *search, FILE *file)
{
	if (search->interrupted)
		fprintf(file, "the search was interrupted: so far ");
	if (search->held > 0)
		fprintf(file, "%s holds up to %.0f/s", search->limit->text, search->held);
	else
		fprintf(file, "%s holds at no rate that was tried", search->limit->text);
	if (search->missed > 0)
		fprintf(file, ", not at %.0f/s%s", search->missed,
			search->client_bound ? ", where echoload itself was the limit" : "");
	fprintf(file, "\n");
}

json_t *search_describe(const struct search *search)
{
	return json_pack("{s:{s:o, s:f, s:f, s:i, s:b}}", "search", "limit",
			 json_text(search->limit->text), "held", search->held, "missed",
			 search->missed, "runs", (int)search->runs, "client_bound",
			 (int)search->client_bound);
}
