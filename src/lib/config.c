#include "lib/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "pool/cpus.h"

#define DEFAULT_PORT 65432
#define LEAST_DEFAULT_WORKERS 4

struct setting {
	const char *name;
	int (*take)(struct echod_config *config, const char *value, struct echod_error *error);
};

static int take_listen(struct echod_config *config, const char *value, struct echod_error *error)
{
	struct server_config *server = &config->server;
	struct address address;
	if (address_parse(value, &address, error) != 0)
		return -1;
	if (!config->listen_given)
		server->listen_count = 0;
	config->listen_given = true;
	if (server->listen_count == CONFIG_MAX_LISTEN)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.100s' is one too many: at most %d addresses", value,
				 CONFIG_MAX_LISTEN);
	server->listen[server->listen_count++] = address;
	return 0;
}

static int take_workers(struct echod_config *config, const char *value, struct echod_error *error)
{
	uint64_t count;
	if (units_parse_count(value, 1, CONFIG_MAX_WORKERS, &count, error) != 0)
		return -1;
	config->server.workers = (unsigned)count;
	return 0;
}

static int take_control(struct echod_config *config, const char *value, struct echod_error *error)
{
	if (strcmp(value, "none") == 0) {
		config->control_path[0] = '\0';
		return 0;
	}
	struct endpoint endpoint;
	if (endpoint_from_path(value, &endpoint, error) != 0)
		return -1;
	const char *path = address_path_in(value);
	strcpy(config->control_path, path ? path : value);
	return 0;
}

static int take_max_connections(struct echod_config *config, const char *value,
				struct echod_error *error)
{
	return units_parse_count(value, 1, CONFIG_MAX_CONNECTIONS, &config->server.max_connections,
				 error);
}

static int take_max_per_source(struct echod_config *config, const char *value,
			       struct echod_error *error)
{
	return units_parse_count(value, 0, CONFIG_MAX_CONNECTIONS, &config->server.max_per_source,
				 error);
}

static int take_source_prefix6(struct echod_config *config, const char *value,
			       struct echod_error *error)
{
	uint64_t bits;
	if (units_parse_count(value, 1, 128, &bits, error) != 0)
		return -1;
	config->server.source_prefix6 = (unsigned)bits;
	return 0;
}

static int take_overload(struct echod_config *config, const char *value, struct echod_error *error)
{
	if (strcmp(value, "wait") == 0)
		config->server.overload = OVERLOAD_WAIT;
	else if (strcmp(value, "reset") == 0)
		config->server.overload = OVERLOAD_RESET;
	else
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' is neither 'wait' nor 'reset'",
				 value);
	return 0;
}

// A time after which a connection ends; 0 would end each at once.
static int take_limit(const char *value, uint64_t *limit, struct echod_error *error)
{
	uint64_t ns;
	if (units_parse_timeout(value, &ns, error) != 0)
		return -1;
	if (ns == 0)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not longer than 0; 'never' means no limit", value);
	*limit = ns;
	return 0;
}

static int take_idle_timeout(struct echod_config *config, const char *value,
			     struct echod_error *error)
{
	return take_limit(value, &config->server.idle_timeout, error);
}

static int take_send_timeout(struct echod_config *config, const char *value,
			     struct echod_error *error)
{
	return take_limit(value, &config->server.send_timeout, error);
}

static int take_patience(struct echod_config *config, const char *value, struct echod_error *error)
{
	return units_parse_timeout(value, &config->server.patience, error);
}

static int take_spin(struct echod_config *config, const char *value, struct echod_error *error)
{
	uint64_t ns;
	if (units_parse_duration(value, &ns, error) != 0)
		return -1;
	if (ns > CONFIG_MAX_SPIN)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' is longer than 1ms", value);
	config->server.spin = ns;
	return 0;
}

static int take_pending_limit(struct echod_config *config, const char *value,
			      struct echod_error *error)
{
	return units_parse_size(value, 0, CONFIG_MAX_PENDING, &config->server.pending_limit, error);
}

static int take_drain_timeout(struct echod_config *config, const char *value,
			      struct echod_error *error)
{
	return units_parse_timeout(value, &config->server.drain_timeout, error);
}

static int take_backlog(struct echod_config *config, const char *value, struct echod_error *error)
{
	uint64_t count;
	if (units_parse_count(value, 1, UINT16_MAX, &count, error) != 0)
		return -1;
	config->server.backlog = (int)count;
	return 0;
}

static int take_buffer_size(struct echod_config *config, const char *value,
			    struct echod_error *error)
{
	uint64_t bytes;
	if (units_parse_size(value, 1, CONFIG_MAX_BUFFER, &bytes, error) != 0)
		return -1;
	config->server.buffer_size = (size_t)bytes;
	return 0;
}

static int take_log_level(struct echod_config *config, const char *value, struct echod_error *error)
{
	return log_level_parse(value, &config->log_level, error);
}

static const struct setting settings[] = {
#define OPTION(letter, name, argument, take, help) {name, take},
#include "lib/options.def"
#undef OPTION
};

// No more workers are awake than there are CPUs; a few more stand in for those that wait for a
// client.
static unsigned default_workers(void)
{
	unsigned cpus = cpus_usable(pthread_self());
	if (cpus < LEAST_DEFAULT_WORKERS)
		return LEAST_DEFAULT_WORKERS;
	return cpus < CONFIG_MAX_WORKERS ? cpus : CONFIG_MAX_WORKERS;
}

struct echod_config *echod_config_new(void)
{
	struct echod_config *config = calloc(1, sizeof(*config));
	if (!config)
		return NULL;
	config->server = (struct server_config){
		.listen = {{.port = DEFAULT_PORT, .host = "127.0.0.1"}},
		.listen_count = 1,
		.interrupt_fd = -1,
		.workers = default_workers(),
		.is_guest = true,
		.source_prefix6 = 64,
		.overload = OVERLOAD_WAIT,
		.idle_timeout = CLOCK_NEVER,
		.send_timeout = 60 * NS_PER_S,
		.drain_timeout = 10 * NS_PER_S,
		.patience = 5 * NS_PER_MS,
		.spin = 50 * NS_PER_US,
		.pending_limit = UINT64_C(64) << 20,
		.backlog = 4096,
		.buffer_size = 64UL * 1024,
	};
	config->log_level = ECHOD_LOG_INFO;
	return config;
}

int echod_config_set(struct echod_config *config, const char *name, const char *value,
		     struct echod_error *error)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strcmp(settings[i].name, name) == 0)
			return settings[i].take(config, value, error);
	}
	return error_set(error, ECHOD_ERROR_USAGE, "there is no setting '%.64s'", name);
}

void echod_config_set_log(struct echod_config *config, echod_log_function *function, void *context)
{
	config->log_function = function;
	config->log_entry_function = NULL;
	config->log_context = context;
}

void echod_config_set_log_entries(struct echod_config *config, echod_log_entry_function *function,
				  void *context)
{
	config->log_function = NULL;
	config->log_entry_function = function;
	config->log_context = context;
}

void echod_config_free(struct echod_config *config)
{
	free(config);
}
