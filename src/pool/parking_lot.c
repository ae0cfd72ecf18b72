#include "pool/parking_lot.h"

#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

#define EVENTS (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET)
#define ENDED (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

int parking_lot_open(struct parking_lot *lot, uint64_t idle_limit, uint64_t stuck_limit,
		     struct echod_error *error)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	*lot = (struct parking_lot){.epoll = epoll_create1(EPOLL_CLOEXEC), .waker = WAKER_NONE};
	timeouts_init(&lot->timeouts, idle_limit, stuck_limit);
	if (lot->epoll < 0)
		error_set(error, ECHOD_ERROR_SYSTEM, "cannot create an epoll set: %s",
			  error_text(errno));
	else if (waker_open(&lot->waker, error) == 0) {
		if (epoll_ctl(lot->epoll, EPOLL_CTL_ADD, lot->waker.fd, &event) == 0)
			return 0;
		error_set(error, ECHOD_ERROR_SYSTEM, "cannot use the epoll set: %s",
			  error_text(errno));
	}
	parking_lot_close(lot);
	return -1;
}

void parking_lot_close(struct parking_lot *lot)
{
	timeouts_destroy(&lot->timeouts);
	waker_close(&lot->waker);
	if (lot->epoll >= 0)
		close(lot->epoll);
}

// Registers `work` with the set, for `events`. The kernel checks the socket then, so bytes that
// came before give an event too; an event that comes while the work is served makes it NOTIFIED.
static bool register_events(struct parking_lot *lot, struct work *work, uint32_t events)
{
	if (work->events == events)
		return true;
	struct epoll_event event = {.events = events, .data.ptr = work};
	int operation = work->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(lot->epoll, operation, work->fd, &event) != 0)
		return false;
	work->events = events;
	return true;
}

bool parking_lot_park(struct parking_lot *lot, struct work *work, enum timeout kind)
{
	if (!register_events(lot, work, kind == TIMEOUT_STUCK ? EVENTS | EPOLLOUT : EVENTS)) {
		atomic_fetch_add_explicit(&lot->refused, 1, memory_order_relaxed);
		kind = TIMEOUT_POLLED;
	}
	if (timeouts_set(&lot->timeouts, work, kind))
		waker_wake(&lot->waker);
	int served = WORK_SERVED;
	if (atomic_compare_exchange_strong(&work->state, &served, WORK_PARKED))
		return true; // and somebody else's
	ensure(served == WORK_NOTIFIED);
	atomic_store(&work->state, WORK_SERVED);
	return false;
}

void parking_lot_forget(struct parking_lot *lot, struct work *work)
{
	timeouts_set(&lot->timeouts, work, TIMEOUT_NONE);
	if (!work->events)
		return;
	int failed = epoll_ctl(lot->epoll, EPOLL_CTL_DEL, work->fd, NULL);
	ensure(!failed);
	work->events = 0;
}

// Takes note of an event. Returns whether the work was parked and is the leader's now. The event
// may be stale: of a connection closed meanwhile, or of one before it in the same memory. Then it
// is noted for nothing, or wakes work that finds nothing to do and is parked again.
static bool note_event(struct work *work, uint32_t events)
{
	if (events & ENDED)
		atomic_store(&work->hung_up, true);
	int state = atomic_load(&work->state);
	while (state == WORK_PARKED || state == WORK_SERVED) {
		bool parked = state == WORK_PARKED;
		if (atomic_compare_exchange_weak(&work->state, &state,
						 parked ? WORK_QUEUED : WORK_NOTIFIED))
			return parked;
	}
	return false;
}

bool parking_lot_wait(struct parking_lot *lot, uint64_t deadline, bool polling,
		      struct work_list *unparked)
{
	struct epoll_event events[PARKING_LOT_EVENTS];
	uint64_t due = timeouts_deadline(&lot->timeouts);
	uint64_t end = due < deadline ? due : deadline;
	int count;
	for (;;) {
		int timeout = polling ? 0 : clock_poll_timeout(end);
		count = epoll_wait(lot->epoll, events, PARKING_LOT_EVENTS, timeout);
		if (!polling || count != 0 || clock_now() >= end)
			break;
		sched_yield(); // a thread that has something to do goes first
	}
	ensure(count >= 0 || errno == EINTR);
	for (int i = 0; i < count; i++) {
		struct work *work = events[i].data.ptr;
		if (!work)
			waker_clear(&lot->waker);
		else if (note_event(work, events[i].events))
			work_list_append(unparked, work);
	}
	if (due != CLOCK_NEVER && clock_now() >= due)
		timeouts_expire(&lot->timeouts, clock_now(), unparked);
	return count > 0 || unparked->count > 0;
}
