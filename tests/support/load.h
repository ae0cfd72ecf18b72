// echoload as a child of the test, and its result. Any failure fails the running test. One thread.
#ifndef ECHOD_TESTS_LOAD_H
#define ECHOD_TESTS_LOAD_H

#include "expect.h"
#include "process.h"

// Runs echoload with these arguments. Returns its exit status.
#define LOAD(process, ...) process_run_simple(process, ECHOLOAD_PROGRAM, __VA_ARGS__, NULL)

// Runs echoload with these arguments, and wants that exit status. Returns the process.
#define load_ends(wanted, ...) \
	process_run_to(wanted, PROCESS(.arguments = STRINGS(ECHOLOAD_PROGRAM, __VA_ARGS__)))

// The same, and wants one line on standard error that holds `text`, and nothing else. Returns the
// line.
#define load_refuses(wanted, text, ...) \
	load_refuses_with(STRINGS(ECHOLOAD_PROGRAM, __VA_ARGS__), wanted, text)
const char *load_refuses_with(const char *const *arguments, int wanted, const char *text);

// The arguments of `first` and then those of `more`, both with NULL last. Valid until the next
// call.
const char *const *load_arguments(const char *const *first, const char *const *more);

// The first arguments of a process_spec whose run writes a result.
#define LOAD_FOR_RESULT ECHOLOAD_PROGRAM, "--allow-client-bound", "--no-experiment", "--json", "-"

// Runs echoload with these arguments, wants that exit status, and returns the result. Every result
// is valid until the test ends.
#define load_run(status, ...) \
	load_run_with(PROCESS(.arguments = STRINGS(LOAD_FOR_RESULT, __VA_ARGS__)), status)
json_t *load_run_with(const struct process_spec *spec, int wanted);

// Wants that exit status of a run that has ended, and shows its errors if it was another.
void load_expect_status(struct process *process, int status, int wanted);

// Wants `wanted`, one line on standard error that holds `text`, and nothing else.
void load_expect_refusal(struct process *process, int status, int wanted, const char *text);

// The result on its standard output, or in a file, with nothing beside it.
json_t *load_result(struct process *process);
json_t *load_result_of_file(const char *path);

// Of a result, the member at a path such as `latency_ns.p99` or `runs.0.seconds`; as a number that
// is not negative; as a string.
const json_t *load_member(const json_t *result, const char *path);
uint64_t load_count(const json_t *result, const char *path);
double load_number(const json_t *result, const char *path);
const char *load_text(const json_t *result, const char *path);

// How many errors of that name there were, of all names for NULL. Of each there must be a text
// about the first.
uint64_t load_errors(const json_t *result, const char *name);

// Wants this error and no other, and the text about the first to hold `first`. Returns their
// number.
uint64_t load_expect_only(const json_t *result, const char *name, const char *first);

// Wants `text` to begin like this.
void load_expect_beginning(const char *text, const char *beginning);

// Wants a report for people in `text`, from the first line to the verdict.
void load_expect_report(const char *text);

#endif
