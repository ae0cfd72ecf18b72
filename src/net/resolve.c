#include "net/resolve.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/units.h"
#include "net/waker.h"

// A question to the resolver. The caller and the thread that asks share it; the last one frees it.
struct question {
	atomic_uint owners;
	pthread_t thread;
	struct waker answered; // the rest is the caller's after this, the thread's before
	struct address address;
	struct endpoint *endpoints;
	size_t capacity;
	int count;
	struct echod_error error;
};

static void leave(struct question *question)
{
	if (atomic_fetch_sub(&question->owners, 1) > 1)
		return;
	waker_close(&question->answered);
	free(question->endpoints);
	free(question);
}

static void *ask(void *argument)
{
	struct question *question = argument;
	question->count = address_resolve(&question->address, question->endpoints,
					  question->capacity, &question->error);
	waker_wake(&question->answered);
	leave(question);
	return NULL;
}

static struct question *pose(const struct address *address, size_t capacity,
			     struct echod_error *error)
{
	struct question *question = calloc(1, sizeof(*question));
	struct endpoint *endpoints = calloc(capacity, sizeof(*endpoints));
	if (!question || !endpoints) {
		error_set(error, ECHOD_ERROR_SYSTEM, "no memory");
	} else if (waker_open(&question->answered, error) == 0) {
		question->address = *address;
		question->endpoints = endpoints;
		question->capacity = capacity;
		atomic_init(&question->owners, 2);
		if (thread_start(&question->thread, "resolve", ask, question, error) == 0)
			return question;
		waker_close(&question->answered);
	}
	free(endpoints);
	free(question);
	return NULL;
}

static int await(const struct question *question, uint64_t timeout, int interrupt_fd,
		 struct echod_error *error)
{
	uint64_t deadline = clock_deadline(timeout);
	const char *host = question->address.host;
	struct pollfd ready[] = {
		{.fd = question->answered.fd, .events = POLLIN},
		{.fd = interrupt_fd, .events = POLLIN},
	};
	while (poll_until(ready, 2, deadline) == 0) {
		char limit[16];
		if (clock_now() >= deadline)
			return error_set(error, ECHOD_ERROR_SYSTEM,
					 "cannot find host '%.100s': no answer within %s", host,
					 units_format_duration(timeout, limit, sizeof(limit)));
	}
	if (ready[0].revents)
		return 0;
	return error_set(error, ECHOD_ERROR_SYSTEM, "cannot find host '%.100s': interrupted", host);
}

int resolve_within(const struct address *address, struct endpoint *endpoints, size_t capacity,
		   uint64_t timeout, int interrupt_fd, struct echod_error *error)
{
	struct endpoint ip;
	bool for_ever = timeout == CLOCK_NEVER && interrupt_fd < 0;
	if (for_ever || address->is_unix || !*address->host ||
	    endpoint_from_ip(address->host, &ip, NULL) == 0)
		return address_resolve(address, endpoints, capacity, error);
	struct question *question = pose(address, capacity, error);
	if (!question)
		return -1;
	int count = await(question, timeout, interrupt_fd, error);
	if (count < 0) {
		pthread_detach(question->thread);
	} else {
		pthread_join(question->thread, NULL); // frees what the C library keeps for it
		count = question->count;
		if (count < 0 && error)
			*error = question->error;
		else if (count > 0)
			memcpy(endpoints, question->endpoints, (size_t)count * sizeof(*endpoints));
	}
	leave(question);
	return count;
}
