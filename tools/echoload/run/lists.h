// Lists of the command line: CPUs and source addresses. Main thread only.
#ifndef ECHOLOAD_LISTS_H
#define ECHOLOAD_LISTS_H

#include "base/error.h"
#include "echoload/load/config.h"

// CPUs `0,2-3` into `cpus`, in this order, in place of those there.
int lists_parse_cpus(const char *text, struct load_config *config, struct error *error);

// Numeric addresses `127.0.0.2,127.0.0.3` into `sources`, with port 0, in place of those there.
int lists_parse_sources(const char *text, struct load_config *config, struct error *error);

#endif
