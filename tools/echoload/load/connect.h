// Opening the generator's connections. Any thread.
#ifndef ECHOLOAD_CONNECT_H
#define ECHOLOAD_CONNECT_H

#include <stdint.h>

#include "config.h"

// Opens a non-blocking socket for the connection numbered `id` and begins to connect it to its
// target, from its source. Returns the descriptor, or -1 with errno.
//
// With sources the port is chosen by connect(2), not by bind(2) (IP_BIND_ADDRESS_NO_PORT, ip(7)),
// so the same port serves for different targets and sources, and there is no limit of 28,000. A
// connection of mode churn is closed with a reset, as its port could not be used again for a minute
// otherwise (TIME_WAIT is with the side that ends first).
int connect_begin(const struct load_config *config, uint32_t id);

// What has become of it: 0, or an errno value.
int connect_result(int fd);

#endif
