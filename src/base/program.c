#include "base/program.h"

#include "base/cmdline.h"
#include "base/output.h"
#include "base/signals.h"
#include "base/streams.h"

int program_run(const char *name, int (*run)(int argc, char **argv), int argc, char **argv)
{
	struct echod_error error;
	if (streams_hold(&error) != 0)
		return cmdline_fail(name, &error);
	signals_open();
	output_take_standard();
	int status = run(argc, argv);
	if (cmdline_finish(&(struct cmdline){.program = name}) != EXIT_OK)
		status = EXIT_UNREACHABLE;
	(void)output_finish(stderr);
	return status;
}
