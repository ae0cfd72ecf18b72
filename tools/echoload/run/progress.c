// What people see while echoload runs. Main thread only.
#include "progress.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bars.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/output.h"
#include "base/units.h"
#include "echoload/common/number.h"

#define CLEAR_LINE "\r\033[K"
#define RED "\033[31m"
#define PLAIN "\033[0m"
#define LINE_SIZE 200
#define LEAST_BAR 8
#define MOST_BAR 50

static bool is_set(const char *name)
{
	const char *value = getenv(name);
	return value && *value;
}

// Whether people here read UTF-8: asked of the locale, without changing that of the process.
static bool speaks_utf8(void)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	if (!locale)
		return false;
	bool utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
	freelocale(locale);
	return utf8;
}

void screen_open(struct screen *screen, FILE *file)
{
	const char *kind = getenv("TERM");
	bool terminal =
		isatty(output_descriptor(file)) && kind && *kind && strcmp(kind, "dumb") != 0;
	*screen = (struct screen){
		.file = file,
		.terminal = terminal,
		.colour = terminal && !is_set("NO_COLOR"),
		.utf8 = speaks_utf8(),
	};
}

static size_t width_of(const struct screen *screen)
{
	struct winsize window;
	if (ioctl(output_descriptor(screen->file), TIOCGWINSZ, &window) != 0 || window.ws_col == 0)
		return 80;
	return window.ws_col;
}

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
	       measured ? number_format_rate(moment->rate, text, sizeof(text)) : "-");
	append(line, width, "%" PRIu64 " error%s", moment->errors, log_plural(moment->errors));
	append(line, width, "p50 %8s", format_latency(moment->p50, text, sizeof(text)));
	append(line, width, "p99 %8s", format_latency(moment->p99, other, sizeof(other)));
}

void screen_progress(struct screen *screen, const struct screen_moment *moment)
{
	if (!screen->terminal || output_is_behind(screen->file))
		return;
	// The last column stays free: a cursor there would be on the next line in some terminals.
	size_t width = width_of(screen) - 1;
	char line[LINE_SIZE];
	format_fields(moment, line, width);
	fputs(CLEAR_LINE, screen->file);
	double done = share_done(moment);
	size_t used = strlen(line) + 2;
	if (done >= 0 && used + LEAST_BAR <= width) {
		size_t cells = width - used < MOST_BAR ? width - used : MOST_BAR;
		fputc('[', screen->file);
		bars_draw(screen->file, done, (unsigned)cells, screen->utf8, true);
		fputc(']', screen->file);
	}
	bool red = screen->colour && moment->errors > 0;
	fprintf(screen->file, "%s%s%s", red ? RED : "", line, red ? PLAIN : "");
	screen->drawn = true;
	fflush(screen->file);
}

void screen_clear(struct screen *screen)
{
	if (!screen->drawn)
		return;
	screen->drawn = false;
	// A terminal that takes nothing is not waited for at the end because of a progress line.
	if (output_drop(screen->file))
		return;
	fputs(CLEAR_LINE, screen->file);
	fflush(screen->file);
}

void screen_interval(struct screen *screen, const struct screen_moment *moment)
{
	if (screen->terminal)
		return;
	if (!screen->headed)
		fprintf(screen->file, "%9s %11s %10s %13s %10s %10s %8s\n", "time", "connections",
			"messages/s", "bytes/s", "p50", "p99", "errors");
	screen->headed = true;
	char time[24];
	char rate[16];
	char bytes[16];
	char p50[16];
	char p99[16];
	snprintf(time, sizeof(time), "%.0f s", clock_seconds(moment->elapsed));
	fprintf(screen->file, "%9s %11u %10s %13s %10s %10s %8" PRIu64 "\n", time,
		moment->connections, number_format_rate(moment->rate, rate, sizeof(rate)),
		units_format_size((uint64_t)moment->bytes_per_second, bytes, sizeof(bytes)),
		format_latency(moment->p50, p50, sizeof(p50)),
		format_latency(moment->p99, p99, sizeof(p99)), moment->errors);
	fflush(screen->file);
}
