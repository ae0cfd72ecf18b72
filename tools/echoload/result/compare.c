#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cmdline.h"
#include "base/log.h"
#include "base/units.h"
#include "echoload/common/paths.h"
#include "merge.h"

#define WINNER_BY_CHANCE 0.05 // that in any of the measures chance alone names a winner
#define LATENESS_NS 200e3     // beyond it the generator is part of the figures,
#define LATENESS_SHARE 0.3    // if it is also beyond this share of the latency's p99
#define RESOLUTION 1e-3	      // of a percentile in the histogram, relative

int compare_check(const struct result *result, struct echod_error *error)
{
	double p99 = (double)hdr_percentile(result->latency, 99.0);
	uint64_t unanswered = 0, errors = result_errors(result),
		 faults = result_count(result->json, "faults_found");
	const char *why = NULL;
	const json_t *evidence;
	for (size_t i = 0; (evidence = merge_entry(result_get(result, "evidence"), i)); i++) {
		double late = json_number_value(json_object_get(evidence, "lateness_p99_ns"));
		if (late > LATENESS_NS && late > LATENESS_SHARE * p99)
			why = "echoload was late itself, which is in its latency";
		if (json_is_true(json_object_get(evidence, "interrupted")))
			why = "it was interrupted";
		unanswered += result_count(evidence, "unanswered");
	}
	if (strcmp(result_verdict(result), "CLIENT-BOUND") == 0)
		why = "it was CLIENT-BOUND, limited by echoload itself";
	if (result_total(result, "bytes") == 0 || result->latency->count == 0)
		why = "nothing was answered";
	if (why)
		return error_set(error, ECHOD_ERROR_SYSTEM, "it does not count: %s", why);
	if (unanswered == 0 && errors == 0 && faults == 0)
		return 0;
	return error_set(error, ECHOD_ERROR_SYSTEM,
			 "it does not count: it had %" PRIu64 " error%s, %" PRIu64
			 " unanswered message%s and %" PRIu64 " fault%s",
			 errors, log_plural(errors), unanswered, log_plural(unanswered), faults,
			 log_plural(faults));
}

static void fill_side(struct comparison *comparison, unsigned side, const struct result *results)
{
	size_t count = comparison->count[side];
	double(*figure)[RANK_MOST] = comparison->figure[side];
	for (size_t i = 0; i < count; i++) {
		const struct result *result = &results[i];
		figure[MEASURE_RATE][i] = result_rate(result, "messages");
		for (unsigned m = MEASURE_P50; m < COMPARED; m++)
			figure[m][i] = (double)hdr_percentile(result->latency, measures[m].percent);
	}
	for (unsigned m = 0; m < COMPARED; m++)
		comparison->median[side][m] = rank_median(figure[m], count);
}

static double change_of(const struct comparison *comparison, enum measure measure)
{
	double left = comparison->median[0][measure];
	return (comparison->median[1][measure] - left) / fmax(left, 1e-9);
}

// Corrects for several measures (Holm): a difference must be the clearer the more are left.
static void find_winners(struct comparison *comparison)
{
	double p[COMPARED]; // NAN, which compares with nothing, where there is an objection already
	for (unsigned m = 0; m < COMPARED; m++)
		p[m] = comparison->objection[m] ? NAN : comparison->p[m];
	for (unsigned m = 0; m < COMPARED; m++) {
		double change = change_of(comparison, m);
		comparison->right_wins[m] = m == MEASURE_RATE ? change > 0 : change < 0;
		if (!comparison->objection[m] && fabs(change) <= RESOLUTION)
			comparison->objection[m] = "a histogram knows it no better than to 0.1 %";
		for (unsigned other = 0; other < COMPARED; other++) {
			int left = (p[0] >= p[other]) + (p[1] >= p[other]) + (p[2] >= p[other]);
			if (p[other] <= p[m] && p[other] * left >= WINNER_BY_CHANCE)
				comparison->objection[m] = "chance may do that";
		}
	}
}

void compare_results(struct comparison *comparison, const struct result *results,
		     const size_t count[2])
{
	*comparison = (struct comparison){.count = {count[0], count[1]}};
	for (size_t i = 0; i < count[0] + count[1]; i++) {
		if (strcmp(result_verdict(&results[i]), "RATE-LIMITED") == 0)
			comparison->objection[MEASURE_RATE] =
				"that of a RATE-LIMITED run is what was offered";
	}
	fill_side(comparison, 0, results);
	fill_side(comparison, 1, results + count[0]);
	for (unsigned m = 0; m < COMPARED; m++) {
		comparison->p[m] = rank_test(comparison->figure[0][m], count[0],
					     comparison->figure[1][m], count[1]);
		if (count[0] < COMPARE_RUNS || count[1] < COMPARE_RUNS)
			comparison->objection[m] = "that takes 5 runs a side";
	}
	find_winners(comparison);
}

static void print_row(enum measure m, const char *name, double left, double right)
{
	if (m == MEASURE_RATE)
		printf("%-18s %15.0f %15.0f", name, left, right);
	else
		printf("%-18s %15s %15s", name, UNITS_DURATION((uint64_t)left),
		       UNITS_DURATION((uint64_t)right));
}

static void print_measure(const struct comparison *comparison, enum measure m, const char *name)
{
	const double *a = comparison->figure[0][m], *b = comparison->figure[1][m];
	size_t last_a = comparison->count[0] - 1, last_b = comparison->count[1] - 1;
	print_row(m, name, comparison->median[0][m], comparison->median[1][m]);
	printf(" %+11.2f %% %9.3f\n", 100 * change_of(comparison, m), comparison->p[m]);
	if (last_a + last_b == 0)
		return;
	print_row(m, "  lowest", a[0], b[0]);
	printf("\n");
	print_row(m, "  highest", a[last_a], b[last_b]);
	printf("\n");
}

static int print_comparison(const struct comparison *comparison, const char *const *paths,
			    const struct result *results)
{
	static const char *const names[COMPARED] = {"throughput", "p50", "p99"};
	static const char *const rows[COMPARED] = {"messages a second", "latency p50",
						   "latency p99"};
	char labels[2 * RANK_MOST][PATHS_LABEL];
	int status = EXIT_INCONCLUSIVE;
	size_t count = comparison->count[0] + comparison->count[1];
	paths_label(paths, count, labels);
	for (size_t i = 0; i < count; i++)
		printf("%c  %s  %s\n", i < comparison->count[0] ? 'A' : 'B', labels[i],
		       result_verdict(&results[i]));
	printf("\n%-18s %15s %15s %13s %9s\n", "median of the runs", "A", "B", "change", "p");
	for (unsigned m = 0; m < COMPARED; m++)
		print_measure(comparison, m, rows[m]);
	printf("\n");
	for (unsigned m = 0; m < COMPARED; m++) {
		double change = 100 * change_of(comparison, m);
		if (comparison->objection[m]) {
			printf("%-11s no winner: %s\n", names[m], comparison->objection[m]);
			continue;
		}
		printf("%-11s %c is better: that of B is %s by %.2f %%\n", names[m],
		       comparison->right_wins[m] ? 'B' : 'A', change > 0 ? "higher" : "lower",
		       fabs(change));
		status = EXIT_OK;
	}
	return status;
}

static const char summary[] =
	"Tells whether throughput, and latency at p50 and p99, differ between the runs\n"
	"of A and those of B. The unit is the run, because the seconds of one run depend\n"
	"on each other and on the state of the server at its start. A winner needs at\n"
	"least 5 runs a side and a difference that chance seldom makes.";

static const char epilogue[] =
	"Each file is a result of --json from echoload or of echoload merge. A merged\n"
	"one counts as one run, beside others of as many. It is best to run A and B in\n"
	"turn and to start the server again for each run. p is how often chance alone\n"
	"makes equal sides differ so much (Mann and Whitney, exact). Over the three\n"
	"measures together, equal sides get a winner in less than 5 of 100 comparisons\n"
	"(Holm). At most 32 runs a side.\n"
	"\n"
	"Exit status:\n"
	"  0  at least one of the three has a winner\n"
	"  2  wrong usage, a file that is no result of this schema, a run that is there\n"
	"     twice, or runs of different loads: mode, connections, sizes, rate,\n"
	"     duration and so on must be the same\n"
	"  3  standard output could not be written\n"
	"  4  no winner; or a run does not count: it was CLIENT-BOUND or interrupted,\n"
	"     echoload was late, or there were errors, unanswered messages or faults";

struct compare_command {
	struct inputs inputs;
	size_t split; // operands before --with; 0: it is not there
	bool with;
	struct result results[2 * RANK_MOST];
	struct comparison comparison;
};

static const struct setting table[] = {
	{0, "with", NULL, "the results before it are the runs of A, those after it are those of B",
	 SETTING_SWITCH, SETTING_FIELD(struct compare_command, with), .least = true},
};

// Reads a result, which must be of the same load as those before.
static int read_result(struct compare_command *command, size_t index, struct echod_error *error)
{
	struct result *result = &command->results[index];
	struct echod_error why;
	if (result_read(result, command->inputs.paths[index], error) != 0)
		return -1;
	for (const struct result *other = command->results; other < result; other++) {
		size_t runs = json_array_size(result_get(result, "runs"));
		size_t before = json_array_size(result_get(other, "runs"));
		int status = merge_check(other, result, &why);
		if (before != runs)
			status = error_set(&why, ECHOD_ERROR_USAGE,
					   "it holds %zu run%s, and another one %zu", runs,
					   log_plural(runs), before);
		if (status != 0)
			return inputs_fail(&command->inputs, index, &why, error);
	}
	return 0;
}

static int run(void *context, struct echod_error *error)
{
	struct compare_command *command = context;
	const struct inputs *inputs = &command->inputs;
	size_t left = command->split ? command->split : 1;
	size_t count[] = {left, inputs->count - left};
	if (inputs->count < left + 1 || (!command->split && inputs->count > 2))
		return error_set(error, ECHOD_ERROR_USAGE,
				 "two results are needed, or several with --with between them "
				 "(see echoload compare --help)");
	if (count[0] > RANK_MOST || count[1] > RANK_MOST)
		return error_set(error, ECHOD_ERROR_USAGE, "more than %d runs a side", RANK_MOST);
	if (inputs_check(inputs, error) != 0)
		return -1;
	for (size_t i = 0; i < inputs->count; i++) {
		if (read_result(command, i, error) != 0)
			return -1;
	}
	for (size_t i = 0; i < inputs->count; i++) {
		struct echod_error why;
		if (compare_check(&command->results[i], &why) == 0)
			continue;
		inputs_fail(inputs, i, &why, error);
		cmdline_complain("echoload compare", error->message);
		return EXIT_INCONCLUSIVE;
	}
	compare_results(&command->comparison, command->results, count);
	return print_comparison(&command->comparison, inputs->paths, command->results);
}

int compare_main(int argc, char **argv)
{
	static struct compare_command command;
	const struct cmdline cmdline = {
		.program = "echoload compare",
		.synopsis = "A.json... --with B.json...\n"
			    "  or:  echoload compare A.json B.json",
		.summary = summary,
		.epilogue = epilogue,
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = inputs_take,
		.run = run,
		.context = &command,
	};
	command = (struct compare_command){.inputs = {"-", (const char **)argv + argc, 0}};
	// Operands come in their order, but after the options.
	for (int i = 1; i < argc && command.split == 0; i++)
		command.split = strcmp(argv[i], "--with") == 0 ? (size_t)i - 1 : 0;
	int status = cmdline_run(&cmdline, argc, argv);
	for (size_t i = 0; i < 2 * RANK_MOST; i++)
		result_free(&command.results[i]);
	return status;
}
