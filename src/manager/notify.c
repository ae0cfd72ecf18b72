#include "manager/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"

#define STATUS_INTERVAL NS_PER_S
#define END_MARGIN (5 * NS_PER_S)
#define LONGEST_END (86400 * NS_PER_S) // of a drain without limit, for which there is no word
#define CHECKS_WHEN_STUCK 20	       // in a period; two while all is well

// NOLINTBEGIN(concurrency-mt-unsafe): no other thread runs yet

static uint64_t read_period(void)
{
	const char *period = getenv("WATCHDOG_USEC");
	const char *owner = getenv("WATCHDOG_PID");
	uint64_t us;
	uint64_t pid;
	bool is_ours = !owner || (units_parse_count(owner, 1, UINT32_MAX, &pid, NULL) == 0 &&
				  pid == (uint64_t)getpid());
	if (!period || !is_ours ||
	    units_parse_count(period, 1, CLOCK_NEVER / NS_PER_US - 1, &us, NULL) != 0)
		return CLOCK_NEVER;
	return us * NS_PER_US;
}

static int find_manager(struct notify *notify, struct echod_error *error)
{
	const char *name = getenv("NOTIFY_SOCKET");
	if (!name || !*name)
		return 0;
	if (!strchr("/@", *name) || endpoint_from_path(name, &notify->manager, NULL) != 0)
		return error_set(
			error, ECHOD_ERROR_USAGE,
			"$NOTIFY_SOCKET: '%.120s' is neither a path nor @NAME, or too long", name);
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify->fd < 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "no socket for $NOTIFY_SOCKET: %s",
				 error_text(errno));
	return 0;
}

int notify_open(struct notify *notify, struct echod_error *error)
{
	*notify = (struct notify){.fd = -1, .period = read_period()};
	int result = find_manager(notify, error);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return result;
}

// NOLINTEND(concurrency-mt-unsafe)

static bool send_text(const struct notify *notify, const char *text, int flags)
{
	return sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL | flags, &notify->manager.as.any,
		      notify->manager.length) >= 0;
}

// What the server does, in one printable line.
static void describe(struct server *server, char status[NOTIFY_STATUS_SIZE])
{
	char line[2 * ADDRESS_TEXT_SIZE];
	const char *reason;
	if (!server_ready(server, &reason))
		snprintf(line, sizeof(line), "%s", reason);
	else
		snprintf(line, sizeof(line), "listening on %s%s", server->names[0],
			 server->listener_count > 1 ? " and more" : "");
	log_escape(line, strlen(line), status, NOTIFY_STATUS_SIZE);
}

static bool send_with_status(struct notify *notify, const char *head, int flags)
{
	char text[NOTIFY_STATUS_SIZE + 100];
	describe(notify->server, notify->status);
	snprintf(text, sizeof(text), "%sSTATUS=%s", head, notify->status);
	return send_text(notify, text, flags);
}

void notify_ready(struct notify *notify, struct server *server)
{
	notify->server = server;
	notify->ping_at = notify->period == CLOCK_NEVER ? CLOCK_NEVER : 0;
	if (notify->fd >= 0)
		send_with_status(notify, "READY=1\n", 0);
}

static void tell_end(struct notify *notify, uint64_t deadline)
{
	char head[64];
	uint64_t now = clock_now();
	uint64_t left = deadline > now ? deadline - now : 0;
	if (left > LONGEST_END)
		left = LONGEST_END;
	snprintf(head, sizeof(head), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\n",
		 (unsigned long long)((left + END_MARGIN) / NS_PER_US));
	if (send_with_status(notify, head, MSG_DONTWAIT))
		notify->deadline = deadline;
}

static void ping(struct notify *notify)
{
	const char *stuck = watchdog_check(&notify->watchdog, notify->server);
	bool sent = !stuck && send_text(notify, "WATCHDOG=1", MSG_DONTWAIT);
	uint64_t pause = notify->period / (sent ? 2 : CHECKS_WHEN_STUCK);
	notify->ping_at = clock_deadline(pause > NS_PER_MS ? pause : NS_PER_MS);
	if (stuck && !notify->complained)
		log_write(notify->server->log, ECHOD_LOG_ERROR, "stuck",
			  LOG_FIELDS({"thread", .text = stuck}),
			  "%s does not get on: no sign of life for the watchdog", stuck);
	notify->complained = stuck;
}

uint64_t notify_tend(struct notify *notify)
{
	if (notify->fd < 0)
		return CLOCK_NEVER;
	char status[NOTIFY_STATUS_SIZE];
	uint64_t deadline = atomic_load(&notify->server->drain_deadline); // 0: it does not drain
	describe(notify->server, status);
	if (deadline != notify->deadline)
		tell_end(notify, deadline);
	else if (strcmp(status, notify->status) != 0 && !send_with_status(notify, "", MSG_DONTWAIT))
		notify->status[0] = '\0'; // again next time
	if (clock_now() >= notify->ping_at)
		ping(notify);
	uint64_t next = clock_deadline(STATUS_INTERVAL);
	return next < notify->ping_at ? next : notify->ping_at;
}
