// The report of `echoload ab`, and its checks.
#include "rounds.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/json_text.h"
#include "base/units.h"
#include "echoload/run/run.h"

#define SCHEMA 1
#define OTHERS_SHARE 0.125 // of the machine's CPUs: others may use no more,
#define OTHERS_CPUS 0.5	   // nor more than this many,
#define OTHERS_APART 0.05  // nor more than this many if they may hit one server more than another
#define BUSY 0.9	   // of the time: busier threads of the generator are a limit themselves

static bool is_disturbed(const struct rounds *rounds)
{
	double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
	double most = rounds->apart ? OTHERS_APART : fmin(OTHERS_SHARE * cpus, OTHERS_CPUS);
	return !(rounds->others <= most);
}

static bool is_busy(const struct rounds *rounds, size_t target)
{
	const struct sums *all = &rounds->targets[target].all;
	return !rounds->config->spin &&
	       (double)all->worked > BUSY * (double)all->took * rounds->config->threads;
}

// Why a ratio proves nothing; NULL: it does.
static const char *find_doubt(const struct rounds *rounds, size_t target, enum measure measure)
{
	if (isnan(rounds->targets[target].ratios[measure].median.low))
		return "not known";
	if (is_disturbed(rounds))
		return "disturbed";
	// If the generator is the limit at both, the rate shows the generator's, or how well its
	// work is bunched.
	if (measure != MEASURE_CPU && is_busy(rounds, 0) && is_busy(rounds, target))
		return "echoload is the limit";
	return NULL;
}

static const char *conclude(const struct rounds *rounds, size_t target, enum measure measure)
{
	const struct rank_interval *ratio = &rounds->targets[target].ratios[measure].median;
	const char *doubt = find_doubt(rounds, target, measure);
	if (doubt || !rank_differs(ratio, 1))
		return doubt ? doubt : "no difference";
	return ratio->median < 1 ? "less" : "more";
}

static void print_value(const struct sums *all, enum measure measure, FILE *file)
{
	double value = rounds_value(all, measure);
	if (measure == MEASURE_RATE)
		fprintf(file, " %12.0f", value);
	else
		fprintf(file, " %10s", isnan(value) ? "-" : UNITS_DURATION((uint64_t)value));
}

static void print_ratio(const struct rounds *rounds, size_t target, enum measure measure,
			FILE *file)
{
	const char *const name = target == 0 ? "itself" : rounds->targets[target].name;
	const struct rank_interval *ratio = &rounds->targets[target].ratios[measure].median;
	int places = ratio->median < 0.1 ? 5 : 3;
	fprintf(file, "%-16s %-6s ", measure == 0 ? name : "", measures[measure].name);
	if (isnan(ratio->low))
		fprintf(file, "%9s %23s", "-", "");
	else
		fprintf(file, "%9.*f %10.*f to %-9.*f", places, ratio->median, places, ratio->low,
			places, ratio->high);
	double percent = fabs(ratio->median - 1) * 100;
	if (!find_doubt(rounds, target, measure) && rank_differs(ratio, 1))
		fprintf(file, percent < 10 ? " %.2g %%" : " %.0f %%", percent);
	fprintf(file, " %s\n", conclude(rounds, target, measure));
}

void rounds_print(const struct rounds *rounds, FILE *file)
{
	char address[ADDRESS_TEXT_SIZE];
	size_t targets = rounds->config->target_count;
	size_t each = rounds->config->connections / targets;
	fprintf(file, "%-16s %12s %10s %10s %10s  address\n", "", "messages/s", "p50", "p99",
		"cpu/message");
	for (size_t i = 0; i < targets; i++) {
		fprintf(file, "%-16s", rounds->targets[i].name);
		for (enum measure k = 0; k < MEASURES; k++)
			print_value(&rounds->targets[i].all, k, file);
		endpoint_format(&rounds->config->targets[i], address);
		fprintf(file, "  %.16s\n", address);
	}
	fprintf(file, "\nratio to %-14s %9s %15s\n", rounds->targets[0].name, "median",
		"95 % interval");
	for (size_t i = 0; i < targets; i++) {
		for (enum measure k = 0; k < MEASURES; k++)
			print_ratio(rounds, i, k, file);
	}
	fprintf(file, "\n%ju rounds in %s, slices of %s, %zu connection%s each%s%s.\n",
		(uintmax_t)rounds->done, UNITS_DURATION(rounds->lasted),
		UNITS_DURATION(rounds->slice), each, each > 1 ? "s" : "",
		rounds->config->spin ? ", polling" : "",
		rounds->interrupted ? ", until a signal" : "");
	char used[32] = "an unknown number of";
	if (!isnan(rounds->others))
		snprintf(used, sizeof(used), "%.2f", rounds->others);
	if (is_disturbed(rounds))
		fprintf(file,
			"Processes other than echoload and its servers used %s CPUs%s: so the "
			"ratios prove nothing.\n",
			used, rounds->apart ? ", and these may not run on the same" : "");
}

static json_t *pack_target(const struct rounds *rounds, size_t index)
{
	const struct target *target = &rounds->targets[index];
	char address[ADDRESS_TEXT_SIZE];
	endpoint_format(&rounds->config->targets[index], address);
	json_t *ratios = json_object();
	json_t *json = json_pack("{s:s, s:o, s:b, s:I}", "name", target->name, "address",
				 json_text(address), "generator_busy", is_busy(rounds, index),
				 "messages", (json_int_t)target->all.messages);
	for (enum measure k = 0; k < MEASURES; k++) {
		const struct rank_interval *ratio = &target->ratios[k].median;
		json_put(&json, measures[k].member, json_finite(rounds_value(&target->all, k)));
		json_put(&ratios, measures[k].name,
			 json_pack("{s:o, s:o, s:o, s:I, s:s}", "median",
				   json_finite(ratio->median), "low", json_finite(ratio->low),
				   "high", json_finite(ratio->high), "values",
				   (json_int_t)target->ratios[k].count, "conclusion",
				   conclude(rounds, index, k)));
	}
	json_put(&json, "ratio", ratios);
	return json;
}

int rounds_write(const struct rounds *rounds, const char *path, struct echod_error *error)
{
	json_t *targets = json_array();
	int failed = 0;
	for (size_t i = 0; i < rounds->config->target_count; i++)
		failed |= json_array_append_new(targets, pack_target(rounds, i));
	json_t *json = json_pack(
		"{s:i, s:f, s:I, s:I, s:b, s:o, s:b, s:o, s:o, s:o}", "ab_schema", SCHEMA,
		"seconds", clock_seconds(rounds->lasted), "rounds", (json_int_t)rounds->done,
		"slice_ns", (json_int_t)rounds->slice, "interrupted", rounds->interrupted,
		"other_cpus", json_finite(rounds->others), "disturbed", is_disturbed(rounds),
		"targets", targets, "configuration", outputs_configuration(rounds->config),
		"machine", outputs_machine());
	if (failed)
		json_decref(json);
	return result_write_json(failed ? NULL : json, path, error);
}

// `limit`: at least this; negative: at most its opposite.
static int judge(const char *check, const struct rounds *rounds, size_t target,
		 enum measure measure, double limit, struct echod_error *error)
{
	const struct rank_interval *ratio = &rounds->targets[target].ratios[measure].median;
	const char *doubt = find_doubt(rounds, target, measure);
	bool low = limit > 0 ? ratio->low >= limit : ratio->low <= -limit;
	bool high = limit > 0 ? ratio->high >= limit : ratio->high <= -limit;
	if (!doubt && low && high)
		return EXIT_OK;
	bool failed = !doubt && !low && !high;
	if (isnan(ratio->low))
		error_set(error, ECHOD_ERROR_SYSTEM, "expected %.64s, which was not measured",
			  check);
	else
		error_set(error, ECHOD_ERROR_SYSTEM,
			  "expected %.64s, %smeasured %.4f, between %.4f and %.4f%s%s", check,
			  failed ? "" : "which is undecided: ", ratio->median, ratio->low,
			  ratio->high, doubt ? "; " : "", doubt ? doubt : "");
	return failed ? EXIT_CHECK_FAILED : EXIT_INCONCLUSIVE;
}

int check_judge(const char *check, const struct rounds *rounds, struct echod_error *error)
{
	char name[64] = "", measure[8] = "", relation[3] = "";
	int at = 0;
	double limit;
	size_t target = 1;
	enum measure k = MEASURE_RATE;
	bool read =
		sscanf(check, "%63[^.<=>].%7[a-z0-9]%2[<=>]%n", name, measure, relation, &at) == 3;
	const char *end = units_read_number(check + at, &limit);
	while (k < MEASURES && strcmp(measure, measures[k].name) != 0)
		k++;
	while (target < CONFIG_ENDPOINTS && strcmp(name, rounds->targets[target].name) != 0)
		target++;
	if (!read || !end || *end || limit <= 0 || k == MEASURES || relation[0] == '=' ||
	    (relation[1] && relation[1] != '='))
		error_set(error, ECHOD_ERROR_USAGE,
			  "--expect: '%.64s' is no check: NAME.rate, .p50, .p99 or .cpu, one of < "
			  "<= >= >, and a ratio, such as b.rate>=0.98",
			  check);
	else if (target == CONFIG_ENDPOINTS)
		error_set(error, ECHOD_ERROR_USAGE,
			  "--expect: '%.64s': '%s' is no target other than the first", check, name);
	else
		return judge(check, rounds, target, k, relation[0] == '>' ? limit : -limit, error);
	return EXIT_USAGE;
}
