// An odd_server whose connections have a thread or a process each. The state of a connection is its
// thread's; the lock is shared.
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "odd_child.h"
#include "process.h"

#define STACK 65536

struct connection {
	const struct odd_spec *spec;
	int fd;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t own_time(void) {
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void odd_work(double seconds) {
	for (uint64_t until = own_time() + (uint64_t)(seconds * 1e9); own_time() < until;)
		;
}

static void take_time(const struct odd_spec *spec) {
	if (spec->conduct != ODD_LOCKS) {
		odd_work(spec->arg);
		return;
	}
	const struct timespec span = clock_timespec((uint64_t)(spec->arg * (double)NS_PER_S));
	pthread_mutex_lock(&lock);
	nanosleep(&span, NULL);
	pthread_mutex_unlock(&lock);
}

static void *serve(void *context) {
	struct connection *connection = context;
	char bytes[ODD_MESSAGE];
	prctl(PR_SET_TIMERSLACK, 1UL);
	while (recv(connection->fd, bytes, ODD_MESSAGE, MSG_WAITALL) == ODD_MESSAGE) {
		take_time(connection->spec);
		if (send(connection->fd, bytes, ODD_MESSAGE, MSG_NOSIGNAL) != ODD_MESSAGE)
			break;
	}
	close(connection->fd);
	free(connection);
	return NULL;
}

// As in_thread, in a process that ends with this one.
static void in_process(struct connection *connection) {
	pid_t child = process_fork();
	if (child == 0) {
		serve(connection);
		_exit(0);
	}
	if (child < 0)
		_exit(1);
	close(connection->fd);
	free(connection);
}

static void in_thread(struct connection *connection) {
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK);
	if (pthread_create(&thread, &attributes, serve, connection) != 0)
		_exit(1);
	pthread_attr_destroy(&attributes);
}

void odd_run_threads(const struct odd_spec *spec, struct odd_record *record, int listener) {
	signal(SIGCHLD, SIG_IGN); // they are not waited for
	for (;;) {
		struct connection *connection = malloc(sizeof(*connection));
		if (!connection)
			_exit(1);
		*connection =
			(struct connection){spec, accept4(listener, NULL, NULL, SOCK_CLOEXEC)};
		if (connection->fd < 0)
			_exit(1);
		atomic_fetch_add(&record->accepted, 1);
		if (spec->conduct == ODD_FORKS)
			in_process(connection);
		else
			in_thread(connection);
	}
}
