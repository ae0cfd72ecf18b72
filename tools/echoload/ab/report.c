// What `echoload ab` says of a comparison, and checks of it.
#include "report.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/json_text.h"
#include "base/units.h"
#include "echoload/result/result.h"
#include "echoload/run/describe.h"

#define SCHEMA 1
#define OTHERS 0.1 // CPUs
#define TWINS 0.01
#define BUSY 0.9 // of the generator's threads, which then are a limit themselves

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
			rounds_value(all, MEASURE_TOTAL),
			format_time(rounds_value(all, MEASURE_P50), p50, sizeof(p50)),
			format_time(rounds_value(all, MEASURE_P99), p99, sizeof(p99)),
			format_time(rounds_value(all, MEASURE_CPU), cpu, sizeof(cpu)), address);
	}
}

static void print_ratio(const struct median *ratio, const char *name, const char *what, FILE *file)
{
	double percent = fabs(ratio->value - 1) * 100;
	int places = ratio->value < 0.1 ? 5 : 3;
	fprintf(file, "%-16s %-6s ", name, what);
	if (isnan(ratio->low)) {
		fprintf(file, "%9s %26s\n", "-", "not known");
		return;
	}
	fprintf(file, "%9.*f %10.*f to %-9.*f ", places, ratio->value, places, ratio->low, places,
		ratio->high);
	if (median_differs(ratio, 1))
		fprintf(file, "%.2g %% %s\n", percent, ratio->value < 1 ? "less" : "more");
	else
		fprintf(file, "no difference\n");
}

// Whether what most slices show is not all: it stalls now and then, or the first target does.
static bool has_stalls(const struct contender *contender)
{
	const struct median *total = &contender->ratio[MEASURE_TOTAL];
	return median_differs(total, 1) &&
	       median_differs(total, contender->ratio[MEASURE_RATE].value);
}

static void print_ratios(const struct rounds *rounds, FILE *file)
{
	char first[64];
	snprintf(first, sizeof(first), "ratio to %s", rounds->names[0]);
	fprintf(file, "\n%-23s %9s %15s\n", first, "median", "95 % interval");
	for (size_t i = rounds->count - 1, left = rounds->count - 1; left > 0; left--) {
		const struct contender *contender = &rounds->contenders[i];
		const char *name = i + 1 == rounds->count ? "itself" : rounds->names[i];
		for (enum measure measure = 0; measure < MEASURES; measure++) {
			if (measure != MEASURE_TOTAL || has_stalls(contender)) {
				print_ratio(&contender->ratio[measure], name,
					    measure_names[measure], file);
				name = "";
			}
		}
		i = i + 1 == rounds->count ? 1 : i + 1;
	}
}

static bool is_busy(const struct rounds *rounds)
{
	return !rounds->config->spin &&
	       (double)rounds->worked > BUSY * (double)rounds->slices * rounds->config->threads;
}

void rounds_print(const struct rounds *rounds, FILE *file)
{
	char slice[16], lasted[16];
	const struct load_config *config = rounds->config;
	bool stalls = false, small = false;
	print_targets(rounds, file);
	print_ratios(rounds, file);
	for (size_t i = 1; i < config->target_count; i++) {
		const struct median *rate = &rounds->contenders[i].ratio[MEASURE_RATE];
		stalls |= has_stalls(&rounds->contenders[i]);
		small |= median_differs(rate, 1) && fabs(rate->value - 1) < TWINS;
	}
	fprintf(file, "\n%ju rounds in %s, slices of %s, %zu connection%s each%s.\n",
		(uintmax_t)rounds->done,
		units_format_duration(rounds->lasted, lasted, sizeof(lasted)),
		units_format_duration(rounds->slice, slice, sizeof(slice)),
		config->connections / config->target_count,
		config->connections > config->target_count ? "s" : "",
		config->spin ? ", polling" : "");
	if (median_differs(&rounds->contenders[rounds->count - 1].ratio[MEASURE_RATE], 1))
		fprintf(file, "%s differs from itself: so small a difference means nothing.\n",
			rounds->names[0]);
	if (stalls)
		fprintf(file,
			"In total there is another difference: one of them stalls at times.\n");
	if (small)
		fprintf(file, "Less than 1 %% is also what two starts of one program differ by.\n");
	if (is_busy(rounds))
		fprintf(file, "echoload itself was busy all the time: a difference in rate may be "
			      "larger.\n");
	if (rounds->others > OTHERS)
		fprintf(file,
			"Others used %.1f CPUs, which may have disturbed one more than another.\n",
			rounds->others);
	if (rounds->interrupted)
		fprintf(file, "A signal ended it before its time.\n");
}

static json_t *pack_target(const struct rounds *rounds, size_t index)
{
	const struct contender *contender = &rounds->contenders[index ? index : rounds->count - 1];
	const struct sums *all = &rounds->contenders[index].all;
	char address[ADDRESS_TEXT_SIZE];
	json_t *ratios = json_object();
	endpoint_format(&rounds->config->targets[index], address);
	for (enum measure k = 0; k < MEASURES; k++) {
		const struct median *ratio = &contender->ratio[k];
		json_object_set_new(
			ratios, measure_names[k],
			json_pack("{s:o, s:o, s:o, s:I}", "median", json_finite(ratio->value),
				  "low", json_finite(ratio->low), "high", json_finite(ratio->high),
				  "values", (json_int_t)contender->ratio_count[k]));
	}
	return json_pack("{s:s, s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "name", rounds->names[index],
			 "address", json_text(address), "messages", (json_int_t)all->messages,
			 "messages_per_second", json_finite(rounds_value(all, MEASURE_TOTAL)),
			 "p50_ns", json_finite(rounds_value(all, MEASURE_P50)), "p99_ns",
			 json_finite(rounds_value(all, MEASURE_P99)), "cpu_ns",
			 json_finite(rounds_value(all, MEASURE_CPU)), "ratio", ratios);
}

int rounds_write(const struct rounds *rounds, const char *path, struct error *error)
{
	json_t *targets = json_array(), *configuration = json_object(), *machine = json_object();
	int failed = describe_config(configuration, rounds->config) | describe_machine(machine);
	for (size_t i = 0; i < rounds->config->target_count; i++)
		failed |= json_array_append_new(targets, pack_target(rounds, i));
	json_t *json =
		json_pack("{s:i, s:f, s:I, s:I, s:b, s:b, s:f, s:o, s:o, s:o}", "ab_schema", SCHEMA,
			  "seconds", clock_seconds(rounds->lasted), "rounds",
			  (json_int_t)rounds->done, "slice_ns", (json_int_t)rounds->slice,
			  "interrupted", rounds->interrupted, "generator_busy", is_busy(rounds),
			  "other_cpus", rounds->others,
			  "targets", targets, "configuration", configuration, "machine", machine);
	if (failed)
		json_decref(json);
	return result_write_json(failed ? NULL : json, path, error);
}

// Which of the words the `length` bytes at `text` are; `count`: none.
static size_t find_word(const char *text, size_t length, const char *const *words, size_t count)
{
	size_t i = 0;
	while (i < count && (strlen(words[i]) != length || memcmp(words[i], text, length) != 0))
		i++;
	return i;
}

int check_parse(struct check *check, const char *text, const char *const *names, size_t count,
		struct error *error)
{
	size_t name = strcspn(text, ".<=>");
	size_t subject = strcspn(text, "<=>");
	size_t dot = subject > name ? 1 : 0;
	const char *relation = text + subject;
	const char *limit = *relation ? relation + 1 + (relation[1] == '=') : relation;
	*check = (struct check){.text = text, .at_least = *relation == '>'};
	const char *end = units_read_number(limit, &check->limit);
	check->target = find_word(text, name, names, count);
	check->measure = (enum measure)find_word(text + name + dot, subject - name - dot,
						 measure_names, MEASURES);
	if (*relation == '=' || !end || *end || check->limit <= 0 || check->measure == MEASURES)
		return error_set(
			error, ERROR_USAGE,
			"--expect: '%.64s' is no check: NAME.rate, .p50, .p99 or .cpu, one "
			"of < <= >= >, and a ratio, such as b.rate>=0.98",
			text);
	if (check->target % count == 0)
		return error_set(error, ERROR_USAGE,
				 "--expect: '%.64s': '%.*s' is no target other than the first",
				 text, (int)name, text);
	return 0;
}

int check_judge(const struct check *check, const struct rounds *rounds, const char *program)
{
	const struct median *ratio = &rounds->contenders[check->target].ratio[check->measure];
	double sign = check->at_least ? 1 : -1;
	double low = sign * (ratio->low - check->limit);
	double high = sign * (ratio->high - check->limit);
	if (low >= 0 && high >= 0)
		return EXIT_OK;
	bool failed = low < 0 && high < 0;
	if (isnan(ratio->low))
		fprintf(stderr, "%s: expected %.64s, which was not measured\n", program,
			check->text);
	else
		fprintf(stderr, "%s: expected %.64s, %smeasured %.4f, between %.4f and %.4f\n",
			program, check->text, failed ? "" : "which cannot be told: ", ratio->value,
			ratio->low, ratio->high);
	return failed ? EXIT_CHECK_FAILED : EXIT_INCONCLUSIVE;
}
