#include "report.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/json_text.h"
#include "base/output.h"
#include "base/screen.h"

#define RESULT_COLUMN 31 // the longest id, and a space
#define SEEN_COLUMN 40
#define REASON_COLUMN 4
#define BLANKS " \t\r\n"

static int take_line(struct report *report, char *line)
{
	char *rest = line;
	line[strcspn(line, "#")] = '\0';
	const char *id = strtok_r(line, BLANKS, &rest), *word = strtok_r(NULL, BLANKS, &rest);
	unsigned row = 0, verdict = 0;
	while (id && row < behaviour_count && strcmp(behaviours[row].id, id) != 0)
		row++;
	while (word && verdict < VERDICT_NOT_RUN && strcmp(verdict_words[verdict], word) != 0)
		verdict++;
	if (!id)
		return 0;
	if (row == behaviour_count || !word || verdict == VERDICT_NOT_RUN ||
	    strtok_r(NULL, BLANKS, &rest))
		return -1;
	report->allowed[row] = (enum verdict)verdict;
	return 0;
}

static int read_expectation(struct report *report, const char *path, struct echod_error *error)
{
	char line[256];
	int failed = 0;
	FILE *file = fopen(path, "re");
	for (unsigned number = 1; file && !failed && fgets(line, sizeof(line), file); number++) {
		if (take_line(report, line) != 0)
			failed = error_set(error, ECHOD_ERROR_USAGE,
					   "--expect: line %u of %.200s is not the ID of a row and "
					   "one of kept, info, changed, broken",
					   number, path);
	}
	if (!failed && (!file || ferror(file)))
		failed = error_set(error, ECHOD_ERROR_SYSTEM, "cannot read %.200s: %s", path,
				   error_text(errno));
	if (file)
		fclose(file);
	return failed;
}

static int fail_file(const char *path, struct echod_error *error)
{
	return error_set(error, ECHOD_ERROR_SYSTEM, "cannot write %.200s: %s", path,
			 error_text(errno));
}

int report_open(struct report *report, struct echod_error *error)
{
	const struct options *options = report->options;
	report->allowed = calloc(behaviour_count, sizeof(*report->allowed));
	if (!report->allowed)
		return error_set(error, ECHOD_ERROR_SYSTEM, "out of memory");
	for (unsigned i = 0; i < behaviour_count && !options->expect; i++)
		report->allowed[i] = VERDICT_CHANGED;
	if (options->expect && read_expectation(report, options->expect, error) != 0)
		return -1;
	if (options->json && !(report->json = output_fopen(options->json)))
		return fail_file(options->json, error);
	if (options->junit && !(report->junit = output_fopen(options->junit)))
		return fail_file(options->junit, error);
	return 0;
}

void report_free(struct report *report)
{
	free(report->allowed);
	free(report->results);
}

// Less than 0: better than allowed; more: worse. A figure is as good as kept.
static int compare(const struct report *report, const struct result *result)
{
	enum verdict allowed = report->allowed[result->behaviour - behaviours];
	if (result->verdict == VERDICT_NOT_RUN)
		return 0;
	return (int)(result->verdict == VERDICT_INFO ? VERDICT_KEPT : result->verdict) -
	       (int)(allowed == VERDICT_INFO ? VERDICT_KEPT : allowed);
}

int report_status(const struct report *report)
{
	bool worse = false, better = false;
	const struct result *unable = NULL;
	for (unsigned i = 0; i < behaviour_count; i++) {
		const struct result *result = &report->results[i];
		int difference = result->selected ? compare(report, result) : 0;
		char line[200];
		if (result->selected && result->verdict == VERDICT_NOT_RUN && !unable)
			unable = result;
		worse |= difference > 0;
		better |= difference < 0;
		snprintf(line, sizeof(line), "%s is %s, %s than expected (%s)", behaviours[i].id,
			 verdict_words[result->verdict], difference > 0 ? "worse" : "better",
			 verdict_words[report->allowed[i]]);
		if (difference != 0 && report->options->expect)
			cmdline_complain(ECHOPATH, line);
	}
	if (unable) {
		char line[300];
		snprintf(line, sizeof(line), "rows were not run, first %s: %s",
			 unable->behaviour->id, unable->seen);
		cmdline_complain(ECHOPATH, line);
	}
	if (worse || unable)
		return worse ? EXIT_CHECK_FAILED : EXIT_INCONCLUSIVE;
	return better && report->options->expect ? EXIT_STALE : EXIT_OK;
}

static void print_reason(const struct behaviour *behaviour)
{
	char text[400];
	snprintf(text, sizeof(text), "%s (%s)", behaviour->title, behaviour->source);
	screen_wrap(stdout, text, 0, REASON_COLUMN);
}

void report_list(void)
{
	for (const struct behaviour *row = behaviours; row < behaviours + behaviour_count; row++) {
		printf("%s%s\n", row->id, row->slow ? " (not with --quick)" : "");
		print_reason(row);
	}
}

static json_t *describe(const struct report *report, const struct result *result)
{
	const struct behaviour *row = result->behaviour;
	const int *of = result->of;
	const char *expected =
		report->options->expect ? verdict_words[report->allowed[row - behaviours]] : NULL;
	return json_pack("{ss ss so ss* ss ss si si si si sf}", "id", row->id, "result",
			 verdict_words[result->verdict], "seen", json_text(result->seen),
			 "expected", expected, "rule", row->title, "source", row->source, "runs",
			 result->runs, "kept", of[VERDICT_KEPT], "changed", of[VERDICT_CHANGED],
			 "broken", of[VERDICT_BROKEN], "seconds", clock_seconds(result->duration));
}

enum { ALL = -1, FAILED = -2 }; // in place of a verdict

static int count_rows(const struct report *report, int verdict)
{
	int count = 0;
	for (const struct result *row = report->results; row < report->results + behaviour_count;
	     row++)
		count += row->selected && (verdict == ALL || (int)row->verdict == verdict ||
					   (verdict == FAILED && compare(report, row) > 0));
	return count;
}

void report_begin(struct report *report)
{
	char via[ADDRESS_WRITTEN_SIZE];
	const struct path *path = report->path;
	const char *comment = report->options->tap ? "# " : "";
	if (report->options->tap)
		printf("TAP version 13\n1..%d\n", count_rows(report, ALL));
	printf("%sclient -> %s%s%s\n", comment, path->via ? address_format(path->via, via) : "",
	       path->via ? " -> " : "", path->far->name);
	if (path->lazy)
		printf("%sThe proxy connects to its server only when the client has sent bytes.\n",
		       comment);
	if (!report->options->tap)
		printf("\n%-*s%-*s%s\n", RESULT_COLUMN, "row", SEEN_COLUMN - RESULT_COLUMN,
		       "result", "seen");
}

// JSON is YAML, too.
static void print_tap(const struct report *report, const struct result *result)
{
	json_t *json = describe(report, result);
	bool ran = result->verdict != VERDICT_NOT_RUN;
	printf("%s %u - %s%s%s\n  ---\n  ", compare(report, result) > 0 ? "not ok" : "ok",
	       report->printed, result->behaviour->id, ran ? "" : " # SKIP ",
	       ran ? "" : result->seen);
	(void)json_dumpf(json, stdout, 0);
	puts("\n  ...");
	json_decref(json);
}

void report_row(struct report *report, const struct result *result)
{
	const char *word = verdict_words[result->verdict];
	struct screen screen;
	screen_open(&screen, stdout);
	report->printed++;
	if (report->options->tap) {
		print_tap(report, result);
	} else {
		printf("%-*s", RESULT_COLUMN, result->behaviour->id);
		screen_print(&screen, result->verdict == VERDICT_BROKEN ? SCREEN_RED : "", word);
		screen_wrap(stdout, result->seen,
			    *result->seen ? RESULT_COLUMN + strlen(word) : SEEN_COLUMN,
			    SEEN_COLUMN);
	}
	if (report->options->reasons && !report->options->tap)
		print_reason(result->behaviour);
	fflush(stdout);
}

static void write_json(const struct report *report)
{
	char via[ADDRESS_WRITTEN_SIZE];
	const struct path *path = report->path;
	json_t *rows = json_array(), *sums = json_object();
	for (unsigned i = 0; i < behaviour_count; i++) {
		if (report->results[i].selected)
			json_array_append_new(rows, describe(report, &report->results[i]));
	}
	for (int i = 0; i < VERDICT_COUNT; i++)
		json_object_set_new(sums, verdict_words[i], json_integer(count_rows(report, i)));
	json_t *json =
		json_pack("{ss ss* ss sb so so}", "echopath", ECHOD_VERSION, "via",
			  path->via ? address_format(path->via, via) : NULL, "backend",
			  path->far->name, "lazy", (int)path->lazy, "rows", rows, "summary", sums);
	(void)json_dumpf(json, report->json, JSON_INDENT(2));
	fputc('\n', report->json);
	json_decref(json);
}

static void write_xml(FILE *file, const char *text)
{
	for (; *text; text++)
		fprintf(file, strchr("<>&\"", *text) ? "&#%d;" : "%c",
			*text >= ' ' && *text <= '~' ? *text : '?');
}

static void write_case(const struct report *report, const struct result *result)
{
	const char *id = result->behaviour->id, *word = verdict_words[result->verdict];
	fprintf(report->junit, "  <testcase classname=\"%.*s\" name=\"%s\" time=\"%.3f\">",
		(int)strcspn(id, "/"), id, id, clock_seconds(result->duration));
	if (compare(report, result) > 0) {
		fprintf(report->junit, "<failure type=\"%s\" message=\"", word);
		write_xml(report->junit, result->seen);
		fputs("\"/>", report->junit);
	}
	if (result->verdict == VERDICT_NOT_RUN) {
		fputs("<skipped message=\"", report->junit);
		write_xml(report->junit, result->seen);
		fputs("\"/>", report->junit);
	}
	fprintf(report->junit, "<system-out>%s; ", word);
	write_xml(report->junit, result->seen);
	fputs("</system-out></testcase>\n", report->junit);
}

static void write_junit(const struct report *report)
{
	uint64_t duration = 0;
	for (unsigned i = 0; i < behaviour_count; i++)
		duration += report->results[i].duration;
	fprintf(report->junit,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"" ECHOPATH
		"\" tests=\"%d\" failures=\"%d\" errors=\"0\" skipped=\"%d\" time=\"%.3f\">\n",
		count_rows(report, ALL), count_rows(report, FAILED),
		count_rows(report, VERDICT_NOT_RUN), clock_seconds(duration));
	for (unsigned i = 0; i < behaviour_count; i++) {
		if (report->results[i].selected)
			write_case(report, &report->results[i]);
	}
	fputs("</testsuite>\n", report->junit);
}

int report_end(struct report *report, struct echod_error *error)
{
	if (!report->options->tap)
		printf("\n%d kept, %d changed, %d broken, %d info, %d not run\n",
		       count_rows(report, VERDICT_KEPT), count_rows(report, VERDICT_CHANGED),
		       count_rows(report, VERDICT_BROKEN), count_rows(report, VERDICT_INFO),
		       count_rows(report, VERDICT_NOT_RUN));
	if (report->json)
		write_json(report);
	if (report->junit)
		write_junit(report);
	if (report->json && fclose(report->json) != 0)
		return fail_file(report->options->json, error);
	if (report->junit && fclose(report->junit) != 0)
		return fail_file(report->options->junit, error);
	return 0;
}
