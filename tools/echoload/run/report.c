// What people see of a run. Main thread only.
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/units.h"
#include "run.h"

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

static void format_time_left(const struct report_line *state, char *text, size_t size)
{
	double done = share_done(state);
	double elapsed = clock_seconds(state->elapsed);
	if (state->elapsed == 0)
		snprintf(text, size, "warming up");
	else if (done <= 0)
		snprintf(text, size, "%.1f s so far", elapsed);
	else
		snprintf(text, size, "%.1f s left", elapsed * (1 - done) / done);
}

// Appends a field to the line if it fits into `width` columns, with two spaces before it.
__attribute__((format(printf, 3, 4))) static void append(char line[static LINE_SIZE], size_t width,
							 const char *format, ...)
{
	char field[64];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(field, sizeof(field), format, arguments);
	va_end(arguments);
	size_t used = strlen(line);
	if (used + 2 + strlen(field) <= width && used + 2 + strlen(field) < LINE_SIZE)
		snprintf(line + used, LINE_SIZE - used, "  %s", field);
}

static const char *format_latency(uint64_t ns, char *text, size_t size)
{
	return ns ? units_format_duration(ns, text, size) : "-";
}

// The fields in the order in which they matter, as those that do not fit are left out.
static void format_fields(const struct report_line *state, char line[static LINE_SIZE],
			  size_t width)
{
	char text[40];
	char other[24];
	line[0] = '\0';
	format_time_left(state, text, sizeof(text));
	append(line, width, "%13s", text);
	bool measured = state->elapsed >= NS_PER_S; // once a second
	append(line, width, "%6s/s",
	       measured ? units_format_rate(state->rate, text, sizeof(text)) : "-");
	append(line, width, "%" PRIu64 " error%s", state->errors, log_plural(state->errors));
	append(line, width, "p50 %8s", format_latency(state->p50, text, sizeof(text)));
	append(line, width, "p99 %8s", format_latency(state->p99, other, sizeof(other)));
}

void report_progress(struct screen *screen, const struct report_line *state)
{
	if (!screen_begin_line(screen))
		return;
	// The last column stays free: a cursor there would be on the next line in some terminals.
	size_t width = screen_columns(screen) - 1;
	char line[LINE_SIZE];
	format_fields(state, line, width);
	double done = share_done(state);
	size_t used = strlen(line) + 2;
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
	char time[24], rate[16], bytes[16], p50[16], p99[16];
	double seconds = clock_seconds(interval->length);
	if (screen->terminal)
		return;
	if (interval->from == 0)
		fprintf(screen->file, "%9s %11s %10s %13s %10s %10s %8s\n", "time", "connections",
			"messages/s", "bytes/s", "p50", "p99", "errors");
	snprintf(time, sizeof(time), "%.0f s", clock_seconds(interval->from) + seconds);
	fprintf(screen->file, "%9s %11u %10s %13s %10s %10s %8" PRIu64 "\n", time, connections,
		units_format_rate((double)interval->messages / seconds, rate, sizeof(rate)),
		units_format_size((uint64_t)((double)interval->bytes / seconds), bytes,
				  sizeof(bytes)),
		format_latency(hdr_percentile(latency, 50), p50, sizeof(p50)),
		format_latency(hdr_percentile(latency, 99), p99, sizeof(p99)), interval->errors);
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

static void describe_loop(const struct load_config *config, char *text, size_t size)
{
	char rate[16];
	units_format_rate(config->rate, rate, sizeof(rate));
	if (config->mode == MODE_IDLE)
		snprintf(text, size, ", %s wakes/s", rate);
	else if (config->rate > 0)
		snprintf(text, size, ", open loop at %s/s (%s)", rate,
			 config->arrival == ARRIVAL_POISSON ? "poisson" : "constant");
	else
		snprintf(text, size, "%s, closed loop, pipeline %u",
			 config->mode != MODE_CHURN ? ""
			 : config->resets	    ? " (reset at the end)"
						    : " (FIN at the end)",
			 config->pipeline);
}

static void describe_sizes(const struct sizes *sizes, char *text, size_t size)
{
	uint64_t least = sizes->most;
	for (size_t i = 0; i < sizes->count; i++)
		least = sizes->parts[i].least < least ? sizes->parts[i].least : least;
	char low[16];
	char high[16];
	units_format_size(least, low, sizeof(low));
	units_format_size(sizes->most, high, sizeof(high));
	if (least == sizes->most)
		snprintf(text, size, "%s", high);
	else
		snprintf(text, size, "%s to %s", low, high);
}

static void print_load(const struct screen *screen, const struct load_config *config)
{
	char target[ADDRESS_TEXT_SIZE];
	char more[32] = "";
	char loop[64];
	char sizes[40];
	if (config->target_count > 1)
		snprintf(more, sizeof(more), " and %zu more", config->target_count - 1);
	describe_loop(config, loop, sizeof(loop));
	describe_sizes(&config->sizes, sizes, sizeof(sizes));
	print_field(screen, "", "load",
		    "%s%s: %u connection%s to %s%s, messages of %s, %u thread%s, run %" PRIu64,
		    load_modes[config->mode].name, loop, config->connections,
		    log_plural(config->connections), endpoint_format(&config->targets[0], target),
		    more, sizes, config->threads, log_plural(config->threads), config->run);
}

static void print_throughput(const struct screen *screen, const struct engine_result *result)
{
	const struct load_config *config = result->config;
	const struct book *book = result->book;
	char rate[16];
	char bytes[16];
	char lasted[16];
	units_format_rate(engine_rate(result, book->messages), rate, sizeof(rate));
	units_format_size((uint64_t)engine_rate(result, book->bytes), bytes, sizeof(bytes));
	units_format_duration(result->lasted, lasted, sizeof(lasted));
	print_field(screen, SCREEN_BOLD, "throughput",
		    "%s messages/s, %s/s; %" PRIu64 " message%s in %s", rate, bytes, book->messages,
		    log_plural(book->messages), lasted);
	bool visiting = load_mode_takes(config->mode, "visit");
	if (!visiting && result->live < config->connections)
		print_field(screen, SCREEN_RED, "connections", "only %u of %u were open at the end",
			    result->live, config->connections);
	if (book->visits > 0)
		print_field(
			screen, "", "", "%s visits/s, %" PRIu64 " in all",
			units_format_rate(engine_rate(result, book->visits), rate, sizeof(rate)),
			book->visits);
	if (book->unanswered > 0)
		print_field(screen, SCREEN_RED, "unanswered",
			    "%" PRIu64
			    ": given up at the end or with their connection; in the latency "
			    "they count with the time until then",
			    book->unanswered);
}

static void print_percentiles(const struct screen *screen, const char *label, const struct hdr *hdr)
{
	static const double percents[] = {50, 90, 99, 99.9, 99.99, 100};
	fprintf(screen->file, "  %-*s", LABEL - 2, label);
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		char text[16] = "-"; // too few samples to say it
		if (hdr_knows(hdr, percents[i]))
			units_format_duration(hdr_percentile(hdr, percents[i]), text, sizeof(text));
		fprintf(screen->file, "%10s", text);
	}
	fputc('\n', screen->file);
}

// A line of the histogram: the samples up to `to` that are not in a line before it.
struct bar {
	uint64_t to; // ns
	uint64_t count;
};

// Cuts the samples into bars; returns how many.
static size_t cut_bars(const struct hdr *hdr, struct bar bars[static BARS + 1])
{
	double low = hdr->min > 0 ? (double)hdr->min : 1;
	double high = (double)hdr_percentile(hdr, 99.9);
	double span = high > low ? log(high / low) : 0;
	double room = floor(span / log(LEAST_STEP));
	size_t steps = room < 1 ? 1 : (room < BARS ? (size_t)room : BARS);
	uint64_t before = 0;
	for (size_t i = 0; i < steps; i++) {
		double share = (double)(i + 1) / (double)steps;
		bars[i].to = i + 1 == steps ? (uint64_t)high : (uint64_t)(low * exp(span * share));
		uint64_t count = hdr_count_to(hdr, bars[i].to);
		bars[i].count = count - before;
		before = count;
	}
	if (before == hdr->count)
		return steps;
	bars[steps] = (struct bar){.to = hdr->max, .count = hdr->count - before};
	return steps + 1;
}

void report_histogram(const struct screen *screen, const struct hdr *hdr)
{
	if (hdr->count == 0)
		return;
	struct bar bars[BARS + 1];
	size_t count = cut_bars(hdr, bars);
	uint64_t most = 0;
	for (size_t i = 0; i < count; i++)
		most = bars[i].count > most ? bars[i].count : most;
	fprintf(screen->file, "%*s\n", BAR_LABEL, "up to");
	for (size_t i = 0; i < count; i++) {
		char to[16];
		fprintf(screen->file, "%*s ", BAR_LABEL,
			units_format_duration(bars[i].to, to, sizeof(to)));
		screen_bar(screen, (double)bars[i].count / (double)most, CELLS, false);
		double percent = 100 * (double)bars[i].count / (double)hdr->count;
		if (percent > 0 && percent < 0.05)
			fputs(" <0.1 %\n", screen->file);
		else
			fprintf(screen->file, " %.1f %%\n", percent);
	}
}

static void print_latency(const struct screen *screen, const struct book *book)
{
	if (book->latency.count == 0) {
		print_field(screen, SCREEN_BOLD, "latency", "not measured: no message came back");
		return;
	}
	print_field(screen, SCREEN_BOLD, "latency", "%10s%10s%10s%10s%10s%10s", "p50", "p90", "p99",
		    "p99.9", "p99.99", "max");
	bool open = book->uncorrected.count > 0;
	print_percentiles(screen, open ? "corrected" : "closed loop", &book->latency);
	if (open)
		print_percentiles(screen, "uncorrected", &book->uncorrected);
	if (book->lateness.count > 0)
		print_percentiles(screen, "lateness", &book->lateness);
	fputc('\n', screen->file);
	report_histogram(screen, &book->latency);
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
			    load_error_name((enum load_error)i), kind->count,
			    load_error_describe(kind, config, first));
		const char *help = load_error_help((enum load_error)i);
		if (help)
			print_field(screen, "", "", "-> %s", help);
	}
}

static void print_fault(const struct screen *screen, const struct load_config *config,
			const struct fault *fault)
{
	char name[CONFIG_NAME];
	char more[CONFIG_NAME + 40] = "";
	if (fault->kind == FAULT_FLIPPED)
		snprintf(more, sizeof(more), ", bits 0x%02x", fault->bits);
	else if (fault->kind == FAULT_CROSSED)
		snprintf(more, sizeof(more), " of %s, offset %" PRIu64,
			 config_name(config, fault->other, name), fault->other_offset);
	print_field(screen, "", "", "%s: %s, offset %" PRIu64 ", %" PRIu64 " byte%s%s",
		    fault_kind_name(fault->kind), config_name(config, fault->connection, name),
		    fault->offset, fault->length, log_plural(fault->length), more);
}

static void print_faults(const struct screen *screen, const struct load_config *config,
			 const struct book *book)
{
	char bytes[16];
	if (!config->verify) {
		print_field(screen, "", "verified", "nothing (--no-verify)");
		return;
	}
	print_field(screen, "", "verified", "%s, byte for byte",
		    units_format_size(book->verified, bytes, sizeof(bytes)));
	if (book->fault_count == 0) {
		print_field(screen, "", "faults", "none");
		return;
	}
	print_field(screen, SCREEN_RED, "faults", "%" PRIu64, book->fault_count);
	for (uint64_t i = 0; i < book->fault_count && i < FAULTS_SHOWN; i++)
		print_fault(screen, config, &book->faults[i]);
	if (book->fault_count > FAULTS_SHOWN)
		print_field(screen, "", "", "and %" PRIu64 " more",
			    book->fault_count - FAULTS_SHOWN);
}

void report_print(struct screen *screen, const struct run *run)
{
	const struct engine_result *result = &run->result;
	screen_clear(screen);
	print_load(screen, result->config);
	print_throughput(screen, result);
	if (run->interrupted)
		print_field(screen, SCREEN_BOLD, "interrupted", "by a signal, before %s",
			    result->lasted ? "its time" : "anything was recorded");
	print_latency(screen, result->book);
	print_errors(screen, result->config, &result->book->errors);
	print_faults(screen, result->config, result->book);
	print_field(screen, SCREEN_BOLD, "verdict", "%s", verdict_name(run->verdict.kind));
	for (size_t i = 0; i < run->verdict.count; i++)
		print_field(screen, "", "", "%s", run->verdict.line[i]);
	fflush(screen->file);
}
