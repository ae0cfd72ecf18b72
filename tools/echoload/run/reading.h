// The command line of echoload while it is being read: each option by itself. Main thread only.
#ifndef ECHOLOAD_READING_H
#define ECHOLOAD_READING_H

#include <stdbool.h>
#include <stddef.h>

#include "net/address.h"
#include "options.h"

#define READING_OPTIONS 48

struct reading {
	struct load_config *config;
	struct wishes *wishes;
	struct address targets[CONFIG_ENDPOINTS];
	size_t target_count;
	const char *visit;		    // its unit depends on the mode
	const char *given[READING_OPTIONS]; // names of the options that were, each once
	size_t given_count;
};

// Takes one option, or, with `name` NULL, one target, into the struct reading `context`: what
// struct cmdline wants for `take`.
int reading_take(void *context, const char *name, const char *value, struct error *error);

// Whether the option was given.
bool reading_has(const struct reading *reading, const char *name);

#endif
