// The counters of a run and its errors, each with a name. One thread each; added up at the end.
#ifndef ECHOLOAD_COUNTERS_H
#define ECHOLOAD_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "echoload/common/hdr.h"
#include "echoload/verify/verify.h"
#include "load_config.h"

enum load_error {
#define ERROR(identifier, name, help) LOAD_##identifier,
#include "errors.def"
	LOAD_ERRORS,
};

// A row of errors.def.
struct load_error_row {
	const char *name, *help;
};
extern const struct load_error_row load_error_rows[LOAD_ERRORS];

// The error that `number` means, an errno value or an enum connect_failure; `connecting`: of
// connect.
enum load_error load_error_of(int number, bool connecting);

// One kind.
struct load_error_count {
	uint64_t count;
	uint64_t first_at; // ns since the run began
	uint32_t first_connection;
	int first_errno; // or an enum connect_failure; 0: none
};

struct load_errors {
	struct load_error_count of[LOAD_ERRORS];
};

// About the first one, such as `after 1.2 s on connection 7 to 127.0.0.1:7001: Connection refused`;
// empty if there was none. Returns `text`.
#define LOAD_ERROR_TEXT (CONFIG_NAME + 80)
char *load_error_describe(const struct load_error_count *kind, const struct load_config *config,
			  char text[static LOAD_ERROR_TEXT]);

// The kind of the first one; LOAD_ERRORS: there was none.
enum load_error load_errors_first(const struct load_errors *errors);
// Its name, the reason, and advice: `refused: Connection refused; is the server running`. Returns
// `text`.
#define LOAD_ERROR_LINE 200
char *load_error_explain(enum load_error error, const struct load_errors *errors,
			 char text[static LOAD_ERROR_LINE]);

void load_errors_note(struct load_errors *errors, enum load_error error, int number,
		      uint32_t connection, uint64_t at);
void load_errors_add(struct load_errors *sum, const struct load_errors *errors);
uint64_t load_errors_total(const struct load_errors *errors);

// What a connection that was open has seen, for a comparison with the server's ledger. Positions of
// the stream.
struct ending {
	uint32_t connection;
	union inet_end local;  // its own address
	uint64_t start;	       // where its stream began,
	uint64_t sent;	       // bytes since then,
	uint64_t received;     // and that came back, right or wrong
	uint64_t wrong;	       // places among these bytes
	const char *end;       // that it saw: FIN, RST; NULL: none
	bool ended;	       // it had sent its own
	bool unanswered;       // it was given up with messages on their way
	bool counts;	       // its error is one of the run
	enum load_error error; // LOAD_ERRORS: none
};

// Of the first connections that ended, of all threads. A place is written once.
#define ENDINGS_MOST (UINT64_C(1) << 18)
struct endings {
	_Atomic uint64_t count; // may be more; the main thread reads it when the threads rest
	struct ending of[ENDINGS_MOST];
};

#define COUNTERS_FAULTS 4096 // kept of each thread and interval; more are counted

struct counters {
	struct hdr latency;	// from when the message was due (open loop) or sent, to its echo
	struct hdr uncorrected; // open loop: from when it was sent
	struct hdr lateness;	// open loop: how late the generator itself was
	uint64_t messages;	// echoed in full within the window
	uint64_t answered;	// the same, also outside the window
	uint64_t last;		// when the last of `messages` was answered, clock_now
	uint64_t bytes;		// received
	uint64_t verified;
	uint64_t visits;     // connections ended as they should (churn, half-close)
	uint64_t due;	     // messages that became due (open loop)
	uint64_t unanswered; // messages given up; in `latency` with the time until then
	struct load_errors errors;
	uint64_t fault_count;
	struct fault faults[COUNTERS_FAULTS];
};

// Empties one that is all zeros, or has been in use.
static inline void counters_reset(struct counters *counters)
{
	memset(&counters->messages, 0,
	       offsetof(struct counters, faults) - offsetof(struct counters, messages));
	hdr_reset(&counters->latency);
	hdr_reset(&counters->uncorrected);
	hdr_reset(&counters->lateness);
}

void counters_add(struct counters *sum, const struct counters *counters);

// A generator thread writes to one of two buffers. When the main thread requests it, the thread
// swaps them and leaves its counts to the main thread, which adds them up. So nothing is counted
// twice, nothing is locked and nothing is lost.
struct counter_buffers {
	struct counters buffer[2];
	struct counters *open;	    // the thread's; it changes only while `requested`
	_Atomic bool requested;	    // by the main thread: the thread is to swap them
	_Atomic unsigned live;	    // connections that are open
	_Atomic unsigned connected; // connects so far
	_Atomic unsigned failed;    // connections that could not be connected at least once
};

static inline struct counters *counter_buffers_other(struct counter_buffers *buffers)
{
	return &buffers->buffer[buffers->open == buffers->buffer];
}

// The thread: swaps them if that was requested.
static inline void counter_buffers_swap(struct counter_buffers *buffers)
{
	if (!atomic_load_explicit(&buffers->requested, memory_order_acquire))
		return;
	buffers->open = counter_buffers_other(buffers);
	atomic_store_explicit(&buffers->requested, false, memory_order_release);
}

// The main thread: requests the counts.
static inline void counter_buffers_request(struct counter_buffers *buffers)
{
	counters_reset(counter_buffers_other(buffers));
	atomic_store_explicit(&buffers->requested, true, memory_order_release);
}

// The main thread, then: takes them, until the next request. NULL: they are not swapped yet.
static inline const struct counters *counter_buffers_take(struct counter_buffers *buffers)
{
	return atomic_load_explicit(&buffers->requested, memory_order_acquire)
		       ? NULL
		       : counter_buffers_other(buffers);
}

static inline void counter_buffers_init(struct counter_buffers *buffers)
{
	memset(buffers, 0, sizeof(*buffers));
	buffers->open = &buffers->buffer[0];
	counters_reset(buffers->open);
}

#endif
