#include "chart.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "atomic_file.h"
#include "base/cmdline.h"
#include "base/units.h"
#include "echoload/common/paths.h"
#include "result.h"
#include "svg.h"

#define REPORT_PROGRAM "echoload report"
#define RUNS_MAX 16
#define NINES_STEP 0.02
#define NINES_MAX 8.0
#define DECADES 13 // of ns
#define DECADES_MANY 5.0

struct report_command {
	struct inputs inputs;
	struct result results[RUNS_MAX];
	char labels[RUNS_MAX][SVG_LABEL];
	json_t *comparison; // of `echoload ab`, in place of results
};

static double log_ns(uint64_t ns)
{
	return log10(fmax((double)ns, 1));
}

// The x axis counts nines, the y axis is the logarithm of nanoseconds.
static void draw_percents(const struct svg *svg)
{
	svg_tic(svg, SVG_X, 0, "0");
	svg_tic(svg, SVG_X, log10(2), "50 %");
	for (int nines = 1; nines <= (int)NINES_MAX; nines++) {
		char label[24];
		snprintf(label, sizeof(label), "%.10g %%", 100 - pow(10, 2 - nines));
		svg_tic(svg, SVG_X, nines, label);
	}
}

// At 1, 2 and 5 of each decade, so that any range has some; at 1 only where there are many decades.
static void draw_durations(const struct svg *svg)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	static const int steps[] = {1, 2, 5};
	int every = svg->high[SVG_Y] - svg->low[SVG_Y] > DECADES_MANY ? 3 : 1;
	for (int i = 0; i < DECADES * 3; i += every) {
		int decade = i / 3, unit = decade < 9 ? decade / 3 : 3;
		double ns = steps[i % 3] * pow(10, decade);
		char label[24];
		snprintf(label, sizeof(label), "%.0f %s", ns / pow(1000, unit), units[unit]);
		svg_tic(svg, SVG_Y, log10(ns), label);
	}
}

// Up to where there is one sample left.
static void draw_latency(struct svg *svg, size_t index, char *label)
{
	const struct report_command *command = svg->context;
	const struct hdr *hdr = command->results[index].latency;
	strcpy(label, command->labels[index]);
	if (hdr->count == 0)
		return;
	double nines = fmin(log10((double)hdr->count), NINES_MAX);
	svg_reach(svg, 1, log_ns(hdr->min) - 0.1);
	svg_reach(svg, nines, log_ns(hdr->max) + 0.1);
	for (unsigned i = 0; i * NINES_STEP < nines; i++) {
		double percent = 100.0 * (1.0 - pow(10.0, -(i * NINES_STEP)));
		svg_point(svg, i == 0, i * NINES_STEP, log_ns(hdr_percentile(hdr, percent)));
	}
	svg_point(svg, nines == 0, nines, log_ns(hdr->max));
}

static void draw_throughput(struct svg *svg, size_t index, char *label)
{
	const struct report_command *command = svg->context;
	bool first = true;
	size_t i;
	const json_t *interval;
	strcpy(label, command->labels[index]);
	svg_reach(svg, 0, 0);
	svg_reach(svg, 1, 1);
	json_array_foreach(result_get(&command->results[index], "intervals"), i, interval)
	{
		double from = json_number_value(json_object_get(interval, "time"));
		double length = json_number_value(json_object_get(interval, "seconds"));
		double rate = (double)result_count(interval, "messages") / length;
		if (length <= 0)
			continue;
		svg_reach(svg, from + length, 1.1 * rate);
		svg_point(svg, first, from + length / 2, rate);
		first = false;
	}
}

static void draw_results(FILE *file, const struct report_command *command)
{
	const struct svg_chart charts[] = {
		{"Latency by percentile",
		 {"percentile of the messages", "latency"},
		 {draw_percents, draw_durations},
		 draw_latency},
		{"Throughput over time",
		 {"seconds", "messages a second"},
		 {NULL, NULL},
		 draw_throughput},
	};
	svg_draw(file, charts, 2, command->inputs.count, command);
}

static void draw_names(const struct svg *svg)
{
	const json_t *targets = svg->context;
	for (size_t i = 0; i < json_array_size(targets); i++) {
		const char *given = i == 0 ? "itself" : "";
		char name[11]; // as much as there is room for
		if (i > 0)
			json_unpack(json_array_get(targets, i), "{s:s}", "name", &given);
		snprintf(name, sizeof(name), "%s", given);
		svg_tic(svg, SVG_Y, -(double)i, name);
	}
}

static void draw_ratio(struct svg *svg, size_t index, char *label)
{
	const char *name = "", *conclusion = "", *measure = measures[svg->place].name;
	double median, low, high, y = -(double)index;
	json_t *target = json_array_get(svg->context, index);
	json_unpack(target, "{s:s, s:{s:{s:s}}}", "name", &name, "ratio", measure, "conclusion",
		    &conclusion);
	bool known = json_unpack(target, "{s:{s:{s:F, s:F, s:F}}}", "ratio", measure, "median",
				 &median, "low", &low, "high", &high) == 0; // else they are null
	int length = snprintf(label, SVG_LABEL, "%.20s%s: %.31s", name,
			      index == 0 ? ", itself" : "", conclusion);
	double margin = known ? fmax(0.1 * (high - low), 0.005) : 0.005;
	svg_reach(svg, 1 - margin, 1);
	svg_reach(svg, 1 + margin, y - 1);
	if (!known)
		return;
	snprintf(label + length, SVG_LABEL - (size_t)length, ", %.4f, between %.4f and %.4f",
		 median, low, high);
	svg_reach(svg, low - margin, y);
	svg_reach(svg, high + margin, y);
	svg_point(svg, true, low, y);
	svg_point(svg, false, high, y);
	svg_point(svg, true, median, y + 0.2);
	svg_point(svg, false, median, y - 0.2);
}

static void draw_comparison(FILE *file, const json_t *comparison)
{
	const json_t *targets = json_object_get(comparison, "targets");
	struct svg_chart charts[MEASURES];
	for (size_t i = 0; i < MEASURES; i++)
		charts[i] = (struct svg_chart){
			.title = measures[i].title,
			.label = {"ratio to the first target, with its 95 % interval", ""},
			.tics = {NULL, draw_names},
			.line = draw_ratio,
		};
	svg_draw(file, charts, MEASURES, json_array_size(targets), targets);
}

static void write_row(FILE *file, const char *label, const struct result *result)
{
	static const double percents[] = {50.0, 99.0, 99.9, 100.0};
	fputs("<tr><th>", file);
	svg_text(file, label);
	fprintf(file, "</th><td>%.0f</td><td>%s</td>", result_rate(result, "messages"),
		UNITS_SIZE(result_rate(result, "bytes")));
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
		fprintf(file, "<td>%s</td>",
			UNITS_DURATION(hdr_percentile(result->latency, percents[i])));
	fprintf(file, "<td>%" PRIu64 "</td><td>%" PRIu64 "</td></tr>\n", result_errors(result),
		result_count(result->json, "faults_found"));
}

static void write_table(FILE *file, const struct report_command *command)
{
	fputs("<table>\n<tr><th>run</th><th>messages/s</th><th>bytes/s</th><th>p50</th>"
	      "<th>p99</th><th>p99.9</th><th>max</th><th>errors</th><th>faults</th></tr>\n",
	      file);
	for (size_t i = 0; i < command->inputs.count; i++)
		write_row(file, command->labels[i], &command->results[i]);
	fputs("</table>\n", file);
}

static int fill(FILE *file, const void *context)
{
	const struct report_command *command = context;
	bool page = paths_end_in(command->inputs.output, ".html");
	if (page)
		fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		      "<title>echoload report</title>\n<style>\n"
		      "body { font-family: sans-serif; max-width: 60em; margin: 2em auto; }\n"
		      "table { border-collapse: collapse; }\n"
		      "th, td { padding: 0.3em 0.8em; text-align: right; "
		      "border-bottom: 1px solid #ccc; }\n"
		      "th:first-child { text-align: left; }\n"
		      "svg { width: 100%; height: auto; }\n"
		      "</style>\n</head>\n<body>\n<h1>echoload report</h1>\n",
		      file);
	if (page && !command->comparison)
		write_table(file, command);
	if (command->comparison)
		draw_comparison(file, command->comparison);
	else
		draw_results(file, command);
	if (page)
		fputs("</body>\n</html>\n", file);
	return 0;
}

static const struct setting table[] = {
	{'o', "output", "FILE",
	 "write the picture to FILE.svg, or to FILE.html as a page with a table", SETTING_TEXT,
	 SETTING_FIELD(struct inputs, output)},
};

static const char summary[] =
	"Draws results: the latency over the percentiles, and the throughput over time,\n"
	"several runs over each other; or the ratios that echoload ab has measured.";

static const char epilogue[] =
	"Each RUN.json, 16 at most, is a result of --json from echoload or of echoload\n"
	"merge. A result of echoload ab must be the only one.\n"
	"\n"
	"Exit status:\n"
	"  0  done\n"
	"  2  wrong usage, or a file that is no result of this schema\n"
	"  3  the output could not be written";

static json_t *read_comparison(const char *path)
{
	json_t *json = json_load_file(path, 0, NULL);
	if (json_is_integer(json_object_get(json, "ab_schema")) &&
	    json_array_size(json_object_get(json, "targets")) > 0)
		return json;
	json_decref(json);
	return NULL;
}

// Reads results and names each: its file, then the verdict.
static int read_results(struct report_command *command, struct echod_error *error)
{
	const struct inputs *inputs = &command->inputs;
	char names[RUNS_MAX][PATHS_LABEL];
	uint64_t answered = 0;
	if (inputs->count > RUNS_MAX)
		return error_set(error, ECHOD_ERROR_USAGE, "more than %d runs", RUNS_MAX);
	paths_label(inputs->paths, inputs->count, names);
	for (size_t i = 0; i < inputs->count; i++) {
		struct result *result = &command->results[i];
		if (result_read(result, inputs->paths[i], error) != 0)
			return -1;
		const char *verdict = result_verdict(result);
		snprintf(command->labels[i], sizeof(command->labels[i]), "%.58s%s%.23s", names[i],
			 *verdict ? ", " : "", verdict);
		answered += result->latency->count;
	}
	return answered ? 0
			: error_set(error, ECHOD_ERROR_USAGE,
				    "there is nothing to draw: no message came back in any run");
}

static int run(void *context, struct echod_error *error)
{
	struct report_command *command = context;
	const struct inputs *inputs = &command->inputs;
	if (inputs->count == 0)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "nothing to draw (see " REPORT_PROGRAM " --help)");
	if (!inputs->output)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "where to? -o FILE.svg or -o FILE.html is needed");
	if (!paths_end_in(inputs->output, ".svg") && !paths_end_in(inputs->output, ".html"))
		return error_set(error, ECHOD_ERROR_USAGE,
				 "--output: '%.160s' ends neither in .svg nor in .html",
				 inputs->output);
	if (inputs_check(inputs, error) != 0)
		return -1;
	if (inputs->count == 1)
		command->comparison = read_comparison(inputs->paths[0]);
	if (!command->comparison && read_results(command, error) != 0)
		return -1;
	return atomic_file_write(inputs->output, fill, command, error);
}

int chart_main(int argc, char **argv)
{
	struct report_command command = {.inputs.paths = (const char **)argv + argc};
	const struct cmdline cmdline = {
		.program = REPORT_PROGRAM,
		.synopsis = "-o FILE RUN.json...",
		.summary = summary,
		.epilogue = epilogue,
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = inputs_take,
		.run = run,
		.context = &command,
	};
	int status = cmdline_run(&cmdline, argc, argv);
	for (size_t i = 0; i < RUNS_MAX; i++)
		result_free(&command.results[i]);
	json_decref(command.comparison);
	return status;
}
