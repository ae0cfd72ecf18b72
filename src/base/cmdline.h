// The command line of a program, from one table: GNU long options with short forms, --help,
// --version and the messages for invalid arguments. Main thread only.
#ifndef ECHOD_BASE_CMDLINE_H
#define ECHOD_BASE_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/setting.h"

// The project's exit statuses, the same in every program.
enum exit_status {
	EXIT_OK = 0,
	EXIT_CHECK_FAILED = 1, // bytes wrong, a limit missed
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,  // could not connect, bind, read, write or reach the control socket
	EXIT_INCONCLUSIVE = 4, // the measurement does not count
};

struct cmdline {
	const char *program;
	const char *synopsis;	       // the usage line after the program's name
	const char *summary;	       // one paragraph, lines of at most 80 columns
	const char *epilogue;	       // after the options, NULL: none
	const struct setting *options; // the help of each is wrapped to 80 columns
	size_t option_count;

	// Takes one option that has neither a field nor a function, or, with `name` NULL, one
	// operand. Returns 0, or -1 with `error` saying what is wrong with the value. `value` lives
	// as long as argv.
	int (*take)(void *context, const char *name, const char *value, struct echod_error *error);
	// Does the program's work when all arguments have been taken; cmdline_run calls it. Returns
	// the exit status, or -1 with `error`, which is printed.
	int (*run)(void *context, struct echod_error *error);
	// Prints an error as one line. NULL: `PROGRAM: message` on standard error.
	void (*complain)(void *context, const char *message);
	void *context;
	uint64_t *given; // a bit for each option that was given; NULL: not wanted
};

// Fills the fields of `context` with the defaults, then reads the command line. Returns -1 when the
// program should go on, else the exit status. In that case the help, the version or one line with
// an error has been printed.
int cmdline_read(const struct cmdline *cmdline, int argc, char **argv);

// A whole program or subcommand: reads the command line, calls `run` and prints its error. Returns
// the exit status.
int cmdline_run(const struct cmdline *cmdline, int argc, char **argv);

// The last value of the long option `name` on the command line, or NULL. Takes no option and
// ignores errors.
const char *cmdline_value(const struct cmdline *cmdline, int argc, char **argv, const char *name);

// Sets an option as if it stood on the command line. `value` must be valid.
void cmdline_set(const struct cmdline *cmdline, const char *name, const char *value);

// Whether the option stood on the command line that was read.
bool cmdline_has(const struct cmdline *cmdline, const char *name);

// Prints `PROGRAM: message` to standard error, as one line (error_make_line).
void cmdline_complain(const char *program, const char *message);

// The same for an error; returns the exit status for its kind.
int cmdline_fail(const char *program, const struct echod_error *error);

// Waits until standard output has been written (output_finish). If that fails, prints an error,
// except when the reader has gone. Returns EXIT_OK or EXIT_UNREACHABLE.
int cmdline_finish(const struct cmdline *cmdline);

#endif
