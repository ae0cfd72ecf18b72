// The command line of echoload while it is being read: each option by itself. Main thread only.
#ifndef ECHOLOAD_ARGUMENTS_H
#define ECHOLOAD_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "net/address.h"
#include "options.h"

#define ARGUMENTS_OPTIONS 48

struct arguments {
	struct load_config *config;
	struct wishes *wishes;
	struct address targets[CONFIG_ENDPOINTS];
	size_t target_count;
	const char *visit;		      // its unit depends on the mode
	const char *given[ARGUMENTS_OPTIONS]; // names of the options that were, each once
	size_t given_count;
};

// Takes one option, or, with `name` NULL, one target, into the struct arguments `context`: what
// struct cmdline wants for `take`.
int arguments_take(void *context, const char *name, const char *value, struct error *error);

// Whether the option was given.
bool arguments_has(const struct arguments *arguments, const char *name);

#endif
