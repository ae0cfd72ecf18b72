// Made-up results of echoload for its tests. One thread.
#ifndef ECHOD_UNIT_ECHOLOAD_RUNS_H
#define ECHOD_UNIT_ECHOLOAD_RUNS_H

#include "echoload/result/result.h"
#include "expect.h"

// A run that the same numbers always make the same.
struct made_run {
	uint64_t seed;
	uint64_t started; // ns since the epoch
	unsigned seconds;
	double rate;	  // messages a second, on average
	double swing;	  // how far a second's rate is off that, as a share
	double memory;	  // how much of that the next second keeps
	double median;	  // ns, of the latency, which is log-normal
	unsigned samples; // latencies recorded each second
};

// Initialises one.
#define MADE_RUN(...) \
	{ __VA_ARGS__ }

// Fills an initialised result with the run, its intervals, settings and a verdict.
void made_run_fill(struct result *result, const struct made_run *run);

// The same for a result that is zero or initialised, in place of all in it.
void made_run_init(struct result *result, const struct made_run *run);

// The same, written to a file of that name in the test's directory (place_path); returns its path.
char *made_run_write(const char *name, const struct made_run *run);

// Runs a subcommand with these arguments, its name first. What it prints on `stream`, standard
// output or error, is in `subcommand_said`, as much as fits. Returns its exit status.
#define subcommand_run(subcommand, stream, ...) \
	subcommand_run_with(subcommand, stream, (char *[]){__VA_ARGS__, NULL})
int subcommand_run_with(int (*subcommand)(int argc, char **argv), FILE *stream, char **argv);
extern char subcommand_said[6000];

// The same, and wants that exit status and one line on standard error that holds `text`.
#define subcommand_refuses(subcommand, status, text, ...)                                  \
	do {                                                                               \
		assert_int_equal(subcommand_run(subcommand, stderr, __VA_ARGS__), status); \
		subcommand_said_line(text);                                                \
	} while (0)
void subcommand_said_line(const char *text);

#endif
