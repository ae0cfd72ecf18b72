// echopath, a conformance suite for what stands between two ends of TCP. It is both ends: this
// process is the client's, and another the server's (far.h). Each has only its main thread.
#include <stdlib.h>

#include "base/cmdline.h"
#include "base/program.h"
#include "far.h"
#include "idle.h"
#include "report.h"

// Tries the same rows on the direct path. Returns whether all are clean; prints those that are not.
static bool prove(const struct path *path, struct result *results)
{
	bool clean = true;
	struct path direct = {.far = path->far,
			      .target = path->far->endpoint,
			      .timeout = path->timeout,
			      .brief = true};
	for (unsigned i = 0; i < behaviour_count; i++) {
		struct result *result = &results[i];
		if (!result->selected)
			continue;
		result_find(result, &behaviours[i], &direct, 1);
		char line[400];
		snprintf(line, sizeof(line), "directly %s is %s: %s", behaviours[i].id,
			 verdict_words[result->verdict], result->seen);
		if (result->verdict <= VERDICT_INFO)
			continue;
		cmdline_complain(ECHOPATH, line);
		clean = false;
		if (path->far->channel.lost)
			break;
	}
	return clean;
}

static int run_rows(const struct options *options, struct report *report, struct path *path,
		    struct echod_error *error)
{
	if (report_open(report, error) != 0)
		return -1;
	if (path->via && !options->skip_direct && !prove(path, report->results))
		return EXIT_INCONCLUSIVE;
	if (path_open(path, error) != 0)
		return -1;
	report_begin(report);
	for (unsigned i = 0; i < behaviour_count; i++) {
		struct result *result = &report->results[i];
		if (!result->selected)
			continue;
		result_find(result, &behaviours[i], path, (int)options->repeats);
		report_row(report, result);
	}
	return report_end(report, error) == 0 ? report_status(report) : -1;
}

static int run(const struct options *options, struct echod_error *error)
{
	struct far far;
	struct path path = {.via = options->via_text ? &options->via : NULL,
			    .connect = options->connect_text ? &options->connect : NULL,
			    .far = &far,
			    .timeout = options->timeout,
			    .brief = options->quick};
	struct report report = {.options = options,
				.path = &path,
				.results = calloc(behaviour_count, sizeof(*report.results))};
	int status = -1;
	if (!report.results)
		return error_set(error, ECHOD_ERROR_SYSTEM, "out of memory");
	(void)options_select(options, report.results);
	if (far_open(&far, options->far_text ? &options->far : NULL, &options->backend,
		     options->timeout, error) != 0)
		status = -1;
	else if (!options->idle)
		status = run_rows(options, &report, &path, error);
	else if (path_open(&path, error) == 0)
		status = idle_run(&path, options->longest, error);
	far_close(&far);
	report_free(&report);
	return status;
}

static int start(int argc, char **argv)
{
	struct options options;
	struct echod_error error;
	int status = options_read(&options, argc, argv);
	if (status == -1 && options.list) {
		report_list();
		status = EXIT_OK;
	}
	if (status == -1)
		status = options.serve_text ? far_serve(&options.serve, &error)
					    : run(&options, &error);
	options_free(&options);
	return status == -1 ? cmdline_fail(ECHOPATH, &error) : status;
}

int main(int argc, char **argv)
{
	return program_run(ECHOPATH, start, argc, argv);
}
