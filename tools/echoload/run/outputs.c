// The files that a run leaves behind. Main thread.
#include "outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/output.h"
#include "describe.h"
#include "echoload/result/atomic_file.h"
#include "echoload/result/formats.h"
#include "run.h"

// Why something could not be written is known only just after it has been tried.
static void note_failure(struct outputs *outputs, const char *path)
{
	if (outputs->failure.kind == ERROR_NONE)
		error_set(&outputs->failure, ERROR_SYSTEM, "cannot write '%.200s': %s", path,
			  error_text(errno));
}

// Opens one of those that are written as the run goes on, unless it is open.
static FILE *begin_file(struct outputs *outputs, enum wish_file which)
{
	const char *path = outputs->wishes->files[which];
	FILE **file = &outputs->stream[which];
	if (path && !*file) {
		*file = strcmp(path, "-") == 0 ? stdout : output_fopen(path);
		if (!*file)
			note_failure(outputs, path);
	}
	return *file;
}

static bool is_special(const char *path)
{
	struct stat status;
	return path && stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

int outputs_open(struct outputs *outputs, const struct wishes *wishes, struct screen *screen,
		 struct error *error)
{
	*outputs = (struct outputs){.wishes = wishes, .screen = screen};
	for (size_t i = 0; i < WISH_FILES; i++) {
		const char *path = wishes->files[i];
		if (path && atomic_file_check(path, error) != 0)
			return -1;
	}
	outputs->sum = malloc(sizeof(*outputs->sum));
	if (result_init(&outputs->result) != 0 || !outputs->sum) {
		outputs_close(outputs);
		return error_set(error, ERROR_SYSTEM, "no memory for the result");
	}
	book_reset(outputs->sum);
	// Nothing in them can be lost, and a FIFO may have to wait for its reader.
	for (enum wish_file i = WISH_HLOG; i <= WISH_CSV; i++) {
		if (is_special(wishes->files[i]))
			begin_file(outputs, i);
	}
	if (outputs->failure.kind == ERROR_NONE)
		return 0;
	outputs_close(outputs);
	*error = outputs->failure;
	return -1;
}

static void write_interval(struct outputs *outputs, const struct result_interval *done,
			   const struct interval *interval)
{
	const struct hdr *latency = &outputs->sum->latency;
	bool first = done->from == 0;
	for (enum wish_file i = WISH_HLOG; i <= WISH_CSV; i++) {
		FILE *file = first ? begin_file(outputs, i) : outputs->stream[i];
		if (!file)
			continue;
		if (i == WISH_CSV)
			csv_interval(file, done, latency, interval->live);
		else
			hlog_interval(file, interval->started, done, latency);
		if (ferror(file))
			note_failure(outputs, outputs->wishes->files[i]);
	}
}

static void take_faults(struct result *result, const struct load_config *config,
			const struct book *book)
{
	char target[ADDRESS_TEXT_SIZE];
	for (uint64_t i = 0; i < book->fault_count && i < BOOK_FAULTS; i++) {
		endpoint_format(config_target(config, book->faults[i].connection), target);
		error_make_line(target);
		(void)result_add_fault(result, target, &book->faults[i]);
	}
	(void)result_set_count(result->json, "faults_found", book->fault_count);
}

void outputs_interval(struct outputs *outputs, const struct interval *interval)
{
	struct book *sum = outputs->sum;
	book_add(sum, interval->book);
	if (!interval->last && interval->to - outputs->from < outputs->wishes->interval)
		return;
	const struct result_interval done = {
		.from = outputs->from,
		.length = interval->to - outputs->from,
		.messages = sum->messages,
		.bytes = sum->bytes,
		.errors = load_errors_total(&sum->errors),
	};
	if (done.length > 0) {
		// Without memory the result goes without this interval; the sums are complete.
		(void)json_array_append_new(result_get(&outputs->result, "intervals"),
					    result_pack_interval(&done, &sum->latency));
		write_interval(outputs, &done, interval);
		if (outputs->wishes->interval_lines)
			report_interval(outputs->screen, &done, &sum->latency, interval->live);
	}
	outputs->from = interval->to;
	book_reset(sum);
}

static void fill_errors(struct result *result, const struct load_config *config,
			const struct load_errors *errors)
{
	for (size_t i = 0; i < LOAD_ERRORS; i++) {
		char first[LOAD_ERROR_TEXT];
		load_error_describe(&errors->of[i], config, first);
		error_make_line(first);
		(void)result_add_error(result, load_error_name((enum load_error)i),
				       errors->of[i].count, first);
	}
}

static void close_files(struct outputs *outputs)
{
	for (size_t i = 0; i < WISH_FILES; i++) {
		FILE *file = outputs->stream[i];
		if (file && (file == stdout ? fflush(file) : fclose(file)) != 0)
			note_failure(outputs, outputs->wishes->files[i]);
		outputs->stream[i] = NULL;
	}
}

static int fill_hgrm(FILE *file, const void *latency)
{
	hgrm_write(file, latency);
	return 0;
}

static int fill_result(struct result *result, const struct load_config *config,
		       const struct run *run, json_t *extra)
{
	const struct book *book = run->result.book;
	const struct result_run one = {
		.number = config->run,
		.started = run->result.started,
		.lasted = run->result.lasted,
		.messages = book->messages,
		.bytes = book->bytes,
	};
	hdr_add(result->latency, &book->latency);
	hdr_add(result->uncorrected, config->rate > 0 ? &book->uncorrected : &book->latency);
	fill_errors(result, config, &book->errors);
	take_faults(result, config, book);
	return result_add_run(result, &one) |
	       result_set_count(result->json, "bytes_verified", book->verified) |
	       result_set_verdict(result, verdict_name(run->verdict.kind)) |
	       describe_evidence(result_get(result, "evidence"), run) |
	       (extra ? json_object_update(result_get(result, "evidence"), extra) : 0) |
	       describe_config(result_get(result, "configuration"), config) |
	       describe_machine(result_get(result, "machine"));
}

static int write_json(struct outputs *outputs, const struct load_config *config,
		      const struct run *run, json_t *extra, struct error *error)
{
	if (fill_result(&outputs->result, config, run, extra) != 0)
		return error_set(error, ERROR_SYSTEM, "no memory for the result");
	return result_write(&outputs->result, outputs->wishes->files[WISH_JSON], error);
}

int outputs_finish(struct outputs *outputs, const struct load_config *config, const struct run *run,
		   json_t *extra, struct error *error)
{
	const char *const *files = outputs->wishes->files;
	int status = 0;
	if (files[WISH_JSON])
		status = write_json(outputs, config, run, extra, error);
	if (files[WISH_HGRM])
		status |= atomic_file_write(files[WISH_HGRM], fill_hgrm, &run->result.book->latency,
					    status ? NULL : error);
	close_files(outputs);
	if (status == 0 && outputs->failure.kind != ERROR_NONE) {
		*error = outputs->failure;
		status = -1;
	}
	return status;
}

void outputs_close(struct outputs *outputs)
{
	result_free(&outputs->result);
	free(outputs->sum);
	close_files(outputs);
}
