// load: a small closed-loop load generator for the benchmark. Prints one line of JSON. One thread.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/units.h"
#include "load.h"
#include "payload.h"

static const struct cmdline_option table[] = {
	{'m', "mode", "MODE", "ping (default), stream, mixed, churn or blocking"},
	{'c', "connections", "N", "connections, or visits at a time with churn (default 1)"},
	{'i', "idle", "N", "connections held beside them, which say nothing (default 0)"},
	{'s', "size", "SIZE", "bytes in a message, 1 to 64k (default 64)"},
	{'d', "duration", "DUR", "how long to measure (default 2s)"},
	{'w', "warm-up", "DUR", "how long to run before (default 500ms)"},
	{'g', "group", "PID", "the server's process group, to see what it uses"},
};

static const char summary[] =
	"Measures the echo server at 127.0.0.1:PORT, in a closed loop: a connection sends\n"
	"its next message when the echo of the last has come. Prints one line of JSON.";

static const char epilogue[] =
	"Modes:\n"
	"  ping      ping-pong messages on N connections, in one epoll loop\n"
	"  stream    N connections send and receive as fast as they can\n"
	"  mixed     N ping-pong connections beside one that streams\n"
	"  churn     connect, echo one message, close, again and again\n"
	"  blocking  one connection, blocking in recv\n";

struct mode {
	const char *name;
	int (*run)(const struct job *job, struct result *result, struct error *error);
};

static const struct mode modes[] = {
	{"ping", ping_run},   {"stream", stream_run},	  {"mixed", mixed_run},
	{"churn", churn_run}, {"blocking", blocking_run},
};

struct reading {
	struct job job;
	const struct mode *mode;
};

static int take_mode(struct reading *reading, const char *value, struct error *error)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(value, modes[i].name) == 0) {
			reading->mode = &modes[i];
			return 0;
		}
	}
	return error_set(error, ERROR_USAGE,
			 "'%.64s' is no mode: ping, stream, mixed, churn or blocking", value);
}

static int take(void *context, const char *name, const char *value, struct error *error)
{
	struct reading *reading = context;
	struct job *job = &reading->job;
	uint64_t number = 0;
	if (name && strcmp(name, "mode") == 0)
		return take_mode(reading, value, error);
	if (name && strcmp(name, "duration") == 0)
		return units_parse_duration(value, &job->duration, error);
	if (name && strcmp(name, "warm-up") == 0)
		return units_parse_duration(value, &job->warmup, error);
	if (name && strcmp(name, "size") == 0) {
		int status = units_parse_size(value, 1, PAYLOAD_CHUNK, &number, error);
		job->size = (size_t)number;
		return status;
	}
	uint64_t least = name && strcmp(name, "idle") == 0 ? 0 : 1;
	uint64_t most = name ? 10000000 : 65535;
	if (units_parse_count(value, least, most, &number, error) != 0)
		return -1;
	if (!name)
		job->port = (unsigned short)number;
	else if (strcmp(name, "connections") == 0)
		job->connections = (unsigned)number;
	else if (strcmp(name, "idle") == 0)
		job->idle = (unsigned)number;
	else
		job->server = (pid_t)number;
	return 0;
}

static void print(const char *mode, const struct job *job, const struct result *result)
{
	const struct latencies *latencies = &result->latencies;
	double seconds = (double)(result->ended - result->started) / (double)NS_PER_S;
	printf("{\"mode\": \"%s\", \"connections\": %u, \"idle\": %u, \"size\": %zu, ", mode,
	       job->connections, job->idle, job->size);
	printf("\"seconds\": %.6f, \"messages\": %" PRIu64 ", \"messages_per_s\": %.1f, ", seconds,
	       result->messages, (double)result->messages / seconds);
	printf("\"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f, ",
	       (double)latencies_percentile(latencies, 50) / 1e3,
	       (double)latencies_percentile(latencies, 99) / 1e3,
	       (double)latencies_percentile(latencies, 99.9) / 1e3, (double)latencies->max / 1e3);
	printf("\"bulk_mb_per_s\": %.1f, \"errors\": %" PRIu64 ", \"unserved\": %" PRIu64 ", ",
	       (double)result->bulk_bytes / seconds / 1e6, result->errors, result->unserved);
	printf("\"server_cpu_us\": %" PRIu64 ", \"server_kib\": %" PRIu64
	       ", \"server_processes\": %u, \"load_cpu_us\": %" PRIu64 "}\n",
	       result->server_after.cpu_us - result->server_before.cpu_us,
	       result->server_after.memory_kib, result->server_after.processes, result->own_cpu_us);
}

// Room for all connections.
static void raise_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct reading reading = {
		.job = {.connections = 1,
			.size = 64,
			.duration = 2 * NS_PER_S,
			.warmup = 500 * NS_PER_MS},
		.mode = &modes[0],
	};
	const struct cmdline cmdline = {
		.program = "load",
		.synopsis = "[OPTION]... PORT",
		.summary = summary,
		.epilogue = epilogue,
		.version = ECHOD_VERSION,
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = take,
		.context = &reading,
	};
	int status = cmdline_read(&cmdline, argc, argv);
	if (status != -1)
		return status;
	static struct result result;
	struct error error;
	if (!reading.job.port) {
		error_set(&error, ERROR_USAGE, "no PORT given");
		return cmdline_fail("load", &error);
	}
	raise_limit();
	payload_fill();
	if (reading.mode->run(&reading.job, &result, &error) != 0)
		return cmdline_fail("load", &error);
	print(reading.mode->name, &reading.job, &result);
	return cmdline_finish("load", result.errors ? EXIT_CHECK_FAILED : EXIT_OK);
}
