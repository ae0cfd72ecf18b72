// The parking lot. Workers park, the leader waits.
#include "pool/parking_lot.h"

#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

#define ENDED (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

int parking_lot_open(struct parking_lot *lot, uint64_t idle_limit, uint64_t stuck_limit,
		     struct echod_error *error)
{
	lot->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (lot->epoll < 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot create an epoll set: %s",
				 error_text(errno));
	if (waker_open(&lot->kick, error) != 0) {
		close(lot->epoll);
		return -1;
	}
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	if (epoll_ctl(lot->epoll, EPOLL_CTL_ADD, lot->kick.fd, &event) != 0) {
		error_set(error, ECHOD_ERROR_SYSTEM, "cannot use the epoll set: %s",
			  error_text(errno));
		waker_close(&lot->kick);
		close(lot->epoll);
		return -1;
	}
	watch_init(&lot->watch, idle_limit, stuck_limit);
	atomic_store(&lot->refused, 0);
	return 0;
}

void parking_lot_close(struct parking_lot *lot)
{
	watch_destroy(&lot->watch);
	waker_close(&lot->kick);
	close(lot->epoll);
}

// Sees to it that the set has `work`, with all the events it needs. The kernel looks at the socket
// when it is told, so whatever has come before gives an event too; an event that comes while the
// work is served makes it NOTIFIED.
static bool register_events(struct parking_lot *lot, struct work *work, bool wants_room)
{
	if (work->registered && work->wants_room == wants_room)
		return true;
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET | (wants_room ? EPOLLOUT : 0U),
		.data.ptr = work,
	};
	int operation = work->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(lot->epoll, operation, work->fd, &event) != 0)
		return false;
	work->registered = true;
	work->wants_room = wants_room;
	return true;
}

bool parking_lot_park(struct parking_lot *lot, struct work *work, enum watch_kind kind)
{
	if (!register_events(lot, work, kind == WATCH_STUCK)) {
		atomic_fetch_add_explicit(&lot->refused, 1, memory_order_relaxed);
		kind = WATCH_POLLED;
	}
	if (watch_set(&lot->watch, work, kind))
		parking_lot_kick(lot);
	int served = WORK_SERVED;
	if (atomic_compare_exchange_strong(&work->state, &served, WORK_PARKED))
		return true; // and somebody else's
	ensure(served == WORK_NOTIFIED);
	atomic_store(&work->state, WORK_SERVED);
	return false;
}

void parking_lot_forget(struct parking_lot *lot, struct work *work)
{
	watch_set(&lot->watch, work, WATCH_NONE);
	if (!work->registered)
		return;
	int failed = epoll_ctl(lot->epoll, EPOLL_CTL_DEL, work->fd, NULL);
	ensure(!failed);
	work->registered = false;
	work->wants_room = false;
}

// Takes note of an event. Returns whether the work was parked and is the leader's now. The event
// may be stale: of a connection closed meanwhile, or of one before it in the same memory. Then it
// is noted for nothing, or wakes work that finds nothing to do and is parked again.
static bool note_event(struct work *work, uint32_t events)
{
	if (events & ENDED)
		atomic_store(&work->hung_up, true);
	int state = atomic_load(&work->state);
	for (;;) {
		switch (state) {
		case WORK_PARKED:
			if (atomic_compare_exchange_weak(&work->state, &state, WORK_QUEUED))
				return true;
			break;
		case WORK_SERVED:
			if (atomic_compare_exchange_weak(&work->state, &state, WORK_NOTIFIED))
				return false;
			break;
		default:
			return false;
		}
	}
}

static void append(struct unparked *unparked, struct work *work)
{
	work->next = NULL;
	if (unparked->last)
		unparked->last->next = work;
	else
		unparked->first = work;
	unparked->last = work;
	unparked->count++;
}

// What the leader does with the events it has got, and with time-outs, the next of which was
// `watch`.
static struct unparked collect(struct parking_lot *lot, const struct epoll_event *events, int count,
			       uint64_t watch, uint64_t (*active_at)(const struct work *work))
{
	struct unparked unparked = {.woken = count > 0};
	for (int i = 0; i < count; i++) {
		struct work *work = events[i].data.ptr;
		if (!work)
			waker_clear(&lot->kick);
		else if (note_event(work, events[i].events))
			append(&unparked, work);
	}
	if (watch == CLOCK_NEVER || clock_now() < watch)
		return unparked;
	struct work *expired = watch_expire(&lot->watch, clock_now(), active_at);
	while (expired) {
		struct work *next = expired->next;
		append(&unparked, expired);
		expired = next;
	}
	return unparked;
}

struct unparked parking_lot_poll(struct parking_lot *lot, uint64_t deadline,
				 uint64_t (*active_at)(const struct work *work))
{
	struct epoll_event events[PARKING_LOT_EVENTS];
	uint64_t watch = watch_deadline(&lot->watch);
	uint64_t end = watch < deadline ? watch : deadline;
	int count;
	for (;;) {
		count = epoll_wait(lot->epoll, events, PARKING_LOT_EVENTS, 0);
		if (count != 0 || clock_now() >= end)
			break;
		sched_yield(); // whoever has something to do goes first
	}
	ensure(count >= 0 || errno == EINTR);
	return collect(lot, events, count, watch, active_at);
}

struct unparked parking_lot_wait(struct parking_lot *lot, uint64_t deadline,
				 uint64_t (*active_at)(const struct work *work))
{
	struct epoll_event events[PARKING_LOT_EVENTS];
	uint64_t watch = watch_deadline(&lot->watch);
	int count = epoll_wait(lot->epoll, events, PARKING_LOT_EVENTS,
			       clock_poll_timeout(watch < deadline ? watch : deadline));
	ensure(count >= 0 || errno == EINTR);
	return collect(lot, events, count, watch, active_at);
}

void parking_lot_kick(struct parking_lot *lot)
{
	waker_wake(&lot->kick);
}
