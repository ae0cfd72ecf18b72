#include "manager/activation.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/units.h"

#define FIRST_FD 3
#define NO_NAME "unknown" // as sd_listen_fds_with_names(3) says

// An option of SOL_SOCKET; -1: `fd` is no socket.
static int ask(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);
	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

static bool is_inet(int fd)
{
	int family = ask(fd, SO_DOMAIN);
	return family == AF_INET || family == AF_INET6;
}

// What keeps us from listening on it; NULL: nothing.
static const char *find_fault(int fd)
{
	if (fcntl(fd, F_GETFD) != 0) // FD_CLOEXEC: it is one of ours
		return "is not open";
	if (ask(fd, SO_TYPE) != SOCK_STREAM || (!is_inet(fd) && ask(fd, SO_DOMAIN) != AF_UNIX))
		return "is no TCP or Unix-domain socket; its unit needs ListenStream=";
	if (ask(fd, SO_ACCEPTCONN) != 1)
		return "does not listen, as a connection does not; its unit needs Accept=no";
	return NULL;
}

static int take_one(struct activation *activation, int fd, const char *name,
		    struct echod_error *error)
{
	const char *fault = find_fault(fd);
	int *role = strcmp(name, "control") == 0 ? &activation->control
		    : strcmp(name, "http") == 0	 ? &activation->http
						 : NULL;
	if (!fault && role && *role >= 0)
		fault = "is the second one of this name";
	struct inherited taken = {fd, name, .proxy = strcmp(name, "proxy") == 0};
	struct echod_error why;
	taken.is_faulty = strncmp(name, "faulty", 6) == 0 && (!name[6] || name[6] == '=');
	if (!fault && taken.is_faulty && name[6] &&
	    fault_set_parse(name + 7, &taken.faults, &why) != 0)
		fault = why.message;
	if (fault)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "socket activation: descriptor %d (%.64s) %s", fd, name, fault);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (role)
		*role = fd;
	else
		activation->listeners[activation->count++] = taken;
	return 0;
}

// `listed`: the names, colons between them; NULL: there are none.
static int take_all(struct activation *activation, const char *count_text, const char *listed,
		    struct echod_error *error)
{
	char *names = listed ? activation->names : NULL;
	struct echod_error why;
	uint64_t count;
	snprintf(activation->names, sizeof(activation->names), "%s", listed ? listed : "");
	if (units_parse_count(count_text, 1, CONFIG_MAX_LISTEN, &count, &why) != 0)
		return error_set(error, ECHOD_ERROR_USAGE, "$LISTEN_FDS: %s", why.message);
	if (listed && strlen(listed) >= sizeof(activation->names))
		return error_set(error, ECHOD_ERROR_USAGE, "$LISTEN_FDNAMES is too long");
	for (int i = 0; i < (int)count; i++) {
		const char *name = listed ? strsep(&names, ":") : NO_NAME;
		if (!name || (names && i + 1 == (int)count))
			return error_set(
				error, ECHOD_ERROR_USAGE,
				"$LISTEN_FDNAMES has not the %s names that $LISTEN_FDS says",
				count_text);
		if (take_one(activation, FIRST_FD + i, name, error) != 0)
			return -1;
	}
	return 0;
}

static int check_input(struct echod_error *error)
{
	int fd = STDIN_FILENO;
	if (ask(fd, SO_ACCEPTCONN) != 1 && (!is_inet(fd) || ask(fd, SO_TYPE) != SOCK_STREAM))
		return 0;
	return error_set(error, ECHOD_ERROR_USAGE,
			 "cannot use the socket that is standard input (inetd, "
			 "StandardInput=socket): use a socket unit with Accept=no and without "
			 "StandardInput=, or --listen");
}

int activation_take(struct activation *activation, struct echod_error *error)
{
	*activation = (struct activation){.control = -1, .http = -1};
	// NOLINTBEGIN(concurrency-mt-unsafe): no other thread runs yet
	const char *owner = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	uint64_t pid;
	int result = check_input(error);
	if (result == 0 && owner && count &&
	    units_parse_count(owner, 1, UINT32_MAX, &pid, NULL) == 0 && pid == (uint64_t)getpid())
		result = take_all(activation, count, names, error);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	// NOLINTEND(concurrency-mt-unsafe)
	return result;
}
