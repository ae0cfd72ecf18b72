/* libechod: a concurrent TCP echo server with a fixed pool of worker threads, inside your program.
 *
 *     struct echod_error error;
 *     struct echod_config *config = echod_config_new();
 *     echod_config_set(config, "listen", "127.0.0.1:0", &error);
 *     struct echod *server = echod_start(config, &error);
 *     echod_config_free(config);
 *     ... connect to echod_address(server, 0) ...
 *     echod_drain(server, 1000);
 *     echod_free(server);
 *
 * The library handles no signals, prints nothing and never ends the process (except for an
 * assertion that fails, which is a bug). Its threads block all signals except SIGSEGV, SIGBUS,
 * SIGFPE, SIGILL, SIGTRAP, SIGABRT and SIGSYS, so that your crash handler runs. Several servers may
 * run in one process; they share nothing. Usable from C and C++; Linux only.
 *
 * All descriptors are close-on-exec. A child that is forked and does not exec has copies of them,
 * but none of the threads. It must not call any function of this library, not even echod_free. The
 * parent shuts connections and listeners down before it closes them, so that peers see the end at
 * once even if children hold copies.
 */
#ifndef ECHOD_ECHOD_H
#define ECHOD_ECHOD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ECHOD_API __attribute__((visibility("default")))
#else
#define ECHOD_API
#endif

/* The library's version, such as "0.1.0". */
ECHOD_API const char *echod_version(void);

enum echod_error_kind {
	ECHOD_ERROR_NONE = 0,
	ECHOD_ERROR_USAGE = 1, /* an invalid setting */
	ECHOD_ERROR_SYSTEM = 2 /* the system refused: port in use, limit too low, ... */
};

/* Why a call failed. The caller owns it; a call that succeeds leaves it alone. */
struct echod_error {
	enum echod_error_kind kind;
	char message[400]; /* one line, no newline: what failed, on what, and why */
};

/* ---- Configuration. One thread at a time. ---- */

struct echod_config;

/* A configuration with every setting at its default, except that there is no control socket.
 * NULL when memory is short. The caller frees it. */
ECHOD_API struct echod_config *echod_config_new(void);

/* Sets `name`, a long option of echod(8) without its dashes ("workers", "listen", "idle-timeout",
 * ...), to `value`, written as on the command line; one that takes no value there ("reuse-port")
 * is "yes" or "no". The first "listen" or "listen-proxy" replaces the default address, each further
 * one adds an address. By default "max-connections" uses half of the limit on open descriptors; the
 * other half is for your program. Returns 0, or -1 with `error` (which may be NULL) filled. */
ECHOD_API int echod_config_set(struct echod_config *config, const char *name, const char *value,
			       struct echod_error *error);

enum echod_log_level {
	ECHOD_LOG_ERROR = 0,
	ECHOD_LOG_WARNING = 1,
	ECHOD_LOG_INFO = 2,
	ECHOD_LOG_DEBUG = 3
};

/* Takes one line of the log: printable ASCII, no newline. The server's threads call it, also
 * several at once, with no lock held. It must not wait, and must not call into this library.
 * Returns 1, or 0 when it had to drop the line, which is counted. */
typedef int echod_log_function(void *context, enum echod_log_level level, const char *line);

/* Where the log goes; by default nowhere. The level is the setting "log-level". */
ECHOD_API void echod_config_set_log(struct echod_config *config, echod_log_function *function,
				    void *context);

/* A field of a log line, for programs: a text of any bytes or, with `text` NULL, a number. */
struct echod_log_field {
	const char *name;
	const char *text;
	uint64_t number;
};

/* A line of the log with its fields. docs/log.md lists the events. */
struct echod_log_entry {
	enum echod_log_level level;
	const char *event;   /* one word, such as "closed" */
	const char *message; /* the line as echod_log_function gets it */
	const struct echod_log_field *fields;
	size_t field_count;
};

/* As echod_log_function. The entry and all in it live until the function returns. */
typedef int echod_log_entry_function(void *context, const struct echod_log_entry *entry);

/* The same as echod_config_set_log, with the fields. The function that is set last counts. */
ECHOD_API void echod_config_set_log_entries(struct echod_config *config,
					    echod_log_entry_function *function, void *context);

/* Frees it. Running servers do not need it. NULL is allowed. */
ECHOD_API void echod_config_free(struct echod_config *config);

/* ---- A server. ---- */

struct echod;

/* Starts a server: when this returns, all threads run and all addresses take connections. May block
 * while host names are resolved. On failure returns NULL with `error` (which may be NULL) filled,
 * and leaves no thread, descriptor or socket file. The caller ends the server with echod_free. */
ECHOD_API struct echod *echod_start(const struct echod_config *config, struct echod_error *error);

/* The addresses it listens on, as bound (port 0 has become a real one): `127.0.0.1:65432`,
 * `[::1]:7000`, `unix:/path`; NULL from the last one on. The strings belong to the server. Any
 * thread. */
ECHOD_API const char *echod_address(const struct echod *server, size_t index);

/* The TCP port of that address in host byte order; 0 for a Unix-domain socket and past the last. */
ECHOD_API uint16_t echod_port(const struct echod *server, size_t index);

/* The path of its control socket, for echoctl(1), or NULL when it has none. Any thread. */
ECHOD_API const char *echod_control_path(const struct echod *server);

/* Begins to drain: there are no new connections, and those that are open or wait in the kernel's
 * backlog now may finish. After `timeout_ms` milliseconds (-1: the setting "drain-timeout") the
 * rest are shut down. With the setting "drain-delay" the server first goes on accepting for that
 * long; the gauge "ready" is 0 at once, and the time-out counts from the end of the delay. Returns
 * at once. A second call moves the deadline, and not the end of the delay. Any thread. */
ECHOD_API void echod_drain(struct echod *server, int timeout_ms);

/* After echod_drain: ends the delay if it still lasts, so that the drain itself begins; else aborts
 * all connections, as echod_stop. For a second request, such as a second signal. Any thread. */
ECHOD_API void echod_hurry(struct echod *server);

/* Aborts all connections now, without a delay. Any thread. */
ECHOD_API void echod_stop(struct echod *server);

/* Waits at most `timeout_ms` milliseconds (-1: for ever) until a drain or stop has ended the last
 * connection. The drain may also come over the control socket. Returns 1 when it has ended, 0 when
 * the time is up. Any thread. */
ECHOD_API int echod_wait(struct echod *server, int timeout_ms);

/* A descriptor that is readable once a drain or stop has ended the last connection. It belongs to
 * the server: poll it, never read or close it. */
ECHOD_API int echod_fd(const struct echod *server);

/* Stops the server if it runs, joins its threads, and closes and removes everything it made. No
 * other call may be under way or follow. NULL is allowed. */
ECHOD_API void echod_free(struct echod *server);

/* ---- Counters. They are listed in docs/counters.md. ---- */

struct echod_snapshot;

/* The counters at one time, consistent: an effect is never seen without its cause. NULL when
 * memory is short. The caller frees it. Any thread. */
ECHOD_API struct echod_snapshot *echod_snapshot_take(struct echod *server);

/* Gets the value of the counter or gauge `name`, such as "connections_open", in its unit (durations
 * in ns). Returns 0, or -1 when there is none of that name or its value is unknown. Without
 * jemalloc memory_*_bytes are unknown. */
ECHOD_API int echod_snapshot_get(const struct echod_snapshot *snapshot, const char *name,
				 uint64_t *value);

/* The name of the counter at `index`, NULL from the last one on: for going through them all. */
ECHOD_API const char *echod_snapshot_name(const struct echod_snapshot *snapshot, size_t index);

/* NULL is allowed. */
ECHOD_API void echod_snapshot_free(struct echod_snapshot *snapshot);

#ifdef __cplusplus
}
#endif

#endif
