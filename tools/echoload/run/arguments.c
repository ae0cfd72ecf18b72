#include "run_options.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/signals.h"
#include "base/units.h"
#include "net/connect.h"
#include "net/resolve.h"

// Its meaning depends on the mode. A visit of half-close is one message.
static int take_visit(const char *value, struct load_config *config, struct echod_error *error)
{
	if (config->mode != MODE_HALF_CLOSE)
		return units_parse_count(value, 1, UNITS_EXACT_MAX, &config->visit, error);
	if (units_parse_size(value, 1, SIZES_BYTES, &config->visit, error) != 0)
		return -1;
	return sizes_parse(value, &config->sizes, error);
}

// Calls `take` with each of the words between the commas of `text`.
static int for_each_word(const char *text,
			 int (*take)(char *word, struct load_config *config,
				     struct echod_error *error),
			 struct load_config *config, struct echod_error *error)
{
	char *copy = strdup(text), *rest = copy;
	int status = copy ? 0 : error_set(error, ECHOD_ERROR_SYSTEM, "no memory for a list");
	while (status == 0 && rest)
		status = take(strsep(&rest, ","), config, error);
	free(copy);
	return status;
}

// Takes `2` or `0-3`, which it splits in place.
static int add_cpus(char *word, struct load_config *config, struct echod_error *error)
{
	uint64_t first, last;
	char *end = strchr(word, '-');
	if (end)
		*end++ = '\0';
	if (units_parse_count(word, 0, CPU_SETSIZE - 1, &first, error) != 0 ||
	    units_parse_count(end ? end : word, 0, CPU_SETSIZE - 1, &last, error) != 0)
		return -1;
	if (first > last)
		return error_set(error, ECHOD_ERROR_USAGE, "'%s-%s' ends before it begins", word,
				 end);
	for (uint64_t cpu = first; cpu <= last; cpu++) {
		if (config->cpu_count == CONFIG_CPUS)
			return error_set(error, ECHOD_ERROR_USAGE, "more than %d CPUs",
					 CONFIG_CPUS);
		config->cpus[config->cpu_count++] = (unsigned)cpu;
	}
	return 0;
}

static int add_source(char *word, struct load_config *config, struct echod_error *error)
{
	if (config->source_count == CONFIG_SOURCES)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is one too many: at most %d addresses", word,
				 CONFIG_SOURCES);
	struct endpoint *source = &config->sources[config->source_count++];
	if (endpoint_from_ip(word, source, error) != 0)
		return -1;
	if (source->as.any.sa_family != config->sources[0].as.any.sa_family)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is of another address family than those before it", word);
	return 0;
}

static int take_target(struct arguments *arguments, const char *value, struct echod_error *error)
{
	if (arguments->target_count == CONFIG_ENDPOINTS)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.100s' is one too many: at most %d targets", value,
				 CONFIG_ENDPOINTS);
	struct address *target = &arguments->targets[arguments->target_count++];
	if (address_parse(value, target, error) != 0)
		return -1;
	if (!target->is_unix && (target->port == 0 || !target->host[0]))
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.100s' lacks a host or a port other than 0", value);
	return 0;
}

int arguments_take(void *context, const char *option, const char *value, struct echod_error *error)
{
	struct arguments *arguments = context;
	struct load_config *config = &arguments->config;
	struct endpoint endpoint;
	if (!option)
		return take_target(arguments, value, error);
	if (strcmp(option, "size") == 0)
		return sizes_parse(value, &config->sizes, error);
	if (strcmp(option, "visit") == 0)
		return take_visit(value, config, error);
	if (strcmp(option, "cpu") == 0) {
		config->cpu_count = 0;
		return for_each_word(value, add_cpus, config, error);
	}
	if (strcmp(option, "source") == 0) {
		config->source_count = 0;
		return for_each_word(value, add_source, config, error);
	}
	config->control = value;
	return endpoint_from_path(value, &endpoint, error);
}

void arguments_begin(struct arguments *arguments, const struct cmdline *cmdline, int argc,
		     char **argv)
{
	*arguments = (struct arguments){
		.config = {.pipeline = 1, .verify = true},
		.cmdline = cmdline,
	};
	const char *given = cmdline_value(cmdline, argc, argv, "mode");
	for (enum load_mode mode = 0; given && mode < LOAD_MODES; mode++) {
		if (strcmp(given, load_modes[mode].name) == 0)
			arguments->config.mode = mode;
	}
	const char *at = load_modes[arguments->config.mode].options;
	for (; (at = strstr(at, "--")); at += 2) {
		char name[16], value[16];
		if (sscanf(at, "--%15s %15[^- ]", name, value) == 2)
			cmdline_set(cmdline, name, value);
	}
}

// Refuses an option that only other modes take.
static int check_mode(const struct arguments *arguments, const char *option,
		      struct echod_error *error)
{
	enum load_mode given = arguments->config.mode;
	char modes[64] = "";
	size_t used = 0;
	if (!cmdline_has(arguments->cmdline, option) || load_mode_takes(given, option))
		return 0;
	for (enum load_mode mode = 0; mode < LOAD_MODES; mode++) {
		if (load_mode_takes(mode, option))
			used += (size_t)snprintf(modes + used, sizeof(modes) - used, "%s%s",
						 used ? ", " : "", load_modes[mode].name);
	}
	return used == 0 ? 0
			 : error_set(error, ECHOD_ERROR_USAGE,
				     "--%s: not together with --mode %s, only with %s", option,
				     load_modes[given].name, modes);
}

static int check_numbers(const struct arguments *arguments, struct echod_error *error)
{
	const struct load_config *config = &arguments->config;
	if (config->connections < arguments->target_count)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "--connections: '%u' is less than the %zu targets",
				 config->connections, arguments->target_count);
	if (config->threads > config->connections)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "--threads: '%u' is more than the connections (--connections %u)",
				 config->threads, config->connections);
	if (cmdline_has(arguments->cmdline, "arrival") && config->rate == 0 &&
	    !cmdline_has(arguments->cmdline, "search"))
		return error_set(error, ECHOD_ERROR_USAGE,
				 "--arrival: needs --rate or --search, as a closed loop has no "
				 "schedule");
	return 0;
}

// Finds one address for the target, so that all connections of a run go the same way. If a name has
// several, it is the one that answers first. This takes one connection, which is closed before the
// run.
static int find_target(const struct load_config *config, const struct address *address,
		       struct endpoint *target, struct echod_error *error)
{
	struct endpoint found[CONNECT_ADDRESSES];
	const struct endpoint *source = config->source_count ? config->sources : NULL;
	const struct connect_terms terms = {source, config->timeout, signals_fd()};
	int count = resolve_within(address, found, CONNECT_ADDRESSES, terms.timeout,
				   terms.interrupt_fd, error);
	if (count < 0)
		return -1;
	*target = found[0]; // if it is the only one, the load finds out whether it answers
	if (count > 1) {
		int fd = connect_first(found, (size_t)count, &terms, target, error);
		if (fd < 0)
			return -1;
		close(fd);
	}
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];
	if (source && source->as.any.sa_family != target->as.any.sa_family)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "--source: %s cannot reach %s: another address family",
				 endpoint_format(source, from), endpoint_format(target, to));
	return 0;
}

int arguments_finish(struct arguments *arguments, struct echod_error *error)
{
	struct load_config *config = &arguments->config;
	const struct cmdline *cmdline = arguments->cmdline;
	uint32_t run; // so that the bytes of two runs that meet on a server are not the same
	if (arguments->target_count == 0 && take_target(arguments, DEFAULT_TARGET, error) != 0)
		return -1;
	if (config->connections == 0)
		config->connections = (unsigned)arguments->target_count;
	if (config->count && !cmdline_has(cmdline, "duration"))
		config->duration = CLOCK_NEVER;
	if (getrandom(&run, sizeof(run), 0) != (ssize_t)sizeof(run))
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot draw the number of the run: %s",
				 error_text(errno));
	if (!cmdline_has(cmdline, "run"))
		config->run = run;
	for (size_t i = 0; i < cmdline->option_count; i++) {
		if (check_mode(arguments, cmdline->options[i].name, error) != 0)
			return -1;
	}
	if (check_numbers(arguments, error) != 0)
		return -1;
	config->target_count = arguments->target_count;
	for (size_t i = 0; i < config->target_count; i++) {
		if (find_target(config, &arguments->targets[i], &config->targets[i], error) != 0)
			return -1;
	}
	return 0;
}
