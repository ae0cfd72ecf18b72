#include "run.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/output.h"
#include "base/proc_file.h"
#include "echoload/result/atomic_file.h"
#include "echoload/result/formats.h"

// Keeps the first failure, as `errno` has its reason only now.
static void note_failure(struct outputs *outputs, const char *path)
{
	if (outputs->failure.kind == ECHOD_ERROR_NONE)
		error_set(&outputs->failure, ECHOD_ERROR_SYSTEM, "cannot write '%.200s': %s", path,
			  error_text(errno));
}

// A file that is written during the run; opens it at first. NULL: it is not wanted, or cannot be
// opened.
static FILE *stream_of(struct outputs *outputs, enum output_file which)
{
	const char *path = outputs->options->files[which];
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

int outputs_open(struct outputs *outputs, const struct run_options *options,
		 struct echod_error *error)
{
	outputs->options = options;
	screen_open(&outputs->progress, stderr);
	screen_open(&outputs->report, options->data_on_stdout ? stderr : stdout);
	hdr_reset(&outputs->latency);
	for (size_t i = 0; i < OUTPUT_FILES; i++) {
		const char *path = options->files[i];
		if (path && atomic_file_check(path, error) != 0)
			return -1;
	}
	if (result_init(&outputs->result) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "no memory for the result");
	// Nothing in them can be lost, and a FIFO may have to wait for its reader.
	for (enum output_file i = OUTPUT_HLOG; i <= OUTPUT_CSV; i++) {
		if (is_special(options->files[i]))
			(void)stream_of(outputs, i);
	}
	*error = outputs->failure;
	return error->kind == ECHOD_ERROR_NONE ? 0 : -1;
}

static void write_interval(struct outputs *outputs, const struct interval *last)
{
	const struct result_interval *interval = &outputs->interval;
	outputs->lacks_interval |=
		json_array_append_new(result_get(&outputs->result, "intervals"),
				      result_pack_interval(interval, &outputs->latency)) != 0;
	for (enum output_file i = OUTPUT_HLOG; i <= OUTPUT_CSV; i++) {
		FILE *file = stream_of(outputs, i);
		if (file && i == OUTPUT_CSV)
			csv_interval(file, interval, &outputs->latency, last->live);
		else if (file)
			hlog_interval(file, last->started, interval, &outputs->latency);
	}
	if (outputs->options->interval_lines)
		report_interval(&outputs->report, interval, &outputs->latency, last->live);
}

void outputs_interval(struct outputs *outputs, const struct interval *interval)
{
	struct result_interval *sum = &outputs->interval;
	hdr_add(&outputs->latency, &interval->counters->latency);
	sum->length = interval->to - sum->from;
	sum->messages += interval->counters->messages;
	sum->bytes += interval->counters->bytes;
	sum->errors += load_errors_total(&interval->counters->errors);
	if (!interval->last && sum->length < outputs->options->interval)
		return;
	if (sum->length > 0)
		write_interval(outputs, interval);
	*sum = (struct result_interval){.from = interval->to};
	hdr_reset(&outputs->latency);
}

static json_t *seconds(uint64_t ns)
{
	return ns == CLOCK_NEVER ? json_null() : json_finite(clock_seconds(ns));
}

static json_t *endpoints(const struct endpoint *list, size_t count)
{
	json_t *array = json_array();
	for (size_t i = 0; i < count; i++) {
		char text[ADDRESS_TEXT_SIZE];
		json_append(&array, json_text(endpoint_format(&list[i], text)));
	}
	return array;
}

static json_t *sizes(const struct sizes *sizes)
{
	json_t *array = json_array();
	double below = 0;
	for (size_t i = 0; i < sizes->count; i++) {
		const struct sizes_part *part = &sizes->parts[i];
		json_append(&array,
			    json_pack("{s:I, s:I, s:f}", "least", (json_int_t)part->least, "most",
				      (json_int_t)part->most, "share", part->below - below));
		below = part->below;
	}
	return array;
}

json_t *outputs_configuration(const struct load_config *config)
{
	bool open = config->rate > 0, linger = load_mode_takes(config->mode, "linger");
	bool poisson = config->arrival == ARRIVAL_POISSON;
	json_t *cpus = json_array();
	for (size_t i = 0; i < config->cpu_count; i++)
		json_append(&cpus, json_integer(config->cpus[i]));
	return json_pack(
		"{s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:o, s:o, s:I, s:s?, s:o, s:s?, s:o, s:I, "
		"s:o, s:o, s:o, s:o, s:b, s:b}",
		"version", ECHOD_VERSION, "targets",
		endpoints(config->targets, config->target_count), "sources",
		endpoints(config->sources, config->source_count), "mode",
		load_modes[config->mode].name, "connections", (json_int_t)config->connections,
		"pipeline", (json_int_t)config->pipeline, "threads", (json_int_t)config->threads,
		"cpus", cpus, "sizes", sizes(&config->sizes), "visit", (json_int_t)config->visit,
		"linger", linger ? (config->resets ? "rst" : "fin") : NULL, "rate",
		open ? json_finite(config->rate) : json_null(), "arrival",
		open ? (poisson ? "poisson" : "constant") : NULL, "duration_seconds",
		seconds(config->duration), "count", (json_int_t)config->count, "warmup_seconds",
		seconds(config->warmup), "ramp_seconds", seconds(config->ramp), "timeout_seconds",
		seconds(config->timeout), "control",
		config->control ? json_text(config->control) : json_null(), "verify",
		config->verify, "spin", config->spin);
}

// Some machines do not show it.
static json_t *cpu_model(void)
{
	char text[4096], name[128] = "unknown";
	bool read = proc_file_read("/proc/cpuinfo", text, sizeof(text));
	const char *found = read ? strstr(text, "model name") : NULL;
	if (found)
		(void)sscanf(found, "model name : %127[^\n]", name);
	return json_text(name);
}

json_t *outputs_machine(void)
{
	struct utsname name;
	json_int_t memory = (json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	if (uname(&name) != 0)
		return NULL;
	return json_pack("{s:o, s:s, s:s, s:s, s:o, s:I, s:I}", "host", json_text(name.nodename),
			 "system", name.sysname, "kernel", name.release, "architecture",
			 name.machine, "cpu", cpu_model(), "cpus",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "memory_bytes", memory);
}

// Adds doubles, each after its name, to an object; NULL ends them. Those that are not known become
// null.
__attribute__((sentinel)) static json_t *add_numbers(json_t *object, ...)
{
	va_list pairs;
	va_start(pairs, object);
	for (const char *name; (name = va_arg(pairs, const char *));)
		json_put(&object, name, json_finite(va_arg(pairs, double)));
	va_end(pairs);
	return object;
}

static json_t *describe_server(const struct server_view *server)
{
	const struct processes_load *load = &server->load;
	return add_numbers(json_object(), "cpu", load->cpu, "cpu_wanted", load->wanted, "cpu_idle",
			   load->idle, "thread_busy", load->busy, "thread_waiting", load->waiting,
			   "stopped", server->stopped, "throttled", load->throttled, "workers_busy",
			   server->workers_busy, "thread_busy_at_rest", server->at_rest, NULL);
}

static json_t *describe_experiment(const struct experiment *experiment)
{
	static const char *const outcomes[] = {"none", "unclear", "partly", "more", "no_more"};
	json_t *object = json_pack("{s:s}", "outcome", outcomes[experiment->outcome]);
	if (experiment->why)
		json_put(&object, "why", json_text(experiment->why));
	if (experiment->pairs == 0)
		return object;
	return add_numbers(object, "connections", (double)experiment->connections, "added",
			   (double)experiment->extra, "pairs", (double)experiment->pairs,
			   "slice_seconds", clock_seconds(experiment->slice), "bytes_per_second",
			   experiment->rate, "gain", experiment->gain, "gain_low", experiment->low,
			   "gain_high", experiment->high, "thread_load", experiment->load,
			   "least_round_trip_ns", experiment->least_round_trip, "round_trip_ns",
			   experiment->round_trip, NULL);
}

static json_t *describe_threads(const struct usage *usage)
{
	json_t *array = json_array();
	for (unsigned i = 0; i < usage->threads; i++) {
		const struct usage_thread *thread = &usage->thread[i];
		double whole = thread->at ? (double)thread->at : 1;
		json_append(&array,
			    json_pack("{s:f, s:f, s:f}", "user", (double)thread->user / whole,
				      "system", (double)thread->system / whole, "waiting",
				      (double)thread->waited / whole));
	}
	return array;
}

static json_t *describe_evidence(const struct run *run)
{
	const struct evidence *evidence = &run->evidence;
	const struct usage *usage = &run->result.usage;
	json_t *reasons = json_array();
	for (size_t i = 0; i < run->verdict.count; i++)
		json_append(&reasons, json_text(run->verdict.line[i]));
	json_t *object = json_pack(
		"{s:o, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "reasons", reasons,
		"interrupted", run->interrupted, "threads", describe_threads(usage),
		"connections_open", (json_int_t)run->result.live, "unanswered",
		(json_int_t)run->result.counters->unanswered, "retransmits",
		(json_int_t)usage->tcp.retransmits, "unread_bytes", (json_int_t)usage->tcp.unread,
		"unsent_bytes", (json_int_t)usage->tcp.unsent, "experiment",
		describe_experiment(&evidence->experiment), "server",
		describe_server(&evidence->server));
	if (run->result.ledger)
		json_put(&object, "ledger", json_incref(run->result.ledger));
	return add_numbers(object, "thread_busy", evidence->thread_busy, "thread_waiting",
			   evidence->thread_waiting, "cpus_idle", evidence->idle, "failing",
			   evidence->failing, "stalled", evidence->stalled, "throttled",
			   evidence->throttled, "stolen", evidence->stolen, "offered_per_second",
			   evidence->offered, "lateness_p99_ns", evidence->lateness_p99,
			   "window_limited", evidence->window_limited, "least_round_trip_ns",
			   evidence->least_round_trip, "latency_rise_ns", evidence->rise, NULL);
}

static int fill_errors(struct result *result, const struct load_config *config,
		       const struct counters *counters)
{
	char first[LOAD_ERROR_TEXT], target[ADDRESS_TEXT_SIZE];
	int status = 0;
	for (enum load_error i = 0; i < LOAD_ERRORS; i++) {
		const struct load_error_count *kind = &counters->errors.of[i];
		error_make_line(load_error_describe(kind, config, first));
		status |= result_add_error(result, load_error_rows[i].name, kind->count, first);
	}
	for (uint64_t i = 0; i < counters->fault_count && i < COUNTERS_FAULTS; i++) {
		endpoint_format(config_target(config, counters->faults[i].connection), target);
		error_make_line(target);
		status |= result_add_fault(result, target, &counters->faults[i]);
	}
	return status;
}

static int fill_result(struct result *result, const struct run *run, json_t *extra)
{
	const struct load_config *config = run->result.config;
	const struct counters *counters = run->result.counters;
	const struct result_run one = {
		.number = config->run,
		.started = run->result.started,
		.lasted = run->result.lasted,
		.messages = counters->messages,
		.bytes = counters->bytes,
	};
	json_t *evidence = describe_evidence(run), *json = result->json;
	hdr_add(result->latency, &counters->latency);
	hdr_add(result->uncorrected,
		config->rate > 0 ? &counters->uncorrected : &counters->latency);
	return fill_errors(result, config, counters) | result_add_run(result, &one) |
	       result_set_count(json, "faults_found", counters->fault_count) |
	       result_set_count(json, "bytes_verified", counters->verified) |
	       result_set_verdict(result, verdict_names[run->verdict.kind]) |
	       (extra ? json_object_update(evidence, extra) : 0) |
	       json_object_set_new(json, "evidence", evidence) |
	       json_object_set_new(json, "configuration", outputs_configuration(config)) |
	       json_object_set_new(json, "machine", outputs_machine());
}

static void close_files(struct outputs *outputs)
{
	for (enum output_file i = OUTPUT_HLOG; i <= OUTPUT_CSV; i++) {
		FILE *file = outputs->stream[i];
		if (file && (file == stdout ? fflush(file) : fclose(file)) != 0)
			note_failure(outputs, outputs->options->files[i]);
		outputs->stream[i] = NULL;
	}
}

int outputs_finish(struct outputs *outputs, const struct run *run, json_t *extra,
		   struct echod_error *error)
{
	const char *const *files = outputs->options->files;
	int status = 0;
	if (files[OUTPUT_JSON])
		status = !outputs->lacks_interval && fill_result(&outputs->result, run, extra) == 0
				 ? result_write(&outputs->result, files[OUTPUT_JSON], error)
				 : error_set(error, ECHOD_ERROR_SYSTEM, "no memory for the result");
	if (files[OUTPUT_HGRM])
		status |= atomic_file_write(files[OUTPUT_HGRM], hgrm_write,
					    &run->result.counters->latency, status ? NULL : error);
	close_files(outputs);
	if (status == 0 && outputs->failure.kind != ECHOD_ERROR_NONE) {
		*error = outputs->failure;
		status = -1;
	}
	return status;
}

void outputs_close(struct outputs *outputs)
{
	result_free(&outputs->result);
	close_files(outputs);
}
