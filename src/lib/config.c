#include "lib/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpus.h"
#include "base/setting.h"
#include "base/units.h"
#include "control/default_path.h"

#define TRUST ",trust="

// Reads `ADDRESS` or, for a proxy, `ADDRESS,trust=CIDR,...`. Splits `text` in place.
static int parse_listen(char *text, struct listen *listen, struct echod_error *error)
{
	char *networks = listen->proxy ? strstr(text, TRUST) : NULL;
	if (networks) {
		*networks = '\0';
		networks += strlen(TRUST);
	}
	char *faults = listen->is_faulty ? fault_list_in(text) : NULL;
	if (listen->is_faulty && !faults)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.100s': ADDRESS=FAULT[,FAULT...] is expected, such as "
				 ":7=delay=20ms,reset-after=4k",
				 text);
	if (faults)
		faults[-1] = '\0';
	if (address_parse(text, &listen->address, error) != 0 ||
	    (faults && fault_set_parse(faults, &listen->faults, error) != 0))
		return -1;
	if (networks && listen->address.is_unix)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.100s': trust= is for TCP; who may connect to a Unix-domain "
				 "socket is up to the mode of its file",
				 text);
	if (!networks && !listen->address.is_unix)
		listen->trust = trust_loopback;
	for (const char *word; (word = strsep(&networks, ","));) {
		if (trust_add(&listen->trust, word, error) != 0)
			return -1;
	}
	return 0;
}

// The first address replaces the default.
static int add_listen(struct echod_config *config, struct listen listen, const char *value,
		      struct echod_error *error)
{
	struct server_config *server = &config->server;
	char *text = strdup(value);
	if (!text)
		return error_set(error, ECHOD_ERROR_SYSTEM, "no memory for an address");
	int result = parse_listen(text, &listen, error);
	free(text);
	if (result != 0)
		return -1;
	if (!config->listen_given)
		server->listen_count = 0;
	config->listen_given = true;
	if (server->listen_count == CONFIG_MAX_LISTEN)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.100s' is one too many: at most %d addresses", value,
				 CONFIG_MAX_LISTEN);
	server->listen[server->listen_count++] = listen;
	return 0;
}

static int take_listen(void *context, const char *value, struct echod_error *error)
{
	return add_listen(context, (struct listen){0}, value, error);
}

static int take_listen_proxy(void *context, const char *value, struct echod_error *error)
{
	return add_listen(context, (struct listen){.proxy = true}, value, error);
}

static int take_faulty(void *context, const char *value, struct echod_error *error)
{
	return add_listen(context, (struct listen){.is_faulty = true}, value, error);
}

static int take_control(void *context, const char *value, struct echod_error *error)
{
	struct echod_config *config = context;
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

static const struct setting settings[] = {
#define FIELD(name) SETTING_FIELD(struct echod_config, name)
#define TAKE(function) .take = function
#define OPTION(letter, name, word, kind, place, low, high, preset_, help) \
	{letter,	 name,		 word,                            \
	 help,		 SETTING_##kind, place,                           \
	 .least = (low), .most = (high), .preset = (preset_)},
#include "lib/options.def"
#undef OPTION
};
#define SETTING_TOTAL (sizeof(settings) / sizeof(settings[0]))

// No more workers are awake than there are CPUs; a few more stand in for those that wait for a
// client.
static unsigned default_workers(void)
{
	unsigned cpus = cpus_usable(pthread_self());
	if (cpus < CONFIG_LEAST_DEFAULT_WORKERS)
		return CONFIG_LEAST_DEFAULT_WORKERS;
	return cpus < CONFIG_MAX_WORKERS ? cpus : CONFIG_MAX_WORKERS;
}

struct echod_config *echod_config_new(void)
{
	struct echod_config *config = calloc(1, sizeof(*config));
	if (!config)
		return NULL;
	config->server.interrupt_fd = -1;
	config->control_fd = -1;
	config->server.is_guest = true;
	config->server.workers = default_workers();
	for (size_t i = 0; i < SETTING_TOTAL; i++) {
		if (settings[i].preset &&
		    setting_take(&settings[i], config, settings[i].preset, NULL) != 0) {
			free(config); // the preset is a good value: there was no memory
			return NULL;
		}
	}
	config->listen_given = false;
	return config;
}

int echod_config_set(struct echod_config *config, const char *name, const char *value,
		     struct echod_error *error)
{
	const struct setting *setting = setting_find(settings, SETTING_TOTAL, name);
	if (!setting)
		return error_set(error, ECHOD_ERROR_USAGE, "there is no setting '%.64s'", name);
	return setting_take(setting, config, value, error);
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
