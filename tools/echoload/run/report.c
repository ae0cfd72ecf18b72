#include "run.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/units.h"

#define LINE_SIZE 200
#define LEAST_BAR 8
#define MOST_BAR 50
#define LABEL 14
#define BARS 10
#define LEAST_STEP 1.1 // a smaller factor would not be seen in the numbers
#define BAR_LABEL 13
#define CELLS 54
#define FAULTS_SHOWN 10
#define TEXT_SIZE 600
#define LATENCY(ns) ((ns) ? UNITS_DURATION(ns) : "-")

// How much of the run is done, 0 to 1; less than 0: that is not known.
static double share_done(const struct report_line *state)
{
	double done = -1;
	if (state->duration != CLOCK_NEVER)
		done = (double)state->elapsed / (double)state->duration;
	if (state->count && (double)state->messages > done * (double)state->count)
		done = (double)state->messages / (double)state->count;
	return done > 1 ? 1 : done;
}

static const char *time_left(const struct report_line *state, char text[static 32])
{
	double done = share_done(state), elapsed = clock_seconds(state->elapsed);
	if (state->elapsed == 0)
		return "warming up";
	snprintf(text, 32, "%.1f s %s", done > 0 ? elapsed * (1 - done) / done : elapsed,
		 done > 0 ? "left" : "so far");
	return text;
}

void report_progress(struct screen *screen, const struct report_line *state)
{
	if (!screen_begin_line(screen))
		return;
	// The last column stays free: a cursor there would be on the next line in some terminals.
	size_t width = screen_columns(screen) - 1, used = 0;
	char all[LINE_SIZE], line[LINE_SIZE] = "", *rest = all, *field;
	bool measured = state->elapsed >= NS_PER_S; // once a second
	// In the order in which they matter, as those that do not fit are left out.
	snprintf(all, sizeof(all), "%13s|%6s/s|%" PRIu64 " error%s|p50 %8s|p99 %8s",
		 time_left(state, (char[32]){""}), measured ? UNITS_RATE(state->rate) : "-",
		 state->errors, log_plural(state->errors), LATENCY(state->p50),
		 LATENCY(state->p99));
	while ((field = strsep(&rest, "|"))) {
		if (used + 2 + strlen(field) <= width)
			used += (size_t)snprintf(line + used, sizeof(line) - used, "  %s", field);
	}
	double done = share_done(state);
	used += 2;
	if (done >= 0 && used + LEAST_BAR <= width) {
		size_t cells = width - used < MOST_BAR ? width - used : MOST_BAR;
		fputc('[', screen->file);
		screen_bar(screen, done, (unsigned)cells, true);
		fputc(']', screen->file);
	}
	screen_print(screen, state->errors > 0 ? SCREEN_RED : "", line);
	fflush(screen->file);
}

void report_interval(struct screen *screen, const struct result_interval *interval,
		     const struct hdr *latency, unsigned connections)
{
	double seconds = clock_seconds(interval->length);
	if (screen->terminal)
		return;
	if (interval->from == 0)
		fprintf(screen->file, "%9s %11s %10s %13s %10s %10s %8s\n", "time", "connections",
			"messages/s", "bytes/s", "p50", "p99", "errors");
	fprintf(screen->file, "%7.0f s %11u %10s %13s %10s %10s %8" PRIu64 "\n",
		clock_seconds(interval->from) + seconds, connections,
		UNITS_RATE((double)interval->messages / seconds),
		UNITS_SIZE((double)interval->bytes / seconds), LATENCY(hdr_percentile(latency, 50)),
		LATENCY(hdr_percentile(latency, 99)), interval->errors);
	fflush(screen->file);
}

// Prints a label, in `colour` if that is not empty, and beside it the text, wrapped.
__attribute__((format(printf, 4, 5))) static void print_field(const struct screen *screen,
							      const char *colour, const char *label,
							      const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	error_make_line(text); // a path may hold anything
	char padded[LABEL + 1];
	snprintf(padded, sizeof(padded), "%-*s", LABEL, label);
	screen_print(screen, colour, padded);
	screen_wrap(screen->file, text, LABEL, LABEL);
}

static void print_load(const struct screen *screen, const struct load_config *config)
{
	char loop[80] = "", target[ADDRESS_TEXT_SIZE], more[32] = "";
	const struct sizes *sizes = &config->sizes;
	uint64_t least = sizes->most;
	for (size_t i = 0; i < sizes->count; i++)
		least = sizes->parts[i].least < least ? sizes->parts[i].least : least;
	if (config->mode == MODE_IDLE)
		snprintf(loop, sizeof(loop), ", %s wakes/s", UNITS_RATE(config->rate));
	else if (config->rate > 0)
		snprintf(loop, sizeof(loop), ", open loop at %s/s (%s)", UNITS_RATE(config->rate),
			 config->arrival == ARRIVAL_POISSON ? "poisson" : "constant");
	else
		snprintf(loop, sizeof(loop), "%s, closed loop, pipeline %u",
			 !load_mode_takes(config->mode, "linger") ? ""
			 : config->resets			  ? " (reset at the end)"
								  : " (FIN at the end)",
			 config->pipeline);
	if (config->target_count > 1)
		snprintf(more, sizeof(more), " and %zu more", config->target_count - 1);
	print_field(screen, "", "load",
		    "%s%s: %u connection%s to %s%s, messages of %s%s%s, %u thread%s, run %" PRIu64,
		    load_modes[config->mode].name, loop, config->connections,
		    log_plural(config->connections), endpoint_format(&config->targets[0], target),
		    more, least < sizes->most ? UNITS_SIZE(least) : "",
		    least < sizes->most ? " to " : "", UNITS_SIZE(sizes->most), config->threads,
		    log_plural(config->threads), config->run);
}

static void print_throughput(const struct screen *screen, const struct engine_result *result)
{
	const struct load_config *config = result->config;
	const struct counters *counters = result->counters;
	print_field(screen, SCREEN_BOLD, "throughput",
		    "%s messages/s, %s/s; %" PRIu64 " message%s in %s",
		    UNITS_RATE(engine_rate(result, counters->messages)),
		    UNITS_SIZE(engine_rate(result, counters->bytes)), counters->messages,
		    log_plural(counters->messages), UNITS_DURATION(result->lasted));
	if (!load_mode_takes(config->mode, "visit") && result->live < config->connections)
		print_field(screen, SCREEN_RED, "connections", "only %u of %u were open at the end",
			    result->live, config->connections);
	if (counters->visits > 0)
		print_field(screen, "", "", "%s visits/s, %" PRIu64 " in all",
			    UNITS_RATE(engine_rate(result, counters->visits)), counters->visits);
	if (counters->unanswered > 0)
		print_field(screen, SCREEN_RED, "unanswered",
			    "%" PRIu64
			    ": given up at the end or with their connection; in the latency "
			    "they count with the time until then",
			    counters->unanswered);
}

static void print_percentiles(const struct screen *screen, const char *label, const struct hdr *hdr)
{
	static const double percents[] = {50, 90, 99, 99.9, 99.99, 100};
	fprintf(screen->file, "  %-*s", LABEL - 2, label);
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		bool known = hdr_knows(hdr, percents[i]); // else there are too few samples
		fprintf(screen->file, "%10s",
			known ? UNITS_DURATION(hdr_percentile(hdr, percents[i])) : "-");
	}
	fputc('\n', screen->file);
}

void report_histogram(const struct screen *screen, const struct hdr *hdr)
{
	if (hdr->count == 0)
		return;
	double low = fmax((double)hdr->min, 1), high = (double)hdr_percentile(hdr, 99.9);
	double span = high > low ? log(high / low) : 0;
	size_t steps = (size_t)fmax(fmin(floor(span / log(LEAST_STEP)), BARS), 1);
	uint64_t to[BARS + 1], count[BARS + 1], before = 0, most = 0;
	for (size_t i = 0; i <= steps; i++) {
		double end = low * exp(span * (double)(i + 1) / (double)steps);
		to[i] = i + 1 < steps ? (uint64_t)end : i < steps ? (uint64_t)high : hdr->max;
		count[i] = hdr_count_to(hdr, to[i]) - before;
		before += count[i];
		most = count[i] > most ? count[i] : most;
	}
	size_t lines = count[steps] > 0 ? steps + 1 : steps;
	fprintf(screen->file, "%*s\n", BAR_LABEL, "up to");
	for (size_t i = 0; i < lines; i++) {
		double percent = 100 * (double)count[i] / (double)hdr->count;
		fprintf(screen->file, "%*s ", BAR_LABEL, UNITS_DURATION(to[i]));
		screen_bar(screen, (double)count[i] / (double)most, CELLS, false);
		if (percent > 0 && percent < 0.05)
			fputs(" <0.1 %\n", screen->file);
		else
			fprintf(screen->file, " %.1f %%\n", percent);
	}
}

static void print_latency(const struct screen *screen, const struct counters *counters)
{
	if (counters->latency.count == 0) {
		print_field(screen, SCREEN_BOLD, "latency", "not measured: no message came back");
		return;
	}
	print_field(screen, SCREEN_BOLD, "latency", "%10s%10s%10s%10s%10s%10s", "p50", "p90", "p99",
		    "p99.9", "p99.99", "max");
	bool open = counters->uncorrected.count > 0;
	print_percentiles(screen, open ? "corrected" : "closed loop", &counters->latency);
	if (open)
		print_percentiles(screen, "uncorrected", &counters->uncorrected);
	if (counters->lateness.count > 0)
		print_percentiles(screen, "lateness", &counters->lateness);
	fputc('\n', screen->file);
	report_histogram(screen, &counters->latency);
	fputc('\n', screen->file);
}

static void print_errors(const struct screen *screen, const struct load_config *config,
			 const struct load_errors *errors)
{
	uint64_t total = load_errors_total(errors);
	if (total == 0)
		print_field(screen, "", "errors", "none");
	else
		print_field(screen, SCREEN_RED, "errors", "%" PRIu64, total);
	for (size_t i = 0; i < LOAD_ERRORS; i++) {
		const struct load_error_count *kind = &errors->of[i];
		if (kind->count == 0)
			continue;
		char first[LOAD_ERROR_TEXT];
		print_field(screen, "", "", "%s: %" PRIu64 ", the first %s",
			    load_error_rows[i].name, kind->count,
			    load_error_describe(kind, config, first));
		if (load_error_rows[i].help)
			print_field(screen, "", "", "-> %s", load_error_rows[i].help);
	}
}

static void print_fault(const struct screen *screen, const struct load_config *config,
			const struct fault *fault)
{
	char name[CONFIG_NAME], more[CONFIG_NAME + 40] = "";
	if (fault->kind == FAULT_FLIPPED)
		snprintf(more, sizeof(more), ", bits 0x%02x", fault->bits);
	else if (fault->kind == FAULT_CROSSED)
		snprintf(more, sizeof(more), " of %s, offset %" PRIu64,
			 config_name(config, fault->other, name), fault->other_offset);
	print_field(screen, "", "", "%s: %s, offset %" PRIu64 ", %" PRIu64 " byte%s%s",
		    fault_kind_names[fault->kind], config_name(config, fault->connection, name),
		    fault->offset, fault->length, log_plural(fault->length), more);
}

static void print_faults(const struct screen *screen, const struct load_config *config,
			 const struct counters *counters)
{
	if (!config->verify) {
		print_field(screen, "", "verified", "nothing (--no-verify)");
		return;
	}
	print_field(screen, "", "verified", "%s, byte for byte", UNITS_SIZE(counters->verified));
	if (counters->fault_count == 0) {
		print_field(screen, "", "faults", "none");
		return;
	}
	print_field(screen, SCREEN_RED, "faults", "%" PRIu64, counters->fault_count);
	for (uint64_t i = 0; i < counters->fault_count && i < FAULTS_SHOWN; i++)
		print_fault(screen, config, &counters->faults[i]);
	if (counters->fault_count > FAULTS_SHOWN)
		print_field(screen, "", "", "and %" PRIu64 " more",
			    counters->fault_count - FAULTS_SHOWN);
}

void report_print(struct screen *screen, const struct run *run)
{
	const struct engine_result *result = &run->result;
	const json_t *says;
	size_t i;
	screen_clear(screen);
	print_load(screen, result->config);
	print_throughput(screen, result);
	if (run->interrupted)
		print_field(screen, SCREEN_BOLD, "interrupted", "by a signal, before %s",
			    result->lasted ? "its time" : "anything was recorded");
	print_latency(screen, result->counters);
	print_errors(screen, result->config, &result->counters->errors);
	print_faults(screen, result->config, result->counters);
	json_array_foreach(json_object_get(run->result.ledger, "says"), i, says)
	{
		print_field(screen, "", i ? "" : "ledger", "%s", json_string_value(says));
	}
	print_field(screen, SCREEN_BOLD, "verdict", "%s", verdict_names[run->verdict.kind]);
	for (i = 0; i < run->verdict.count; i++)
		print_field(screen, "", "", "%s", run->verdict.line[i]);
	fflush(screen->file);
}
