// libechod: puts a server and its control socket together. Any thread, as include/echod/echod.h
// says.
#include "echod/echod.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/control.h"
#include "lib/config.h"
#include "lib/inside.h"
#include "net/waker.h"
#include "server/server.h"

struct echod {
	struct log log;
	echod_log_function *log_function; // for pass_line, as in the configuration
	void *log_context;
	struct server server;
	bool has_control;
	struct control control;
	struct echod_error control_error; // why the default control socket is missing
};

struct echod_snapshot {
	struct snapshot snapshot;
};

const char *echod_version(void)
{
	return ECHOD_VERSION;
}

static int pass_line(void *context, const struct echod_log_entry *entry)
{
	const struct echod *echod = context;
	return echod->log_function(echod->log_context, entry->level, entry->message);
}

static void set_up_log(struct echod *echod, const struct echod_config *config)
{
	echod->log_function = config->log_function;
	echod->log_context = config->log_context;
	echod->log.sink = config->log_function ? pass_line : config->log_entry_function;
	echod->log.context = config->log_function ? echod : config->log_context;
	atomic_init(&echod->log.level, (int)config->log_level);
}

// Threads first, then the listeners: a client that connects finds all of them ready.
static int run(struct echod *echod, struct echod_error *error)
{
	if (server_start(&echod->server, error) != 0)
		return -1;
	int result = echod->has_control ? control_start(&echod->control, error) : 0;
	bool controlled = result == 0 && echod->has_control;
	if (result == 0 && server_open(&echod->server, error) == 0)
		return 0;
	server_drain(&echod->server, 0, 0);
	server_join(&echod->server);
	if (controlled)
		control_stop(&echod->control);
	return -1;
}

static int open_control(struct echod *echod, const struct echod_config *config,
			struct echod_error *error)
{
	const char *path = config->control_path;
	int given = config->control_fd;
	struct endpoint endpoint;
	if (given < 0 && !*path)
		return 0;
	if (given < 0 && endpoint_from_path(path, &endpoint, error) != 0)
		return -1;
	for (size_t i = 0; given < 0 && i < echod->server.listener_count; i++) {
		if (unix_path_is_same(&endpoint, &echod->server.listeners[i].endpoint))
			return error_set(error, ECHOD_ERROR_USAGE,
					 "'%s' is also an address to listen on", path);
	}
	echod->has_control = control_open(&echod->control, path, given, &echod->server, error) == 0;
	return echod->has_control ? 0 : -1;
}

// If a control socket was asked for and cannot be made, the start fails.
static int provide_control(struct echod *echod, const struct echod_config *config,
			   struct echod_error *error)
{
	struct echod_error why = config->control_error;
	if (why.kind == ECHOD_ERROR_NONE && open_control(echod, config, &why) == 0)
		return 0;
	if (!config->control_by_default)
		return error_set(error, why.kind, "control socket (--control): %s", why.message);
	echod->control_error = why;
	return 0;
}

static int assemble(struct echod *echod, const struct echod_config *config,
		    struct echod_error *error)
{
	if (server_build(&echod->server, &config->server, &echod->log, error) != 0)
		return -1;
	if (provide_control(echod, config, error) != 0) {
		server_free(&echod->server);
		return -1;
	}
	if (run(echod, error) == 0)
		return 0;
	if (echod->has_control)
		control_close(&echod->control);
	server_free(&echod->server);
	return -1;
}

static void log_started(struct echod *echod)
{
	const struct server_config *config = &echod->server.config;
	const char *path = echod_control_path(echod);
	const char *control = path ? path : "none";
	const char *reason = echod->control_error.message;
	if (echod->control_error.kind != ECHOD_ERROR_NONE)
		log_write(&echod->log, ECHOD_LOG_WARNING, "no_control",
			  LOG_FIELDS({"reason", .text = reason}),
			  "no control socket, so echoctl will not find this server: %s (--control "
			  "PATH, or $ECHOD_CONTROL, names another socket)",
			  reason);
	log_write(&echod->log, ECHOD_LOG_INFO, "started",
		  LOG_FIELDS({"version", .text = ECHOD_VERSION},
			     {"workers", .number = config->workers},
			     {"max_connections", .number = config->max_connections},
			     {"control", .text = control}),
		  "started: %u worker%s, at most %llu connection%s, control socket %s",
		  config->workers, log_plural(config->workers),
		  (unsigned long long)config->max_connections, log_plural(config->max_connections),
		  control);
	for (size_t i = 0; i < echod->server.listener_count; i++) {
		const char *address = echod->server.names[i];
		bool given = i < config->inherited_count;
		const char *name = given ? config->inherited[i].name : "";
		log_write(&echod->log, ECHOD_LOG_INFO, "listening",
			  LOG_FIELDS({"address", .text = address},
				     {given ? "socket" : NULL, .text = name}),
			  "listening on %s%s%s%s", address,
			  echod->server.trusts[i] ? PROXY_MARK : "", given ? ", socket " : "",
			  name);
		faults_announce(&echod->server.faults, i, address);
	}
}

struct echod *echod_start(const struct echod_config *config, struct echod_error *error)
{
	struct echod_error why = {0}; // `error` stays untouched when the server starts
	struct echod *echod = calloc(1, sizeof(*echod));
	if (!echod) {
		error_set(error, ECHOD_ERROR_SYSTEM, "no memory for a server");
		return NULL;
	}
	set_up_log(echod, config);
	if (assemble(echod, config, &why) == 0) {
		log_started(echod);
		return echod;
	}
	if (error)
		*error = why;
	free(echod);
	return NULL;
}

struct server *echod_server(struct echod *echod)
{
	return &echod->server;
}

const char *echod_address(const struct echod *echod, size_t index)
{
	return index < echod->server.listener_count ? echod->server.names[index] : NULL;
}

uint16_t echod_port(const struct echod *echod, size_t index)
{
	return index < echod->server.listener_count ? echod->server.ports[index] : 0;
}

const char *echod_control_path(const struct echod *echod)
{
	return echod->has_control ? address_path_in(echod->control.listener.name) : NULL;
}

void echod_drain(struct echod *echod, int timeout_ms)
{
	const struct server_config *config = &echod->server.config;
	server_drain(&echod->server, config->drain_delay,
		     timeout_ms < 0 ? config->drain_timeout : (uint64_t)timeout_ms * NS_PER_MS);
}

void echod_hurry(struct echod *echod)
{
	server_hurry(&echod->server);
}

void echod_stop(struct echod *echod)
{
	server_drain(&echod->server, 0, 0);
}

int echod_fd(const struct echod *echod)
{
	return echod->server.done.fd;
}

int echod_wait(struct echod *echod, int timeout_ms)
{
	struct pollfd fd = {.fd = echod->server.done.fd, .events = POLLIN};
	uint64_t deadline =
		timeout_ms < 0 ? CLOCK_NEVER : clock_deadline((uint64_t)timeout_ms * NS_PER_MS);
	while (poll_until(&fd, 1, deadline) == 0) {
		if (clock_now() >= deadline)
			return 0;
	}
	return 1;
}

void echod_free(struct echod *echod)
{
	if (!echod)
		return;
	server_drain(&echod->server, 0, 0);
	server_join(&echod->server);
	if (echod->has_control) {
		control_stop(&echod->control);
		control_close(&echod->control);
	}
	server_free(&echod->server);
	free(echod);
}

struct echod_snapshot *echod_snapshot_take(struct echod *echod)
{
	struct echod_snapshot *snapshot = malloc(sizeof(*snapshot));
	if (snapshot)
		server_sample(&echod->server, &snapshot->snapshot);
	return snapshot;
}

const char *echod_snapshot_name(const struct echod_snapshot *snapshot, size_t index)
{
	(void)snapshot; // all snapshots have the same counters
	if (index < COUNTER_COUNT)
		return counter_metrics[index].name;
	if (index < (size_t)COUNTER_COUNT + GAUGE_COUNT)
		return gauge_metrics[index - COUNTER_COUNT].name;
	return NULL;
}

int echod_snapshot_get(const struct echod_snapshot *snapshot, const char *name, uint64_t *value)
{
	const char *at;
	for (size_t i = 0; (at = echod_snapshot_name(snapshot, i)); i++) {
		if (strcmp(at, name) != 0)
			continue;
		*value = i < COUNTER_COUNT ? snapshot->snapshot.counter[i]
					   : snapshot->snapshot.gauge[i - COUNTER_COUNT];
		return *value == STATS_UNKNOWN ? -1 : 0;
	}
	return -1;
}

void echod_snapshot_free(struct echod_snapshot *snapshot)
{
	free(snapshot);
}
