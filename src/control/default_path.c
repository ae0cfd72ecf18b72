#include "control/default_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_NAME "echod.sock"
#define SERVICE_SOCKET "/run/echod/" SOCKET_NAME // tools/deploy/systemd/echod.service

// The directory must be our own, and no other user may be able to create a socket in it.
static int check_private(const char *directory, struct echod_error *error)
{
	struct stat status;
	if (lstat(directory, &status) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot use the directory '%s': %s",
				 directory, error_text(errno));
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "'%s' is not a private directory of this user (mode 0700)",
				 directory);
	return 0;
}

const char *control_path_in_environment(void)
{
	// NOLINTNEXTLINE(concurrency-mt-unsafe): main thread only, and nobody sets it
	const char *path = getenv("ECHOD_CONTROL");
	return path && *path ? path : NULL;
}

int control_default_path(char *path, size_t size, bool create, struct echod_error *error)
{
	// NOLINTNEXTLINE(concurrency-mt-unsafe): main thread only, and nobody sets it
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int length;
	if (runtime && runtime[0] == '/') {
		length = snprintf(path, size, "%s/" SOCKET_NAME, runtime);
	} else if (geteuid() == 0) {
		length = snprintf(path, size, "/run/" SOCKET_NAME);
	} else {
		char directory[64];
		snprintf(directory, sizeof(directory), "/tmp/echod-%u", (unsigned)geteuid());
		if (create && mkdir(directory, 0700) != 0 && errno != EEXIST)
			return error_set(error, ECHOD_ERROR_SYSTEM,
					 "cannot make the directory '%s': %s", directory,
					 error_text(errno));
		if ((create || access(directory, F_OK) == 0) &&
		    check_private(directory, error) != 0)
			return -1;
		length = snprintf(path, size, "%s/" SOCKET_NAME, directory);
	}
	if ((size_t)length >= size)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "the path of the control socket is too long: %s", path);
	if (!create && access(path, F_OK) != 0 && access(SERVICE_SOCKET, F_OK) == 0)
		snprintf(path, size, SERVICE_SOCKET);
	return 0;
}
