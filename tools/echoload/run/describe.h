// A run as JSON, for the result, and errors in words. Main thread.
#ifndef ECHOLOAD_DESCRIBE_H
#define ECHOLOAD_DESCRIBE_H

#include <jansson.h>
#include <stddef.h>

#include "echoload/load/config.h"
#include "echoload/load/errors.h"

struct run;

// Each adds members to `object`. Returns 0, or -1: no memory.
int describe_config(json_t *object, const struct load_config *config); // as it took effect
int describe_machine(json_t *object);				       // this one
int describe_evidence(json_t *object, const struct run *run);

#endif
