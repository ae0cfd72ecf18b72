// `echoload report`: pictures of results, as SVG or in a page of HTML. Main thread.
#include "chart.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cmdline.h"
#include "base/units.h"
#include "chart_script.h"
#include "echoload/common/paths.h"
#include "gnuplot.h"
#include "labels.h"
#include "replacement.h"

#define PROGRAM "echoload report"
#define RUNS_MAX 16

struct request {
	const char *output;
	const char *paths[RUNS_MAX];
	struct chart_run runs[RUNS_MAX];
	size_t count;
};

// The name of each, then the verdict.
static void make_labels(struct request *request)
{
	char names[RUNS_MAX][LABELS_SIZE];
	labels_make(request->paths, request->count, names);
	for (size_t i = 0; i < request->count; i++) {
		struct chart_run *run = &request->runs[i];
		const char *verdict = run->result.verdict;
		snprintf(run->label, sizeof(run->label), "%.71s%s%.23s", names[i],
			 *verdict ? ", " : "", verdict);
	}
}

static void write_row(FILE *file, const struct chart_run *run)
{
	const struct result *result = &run->result;
	static const double percents[] = {50.0, 99.0, 99.9, 100.0};
	char text[16];
	fprintf(file, "<tr><th>%s</th><td>%.0f</td><td>%s</td>", run->label,
		result_message_rate(result),
		units_format_size((uint64_t)result_byte_rate(result), text, sizeof(text)));
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		fprintf(file, "<td>%s</td>",
			units_format_duration(hdr_percentile(result->latency, percents[i]), text,
					      sizeof(text)));
	}
	fprintf(file, "<td>%" PRIu64 "</td><td>%" PRIu64 "</td></tr>\n", result_error_count(result),
		result->faults_found);
}

static void write_page(FILE *file, const struct request *request, const char *svg)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<title>echoload report</title>\n<style>\n"
	      "body { font-family: sans-serif; max-width: 60em; margin: 2em auto; }\n"
	      "table { border-collapse: collapse; }\n"
	      "th, td { padding: 0.3em 0.8em; text-align: right; border-bottom: 1px solid #ccc; }\n"
	      "th:first-child { text-align: left; }\nsvg { width: 100%; height: auto; }\n"
	      "</style>\n</head>\n<body>\n<h1>echoload report</h1>\n<table>\n"
	      "<tr><th>run</th><th>messages/s</th><th>bytes/s</th><th>p50</th><th>p99</"
	      "th><th>p99.9</th>"
	      "<th>max</th><th>errors</th><th>faults</th></tr>\n",
	      file);
	for (size_t i = 0; i < request->count; i++)
		write_row(file, &request->runs[i]);
	fprintf(file, "</table>\n%s</body>\n</html>\n", svg);
}

// `picture` is what gnuplot has drawn; in a page it stands without what precedes its element.
static int write_output(const struct request *request, const char *picture, struct error *error)
{
	const char *element = strstr(picture, "<svg");
	if (!element)
		return error_set(error, ERROR_SYSTEM, "gnuplot has drawn something else than SVG");
	struct replacement output;
	int status = replacement_open(&output, request->output);
	if (status == 0) {
		if (paths_end_in(request->output, ".svg"))
			fputs(picture, output.file);
		else
			write_page(output.file, request, element);
		status = replacement_close(&output, true);
	}
	return status == 0 ? 0
			   : error_set(error, ERROR_SYSTEM, "cannot write '%.200s': %s",
				       request->output, error_text(errno));
}

static int draw(const struct request *request, struct error *error)
{
	bool something = false;
	for (size_t i = 0; i < request->count; i++)
		something = something || chart_run_draws(&request->runs[i]);
	if (!something)
		return error_set(error, ERROR_USAGE,
				 "there is nothing to draw: no message came back in any run");
	FILE *script = gnuplot_open(error);
	if (!script)
		return -1;
	chart_script_write(script, request->runs, request->count);
	char *picture = gnuplot_run(script, error);
	int status = picture ? write_output(request, picture, error) : -1;
	free(picture);
	return status;
}

static const struct cmdline_option table[] = {
	{'o', "output", "FILE",
	 "where the picture goes: FILE.svg, or FILE.html, a page with a table and the picture in "
	 "it",
	 .kind = CMDLINE_TAKEN},
};

static const char summary[] =
	"Draws results: the latency over the percentiles, and the throughput over time,\n"
	"several runs over each other. The drawing is done by gnuplot.";

static const char epilogue[] =
	"Each RUN.json, 16 at most, is what --json of echoload or echoload merge has\n"
	"written.\n"
	"\n"
	"Exit status:\n"
	"  0  done\n"
	"  2  wrong usage, or a file that is no result of this schema\n"
	"  3  there is no gnuplot, or the output could not be written";

static int take_run(struct request *request, const char *path, struct error *error)
{
	if (request->count == RUNS_MAX)
		return error_set(error, ERROR_USAGE, "'%.160s' is too much: at most %d runs", path,
				 RUNS_MAX);
	request->paths[request->count] = path;
	return result_read(&request->runs[request->count++].result, path, error);
}

static int take(void *context, const char *name, const char *value, struct error *error)
{
	struct request *request = context;
	if (!name)
		return take_run(request, value, error);
	ensure(strcmp(name, "output") == 0);
	if (!paths_end_in(value, ".svg") && !paths_end_in(value, ".html"))
		return error_set(error, ERROR_USAGE, "'%.160s' ends neither in .svg nor in .html",
				 value);
	request->output = value;
	return 0;
}

static int make_report(void *context, struct error *error)
{
	struct request *request = context;
	if (request->count == 0)
		return error_set(error, ERROR_USAGE, "nothing to draw (see " PROGRAM " --help)");
	if (!request->output)
		return error_set(error, ERROR_USAGE,
				 "where to? -o FILE.svg or -o FILE.html is needed");
	if (paths_check_inputs(request->output, request->paths, request->count, error) != 0)
		return -1;
	make_labels(request);
	return draw(request, error);
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
	return status;
}
