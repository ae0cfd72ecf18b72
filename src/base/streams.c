// The standard streams. Main thread, first thing.
#include "base/streams.h"

#include <fcntl.h>
#include <unistd.h>

void streams_hold(void)
{
	static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY}; // the way each is not used
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		// The lowest free number is given out, and those below are taken by now.
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", modes[fd]);
	}
}
