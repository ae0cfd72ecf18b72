// echoload, a load generator that verifies every byte and says when not to believe it. Main
// thread; the threads of the load are the engine's.
#include <stdio.h>
#include <string.h>

#include "base/cmdline.h"
#include "base/output.h"
#include "base/program.h"
#include "base/signals.h"
#include "echoload/ab/rounds.h"
#include "echoload/result/chart.h"
#include "echoload/result/compare.h"
#include "echoload/result/merge.h"
#include "echoload/run/run.h"

struct load_command {
	struct run_options options;
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

static bool checks_hold(const struct run_options *options, const struct run *run)
{
	char line[EXPECT_LINE];
	bool hold = true;
	for (size_t i = 0; i < options->expect_count; i++) {
		if (expect_judge(&options->expects[i], &run->result, line))
			continue;
		cmdline_complain(ECHOLOAD, line);
		hold = false;
	}
	if (options->search.text && !search_holds(run, &options->search, line)) {
		cmdline_complain(ECHOLOAD, line);
		hold = false;
	}
	return hold;
}

// Whether the measurement says anything about the server.
static bool measurement_counts(const struct load_command *command)
{
	const struct run_options *options = &command->options;
	const struct run *run = &command->run;
	const struct counters *counters = run->result.counters;
	bool speed_matters = false;
	for (size_t i = 0; i < options->expect_count; i++)
		speed_matters |= (EXPECT_OF_SPEED >> options->expects[i].subject & 1) != 0;
	if (run->verdict.kind == VERDICT_CLIENT_BOUND || command->search.client_bound)
		return options->allow_client_bound;
	if (run->verdict.kind == VERDICT_INCONCLUSIVE && speed_matters)
		return false;
	return counters->messages > 0 || (counters->unanswered == 0 && run->result.connected > 0);
}

// Wrong bytes fail any run, other checks only one whose measurement counts.
static int status_of(const struct load_command *command)
{
	const struct run *run = &command->run;
	const struct counters *counters = run->result.counters;
	bool wrong = counters->fault_count > 0 || counters->errors.of[LOAD_MISMATCH].count > 0;
	bool early = run->interrupted && counters->latency.count == 0;
	if (early)
		cmdline_complain(ECHOLOAD, "interrupted before anything was measured");
	bool hold = early || checks_hold(&command->options, run);
	if (wrong && !command->options.allow_errors)
		return EXIT_CHECK_FAILED;
	if (early || !measurement_counts(command))
		return EXIT_INCONCLUSIVE;
	return hold ? EXIT_OK : EXIT_CHECK_FAILED;
}

// Runs the load once, at the rate of the options, and reports.
static int measure(struct load_command *command, struct echod_error *error)
{
	struct run *run = &command->run;
	command->outputs.recording = true;
	if (run_load(run, &command->options.load.config, &command->outputs, error) != 0)
		return cmdline_fail(ECHOLOAD, error);
	json_t *search = command->options.search.text ? search_describe(&command->search) : NULL;
	int failed = outputs_finish(&command->outputs, run, search, error);
	json_decref(search);
	report_print(&command->outputs.report, run);
	int status = failed ? cmdline_fail(ECHOLOAD, error) : status_of(command);
	engine_result_free(&run->result);
	return status;
}

// Looks for the rate, then measures at it; if there is none, at the lowest that was tried.
static int search_and_measure(struct load_command *command, struct echod_error *error)
{
	struct search *search = &command->search;
	struct load_config *config = &command->options.load.config;
	FILE *file = command->outputs.report.file;
	if (search_run(search, &command->outputs, error) != 0)
		return cmdline_fail(ECHOLOAD, error);
	if (search->interrupted) {
		fprintf(stderr, ECHOLOAD ": ");
		search_print(search, stderr);
		return EXIT_INCONCLUSIVE;
	}
	search_print(search, file);
	fprintf(file, "\n");
	config->rate = search->held > 0 ? search->held : search->missed;
	int status = measure(command, error);
	return status == EXIT_OK && search->held == 0 ? EXIT_CHECK_FAILED : status;
}

static int load(int argc, char **argv)
{
	static struct load_command command;
	struct run_options *options = &command.options;
	struct echod_error error;
	int status = run_options_read(options, argc, argv);
	if (status != -1)
		return status;
	signals_heed(1); // it ends the run that is under way, or the next one
	if (outputs_open(&command.outputs, options, &error) != 0)
		return cmdline_fail(ECHOLOAD, &error);
	output_hold(true); // measuring does not wait for printing, and results come first
	status = options->search.text ? search_and_measure(&command, &error)
				      : measure(&command, &error);
	outputs_close(&command.outputs);
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
	return program_run(ECHOLOAD, start, argc, argv);
}
