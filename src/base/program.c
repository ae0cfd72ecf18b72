#include "base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cmdline.h"
#include "base/output.h"
#include "base/signals.h"

// Fills those of the descriptors 0, 1 and 2 that are closed. Otherwise a socket could get such a
// number, and its peer would read standard error. The new one fails as a closed descriptor does.
// Returns 0, or -1 when one is closed and /dev/null cannot be opened.
static int hold_streams(struct echod_error *error)
{
	static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY}; // the way each is not used
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		// open(2) gives out the lowest free number, and all below are taken by now.
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			return error_set(error, ECHOD_ERROR_SYSTEM,
					 "descriptor %d is closed, and /dev/null cannot take its "
					 "place: %s",
					 fd, error_text(errno));
	}
	return 0;
}

int program_run(const char *name, int (*run)(int argc, char **argv), int argc, char **argv)
{
	struct echod_error error;
	if (hold_streams(&error) != 0 || signals_open(&error) != 0)
		return cmdline_fail(name, &error);
	output_take_standard();
	int status = run(argc, argv);
	if (cmdline_finish(&(struct cmdline){.program = name}) != EXIT_OK)
		status = EXIT_UNREACHABLE;
	(void)output_finish(stderr);
	return status;
}
