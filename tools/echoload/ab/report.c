// What `echoload ab` says of a comparison, and checks of it.
#include "rounds.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/json_text.h"
#include "base/units.h"
#include "echoload/result/result.h"
#include "echoload/run/run.h"

#define SCHEMA 1
#define OTHERS_SHARE 0.125 // of the machine's CPUs,
#define OTHERS_MOST 0.5	   // and so many CPUs, are the most that others may use,
#define OTHERS_APART 0.05  // or so many where they may hit one server more than another
#define BUSY 0.9	   // of the generator's threads, which then are a limit themselves

enum conclusion { UNKNOWN, DISTURBED, LIMITED, SAME, LESS, MORE };
static const char *const conclusions[] = {
	[UNKNOWN] = "not known",  [DISTURBED] = "disturbed", [LIMITED] = "echoload is the limit",
	[SAME] = "no difference", [LESS] = "less",	     [MORE] = "more",
};

static bool is_disturbed(const struct rounds *rounds)
{
	double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
	double most = rounds->apart ? OTHERS_APART : fmin(OTHERS_SHARE * cpus, OTHERS_MOST);
	return !(rounds->others <= most);
}

static bool is_busy(const struct rounds *rounds, size_t index)
{
	const struct sums *all = &rounds->contenders[index].all;
	return !rounds->config->spin &&
	       (double)all->worked > BUSY * (double)all->took * rounds->config->threads;
}

// Whether the generator was the limit at both: then more is not seen, or how well its work is
// bunched.
static bool is_limited(const struct rounds *rounds, size_t index, enum measure measure)
{
	return measure != MEASURE_CPU && is_busy(rounds, 0) &&
	       is_busy(rounds, index % rounds->config->target_count);
}

static enum conclusion conclude(const struct rounds *rounds, size_t index, enum measure measure)
{
	const struct median *ratio = &rounds->contenders[index].ratio[measure];
	if (isnan(ratio->low))
		return UNKNOWN;
	if (is_disturbed(rounds))
		return DISTURBED;
	if (is_limited(rounds, index, measure))
		return LIMITED;
	if (!median_differs(ratio, 1))
		return SAME;
	return ratio->value < 1 ? LESS : MORE;
}

static const char *format_time(double ns, char *text, size_t size)
{
	if (isnan(ns))
		snprintf(text, size, "-");
	else
		units_format_duration((uint64_t)llround(ns), text, size);
	return text;
}

static void print_targets(const struct rounds *rounds, FILE *file)
{
	fprintf(file, "%-16s %12s %10s %10s %10s  address\n", "", "messages/s", "p50", "p99",
		"cpu/message");
	for (size_t i = 0; i < rounds->config->target_count; i++) {
		const struct sums *all = &rounds->contenders[i].all;
		char address[ADDRESS_TEXT_SIZE], p50[16], p99[16], cpu[16];
		endpoint_format(&rounds->config->targets[i], address);
		fprintf(file, "%-16s %12.0f %10s %10s %10s  %.16s\n", rounds->names[i],
			rounds_value(all, MEASURE_RATE),
			format_time(rounds_value(all, MEASURE_P50), p50, sizeof(p50)),
			format_time(rounds_value(all, MEASURE_P99), p99, sizeof(p99)),
			format_time(rounds_value(all, MEASURE_CPU), cpu, sizeof(cpu)), address);
	}
}

static void print_ratio(const struct rounds *rounds, size_t index, enum measure measure, FILE *file)
{
	const struct median *ratio = &rounds->contenders[index].ratio[measure];
	enum conclusion conclusion = conclude(rounds, index, measure);
	const char *name = index < rounds->config->target_count ? rounds->names[index] : "itself";
	int places = ratio->value < 0.1 ? 5 : 3;
	fprintf(file, "%-16s %-6s ", measure == 0 ? name : "", measure_names[measure]);
	if (conclusion == UNKNOWN)
		fprintf(file, "%9s %23s", "-", "");
	else
		fprintf(file, "%9.*f %10.*f to %-9.*f", places, ratio->value, places, ratio->low,
			places, ratio->high);
	if (conclusion > SAME)
		fprintf(file, " %.2g %%", fabs(ratio->value - 1) * 100);
	fprintf(file, " %s\n", conclusions[conclusion]);
}

void rounds_print(const struct rounds *rounds, FILE *file)
{
	char slice[16], lasted[16];
	size_t targets = rounds->config->target_count;
	size_t each = rounds->config->connections / targets;
	print_targets(rounds, file);
	fprintf(file, "\nratio to %-14s %9s %15s\n", rounds->names[0], "median", "95 % interval");
	for (size_t i = 0; i < targets; i++) {
		for (enum measure k = 0; k < MEASURES; k++)
			print_ratio(rounds, i ? i : targets, k, file);
	}
	fprintf(file, "\n%ju rounds in %s, slices of %s, %zu connection%s each%s%s.\n",
		(uintmax_t)rounds->done,
		units_format_duration(rounds->lasted, lasted, sizeof(lasted)),
		units_format_duration(rounds->slice, slice, sizeof(slice)), each,
		each > 1 ? "s" : "", rounds->config->spin ? ", polling" : "",
		rounds->interrupted ? ", until a signal" : "");
	if (isnan(rounds->others))
		fprintf(file, "How much others used the machine is not known: so nothing can be "
			      "told.\n");
	else if (is_disturbed(rounds))
		fprintf(file,
			"Processes other than echoload and its servers used %.2f CPUs%s: so "
			"nothing can be told.\n",
			rounds->others, rounds->apart ? ", and these may not run on the same" : "");
}

static json_t *pack_target(const struct rounds *rounds, size_t index)
{
	size_t part = index ? index : rounds->count - 1;
	const struct contender *contender = &rounds->contenders[part];
	const struct sums *all = &rounds->contenders[index].all;
	char address[ADDRESS_TEXT_SIZE];
	json_t *ratios = json_object();
	endpoint_format(&rounds->config->targets[index], address);
	for (enum measure k = 0; k < MEASURES; k++) {
		const struct median *ratio = &contender->ratio[k];
		json_object_set_new(
			ratios, measure_names[k],
			json_pack("{s:o, s:o, s:o, s:I, s:s}", "median", json_finite(ratio->value),
				  "low", json_finite(ratio->low), "high", json_finite(ratio->high),
				  "values", (json_int_t)contender->ratio_count[k], "conclusion",
				  conclusions[conclude(rounds, part, k)]));
	}
	return json_pack("{s:s, s:o, s:b, s:I, s:o, s:o, s:o, s:o, s:o}", "name",
			 rounds->names[index], "address", json_text(address), "generator_busy",
			 is_busy(rounds, index), "messages", (json_int_t)all->messages,
			 "messages_per_second", json_finite(rounds_value(all, MEASURE_RATE)),
			 "p50_ns", json_finite(rounds_value(all, MEASURE_P50)), "p99_ns",
			 json_finite(rounds_value(all, MEASURE_P99)), "cpu_ns",
			 json_finite(rounds_value(all, MEASURE_CPU)), "ratio", ratios);
}

int rounds_write(const struct rounds *rounds, const char *path, struct error *error)
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

int check_parse(struct check *check, const char *text, const char *const *names, size_t count,
		struct error *error)
{
	char name[64] = "", measure[8] = "", relation[3] = "";
	int at = 0;
	*check = (struct check){.text = text};
	bool read =
		sscanf(text, "%63[^.<=>].%7[a-z0-9]%2[<=>]%n", name, measure, relation, &at) == 3;
	const char *end = units_read_number(text + at, &check->limit);
	while (check->measure < MEASURES && strcmp(measure, measure_names[check->measure]) != 0)
		check->measure++;
	while (check->target < count && strcmp(name, names[check->target]) != 0)
		check->target++;
	check->at_least = relation[0] == '>';
	if (!read || !end || *end || check->limit <= 0 || check->measure == MEASURES ||
	    relation[0] == '=' || (relation[1] && relation[1] != '='))
		return error_set(
			error, ERROR_USAGE,
			"--expect: '%.64s' is no check: NAME.rate, .p50, .p99 or .cpu, one "
			"of < <= >= >, and a ratio, such as b.rate>=0.98",
			text);
	if (check->target % count == 0)
		return error_set(error, ERROR_USAGE,
				 "--expect: '%.64s': '%s' is no target other than the first", text,
				 name);
	return 0;
}

int check_judge(const struct check *check, const struct rounds *rounds, const char *program)
{
	const struct median *ratio = &rounds->contenders[check->target].ratio[check->measure];
	double sign = check->at_least ? 1 : -1;
	double low = sign * (ratio->low - check->limit);
	double high = sign * (ratio->high - check->limit);
	bool failed = low < 0 && high < 0;
	const char *doubt = "";
	if (is_disturbed(rounds))
		doubt = conclusions[DISTURBED];
	else if (is_limited(rounds, check->target, check->measure))
		doubt = conclusions[LIMITED];
	else if (low >= 0 && high >= 0)
		return EXIT_OK;
	if (isnan(ratio->low))
		fprintf(stderr, "%s: expected %.64s, which was not measured\n", program,
			check->text);
	else
		fprintf(stderr, "%s: expected %.64s, %smeasured %.4f, between %.4f and %.4f%s%s\n",
			program, check->text,
			failed && !*doubt ? "" : "which cannot be told: ", ratio->value, ratio->low,
			ratio->high, *doubt ? "; " : "", doubt);
	return failed && !*doubt ? EXIT_CHECK_FAILED : EXIT_INCONCLUSIVE;
}
