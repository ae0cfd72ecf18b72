// A run as JSON, and errors in words. Main thread.
#include "describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/proc_file.h"
#include "base/units.h"
#include "net/connect.h"
#include "run.h"

static int set(json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value); // takes NULL, and fails
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
		json_array_append_new(array, json_text(endpoint_format(&list[i], text)));
	}
	return array;
}

static json_t *describe_sizes(const struct sizes *sizes)
{
	json_t *array = json_array();
	double below = 0;
	for (size_t i = 0; i < sizes->count; i++) {
		const struct sizes_part *part = &sizes->parts[i];
		json_array_append_new(array,
				      json_pack("{s:I, s:I, s:f}", "least", (json_int_t)part->least,
						"most", (json_int_t)part->most, "share",
						part->below - below));
		below = part->below;
	}
	return array;
}

static json_t *describe_cpus(const struct load_config *config)
{
	json_t *array = json_array();
	for (size_t i = 0; i < config->cpu_count; i++)
		json_array_append_new(array, json_integer(config->cpus[i]));
	return array;
}

int describe_config(json_t *object, const struct load_config *config)
{
	bool open = config->rate > 0;
	int failed = set(object, "version", json_text(ECHOD_VERSION)) |
		     set(object, "targets", endpoints(config->targets, config->target_count)) |
		     set(object, "sources", endpoints(config->sources, config->source_count)) |
		     set(object, "mode", json_text(load_modes[config->mode].name)) |
		     set(object, "connections", json_integer(config->connections)) |
		     set(object, "pipeline", json_integer(config->pipeline)) |
		     set(object, "threads", json_integer(config->threads)) |
		     set(object, "cpus", describe_cpus(config)) |
		     set(object, "sizes", describe_sizes(&config->sizes)) |
		     set(object, "visit", json_integer((json_int_t)config->visit)) |
		     set(object, "linger",
			 config->mode == MODE_CHURN ? json_string(config->resets ? "rst" : "fin")
						    : json_null()) |
		     set(object, "rate", open ? json_finite(config->rate) : json_null()) |
		     set(object, "arrival",
			 !open				      ? json_null()
			 : config->arrival == ARRIVAL_POISSON ? json_text("poisson")
							      : json_text("constant"));
	failed |=
		set(object, "duration_seconds", seconds(config->duration)) |
		set(object, "count", json_integer((json_int_t)config->count)) |
		set(object, "warmup_seconds", seconds(config->warmup)) |
		set(object, "ramp_seconds", seconds(config->ramp)) |
		set(object, "timeout_seconds", seconds(config->timeout)) |
		set(object, "control", config->control ? json_text(config->control) : json_null()) |
		set(object, "verify", json_boolean(config->verify)) |
		set(object, "spin", json_boolean(config->spin));
	return failed;
}

// What follows `name` and a colon in a file of such lines, or "unknown".
static const char *look_up(const char *path, const char *name, char *text, size_t size)
{
	const char *found = proc_file_read(path, text, size) ? strstr(text, name) : NULL;
	found = found ? strchr(found, ':') : NULL;
	if (!found)
		return "unknown";
	found += 1 + strspn(found + 1, " \t");
	text[found - text + (ptrdiff_t)strcspn(found, "\n")] = '\0';
	return found;
}

int describe_machine(json_t *object)
{
	struct utsname name;
	char text[4096];
	if (uname(&name) != 0)
		return -1;
	json_int_t memory = (json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	return set(object, "host", json_text(name.nodename)) |
	       set(object, "system", json_text(name.sysname)) |
	       set(object, "kernel", json_text(name.release)) |
	       set(object, "architecture", json_text(name.machine)) |
	       set(object, "cpu",
		   json_text(look_up("/proc/cpuinfo", "model name", text, sizeof(text)))) |
	       set(object, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN))) |
	       set(object, "memory_bytes", json_integer(memory));
}

static json_t *describe_server(const struct server_view *server)
{
	json_t *object = json_object();
	set(object, "cpu", json_finite(server->load.cpu));
	set(object, "cpu_wanted", json_finite(server->load.wanted));
	set(object, "cpu_idle", json_finite(server->load.idle));
	set(object, "thread_busy", json_finite(server->load.busy));
	set(object, "thread_waiting", json_finite(server->load.waiting));
	set(object, "stopped", json_finite(server->stopped));
	set(object, "throttled", json_finite(server->throttled));
	set(object, "workers_busy", json_finite(server->workers_busy));
	set(object, "thread_busy_at_rest", json_finite(server->at_rest));
	return object;
}

static json_t *describe_experiment(const struct experiment *experiment)
{
	static const char *const outcomes[] = {"none", "unclear", "more", "no_more"};
	json_t *object = json_object();
	set(object, "outcome", json_string(outcomes[experiment->outcome]));
	if (experiment->why)
		set(object, "why", json_text(experiment->why));
	if (experiment->pairs == 0)
		return object;
	set(object, "connections", json_integer(experiment->connections));
	set(object, "added", json_integer(experiment->extra));
	set(object, "pairs", json_integer(experiment->pairs));
	set(object, "slice_seconds", seconds(experiment->slice));
	set(object, "bytes_per_second", json_finite(experiment->rate));
	set(object, "gain", json_finite(experiment->gain));
	set(object, "gain_low", json_finite(experiment->low));
	set(object, "gain_high", json_finite(experiment->high));
	set(object, "gain_by_latency", json_finite(experiment->typical));
	set(object, "thread_load", json_finite(experiment->load));
	set(object, "thread_load_added", json_finite(experiment->load_more));
	set(object, "least_round_trip_ns", json_finite(experiment->least_round_trip));
	set(object, "round_trip_ns", json_finite(experiment->round_trip));
	return object;
}

static json_t *describe_threads(const struct usage *usage)
{
	json_t *array = json_array();
	for (unsigned i = 0; i < usage->threads; i++) {
		const struct usage_thread *thread = &usage->thread[i];
		double whole = thread->at ? (double)thread->at : 1;
		json_array_append_new(array, json_pack("{s:f, s:f, s:f}", "user",
						       (double)thread->user / whole, "system",
						       (double)thread->system / whole, "waiting",
						       (double)thread->waited / whole));
	}
	return array;
}

int describe_evidence(json_t *object, const struct run *run)
{
	const struct evidence *evidence = &run->evidence;
	const struct usage *usage = &run->result.usage;
	json_t *reasons = json_array();
	for (size_t i = 0; i < run->verdict.count; i++)
		json_array_append_new(reasons, json_text(run->verdict.line[i]));
	const struct book *book = run->result.book;
	return set(object, "reasons", reasons) |
	       set(object, "interrupted", json_boolean(run->interrupted)) |
	       set(object, "threads", describe_threads(usage)) |
	       set(object, "thread_busy", json_finite(evidence->thread_busy)) |
	       set(object, "thread_waiting", json_finite(evidence->thread_waiting)) |
	       set(object, "cpus_idle", json_finite(evidence->idle)) |
	       set(object, "cpus_own", json_finite(evidence->own)) |
	       set(object, "failing", json_finite(evidence->failing)) |
	       set(object, "stalled", json_finite(evidence->stalled)) |
	       set(object, "throttled", json_finite(evidence->throttled)) |
	       set(object, "stolen", json_finite(evidence->stolen)) |
	       set(object, "offered_per_second", json_finite(evidence->offered)) |
	       set(object, "connections_open", json_integer(run->result.live)) |
	       set(object, "unanswered", json_integer((json_int_t)book->unanswered)) |
	       set(object, "lateness_p99_ns", json_finite(evidence->lateness_p99)) |
	       set(object, "window_limited", json_finite(evidence->window_limited)) |
	       set(object, "retransmits", json_integer((json_int_t)usage->tcp.retransmits)) |
	       set(object, "least_round_trip_ns", json_finite(evidence->least_round_trip)) |
	       set(object, "unread_bytes", json_integer((json_int_t)usage->tcp.unread)) |
	       set(object, "latency_rise_ns", json_finite(evidence->rise)) |
	       set(object, "experiment", describe_experiment(&evidence->experiment)) |
	       set(object, "unsent_bytes", json_integer((json_int_t)usage->tcp.unsent)) |
	       set(object, "server", describe_server(&evidence->server));
}
