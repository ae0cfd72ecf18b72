// The highest rate that holds a limit. Main thread.
#include "search.h"

#include <math.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/units.h"
#include "run.h"

#define FIRST 1000.0 // messages a second
#define SAMPLES 10.0 // that a run has beyond the percentile at least, so that it tells something
#define MOST 1e9     // of --rate
#define NEAR 1.05    // the highest rate that held and the lowest that did not, apart
#define CONFIRMING 5 // runs
#define ENOUGH 4     // of them
#define RETREATS 6   // times that a rate is given up again
#define CONFIDENCE 0.95

enum outcome { HELD, MISSED, STOPPED, FAILED };

struct seeker {
	struct search *search;
	struct load_config config;
	const struct expect *limit;
	struct screen *progress, *report;
	struct error *error;
	bool client_bound; // the last run was
};

static void print_step(const struct seeker *seeker, const struct run *run, bool held,
		       const char *line)
{
	char rate[16];
	screen_clear(seeker->progress);
	fprintf(seeker->report->file, "%10s/s  %s%s\n",
		units_format_rate(seeker->config.rate, rate, sizeof(rate)),
		held	? "holds"
		: *line ? line
			: "not served",
		run->verdict.kind == VERDICT_CLIENT_BOUND ? " (client-bound)" : "");
	fflush(seeker->report->file);
}

static enum outcome run_once(struct seeker *seeker, double rate)
{
	struct run run;
	char line[EXPECT_LINE] = "";
	seeker->config.rate = rate;
	seeker->config.extra = 0; // no experiment
	if (run_load(&run, &seeker->config, seeker->progress, NULL, seeker->error) != 0)
		return FAILED;
	struct search *search = seeker->search;
	search->interrupted = run.interrupted;
	search->disconnected = run.disconnected;
	enum outcome outcome = STOPPED;
	if (run.disconnected)
		search->errors = run.engine.unconnected;
	if (!run.interrupted && !run.disconnected) {
		bool held = expect_judge(seeker->limit, &run.facts, line) && run.evidence.sustained;
		print_step(seeker, &run, held, line);
		outcome = held ? HELD : MISSED;
		seeker->client_bound = run.verdict.kind == VERDICT_CLIENT_BOUND;
	}
	run_free(&run);
	return outcome;
}

// Tries a rate. One run that misses may have been disturbed: two of three decide.
static enum outcome try_rate(struct seeker *seeker, double rate)
{
	struct search *search = seeker->search;
	enum outcome outcome = run_once(seeker, rate);
	if (outcome == MISSED) {
		outcome = run_once(seeker, rate);
		if (outcome == HELD)
			outcome = run_once(seeker, rate);
	}
	if (outcome == HELD && rate > search->held)
		search->held = rate;
	if (outcome == MISSED && (search->missed == 0 || rate < search->missed)) {
		search->missed = rate;
		search->client_bound = seeker->client_bound;
	}
	return outcome;
}

// The lowest rate at which a run has samples enough.
static double least_rate(const struct seeker *seeker)
{
	double beyond = 1;
	if (seeker->limit->statistic == EXPECT_PERCENTILE)
		beyond = fmax((100 - seeker->limit->percent) / 100, 1e-6);
	return fmax(SAMPLES / beyond / clock_seconds(seeker->config.duration), 1);
}

// Brackets the rate: one that held, and one twice as high that did not.
static enum outcome bracket(struct seeker *seeker)
{
	const struct search *search = seeker->search;
	double least = least_rate(seeker);
	enum outcome outcome = try_rate(seeker, fmax(FIRST, least));
	while (outcome == HELD && search->missed == 0 && 2 * search->held <= MOST)
		outcome = try_rate(seeker, 2 * search->held);
	while (outcome == MISSED && search->held == 0 && search->missed > least)
		outcome = try_rate(seeker, fmax(search->missed / 4, least));
	return outcome;
}

static enum outcome narrow(struct seeker *seeker)
{
	const struct search *search = seeker->search;
	enum outcome outcome = HELD;
	while (outcome <= MISSED && search->missed > NEAR * search->held)
		outcome = try_rate(seeker, sqrt(search->held * search->missed));
	return outcome;
}

// A rate at which the limit held once may have been lucky: it has to hold in fresh runs.
static enum outcome confirm(struct seeker *seeker)
{
	struct search *search = seeker->search;
	for (unsigned retreats = 0; retreats <= RETREATS; retreats++) {
		search->good = 0;
		for (search->runs = 0; search->runs < CONFIRMING; search->runs++) {
			enum outcome outcome = run_once(seeker, search->held);
			if (outcome >= STOPPED)
				return outcome;
			search->good += outcome == HELD;
		}
		if (search->good >= ENOUGH)
			return HELD;
		search->missed = search->held;
		search->client_bound = seeker->client_bound;
		search->held /= NEAR;
	}
	search->held = 0;
	return MISSED;
}

int search_run(struct search *search, const struct load_config *config, const struct expect *limit,
	       struct screen *progress, struct screen *report, struct error *error)
{
	*search = (struct search){0};
	struct seeker seeker = {
		.search = search,
		.config = *config,
		.limit = limit,
		.progress = progress,
		.report = report,
		.error = error,
	};
	enum outcome outcome = bracket(&seeker);
	if (outcome <= MISSED && search->held > 0)
		outcome = narrow(&seeker);
	if (outcome <= MISSED && search->held > 0)
		outcome = confirm(&seeker);
	if (search->runs > 0)
		search->share = search_share(search->runs, search->good);
	return outcome == FAILED ? -1 : 0;
}

// How likely at least `good` of `runs` are when each is with probability `p`.
static double tail(unsigned runs, unsigned good, double p)
{
	double sum = 0;
	for (unsigned k = good; k <= runs; k++)
		sum += exp(lgamma(runs + 1.0) - lgamma(k + 1.0) - lgamma(runs - k + 1.0)) *
		       pow(p, k) * pow(1 - p, runs - k);
	return sum;
}

double search_share(unsigned runs, unsigned good)
{
	double low = 0, high = 1;
	if (good == 0)
		return 0;
	for (int i = 0; i < 60; i++) {
		double middle = (low + high) / 2;
		if (tail(runs, good, middle) < 1 - CONFIDENCE)
			low = middle;
		else
			high = middle;
	}
	return low;
}

void search_print(const struct search *search, const struct expect *limit, struct screen *report)
{
	char held[16], missed[16];
	units_format_rate(search->held, held, sizeof(held));
	units_format_rate(search->missed, missed, sizeof(missed));
	if (search->held == 0) {
		fprintf(report->file,
			"%s holds at no rate that was tried; not at %s/s either (with less, longer "
			"runs "
			"tell: --duration)\n\n",
			limit->text, missed);
		return;
	}
	fprintf(report->file, "%s holds up to %s/s", limit->text, held);
	if (search->missed > 0)
		fprintf(report->file, ", not at %s/s%s", missed,
			search->client_bound ? ", where echoload itself was the limit" : "");
	if (search->runs > 0)
		fprintf(report->file,
			"\nit held there in %u of %u runs: with 95 %% confidence it does in at "
			"least "
			"%.0f %% of all",
			search->good, search->runs, 100 * search->share);
	fprintf(report->file, "\n\n");
}

void search_print_interrupted(const struct search *search, const struct expect *limit, FILE *file)
{
	char held[16], missed[16];
	fprintf(file, "the search was interrupted: so far %s held at ", limit->text);
	if (search->held > 0)
		fprintf(file, "%s/s", units_format_rate(search->held, held, sizeof(held)));
	else
		fprintf(file, "no rate");
	if (search->missed > 0)
		fprintf(file, ", not at %s/s",
			units_format_rate(search->missed, missed, sizeof(missed)));
	fprintf(file, "\n");
}

json_t *search_describe(const struct search *search, const struct expect *limit)
{
	return json_pack("{s:{s:o, s:f, s:f, s:i, s:i, s:f, s:b}}", "search", "limit",
			 json_text(limit->text), "held", search->held, "missed", search->missed,
			 "runs", (int)search->runs, "good", (int)search->good, "share",
			 search->share, "client_bound", (int)search->client_bound);
}
