#include "http/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "http/answers.h"
#include "net/resolve.h"

#define SAMPLE_INTERVAL NS_PER_S
#define REQUEST_TIME (2 * NS_PER_S) // to send a request
#define ANSWER_TIME (5 * NS_PER_S)  // to take the answer
#define LISTEN_BACKLOG 1024
#define CLIENT_MEMORY 16384 // bytes, for a request and the head of its answer

// A connection. MHD times out only silence, which a client may end with a byte now and then; and at
// its limit it stops to accept. So here each has a deadline, and the next client ends the oldest.
struct visit {
	int fd;		   // MHD's; -1: a free slot
	bool is_shut;	   // MHD will see that and close it
	uint64_t deadline; // clock_now
};

// From http_start on all belongs to its thread, except `stop`, and the listener's name.
struct http {
	struct listener listener;
	struct waker waker;
	struct MHD_Daemon *daemon; // NULL: not started
	pthread_t thread;
	_Atomic bool stop; // set before the thread is woken
	uint64_t next_sample;
	struct answers answers;
	struct visit visits[HTTP_MAX_CLIENTS];
};

int http_parse(const char *text, struct address *address, struct echod_error *error)
{
	char whole[32];
	if (text[strspn(text, "0123456789")] != '\0' || strlen(text) > 5)
		return address_parse(text, address, error);
	snprintf(whole, sizeof(whole), ADDRESS_DEFAULT_HOST ":%s", text);
	return address_parse(whole, address, error);
}

static bool is_loopback(const struct endpoint *endpoint)
{
	const union inet_end end = inet_end_from(endpoint);
	return end.any.sa_family != AF_UNIX && trust_covers(&trust_loopback, &end);
}

static int listen_at(struct http *http, const struct address *address, int given, int interrupt_fd,
		     struct echod_error *error)
{
	struct endpoint endpoint;
	if (given >= 0)
		return listener_adopt(&http->listener, given, error);
	if (resolve_within(address, &endpoint, 1, CLOCK_NEVER, interrupt_fd, error) < 0 ||
	    listener_bind(&http->listener, &endpoint, false, error) != 0)
		return -1;
	if (listener_open(&http->listener, LISTEN_BACKLOG, error) == 0)
		return 0;
	listener_close(&http->listener);
	return -1;
}

struct http *http_open(const struct address *address, int given, int interrupt_fd,
		       struct echod_error *error)
{
	struct echod_error why;
	struct http *http = calloc(1, sizeof(*http));
	if (!http || waker_open(&http->waker, error) != 0) {
		free(http);
		error_set(error, ECHOD_ERROR_SYSTEM, "HTTP (--http): no memory or descriptors");
		return NULL;
	}
	for (size_t i = 0; i < HTTP_MAX_CLIENTS; i++)
		http->visits[i].fd = -1;
	if (mhd_load(&why) == 0 && listen_at(http, address, given, interrupt_fd, &why) == 0) {
		http->answers.on_loopback = is_loopback(&http->listener.endpoint);
		return http;
	}
	error_set(error, why.kind, "HTTP (--http): %s", why.message);
	waker_close(&http->waker);
	free(http);
	return NULL;
}

const char *http_name(const struct http *http)
{
	return http->listener.name;
}

// MHD has accepted a connection, or is about to close it.
static void notice(void *context, struct MHD_Connection *connection, void **visit_of,
		   enum MHD_ConnectionNotificationCode code)
{
	struct http *http = context;
	struct visit *visit = *visit_of;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		visit->fd = -1;
		return;
	}
	for (visit = http->visits; visit->fd >= 0; visit++)
		ensure(visit < &http->visits[HTTP_MAX_CLIENTS - 1]);
	*visit = (struct visit){
		.fd = mhd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
			      ->connect_fd,
		.deadline = clock_deadline(REQUEST_TIME),
	};
	*visit_of = visit;
}

// A request has come, with all its headers. An answer that is queued in the first call for it ends
// the connection: so a body is never read.
// NOLINTNEXTLINE(readability-function-size): as MHD wants it
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **request)
{
	(void)upload;
	(void)request;
	struct http *http = context;
	struct visit *visit =
		mhd.get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
			->socket_context;
	visit->deadline = clock_deadline(ANSWER_TIME);
	*upload_size = 0;
	return answers_give(&http->answers, connection, path, method, version);
}

// Leaves %XX in a path as it is: no resource has one, and /%00x shall not be /.
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strlen(text);
}

// The connection that is to end first, NULL if none is open; and how many are.
static struct visit *find_oldest(struct http *http, size_t *open)
{
	struct visit *oldest = NULL;
	*open = 0;
	for (size_t i = 0; i < HTTP_MAX_CLIENTS; i++) {
		struct visit *visit = &http->visits[i];
		*open += visit->fd >= 0;
		if (visit->fd >= 0 && !visit->is_shut &&
		    (!oldest || visit->deadline < oldest->deadline))
			oldest = visit;
	}
	return oldest;
}

static void end_visit(struct http *http, struct visit *visit)
{
	const struct server *server = http->answers.server;
	shutdown(visit->fd, SHUT_RDWR);
	visit->is_shut = true;
	counter_add(&server->stats.threads[SERVER_THREAD_HTTP], COUNTER_http_aborted, 1);
}

static void serve_round(struct http *http)
{
	struct pollfd fds[] = {
		{.fd = http->waker.fd, .events = POLLIN},
		{.fd = mhd.get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
		 .events = POLLIN},
		{.fd = http->listener.fd, .events = POLLIN},
	};
	size_t open;
	struct visit *oldest = find_oldest(http, &open);
	bool is_full = open == HTTP_MAX_CLIENTS; // then MHD does not look whether one more waits,
						 // and after that only when it is run
	uint64_t until = http->next_sample;
	MHD_UNSIGNED_LONG_LONG wait_ms;
	if (oldest && oldest->deadline < until)
		until = oldest->deadline;
	if (mhd.get_timeout(http->daemon, &wait_ms) == MHD_YES &&
	    clock_deadline(wait_ms * NS_PER_MS) < until)
		until = clock_deadline(wait_ms * NS_PER_MS);
	pulse_poll(&http->answers.server->pulse[SERVER_THREAD_HTTP], fds,
		   is_full && !oldest ? 2 : 3, until);
	if (clock_now() >= http->next_sample)
		http->next_sample = answers_sample(&http->answers) + SAMPLE_INTERVAL;
	if (oldest && ((is_full && fds[2].revents) || clock_now() >= oldest->deadline))
		end_visit(http, oldest);
	mhd.run(http->daemon);
}

static void *http_run(void *argument)
{
	struct http *http = argument;
	while (!atomic_load(&http->stop))
		serve_round(http);
	return NULL;
}

int http_start(struct http *http, struct server *server, struct echod_error *error)
{
	const char *name = http_name(http);
	http->answers.server = server;
	http->daemon = mhd.start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, http,
					MHD_OPTION_LISTEN_SOCKET, http->listener.fd,
					MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_MAX_CLIENTS,
					MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_MEMORY,
					MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
					MHD_OPTION_NOTIFY_CONNECTION, notice, http, MHD_OPTION_END);
	if (!http->daemon)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot serve HTTP on %s: %s", name,
				 error_text(errno));
	if (thread_start(&http->thread, "echod/http", http_run, http, error) != 0) {
		mhd.quiesce_daemon(http->daemon);
		mhd.stop_daemon(http->daemon);
		http->daemon = NULL;
		return -1;
	}
	log_write(server->log, ECHOD_LOG_INFO, "http", LOG_FIELDS({"address", .text = name}),
		  "http on %s", name);
	return 0;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	if (http->daemon) {
		atomic_store(&http->stop, true);
		waker_wake(&http->waker);
		int failed = pthread_join(http->thread, NULL);
		ensure(!failed);
		mhd.quiesce_daemon(http->daemon); // which leaves the listener to us
		mhd.stop_daemon(http->daemon);
	}
	listener_close(&http->listener);
	waker_close(&http->waker);
	free(http);
}
