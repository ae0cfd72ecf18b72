// What one run of echoload is to do. Filled from the command line (run_options.c), then read by all
// threads.
#ifndef ECHOLOAD_LOAD_CONFIG_H
#define ECHOLOAD_LOAD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "echoload/common/random.h"
#include "net/address.h"
#include "proxy/send.h"

#define CONFIG_ENDPOINTS 16
#define CONFIG_SOURCES 256
#define CONFIG_CPUS 256

enum load_mode {
#define MODE(identifier, name, options, help) MODE_##identifier,
#include "modes.def"
	LOAD_MODES,
};

// A row of modes.def.
struct load_mode_row {
	const char *name, *options;
};
extern const struct load_mode_row load_modes[LOAD_MODES];
extern const char load_mode_words[]; // their names, each with a | before it

// Whether an option that not every mode takes means something in this one.
bool load_mode_takes(enum load_mode mode, const char *option);

// Sizes of messages: one, a range, or a list with weights.
#define SIZES_PARTS 16
#define SIZES_BYTES (UINT64_C(1) << 30) // of a message at most

struct sizes_part {
	uint64_t least, most; // bytes; all sizes from `least` to `most` are equally likely
	double below;	      // of all draws, the share that falls into this part or one before it
};

struct sizes {
	struct sizes_part parts[SIZES_PARTS];
	size_t count;
	uint64_t most; // of all
	double mean;   // expected
};

enum arrival { ARRIVAL_CONSTANT, ARRIVAL_POISSON };

struct load_config {
	struct endpoint targets[CONFIG_ENDPOINTS]; // connections go to them in turn
	size_t target_count;
	struct endpoint
		sources[CONFIG_SOURCES]; // local addresses, in turn; none: the system's choice
	size_t source_count;
	const char *control; // path of the control socket of an echod at the other end, or NULL

	enum load_mode mode;
	enum proxy_kind proxy; // the header with which each connection begins; it is not counted
	unsigned connections;  // in all
	unsigned extra;	       // more of them, which only slices load (engine.h)
	bool by_target;	       // the groups that a slice may load are the targets
	unsigned pipeline;     // messages on their way on one connection at most
	unsigned threads;
	unsigned cpus[CONFIG_CPUS]; // thread i runs on cpus[i % cpu_count]
	size_t cpu_count;	    // 0: anywhere
	struct sizes sizes;
	uint64_t visit; // messages in a visit (MODE_CHURN), bytes in one, which are one message
			// (MODE_HALF_CLOSE)

	bool resets; // MODE_CHURN: a visit ends with a reset of ours, not with FIN both ways

	double rate; // messages a second in all (open loop), 0: closed loop
	enum arrival arrival;

	uint64_t duration; // ns, CLOCK_NEVER: until `count` or interrupted
	uint64_t interval; // ns, length of the intervals that are recorded; 0: a second
	uint64_t settle;   // ns of load before a slice, which are not recorded
	uint64_t count;	   // messages in all, 0: no limit
	uint64_t warmup;   // ns, before anything is recorded
	uint64_t ramp;	   // ns over which the connections are opened
	uint64_t timeout;  // ns without an echo that is due, or to connect; CLOCK_NEVER
	uint64_t run;	   // number of the run: the key of the payload and of all random choices
	bool verify;
	bool spin; // poll without ever blocking
};

// Connections go to the targets in turn.
static inline const struct endpoint *config_target(const struct load_config *config, uint32_t id)
{
	return &config->targets[id % config->target_count];
}

// Names a connection for people: `connection 5 to 127.0.0.1:7001`. Returns `text`.
#define CONFIG_NAME (ADDRESS_TEXT_SIZE + 32)
char *config_name(const struct load_config *config, uint32_t id, char text[static CONFIG_NAME]);

// A connection belongs to a group, a bit of a set of 64: its target, or whether it is an extra one.
static inline unsigned config_group(const struct load_config *config, uint32_t id)
{
	return config->by_target ? (unsigned)(id % config->target_count)
				 : id >= config->connections;
}

// `64`, `64..1k`, `64:9,16k:1`, `1..100:3,64k`: sizes as units_parse_size takes them, at least 1
// byte and at most 1 GiB; a weight is a positive number, 1 if left out.
int sizes_parse(const char *text, struct sizes *sizes, struct echod_error *error);

uint64_t sizes_draw(const struct sizes *sizes, struct random *random);

#endif
