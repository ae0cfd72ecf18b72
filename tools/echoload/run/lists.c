// Lists of the command line: CPUs and source addresses. Main thread only.
#include "lists.h"

#include <sched.h>
#include <string.h>

#include "base/units.h"

#define WORD 80 // an IPv6 address with its scope fits

// Calls `take` with each of the words between the commas of `text`.
static int for_each_word(const char *text,
			 int (*take)(char *word, struct load_config *config, struct error *error),
			 struct load_config *config, struct error *error)
{
	for (const char *at = text;;) {
		char word[WORD];
		size_t length = strcspn(at, ",");
		if (length >= sizeof(word))
			return error_set(error, ERROR_USAGE, "'%.32s...' is too long", at);
		memcpy(word, at, length);
		word[length] = '\0';
		if (take(word, config, error) != 0)
			return -1;
		if (!at[length])
			return 0;
		at += length + 1;
	}
}

// Takes `2` or `0-3`, which is cut in two for that.
static int take_cpus(char *word, struct load_config *config, struct error *error)
{
	uint64_t first;
	uint64_t last;
	char *end = strchr(word, '-');
	if (end)
		*end++ = '\0';
	if (units_parse_count(word, 0, CPU_SETSIZE - 1, &first, error) != 0 ||
	    units_parse_count(end ? end : word, 0, CPU_SETSIZE - 1, &last, error) != 0)
		return -1;
	if (first > last)
		return error_set(error, ERROR_USAGE, "'%s-%s' ends before it begins", word, end);
	for (uint64_t cpu = first; cpu <= last; cpu++) {
		if (config->cpu_count == CONFIG_CPUS)
			return error_set(error, ERROR_USAGE, "more than %d CPUs", CONFIG_CPUS);
		config->cpus[config->cpu_count++] = (unsigned)cpu;
	}
	return 0;
}

int lists_parse_cpus(const char *text, struct load_config *config, struct error *error)
{
	config->cpu_count = 0;
	return for_each_word(text, take_cpus, config, error);
}

static int take_source(char *word, struct load_config *config, struct error *error)
{
	if (config->source_count == CONFIG_SOURCES)
		return error_set(error, ERROR_USAGE,
				 "'%.64s' is one too many: at most %d addresses", word,
				 CONFIG_SOURCES);
	return endpoint_from_ip(word, &config->sources[config->source_count++], error);
}

int lists_parse_sources(const char *text, struct load_config *config, struct error *error)
{
	config->source_count = 0;
	return for_each_word(text, take_source, config, error);
}
