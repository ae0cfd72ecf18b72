// The command line of a program, from one table: GNU long options with short forms, --help,
// --version and the messages for what cannot be understood. Main thread only.
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
	const char *synopsis;	       // what follows the program's name in the usage line
	const char *summary;	       // one paragraph, lines of at most 80 columns
	const char *epilogue;	       // after the options, NULL: none
	const struct setting *options; // the help of each is wrapped to 80 columns
	size_t option_count;

	// Takes one option that has neither a field nor a function, or, with `name` NULL, one
	// operand. Returns 0, or -1 with `error` saying what is wrong with the value. `value` lives
	// as long as argv.
	int (*take)(void *context, const char *name, const char *value, struct echod_error *error);
	// Does what the program is for, once all has been taken: for cmdline_run. Returns the
	// status to exit with; or -1 with `error`, which is printed.
	int (*run)(void *context, struct echod_error *error);
	// Prints a line that says what is wrong. NULL: it is `PROGRAM: message` on standard error.
	void (*complain)(void *context, const char *message);
	void *context;
	uint64_t *given; // a bit for each option that was; NULL: nobody asks
};

// Fills the fields of `context` with the defaults, then reads the command line. Returns -1 when the
// program should go on, else the status to exit with:
// --help and --version have been printed, or one line has been, saying what is wrong.
int cmdline_read(const struct cmdline *cmdline, int argc, char **argv);

// The whole of a program or of a subcommand: reads the command line, runs it, says what went wrong.
// Returns the status to exit with.
int cmdline_run(const struct cmdline *cmdline, int argc, char **argv);

// The value that the long option `name` was last given, or NULL. Looks only: nothing is taken, and
// what is wrong is passed over.
const char *cmdline_value(const struct cmdline *cmdline, int argc, char **argv, const char *name);

// Has the option take its value as if it stood on the command line. That must not fail.
void cmdline_set(const struct cmdline *cmdline, const char *name, const char *value);

// Whether the option stood on the command line that was read.
bool cmdline_has(const struct cmdline *cmdline, const char *name);

// Prints `PROGRAM: message` to standard error, as one line (error_make_line).
void cmdline_complain(const char *program, const char *message);

// The same for an error; returns the exit status for its kind.
int cmdline_fail(const char *program, const struct echod_error *error);

// Waits until what was printed to standard output has been written (output_finish), and complains
// if that failed, except when its reader has gone. Returns EXIT_OK or EXIT_UNREACHABLE.
int cmdline_finish(const struct cmdline *cmdline);

#endif
