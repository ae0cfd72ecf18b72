// How each of our programs begins and ends.
#include "base/program.h"

#include <errno.h>
#include <stdio.h>

#include "base/cmdline.h"
#include "base/output.h"
#include "base/signals.h"
#include "base/streams.h"

int program_run(const char *name, int (*run)(int argc, char **argv), int argc, char **argv)
{
	struct error error;
	if (streams_hold(&error) != 0)
		return cmdline_fail(name, &error);
	signals_open();
	output_take_standard();
	int status = run(argc, argv);
	int failure = output_finish(stdout);
	if (failure && failure != EPIPE) {
		error_set(&error, ERROR_SYSTEM, "cannot write to standard output: %s",
			  error_text(failure));
		cmdline_fail(name, &error);
	}
	(void)output_finish(stderr);
	return failure ? EXIT_UNREACHABLE : status;
}
