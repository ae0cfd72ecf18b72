// The options of echoload, each by itself. Main thread only.
#include "arguments.h"

#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "echoload/common/number.h"
#include "echoload/common/paths.h"
#include "lists.h"

#define MOST_CONNECTIONS 1000000
#define MOST_PIPELINE 65536
#define MOST_THREADS 256

static int take_unsigned(const char *value, uint64_t most, unsigned *number, struct error *error)
{
	uint64_t count;
	if (units_parse_count(value, 1, most, &count, error) != 0)
		return -1;
	*number = (unsigned)count;
	return 0;
}

// A time that must not be 0; `never` is one.
static int take_limit(const char *value, uint64_t *ns, struct error *error)
{
	uint64_t limit;
	if (units_parse_timeout(value, &limit, error) != 0)
		return -1;
	if (limit == 0)
		return error_set(error, ERROR_USAGE, "'%.64s' is not longer than 0", value);
	*ns = limit;
	return 0;
}

static int take_connections(struct arguments *arguments, const char *value, struct error *error)
{
	return take_unsigned(value, MOST_CONNECTIONS, &arguments->config->connections, error);
}

static int take_pipeline(struct arguments *arguments, const char *value, struct error *error)
{
	return take_unsigned(value, MOST_PIPELINE, &arguments->config->pipeline, error);
}

static int take_threads(struct arguments *arguments, const char *value, struct error *error)
{
	return take_unsigned(value, MOST_THREADS, &arguments->config->threads, error);
}

static int take_rate(struct arguments *arguments, const char *value, struct error *error)
{
	double rate;
	if (number_parse_rate(value, &rate, error) != 0)
		return -1;
	if (rate <= 0)
		return error_set(error, ERROR_USAGE, "'%.64s' is not more than 0", value);
	arguments->config->rate = rate;
	return 0;
}

static int take_arrival(struct arguments *arguments, const char *value, struct error *error)
{
	bool poisson = strcmp(value, "poisson") == 0;
	if (!poisson && strcmp(value, "constant") != 0)
		return error_set(error, ERROR_USAGE, "'%.64s' is neither 'constant' nor 'poisson'",
				 value);
	arguments->config->arrival = poisson ? ARRIVAL_POISSON : ARRIVAL_CONSTANT;
	return 0;
}

static int take_mode(struct arguments *arguments, const char *value, struct error *error)
{
	return load_mode_parse(value, &arguments->config->mode, error);
}

static int take_size(struct arguments *arguments, const char *value, struct error *error)
{
	return sizes_parse(value, &arguments->config->sizes, error);
}

static int take_duration(struct arguments *arguments, const char *value, struct error *error)
{
	return take_limit(value, &arguments->config->duration, error);
}

static int take_count(struct arguments *arguments, const char *value, struct error *error)
{
	return units_parse_count(value, 1, NUMBER_EXACT_MAX, &arguments->config->count, error);
}

static int take_visit(struct arguments *arguments, const char *value, struct error *error)
{
	(void)error; // not before the mode is known
	arguments->visit = value;
	return 0;
}

static int take_linger(struct arguments *arguments, const char *value, struct error *error)
{
	bool reset = strcmp(value, "rst") == 0;
	if (!reset && strcmp(value, "fin") != 0)
		return error_set(error, ERROR_USAGE, "'%.64s' is neither 'fin' nor 'rst'", value);
	arguments->config->resets = reset;
	return 0;
}

static int take_warmup(struct arguments *arguments, const char *value, struct error *error)
{
	return units_parse_duration(value, &arguments->config->warmup, error);
}

static int take_ramp(struct arguments *arguments, const char *value, struct error *error)
{
	return units_parse_duration(value, &arguments->config->ramp, error);
}

static int take_source(struct arguments *arguments, const char *value, struct error *error)
{
	return lists_parse_sources(value, arguments->config, error);
}

static int take_cpu(struct arguments *arguments, const char *value, struct error *error)
{
	return lists_parse_cpus(value, arguments->config, error);
}

static int take_timeout(struct arguments *arguments, const char *value, struct error *error)
{
	return take_limit(value, &arguments->config->timeout, error);
}

static int take_run(struct arguments *arguments, const char *value, struct error *error)
{
	return units_parse_count(value, 0, NUMBER_EXACT_MAX, &arguments->config->run, error);
}

static int take_no_verify(struct arguments *arguments, const char *value, struct error *error)
{
	(void)value, (void)error;
	arguments->config->verify = false;
	return 0;
}

static int take_spin(struct arguments *arguments, const char *value, struct error *error)
{
	(void)value, (void)error;
	arguments->config->spin = true;
	return 0;
}

static int take_allow_client_bound(struct arguments *arguments, const char *value,
				   struct error *error)
{
	(void)value, (void)error;
	arguments->wishes->allow_client_bound = true;
	return 0;
}

static int take_control(struct arguments *arguments, const char *value, struct error *error)
{
	struct endpoint endpoint;
	arguments->config->control = value;
	return endpoint_from_path(value, &endpoint, error);
}

static int take_search(struct arguments *arguments, const char *value, struct error *error)
{
	struct wishes *wishes = arguments->wishes;
	if (expect_parse(value, &wishes->search, error) != 0)
		return -1;
	if (wishes->search.subject != EXPECT_LATENCY || wishes->search.relation > EXPECT_AT_MOST)
		return error_set(error, ERROR_USAGE,
				 "'%.64s' is not a limit of a latency, such as p99<1ms", value);
	wishes->searching = true;
	return 0;
}

static int take_expect(struct arguments *arguments, const char *value, struct error *error)
{
	struct wishes *wishes = arguments->wishes;
	if (wishes->expect_count == OPTIONS_EXPECTS)
		return error_set(error, ERROR_USAGE, "'%.64s' is one too many: at most %d", value,
				 OPTIONS_EXPECTS);
	return expect_parse(value, &wishes->expects[wishes->expect_count++], error);
}

static int take_file(const char *value, const char **file, struct error *error)
{
	if (!*value)
		return error_set(error, ERROR_USAGE, "'' is no file");
	*file = paths_output(value);
	return 0;
}

static int take_json(struct arguments *arguments, const char *value, struct error *error)
{
	return take_file(value, &arguments->wishes->json, error);
}

static int take_hgrm(struct arguments *arguments, const char *value, struct error *error)
{
	return take_file(value, &arguments->wishes->hgrm, error);
}

static int take_hlog(struct arguments *arguments, const char *value, struct error *error)
{
	return take_file(value, &arguments->wishes->hlog, error);
}

static int take_csv(struct arguments *arguments, const char *value, struct error *error)
{
	return take_file(value, &arguments->wishes->csv, error);
}

static int take_interval(struct arguments *arguments, const char *value, struct error *error)
{
	uint64_t interval;
	if (units_parse_duration(value, &interval, error) != 0)
		return -1;
	if (interval == 0 || interval % NS_PER_S != 0)
		return error_set(error, ERROR_USAGE, "'%.64s' is not one or more whole seconds",
				 value);
	arguments->wishes->interval = interval;
	arguments->wishes->interval_lines = true;
	return 0;
}

static int take_target(struct arguments *arguments, const char *value, struct error *error)
{
	if (arguments->target_count == CONFIG_ENDPOINTS)
		return error_set(error, ERROR_USAGE, "'%.100s' is one too many: at most %d targets",
				 value, CONFIG_ENDPOINTS);
	struct address *target = &arguments->targets[arguments->target_count++];
	if (address_parse(value, target, error) != 0)
		return -1;
	if (!target->is_unix && (target->port == 0 || !target->host[0]))
		return error_set(error, ERROR_USAGE, "'%.100s' lacks a host or a port other than 0",
				 value);
	return 0;
}

struct option {
	const char *name;
	int (*take)(struct arguments *arguments, const char *value, struct error *error);
};

static const struct option options[] = {
#define OPTION(letter, name, argument, take, help) {name, take},
#include "options.def"
};

bool arguments_has(const struct arguments *arguments, const char *name)
{
	for (size_t i = 0; i < arguments->given_count; i++) {
		if (strcmp(arguments->given[i], name) == 0)
			return true;
	}
	return false;
}

int arguments_take(void *context, const char *name, const char *value, struct error *error)
{
	struct arguments *arguments = context;
	if (!name)
		return take_target(arguments, value, error);
	if (!arguments_has(arguments, name))
		arguments->given[arguments->given_count++] = name;
	size_t i = 0;
	while (strcmp(options[i].name, name) != 0)
		i++;
	return options[i].take(arguments, value, error);
}
