// What a server can be told, as plain values. The option names and their parsing are in src/lib.
#ifndef ECHOD_SERVER_CONFIG_H
#define ECHOD_SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "net/address.h"

#define CONFIG_MAX_LISTEN 64
#define CONFIG_MAX_WORKERS 4096
#define CONFIG_LEAST_DEFAULT_WORKERS 4
#define CONFIG_MAX_CONNECTIONS (UINT64_C(1) << 20)
#define CONFIG_MAX_SPIN NS_PER_MS
#define CONFIG_MAX_PENDING (UINT64_C(1) << 40)
#define CONFIG_MAX_BUFFER (UINT64_C(16) << 20)

enum overload {
	OVERLOAD_WAIT,	// at the limit, stop accepting: clients wait in the kernel's backlog
	OVERLOAD_RESET, // at the limit, accept and reset
};

struct server_config {
	struct address listen[CONFIG_MAX_LISTEN];
	size_t listen_count;
	int interrupt_fd; // readable: look up no more names, do not start; or -1
	unsigned workers;
	uint64_t max_connections; // 0: as many as the descriptor limit allows,
	bool is_guest;		  // or half as many: the rest is for the program that we are in
	uint64_t max_per_source;  // 0: no limit
	unsigned source_prefix6;  // bits of an IPv6 address that make a source
	enum overload overload;
	uint64_t idle_timeout; // durations in ns, or CLOCK_NEVER
	uint64_t send_timeout;
	uint64_t drain_timeout;
	uint64_t patience;
	uint64_t spin;		// ns, 0: never
	uint64_t pending_limit; // bytes
	int backlog;
	size_t buffer_size; // bytes, one buffer for each worker
};

#endif
