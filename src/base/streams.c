#include "base/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int streams_hold(struct echod_error *error)
{
	static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY}; // the way each is not used
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		// The lowest free number is given out, and those below are taken by now.
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			return error_set(error, ECHOD_ERROR_SYSTEM,
					 "descriptor %d is closed, and /dev/null cannot take its "
					 "place: %s",
					 fd, error_text(errno));
	}
	return 0;
}
