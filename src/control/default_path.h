// The default path of the control socket. Main thread.
#ifndef ECHOD_CONTROL_DEFAULT_PATH_H
#define ECHOD_CONTROL_DEFAULT_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

// The path in words, for --help.
#define CONTROL_DEFAULT_TEXT                                                                   \
	"$ECHOD_CONTROL, else echod.sock in $XDG_RUNTIME_DIR, else in /run for root, else in " \
	"/tmp/echod-UID"

// `$XDG_RUNTIME_DIR/echod.sock`; without that variable `/run/echod.sock` for root, and for others
// `/tmp/echod-UID/echod.sock` in a directory of mode 0700. With `create` that directory is made if
// it is missing. A directory that does not belong to the user, or is not private, is refused.
// Without `create` it is the path for a client: if there is no socket, but one at
// `/run/echod/echod.sock`, where the service has its own, it is that.
int control_default_path(char *path, size_t size, bool create, struct echod_error *error);

// The value of $ECHOD_CONTROL, which replaces a missing --control. NULL when it is unset or empty.
const char *control_path_in_environment(void);

#endif
