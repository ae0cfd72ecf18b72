// `echoload compare`: two results side by side. Main thread.
#include "compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/log.h"
#include "base/units.h"
#include "echoload/common/paths.h"

#define LINE_WIDTH 79

static int check_length(const struct result *result, char name, struct error *error)
{
	if (result->interval_count < BOOTSTRAP_INTERVALS)
		return error_set(error, ERROR_SYSTEM,
				 "%c has %zu interval%s, too few to tell a difference from noise: "
				 "at least %d are needed",
				 name, result->interval_count, log_plural(result->interval_count),
				 BOOTSTRAP_INTERVALS);
	if (result->bytes == 0 || result->latency->count == 0)
		return error_set(error, ERROR_SYSTEM, "%c counted nothing to compare", name);
	return 0;
}

int compare_check(const struct result *left, const struct result *right, struct error *error)
{
	int status = check_length(left, 'A', error);
	return status == 0 ? check_length(right, 'B', error) : status;
}

static void read_figures(const struct result *result, bool bytes, double *figures)
{
	figures[MEASURE_RATE] = bytes ? result_byte_rate(result) : result_message_rate(result);
	figures[MEASURE_P50] = (double)hdr_percentile(result->latency, 50.0);
	figures[MEASURE_P99] = (double)hdr_percentile(result->latency, 99.0);
}

int compare_results(struct comparison *comparison, const struct result *left,
		    const struct result *right, struct error *error)
{
	*comparison = (struct comparison){.bytes = left->messages == 0 || right->messages == 0};
	read_figures(left, comparison->bytes, comparison->left);
	read_figures(right, comparison->bytes, comparison->right);
	for (unsigned m = 0; m < MEASURES; m++)
		comparison->change[m] = (comparison->right[m] - comparison->left[m]) /
					fmax(comparison->left[m], 1e-9);
	struct sample samples[2] = {0};
	int status = sample_make(&samples[0], left, comparison->bytes, error);
	if (status == 0)
		status = sample_make(&samples[1], right, comparison->bytes, error);
	if (status == 0)
		status = bootstrap_compare(&samples[0], &samples[1], comparison->confidence, error);
	sample_free(&samples[0]);
	sample_free(&samples[1]);
	return status;
}

int compare_winner(const struct comparison *comparison, enum measure measure)
{
	const struct confidence *confidence = &comparison->confidence[measure];
	bool more_is_better = measure == MEASURE_RATE;
	if (confidence->low > 0.0)
		return more_is_better ? 1 : 0;
	if (confidence->high < 0.0)
		return more_is_better ? 0 : 1;
	return -1;
}

static bool is_either(const struct result *left, const struct result *right, const char *verdict)
{
	return strcmp(left->verdict, verdict) == 0 || strcmp(right->verdict, verdict) == 0;
}

#define OPEN_LOOP 1U
#define CLOSED_LOOP 2U

static unsigned loop_of(const json_t *configuration)
{
	return json_is_number(json_object_get(configuration, "rate")) ? OPEN_LOOP : CLOSED_LOOP;
}

// Those of the run, or of all that were merged.
static unsigned loops_of(const struct result *result)
{
	const json_t *runs = json_object_get(result->configuration, "runs");
	unsigned loops = runs ? 0 : loop_of(result->configuration);
	for (size_t i = 0; i < json_array_size(runs); i++)
		loops |= loop_of(json_array_get(runs, i));
	return loops;
}

const char *compare_objection(const struct result *left, const struct result *right,
			      enum measure measure)
{
	if (is_either(left, right, "CLIENT-BOUND"))
		return "what was measured is in part echoload itself";
	if (measure == MEASURE_RATE)
		return is_either(left, right, "RATE-LIMITED")
			       ? "that of a RATE-LIMITED run is what was offered"
			       : NULL;
	return (loops_of(left) | loops_of(right)) == (OPEN_LOOP | CLOSED_LOOP)
		       ? "latency counts from another moment in an open loop"
		       : NULL;
}

// The end of a path that is too long tells more than its beginning.
static void print_file(char name, const char *path)
{
	char text[LINE_WIDTH - 2];
	size_t length = strlen(path);
	size_t room = sizeof(text) - 1;
	bool fits = length <= room;
	const char *end = fits ? path : path + length - (room - strlen("..."));
	printf("%c  %s%s\n", name, fits ? "" : "...",
	       log_escape(end, strlen(end), text, sizeof(text)));
}

static const char *format_figure(const struct comparison *comparison, enum measure measure,
				 double figure, char *text, size_t size)
{
	if (measure != MEASURE_RATE)
		return units_format_duration((uint64_t)figure, text, size);
	if (comparison->bytes)
		return units_format_size((uint64_t)figure, text, size);
	snprintf(text, size, "%.0f", figure);
	return text;
}

// As a percentage without its sign.
static const char *format_share(double share, const char *sign, char *text, size_t size)
{
	double percent = fabs(share) * 100.0;
	snprintf(text, size, percent < 99.995 ? "%s%.2f" : "%s%.0f", sign, percent);
	return text;
}

static const char *sign_of(double share)
{
	return share < 0.0 ? "-" : "+";
}

static void print_row(const struct comparison *comparison, enum measure measure, const char *name)
{
	char a[32];
	char b[32];
	char change[16];
	char low[16];
	char high[16];
	char interval[48];
	double share = comparison->change[measure];
	const struct confidence *confidence = &comparison->confidence[measure];
	snprintf(interval, sizeof(interval), "%s to %s %%",
		 format_share(confidence->low, sign_of(confidence->low), low, sizeof(low)),
		 format_share(confidence->high, sign_of(confidence->high), high, sizeof(high)));
	printf("%-18s %13s %13s %9s %% %20s\n", name,
	       format_figure(comparison, measure, comparison->left[measure], a, sizeof(a)),
	       format_figure(comparison, measure, comparison->right[measure], b, sizeof(b)),
	       format_share(share, sign_of(share), change, sizeof(change)), interval);
}

// Returns whether a winner was named. `objection` may be NULL.
static bool print_verdict(const struct comparison *comparison, enum measure measure,
			  const char *name, const char *objection)
{
	const struct confidence *confidence = &comparison->confidence[measure];
	int winner = compare_winner(comparison, measure);
	char least[16];
	char most[16];
	if (objection || winner < 0) {
		printf("%-11s no winner: %s\n", name,
		       objection ? objection : "the interval contains 0");
		return false;
	}
	bool higher = confidence->low > 0.0;
	printf("%-11s %c is better: that of B is %s by %s to %s %%\n", name, winner ? 'B' : 'A',
	       higher ? "higher" : "lower",
	       format_share(higher ? confidence->low : confidence->high, "", least, sizeof(least)),
	       format_share(higher ? confidence->high : confidence->low, "", most, sizeof(most)));
	return true;
}

// What may be wrong with taking the figures of one run for its peer's.
static void print_doubts(const struct result *result, char name)
{
	if (strcmp(result->verdict, "CLIENT-BOUND") == 0)
		printf("%c was CLIENT-BOUND: its figures are those of the load generator.\n", name);
	else if (strcmp(result->verdict, "RATE-LIMITED") == 0)
		printf("%c was RATE-LIMITED: its throughput is what was offered.\n", name);
	else if (strcmp(result->verdict, "INCONCLUSIVE") == 0)
		printf("%c was INCONCLUSIVE: what limited it is not known.\n", name);
	uint64_t errors = result_error_count(result);
	if (errors || result->faults_found)
		printf("%c had %ju error%s and %ju fault%s in its bytes.\n", name,
		       (uintmax_t)errors, log_plural(errors), (uintmax_t)result->faults_found,
		       log_plural(result->faults_found));
}

// Prints `text` as the next of a list, on a new line where there is no room.
static void print_item(const char *text, int *column)
{
	char clean[40];
	log_escape(text, strlen(text), clean, sizeof(clean));
	int length = (int)strlen(clean);
	if (*column == 0)
		*column = printf("They were configured differently:");
	else
		*column += printf(",");
	if (*column + 1 + length + 1 > LINE_WIDTH)
		*column = printf("\n ") - 1;
	*column += printf(" %s", clean);
}

// The settings that are not the same in both.
static void print_settings(json_t *left, json_t *right)
{
	const char *name;
	json_t *value;
	int column = 0;
	json_t *all = json_copy(right);
	json_object_update_missing(all, left);
	json_object_foreach(all, name, value)
	{
		if (!json_equal(json_object_get(left, name), json_object_get(right, name)))
			print_item(name, &column);
	}
	if (column)
		printf(".\n");
	json_decref(all);
}

static int print_comparison(const struct comparison *comparison, const char *const *paths,
			    const struct result *results)
{
	static const char *const names[MEASURES] = {"throughput", "p50", "p99"};
	const char *rate = comparison->bytes ? "bytes a second" : "messages a second";
	print_file('A', paths[0]);
	print_file('B', paths[1]);
	printf("%-18s %13s %13s %11s %20s\n", "", "A", "B", "change", "95 % interval");
	print_row(comparison, MEASURE_RATE, rate);
	print_row(comparison, MEASURE_P50, "latency p50");
	print_row(comparison, MEASURE_P99, "latency p99");
	printf("\n");
	bool winner = false;
	for (enum measure m = 0; m < MEASURES; m++) {
		const char *objection = compare_objection(&results[0], &results[1], m);
		winner |= print_verdict(comparison, m, names[m], objection);
	}
	printf("\n");
	print_doubts(&results[0], 'A');
	print_doubts(&results[1], 'B');
	print_settings(results[0].configuration, results[1].configuration);
	printf("The intervals hold what chance does within a run, not from one start of the\n"
	       "peer to the next: repeat both before you rely on a small difference.\n");
	return winner ? EXIT_OK : EXIT_INCONCLUSIVE;
}

static const char summary[] =
	"Says what has changed from run A to run B: throughput, and latency at p50 and\n"
	"p99, with the interval that holds the change with 95 % confidence. Where that\n"
	"interval contains 0 nobody is named the winner, nor where a run was\n"
	"CLIENT-BOUND, nor in throughput where one was RATE-LIMITED, nor in latency\n"
	"between an open and a closed loop.";

static const char epilogue[] =
	"A.json and B.json are what --json of echoload or echoload merge has written, of\n"
	"10 seconds each at least, and better of 60: with less, chance is underrated\n"
	"where one slow second follows another. The confidence is a bootstrap over\n"
	"blocks of successive seconds; the same files always give the same answer.\n"
	"\n"
	"Exit status:\n"
	"  0  at least one of the three has a winner\n"
	"  2  wrong usage, or a file that is no result of this schema\n"
	"  3  standard output could not be written\n"
	"  4  no winner, or too little to say anything";

struct request {
	const char *paths[2];
	unsigned count;
	struct result results[2];
};

static int take(void *context, const char *name, const char *value, struct error *error)
{
	(void)name;
	struct request *request = context;
	if (request->count == 2)
		return error_set(error, ERROR_USAGE,
				 "'%.160s' is too much: two results are compared", value);
	request->paths[request->count] = value;
	return result_read(&request->results[request->count++], value, error);
}

static int run(void *context, struct error *error)
{
	const struct request *request = context;
	struct comparison comparison;
	const struct result *results = request->results;
	if (request->count < 2)
		return error_set(error, ERROR_USAGE,
				 "two results are needed (see echoload compare --help)");
	if (paths_check_inputs("-", request->paths, 2, error) != 0)
		return -1;
	if (compare_check(&results[0], &results[1], error) != 0) {
		cmdline_fail("echoload compare", error);
		return EXIT_INCONCLUSIVE;
	}
	if (compare_results(&comparison, &results[0], &results[1], error) != 0)
		return -1;
	return print_comparison(&comparison, request->paths, results);
}

int compare_main(int argc, char **argv)
{
	struct request request = {0};
	const struct cmdline cmdline = {
		.program = "echoload compare",
		.synopsis = "A.json B.json",
		.summary = summary,
		.epilogue = epilogue,
		.take = take,
		.run = run,
		.context = &request,
	};
	int status = cmdline_run(&cmdline, argc, argv);
	result_free(&request.results[0]);
	result_free(&request.results[1]);
	return status;
}
