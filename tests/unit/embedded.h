// A server in the process of the test, as a program that embeds the library has it. A failure
// fails the running test. One thread.
#ifndef ECHOD_UNIT_EMBEDDED_H
#define ECHOD_UNIT_EMBEDDED_H

#include "echod/echod.h"

// Of the running test: made and freed by its fixture.
extern struct echod_config *config;
void new_config(void);
void free_config(void);

void set(const char *name, const char *value);

// Starts a server of that configuration, which the caller frees.
struct echod *start(void);

uint64_t counter(struct echod *of, const char *name);

#endif
