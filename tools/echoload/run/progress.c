// What people see while echoload runs. Main thread only.
#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"

#define LINE_SIZE 200
#define LEAST_BAR 8
#define MOST_BAR 50

// How much of the run is done, 0 to 1; less than 0: that is not known.
static double share_done(const struct screen_moment *moment)
{
	double done = -1;
	if (moment->duration != CLOCK_NEVER)
		done = (double)moment->elapsed / (double)moment->duration;
	if (moment->count && (double)moment->messages > done * (double)moment->count)
		done = (double)moment->messages / (double)moment->count;
	return done > 1 ? 1 : done;
}

static void format_time_left(const struct screen_moment *moment, char *text, size_t size)
{
	double done = share_done(moment);
	double elapsed = clock_seconds(moment->elapsed);
	if (moment->elapsed == 0)
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
static void format_fields(const struct screen_moment *moment, char line[static LINE_SIZE],
			  size_t width)
{
	char text[40];
	char other[24];
	line[0] = '\0';
	format_time_left(moment, text, sizeof(text));
	append(line, width, "%13s", text);
	bool measured = moment->elapsed >= NS_PER_S; // once a second
	append(line, width, "%6s/s",
	       measured ? units_format_rate(moment->rate, text, sizeof(text)) : "-");
	append(line, width, "%" PRIu64 " error%s", moment->errors, log_plural(moment->errors));
	append(line, width, "p50 %8s", format_latency(moment->p50, text, sizeof(text)));
	append(line, width, "p99 %8s", format_latency(moment->p99, other, sizeof(other)));
}

void screen_progress(struct screen *screen, const struct screen_moment *moment)
{
	if (!screen_begin_line(screen))
		return;
	// The last column stays free: a cursor there would be on the next line in some terminals.
	size_t width = screen_columns(screen) - 1;
	char line[LINE_SIZE];
	format_fields(moment, line, width);
	double done = share_done(moment);
	size_t used = strlen(line) + 2;
	if (done >= 0 && used + LEAST_BAR <= width) {
		size_t cells = width - used < MOST_BAR ? width - used : MOST_BAR;
		fputc('[', screen->file);
		screen_bar(screen, done, (unsigned)cells, true);
		fputc(']', screen->file);
	}
	screen_print(screen, moment->errors > 0 ? SCREEN_RED : "", line);
	fflush(screen->file);
}

void screen_interval(struct screen *screen, const struct screen_moment *moment)
{
	if (screen->terminal)
		return;
	if (moment->first)
		fprintf(screen->file, "%9s %11s %10s %13s %10s %10s %8s\n", "time", "connections",
			"messages/s", "bytes/s", "p50", "p99", "errors");
	char time[24];
	char rate[16];
	char bytes[16];
	char p50[16];
	char p99[16];
	snprintf(time, sizeof(time), "%.0f s", clock_seconds(moment->elapsed));
	fprintf(screen->file, "%9s %11u %10s %13s %10s %10s %8" PRIu64 "\n", time,
		moment->connections, units_format_rate(moment->rate, rate, sizeof(rate)),
		units_format_size((uint64_t)moment->bytes_per_second, bytes, sizeof(bytes)),
		format_latency(moment->p50, p50, sizeof(p50)),
		format_latency(moment->p99, p99, sizeof(p99)), moment->errors);
	fflush(screen->file);
}
