// The result of a run of echoload, or of several that were merged: what `--json` writes, and what
// `merge`, `compare` and `report` read. One thread each.
#ifndef ECHOLOAD_RESULT_H
#define ECHOLOAD_RESULT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "echoload/common/hdr.h"
#include "echoload/verify/verify.h"
#include "net/address.h"

#define RESULT_SCHEMA 1
#define RESULT_ERRORS 32   // kinds of errors, by name
#define RESULT_FAULTS 1000 // that are kept; more are counted

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
	uint64_t p50; // ns
	uint64_t p99;
	char *latency; // hdr_v2_encode, the result's
};

struct result_error {
	char name[32];
	uint64_t count;
	char first[256]; // about the first one, in words; may be empty
};

struct result_fault {
	size_t run;			// which of `runs` it befell
	char target[ADDRESS_TEXT_SIZE]; // of its connection; empty: not known
	struct fault fault;
};

struct result {
	struct result_run *runs;
	size_t run_count;
	uint64_t messages; // of all runs
	uint64_t bytes;
	uint64_t bytes_verified;
	struct hdr *latency;	 // open loop: from the moment a message was due
	struct hdr *uncorrected; // from the moment it was sent; closed loop: the same as latency
	struct result_interval *intervals; // in the order of time
	size_t interval_count;
	struct result_fault *faults;
	size_t fault_count;    // of `faults`
	uint64_t faults_found; // all, also those that were too many to keep
	struct result_error errors[RESULT_ERRORS];
	size_t error_count;
	char verdict[24];
	// JSON objects of the result's, which owns a reference to each. Whoever runs the load puts
	// into them what it knows; in a merged result they are {"runs": [...]} where they differ.
	json_t *evidence;
	json_t *configuration;
	json_t *machine;
};

// An empty result. All below return 0, or -1: no memory (result_read: or what `error` says).
int result_init(struct result *result);
void result_free(struct result *result); // also after an init or a read that failed

// Adds a run, and what it counted to the sums.
int result_add_run(struct result *result, const struct result_run *run);

// Adds an interval at the end; its percentiles and its text come from `latency`.
int result_add_interval(struct result *result, const struct result_interval *interval,
			const struct hdr *latency);
// Adds one that is complete. Its text, from malloc or NULL (no memory), is the result's from here
// on.
int result_take_interval(struct result *result, const struct result_interval *interval);

// Adds a fault of the run at index `run`, or only counts it.
int result_add_fault(struct result *result, size_t run, const char *target,
		     const struct fault *fault);

// Adds `count` errors of a name; 0 is nothing. Names beyond RESULT_ERRORS are `other`.
void result_add_error(struct result *result, const char *name, uint64_t count, const char *first);

// When the first of its runs started, ns since the epoch; 0 without runs.
uint64_t result_started(const struct result *result);

void result_set_verdict(struct result *result, const char *verdict);

uint64_t result_error_count(const struct result *result);

// The time, in ns, in which at least one of its runs ran; the rates are over that.
uint64_t result_lasted(const struct result *result);
double result_message_rate(const struct result *result); // a second; 0 if it took no time
double result_byte_rate(const struct result *result);

// Writes and reads it as JSON (result_json.c). `path` may be `-`, standard output. result_read
// inits `result`, and refuses what is not of schema RESULT_SCHEMA.
int result_write(const struct result *result, const char *path, struct error *error);
int result_read(struct result *result, const char *path, struct error *error);

// Writes any JSON the same way, and drops the reference to it. NULL: there was no memory for it.
int result_write_json(json_t *json, const char *path, struct error *error);

#endif
