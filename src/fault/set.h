// What a --faulty address does: a list such as `delay=5ms..50ms,reset-after=4k,p=10%,seed=7`. `p`
// is the share of connections that the fault before it befalls: `0.1` or `10%`. docs/faults.md says
// what each fault does. Any thread.
#ifndef ECHOD_FAULT_SET_H
#define ECHOD_FAULT_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum injection {
#define FAULT(name, text, value) INJECT_##name,
#include "fault/faults.def"
	INJECTIONS,
};

#define FAULT_SHARE_ALL 1000000U // a share is in millionths
#define FAULT_SET_TEXT_SIZE 512
#define FAULT_LEAST_EACH 64 // bytes

struct fault_set {
	uint32_t kinds; // bits, 1 << enum injection
	uint32_t share[INJECTIONS];
	uint64_t value[INJECTIONS]; // ns or bytes
	uint64_t delay_most;	    // ns; the least is the value
	uint64_t seed;
};

static inline bool fault_in(uint32_t kinds, enum injection kind)
{
	return kinds >> kind & 1;
}

// The list in `ADDRESS=LIST`: what follows the first `=` that a fault's name follows. NULL: none.
char *fault_list_in(const char *text);

// Returns 0, or -1 with a message that names what is wrong and what is allowed.
int fault_set_parse(const char *text, struct fault_set *set, struct echod_error *error);

// Writes the set as it is parsed, or `none`; or the names of `kinds` alone. Returns `text`, which
// has room for FAULT_SET_TEXT_SIZE bytes.
char *fault_set_format(const struct fault_set *set, char *text);
char *fault_kinds_format(uint32_t kinds, char *text);

const char *injection_name(enum injection kind);

#endif
