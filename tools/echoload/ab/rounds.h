// The parts of `echoload ab`. Main thread.
#ifndef ECHOLOAD_AB_ROUNDS_H
#define ECHOLOAD_AB_ROUNDS_H

#include <stdio.h>

#include "echoload/judge/server.h"
#include "echoload/load/engine.h"

// The interval holds the median of what was sampled with a confidence of at least 95 %. It lies
// between two of the values (order statistics), so nothing is assumed of how they are distributed.
// It is wider where successive values resemble each other: then they say less.
struct median {
	double value;	  // NAN: there are no values
	double low, high; // NAN: too few values, fewer than six
};

// Of the values, in the order of time.
struct median median_of(const double *values, size_t count);

// Whether the interval is known and does not contain `value`.
bool median_differs(const struct median *median, double value);

// All targets hold their connections, and one at a time is loaded for a slice of some milliseconds.
// In a round each has two, one in each half, in random order. What disturbs the machine for longer
// disturbs all alike, so that each round gives ratios to the first target, also of its second half
// to its first. A target that had more slices than another would find more of its connections in
// the caches.
enum measure { MEASURE_RATE, MEASURE_P50, MEASURE_P99, MEASURE_CPU, MEASURES };
extern const char *const measure_names[MEASURES];

struct sums {
	uint64_t messages, lasted; // recorded
	uint64_t answered, cpu; // recorded or not, and the ns of CPU that the server used for them
	uint64_t took, worked;	// ns, and those that the generator was on a CPU
	struct hdr latency;
};

// A target, or the second part of the first one.
struct contender {
	// To the first target; of its second part, to its first part. The interval of another
	// target's is that of two servers of which only the programs are compared.
	struct median ratio[MEASURES];
	double *ratios[MEASURES]; // in the order of time
	size_t ratio_count[MEASURES];
	struct sums all;
	struct sums since[MEASURES]; // the last ratio
};

// What is known of the server at a target.
struct server {
	struct processes processes; // none: not known
	uint64_t clocks;	    // ns of CPU that they had used; 0: not known
	uint64_t ran;		    // the same, with threads and children that had ended
};

struct rounds {
	struct load_config *config; // by target
	const char *const *names;   // of the targets
	uint64_t slice;		    // ns, 0: as suits the load
	uint64_t most;		    // rounds, 0: no limit
	double until; // an end when the intervals of all rates are narrower than this; 0: none

	struct engine *engine;
	struct book book;				   // of the last slice
	struct contender contenders[CONFIG_ENDPOINTS + 1]; // the targets, and the second part
	size_t count;					   // of the first
	struct server servers[CONFIG_ENDPOINTS];
	struct random random;
	uint64_t done;	 // rounds
	uint64_t lasted; // ns, all of them
	double others;	 // CPUs that others used; NAN: not known
	bool apart;	 // the servers may not run on the same CPUs
	bool interrupted;
};

// Measures for `config->duration` at most. Returns EXIT_OK, also when a signal ended it; or, with
// `error`, the status to exit with: a target could not be reached, did not answer, or sent wrong
// bytes.
int rounds_run(struct rounds *rounds, struct error *error);

// Of all slices together: messages a second, ns, ns of CPU a message; NAN: not known.
double rounds_value(const struct sums *sums, enum measure measure);

#define REPORT_NAME 17 // bytes of a target's name

// For people.
void rounds_print(const struct rounds *rounds, FILE *file);

// As JSON; `path` may be `-`, standard output. Returns 0 or -1.
int rounds_write(const struct rounds *rounds, const char *path, struct error *error);

struct check {
	const char *text; // as it was written
	size_t target;
	enum measure measure;
	bool at_least; // else at most
	double limit;  // a ratio to the first target
};

// `text` must live as long as `check`, which is of one of the `count` names.
int check_parse(struct check *check, const char *text, const char *const *names, size_t count,
		struct error *error);

// Returns EXIT_OK if the whole interval keeps to the limit, EXIT_CHECK_FAILED if all of it misses
// it, else EXIT_INCONCLUSIVE; and prints a line unless it holds.
int check_judge(const struct check *check, const struct rounds *rounds, const char *program);

#endif
