// echoload, a load generator that verifies every byte and tells when not to believe it. Main
// thread; the threads of the load are the engine's.
#include <stdio.h>
#include <string.h>

#include "base/cmdline.h"
#include "base/output.h"
#include "base/program.h"
#include "base/signals.h"
#include "echoload/ab/ab.h"
#include "echoload/result/chart.h"
#include "echoload/result/compare.h"
#include "echoload/result/merge.h"
#include "echoload/run/options.h"
#include "echoload/run/outputs.h"
#include "echoload/run/report.h"
#include "echoload/run/run.h"
#include "echoload/run/search.h"

#define PROGRAM "echoload"

struct session {
	struct load_config config;
	struct wishes wishes;
	struct screen progress; // standard error
	struct screen report;	// standard output, unless data goes there
	struct outputs outputs;
	struct search search;
	struct run run;
};

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} subcommands[] = {
	{"ab", ab_main},
	{"merge", merge_main},
	{"compare", compare_main},
	{"report", chart_main},
};

// Prints a line if the check does not hold.
static bool check_holds(const struct expect *expect, const struct engine_result *result)
{
	char line[EXPECT_LINE];
	if (expect_judge(expect, result, line))
		return true;
	fprintf(stderr, PROGRAM ": %s\n", line);
	return false;
}

// The subjects that --expect names, as bits.
static unsigned checked_subjects(const struct wishes *wishes)
{
	unsigned subjects = 0;
	for (size_t i = 0; i < wishes->expect_count; i++)
		subjects |= 1U << wishes->expects[i].subject;
	return subjects;
}

// Those that were asked for, and those of every run that nothing else was said about.
static bool checks_hold(const struct wishes *wishes, const struct run *run)
{
	static const struct expect always[] = {
		{.text = "errors==0", .subject = EXPECT_ERRORS, .relation = EXPECT_EQUAL},
		{.text = "unanswered==0", .subject = EXPECT_UNANSWERED, .relation = EXPECT_EQUAL},
	};
	bool hold = true;
	for (size_t i = 0; i < wishes->expect_count; i++)
		hold &= check_holds(&wishes->expects[i], &run->result);
	for (size_t i = 0; !wishes->allow_errors && i < sizeof(always) / sizeof(always[0]); i++)
		hold &= (checked_subjects(wishes) & 1U << always[i].subject) ||
			check_holds(&always[i], &run->result);
	char line[EXPECT_LINE];
	if (!wishes->searching || search_holds(run, &wishes->search, line))
		return hold;
	fprintf(stderr, PROGRAM ": %s\n", line);
	return false;
}

static bool bytes_were_wrong(const struct book *book)
{
	return book->fault_count > 0 || book->errors.of[LOAD_MISMATCH].count > 0;
}

// Whether the measurement tells anything about what is on the other side.
static bool measurement_counts(const struct session *session)
{
	const struct run *run = &session->run;
	const struct book *book = run->result.book;
	bool nothing = book->messages == 0 && (book->unanswered > 0 || run->result.connected == 0);
	if (run->verdict.kind == VERDICT_CLIENT_BOUND || session->search.client_bound)
		return session->wishes.allow_client_bound;
	if (run->verdict.kind == VERDICT_INCONCLUSIVE &&
	    (checked_subjects(&session->wishes) & EXPECT_OF_SPEED))
		return false;
	return !nothing;
}

// Wrong bytes are wrong at any speed. All else fails only in a measurement that counts.
static int status_of(const struct session *session)
{
	const struct run *run = &session->run;
	bool early = run->interrupted && run->result.book->latency.count == 0;
	if (early)
		fprintf(stderr, PROGRAM ": interrupted before anything was measured\n");
	bool hold = early || checks_hold(&session->wishes, run);
	if (bytes_were_wrong(run->result.book) && !session->wishes.allow_errors)
		return EXIT_CHECK_FAILED;
	if (early || !measurement_counts(session))
		return EXIT_INCONCLUSIVE;
	return hold ? EXIT_OK : EXIT_CHECK_FAILED;
}

static int report(struct session *session, struct error *error)
{
	json_t *search = session->wishes.searching ? search_describe(&session->search) : NULL;
	int failed =
		outputs_finish(&session->outputs, &session->config, &session->run, search, error);
	json_decref(search);
	report_print(&session->report, &session->run);
	return failed ? cmdline_fail(PROGRAM, error) : status_of(session);
}

// Runs the load once, at the rate of `config`, and reports.
static int measure(struct session *session, struct error *error)
{
	struct run *run = &session->run;
	if (run_load(run, &session->config, &session->progress, &session->outputs, error) != 0)
		return cmdline_fail(PROGRAM, error);
	int status = report(session, error);
	run_free(run);
	return status;
}

// Looks for the rate, then measures at it; if there is none, at the lowest that was tried.
static int search_and_measure(struct session *session, struct error *error)
{
	struct search *search = &session->search;
	if (search_run(search, &session->config, &session->wishes.search, &session->progress,
		       &session->report, error) != 0)
		return cmdline_fail(PROGRAM, error);
	if (search->interrupted) {
		fprintf(stderr, PROGRAM ": ");
		search_print(search, stderr);
		return EXIT_INCONCLUSIVE;
	}
	search_print(search, session->report.file);
	fprintf(session->report.file, "\n");
	session->config.rate = search->held > 0 ? search->held : search->missed;
	int status = measure(session, error);
	return status == EXIT_OK && search->held == 0 ? EXIT_CHECK_FAILED : status;
}

static int load(int argc, char **argv)
{
	static struct session session;
	struct error error;
	int status = options_read(&session.config, &session.wishes, argc, argv);
	if (status != -1)
		return status;
	screen_open(&session.progress, stderr);
	screen_open(&session.report, session.wishes.data_on_stdout ? stderr : stdout);
	signals_heed(1); // it ends the run that is under way, or the next one
	if (outputs_open(&session.outputs, &session.wishes, &session.report, &error) != 0)
		return cmdline_fail(PROGRAM, &error);
	output_hold(true); // measuring does not wait for printing, and results come first
	status = session.wishes.searching ? search_and_measure(&session, &error)
					  : measure(&session, &error);
	outputs_close(&session.outputs);
	output_hold(false);
	return status;
}

static int start(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(subcommands) / sizeof(subcommands[0]); i++) {
		if (strcmp(argv[1], subcommands[i].name) == 0)
			return subcommands[i].main(argc - 1, argv + 1);
	}
	return load(argc, argv);
}

int main(int argc, char **argv)
{
	return program_run(PROGRAM, start, argc, argv);
}
