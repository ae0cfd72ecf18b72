// `echoload report`: pictures of results, as SVG or in a page of HTML. Main thread.
#include "chart.h"

#include <inttypes.h>
#include <math.h>

#include "atomic_file.h"
#include "base/clock.h"
#include "base/cmdline.h"
#include "base/units.h"
#include "echoload/common/paths.h"
#include "result.h"
#include "svg.h"

#define PROGRAM "echoload report"
#define RUNS_MAX 16
#define NINES_STEP 0.02
#define NINES_MAX 8.0
#define DECADES_MANY 5.0

// One line of each chart.
struct chart_run {
	struct result result;
	char label[100];
};

struct request {
	const char *output;
	const char *paths[RUNS_MAX];
	struct chart_run runs[RUNS_MAX];
	size_t count;
	const struct chart_run *drawn[RUNS_MAX]; // those that have something to draw
	size_t drawn_count;
	json_t *comparison; // of `echoload ab`, in place of runs
};

// The name of each, then the verdict.
static void make_labels(struct request *request)
{
	char names[RUNS_MAX][PATHS_LABEL];
	paths_label(request->paths, request->count, names);
	for (size_t i = 0; i < request->count; i++) {
		struct chart_run *run = &request->runs[i];
		const char *verdict = result_verdict(&run->result);
		snprintf(run->label, sizeof(run->label), "%.71s%s%.23s", names[i],
			 *verdict ? ", " : "", verdict);
	}
}

// The x axis counts nines: 1 is 90 %, 2 is 99 %, … up to where there is one sample left.
static double nines_of(const struct hdr *hdr)
{
	return fmin(log10((double)hdr->count), NINES_MAX);
}

static double log_seconds(uint64_t ns)
{
	return log10(fmax(clock_seconds(ns), 1e-9));
}

// Labels at 1, 2 and 5 of each decade, so that any range has some; at 1 only where there are many
// decades.
static void draw_latency_tics(const struct svg_plot *plot)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	static const int steps[] = {1, 2, 5};
	size_t count = plot->y_high - plot->y_low > DECADES_MANY ? 1 : 3;
	for (int decade = 0; decade < 13; decade++) {
		int unit = decade < 9 ? decade / 3 : 3;
		for (size_t i = 0; i < count; i++) {
			char label[24];
			snprintf(label, sizeof(label), "%.0f %s",
				 steps[i] * pow(10.0, decade - 3 * unit), units[unit]);
			svg_y_tic(plot, log10(steps[i]) + decade - 9, label);
		}
	}
}

static void draw_percentiles(const struct svg_plot *plot, const struct hdr *hdr)
{
	double nines = nines_of(hdr);
	size_t points = 0;
	for (; (double)points * NINES_STEP < nines; points++) {
		double at = (double)points * NINES_STEP;
		double percent = 100.0 * (1.0 - pow(10.0, -at));
		svg_point(plot, points, at, log_seconds(hdr_percentile(hdr, percent)));
	}
	svg_point(plot, points, nines, log_seconds(hdr->max));
}

static void draw_latency(const struct request *request, struct svg_plot *plot)
{
	plot->x_high = 1.0;
	plot->y_low = HUGE_VAL;
	plot->y_high = -HUGE_VAL;
	for (size_t i = 0; i < request->drawn_count; i++) {
		const struct hdr *hdr = request->drawn[i]->result.latency;
		plot->x_high = fmax(plot->x_high, nines_of(hdr));
		plot->y_low = fmin(plot->y_low, log_seconds(hdr->min) - 0.1);
		plot->y_high = fmax(plot->y_high, log_seconds(hdr->max) + 0.1);
	}
	svg_x_tic(plot, 0, "0");
	svg_x_tic(plot, log10(2), "50 %");
	svg_x_tic(plot, 1, "90 %");
	for (int nines = 2; nines <= (int)NINES_MAX; nines++) {
		char label[24];
		snprintf(label, sizeof(label), "%.*f %%", nines - 2, 100 - pow(10, 2 - nines));
		svg_x_tic(plot, nines, label);
	}
	draw_latency_tics(plot);
	svg_frame(plot, "Latency by percentile", "percentile of the messages", "latency");
	for (size_t i = 0; i < request->drawn_count; i++) {
		svg_line_begin(plot, i, request->drawn[i]->label);
		draw_percentiles(plot, request->drawn[i]->result.latency);
		svg_line_end(plot);
	}
}

static double seconds_of(const json_t *interval, const char *name)
{
	return json_number_value(json_object_get(interval, name));
}

static double rate_of(const json_t *interval, bool bytes)
{
	return (double)result_count(interval, bytes ? "bytes" : "messages") /
	       seconds_of(interval, "seconds");
}

static void draw_rates(const struct svg_plot *plot, const struct result *result, bool bytes)
{
	size_t points = 0, i;
	json_t *interval;
	json_array_foreach(result_get(result, "intervals"), i, interval)
	{
		double seconds = seconds_of(interval, "seconds");
		if (seconds > 0)
			svg_point(plot, points++, seconds_of(interval, "time") + seconds / 2,
				  rate_of(interval, bytes));
	}
}

static void draw_throughput(const struct request *request, struct svg_plot *plot)
{
	bool bytes = false; // a run of streams counts no messages: then the bytes of all are drawn
	for (size_t i = 0; i < request->drawn_count; i++)
		bytes |= result_total(&request->drawn[i]->result, "messages") == 0;
	plot->y_low = 0;
	plot->x_high = plot->y_high = 1;
	for (size_t i = 0; i < request->drawn_count; i++) {
		size_t k;
		json_t *interval;
		json_array_foreach(result_get(&request->drawn[i]->result, "intervals"), k, interval)
		{
			double seconds = seconds_of(interval, "seconds");
			plot->x_high = fmax(plot->x_high, seconds_of(interval, "time") + seconds);
			if (seconds > 0)
				plot->y_high = fmax(plot->y_high, 1.1 * rate_of(interval, bytes));
		}
	}
	svg_tics(plot, plot->x_low, plot->x_high, svg_x_tic);
	svg_tics(plot, plot->y_low, plot->y_high, svg_y_tic);
	svg_frame(plot, "Throughput over time", "seconds",
		  bytes ? "bytes a second" : "messages a second");
	for (size_t i = 0; i < request->drawn_count; i++) {
		svg_line_begin(plot, i, request->drawn[i]->label);
		draw_rates(plot, &request->drawn[i]->result, bytes);
		svg_line_end(plot);
	}
}

static void draw(FILE *file, const struct request *request)
{
	struct svg_plot plot = {.file = file, .lines = request->drawn_count};
	if (request->comparison) {
		ratio_chart_draw(file, request->comparison);
		return;
	}
	svg_begin(file, 2, request->drawn_count);
	draw_latency(request, &plot);
	plot.place = 1;
	draw_throughput(request, &plot);
	svg_end(file);
}

static void write_row(FILE *file, const struct chart_run *run)
{
	const struct result *result = &run->result;
	static const double percents[] = {50.0, 99.0, 99.9, 100.0};
	char text[16];
	fputs("<tr><th>", file);
	svg_text(file, run->label);
	fprintf(file, "</th><td>%.0f</td><td>%s</td>", result_rate(result, "messages"),
		units_format_size((uint64_t)result_rate(result, "bytes"), text, sizeof(text)));
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		fprintf(file, "<td>%s</td>",
			units_format_duration(hdr_percentile(result->latency, percents[i]), text,
					      sizeof(text)));
	}
	fprintf(file, "<td>%" PRIu64 "</td><td>%" PRIu64 "</td></tr>\n", result_errors(result),
		result_count(result->json, "faults_found"));
}

static void write_rows(FILE *file, const struct request *request)
{
	fputs("<tr><th>run</th><th>messages/s</th><th>bytes/s</th><th>p50</th><th>p99</"
	      "th><th>p99.9</th>"
	      "<th>max</th><th>errors</th><th>faults</th></tr>\n",
	      file);
	for (size_t i = 0; i < request->count; i++)
		write_row(file, &request->runs[i]);
}

static void write_page(FILE *file, const struct request *request)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<title>echoload report</title>\n<style>\n"
	      "body { font-family: sans-serif; max-width: 60em; margin: 2em auto; }\n"
	      "table { border-collapse: collapse; }\n"
	      "th, td { padding: 0.3em 0.8em; text-align: right; border-bottom: 1px solid #ccc; }\n"
	      "th:first-child { text-align: left; }\nsvg { width: 100%; height: auto; }\n"
	      "</style>\n</head>\n<body>\n<h1>echoload report</h1>\n<table>\n",
	      file);
	if (!request->comparison)
		write_rows(file, request);
	fputs("</table>\n", file);
	draw(file, request);
	fputs("</body>\n</html>\n", file);
}

static int fill(FILE *file, const void *context)
{
	const struct request *request = context;
	if (paths_end_in(request->output, ".svg"))
		draw(file, request);
	else
		write_page(file, request);
	return 0;
}

static const struct cmdline_option table[] = {
	{'o', "output", "FILE",
	 "where the picture goes: FILE.svg, or FILE.html, a page with a table and the picture in "
	 "it",
	 CMDLINE_TEXT, CMDLINE_FIELD(struct request, output)},
};

static const char summary[] =
	"Draws results: the latency over the percentiles, and the throughput over time,\n"
	"several runs over each other; or the ratios that echoload ab has measured.";

static const char epilogue[] =
	"Each RUN.json, 16 at most, is what --json of echoload or echoload merge has\n"
	"written; or it is the only one, of echoload ab.\n"
	"\n"
	"Exit status:\n"
	"  0  done\n"
	"  2  wrong usage, or a file that is no result of this schema\n"
	"  3  the output could not be written";

static int take_run(struct request *request, const char *path, struct error *error)
{
	if (request->count == RUNS_MAX)
		return error_set(error, ERROR_USAGE, "'%.160s' is too much: at most %d runs", path,
				 RUNS_MAX);
	json_t *comparison = ratio_chart_read(path);
	if (request->comparison || (comparison && request->count > 0)) {
		json_decref(comparison);
		return error_set(error, ERROR_USAGE,
				 "'%.160s' is too much: a comparison is drawn by itself", path);
	}
	request->comparison = comparison;
	request->paths[request->count] = path;
	if (comparison)
		return 0;
	return result_read(&request->runs[request->count++].result, path, error);
}

static int take(void *context, const char *name, const char *value, struct error *error)
{
	(void)name;
	return take_run(context, value, error);
}

static int make_report(void *context, struct error *error)
{
	struct request *request = context;
	if (request->count == 0 && !request->comparison)
		return error_set(error, ERROR_USAGE, "nothing to draw (see " PROGRAM " --help)");
	if (!request->output)
		return error_set(error, ERROR_USAGE,
				 "where to? -o FILE.svg or -o FILE.html is needed");
	if (!paths_end_in(request->output, ".svg") && !paths_end_in(request->output, ".html"))
		return error_set(error, ERROR_USAGE,
				 "--output: '%.160s' ends neither in .svg nor in .html",
				 request->output);
	size_t paths = request->comparison ? 1 : request->count;
	if (paths_check_inputs(request->output, request->paths, paths, error) != 0)
		return -1;
	make_labels(request);
	for (size_t i = 0; i < request->count; i++) {
		const struct result *result = &request->runs[i].result;
		if (result->latency->count > 0 &&
		    json_array_size(result_get(result, "intervals")) > 0)
			request->drawn[request->drawn_count++] = &request->runs[i];
	}
	if (request->drawn_count == 0 && !request->comparison)
		return error_set(error, ERROR_USAGE,
				 "there is nothing to draw: no message came back in any run");
	return atomic_file_write(request->output, fill, request, error);
}

int chart_main(int argc, char **argv)
{
	struct request request = {0};
	const struct cmdline cmdline = {
		.program = PROGRAM,
		.synopsis = "-o FILE RUN.json...",
		.summary = summary,
		.epilogue = epilogue,
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = take,
		.run = make_report,
		.context = &request,
	};
	int status = cmdline_run(&cmdline, argc, argv);
	for (size_t i = 0; i < request.count; i++)
		result_free(&request.runs[i].result);
	json_decref(request.comparison);
	return status;
}
