// The result of a run of echoload, or of several that were merged: what `--json` writes, and what
// `merge`, `compare` and `report` read. One thread each.
#ifndef ECHOLOAD_RESULT_H
#define ECHOLOAD_RESULT_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "echoload/common/hdr.h"
#include "echoload/verify/verify.h"

#define RESULT_SCHEMA 1
#define RESULT_FAULTS 1000 // that are kept; more are counted

// The content of a file. Each list in `json` has a member for each run, interval or fault. The
// program that runs the load makes the objects `evidence`, `configuration` and `machine`; in a
// merged result they are {"runs": [...]} if they differ.
struct result {
	json_t *json;		 // all except the histograms; result_write adds sums and rates
	struct hdr *latency;	 // open loop: from when a message was due
	struct hdr *uncorrected; // from when it was sent; closed loop: the same as latency
};

// One run of one process. The result of a run has one, a merged result has those of all.
struct result_run {
	uint64_t number;  // --run: with it the run can be repeated
	uint64_t started; // when recording began, ns since the epoch
	uint64_t lasted;  // ns of recording
	uint64_t messages;
	uint64_t bytes; // that came back
};

// A second, or the rest of one.
struct result_interval {
	uint64_t from; // ns since the first run started
	uint64_t length;
	uint64_t messages;
	uint64_t bytes;
	uint64_t errors;
};

// The measures by which servers are compared.
enum measure { MEASURE_RATE, MEASURE_P50, MEASURE_P99, MEASURE_CPU, MEASURES };
struct measure_row {
	const char *name;   // in checks, and of its ratio in the JSON of `ab`
	const char *member; // of its value in that JSON
	const char *title;  // of its picture
	double percent;	    // of the latency; 0: it is no percentile
	uint64_t messages;  // of each server that make a ratio, at least
};
extern const struct measure_row measures[MEASURES];

// An empty result. All below return 0, or -1: no memory (result_read: or what `error` says).
int result_init(struct result *result);
void result_free(struct result *result); // also after an init or a read that failed

int result_add_run(struct result *result, const struct result_run *run);

// Adds a fault, `target` being that of its connection, or only counts it.
int result_add_fault(struct result *result, const char *target, const struct fault *fault);

// Adds `count` errors of a name; 0 is nothing. `first` describes the first one; NULL: not known.
int result_add_error(struct result *result, const char *name, uint64_t count, const char *first);

// An interval as it stands in the list; NULL: no memory.
json_t *result_pack_interval(const struct result_interval *interval, const struct hdr *latency);

int result_set_verdict(struct result *result, const char *verdict);
const char *result_verdict(const struct result *result);

// A list or an object of the result.
json_t *result_get(const struct result *result, const char *name);

// Members of a run, an interval or the like: a count, 0 if it is none; a time, in ns.
uint64_t result_count(const json_t *object, const char *name);
uint64_t result_time(const json_t *object, const char *name);
int result_set_count(json_t *object, const char *name, uint64_t count);

// When the first of its runs started, ns since the epoch; 0 without runs.
uint64_t result_started(const struct result *result);

// The sum of a count over the runs, and of all errors.
uint64_t result_total(const struct result *result, const char *name);
uint64_t result_errors(const struct result *result);

// The time, in ns, in which at least one of its runs ran, and a count as a rate, a second of it; 0
// if it took no time.
uint64_t result_lasted(const struct result *result);
double result_rate(const struct result *result, const char *name);

// Writes and reads it as JSON. `path` may be `-`, standard output. result_read inits `result`, and
// refuses other schemas.
int result_write(struct result *result, const char *path, struct echod_error *error);
int result_read(struct result *result, const char *path, struct echod_error *error);

// Writes any JSON the same way, and drops the reference to it. NULL: there was no memory for it.
int result_write_json(json_t *json, const char *path, struct echod_error *error);

#endif
