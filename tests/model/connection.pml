/*
 * One place in the table of connections (src/echo/conn.c), used by one connection after the other,
 * each with a socket of its own: src/pool/work.h, parking_lot.c, timeouts.c, pool.c and the turn of
 * src/echo/turn.c. Two workers, one of which may lead; the acceptor; clients. The queue is a number
 * here (queue.pml has it in full). A step is one atomic operation, one system call, or one section
 * under a lock.
 *
 * Checked: never two owners, never queued twice, never parked while owned; when all is at rest no
 * socket has data or an end of stream that no thread will see, and a time-out that runs is one that
 * the leader waits for. TIMEOUTS: there is an idle time-out. FULL: the kernel has no room for it
 * once, and a short time-out checks it instead. Each other #ifdef is a fault that the checker must
 * find (run.sh).
 */
#define CONNS 2	   /* one after the other */
#ifndef MESSAGES
#define MESSAGES 2 /* of each client; with TIMEOUTS or FULL, the second's end of stream alone */
#endif
#define BUFFER 2   /* messages that one recv can take: less is a short read */

mtype = { QUEUED, SERVED, NOTIFIED, PARKED };

/* struct work */
mtype state = QUEUED;
bool hung_up, registered, timed, expired;
bool stored_late; /* HUNG_UP_RELAXED: the leader's store of hung_up, not visible yet */

/* Sockets. */
byte unread[CONNS];
bool fin[CONNS], open[CONNS];
bool in_set[CONNS], ready[CONNS]; /* epoll: registered, and on the list of those that had an edge */

bool used;	/* the place in the table */
byte now;	/* the connection in it */
byte queue;	/* how often it is queued */
byte owners;	/* threads that own it */
bool leading;	/* a worker is at the parking lot */
bool waker;	/* its waker is readable */
bool armed;	/* the leader waits for a time-out */
bool over;	/* time has passed */
#ifdef FULL
bool full_once;
#endif

/* The kernel notifies the set after it has changed the socket. */
inline edge(fd)
{
	if
	:: in_set[fd] -> ready[fd] = true
	:: else
	fi
}

proctype client(byte fd)
{
#if defined(TIMEOUTS) || defined(FULL)
	byte left = (fd == 0 -> MESSAGES : 0);
#else
	byte left = MESSAGES;
#endif

end:	open[fd];
	do
	:: left > 0 && open[fd] ->
		atomic { unread[fd]++; left-- };
		atomic { edge(fd) }
	:: left > 0 && open[fd] -> /* data and end of stream at once: one edge */
		atomic { unread[fd]++; left--; fin[fd] = true };
		atomic { edge(fd) };
		break
	:: open[fd] ->
		fin[fd] = true;
		atomic { edge(fd) };
		break
	:: true -> break /* silent from now on */
	od
}

/* conn_table_add with conn_init, pool_submit. */
active proctype acceptor()
{
	byte next;

	do
	:: next < CONNS ->
end:		atomic { !used -> used = true; owners++; assert(owners == 1); now = next };
		state = QUEUED;
		atomic { hung_up = false; registered = false; timed = false; expired = false };
		atomic { open[next] = true; queue++; next++; assert(queue == 1) }
	:: else -> break
	od
}

#if defined(TIMEOUTS)
active proctype clock()
{
	over = true
}
#elif defined(FULL)
active proctype clock()
{
end:	do
	:: timed && !over -> over = true
	od
}
#endif

/* register_events. The kernel checks the socket as it registers it. */
inline register_events()
{
	if
	:: !registered ->
		atomic {
			registered = true;
			in_set[fd] = true;
			ready[fd] = unread[fd] > 0 || fin[fd]
		}
#ifdef FULL
	:: !registered && !full_once -> full_once = true; refused = true
#endif
	:: else
	fi
}

/* To the back of the queue: in TURN_QUANTUM, or when others wait. */
inline put_back()
{
	state = QUEUED;
	atomic { queue++; assert(queue == 1) }
}

/* parking_lot_park, in park_work; `parked` tells whether it went through. */
inline park()
{
	register_events();
#if defined(TIMEOUTS) || defined(FULL)
	atomic { /* timeouts_set */
#ifdef TIMEOUTS
		to_wake = !timed && !armed;
		timed = true
#else
		to_wake = refused && !timed && !armed;
#ifndef FULL_HAS_NO_TIMEOUT
		timed = refused;
#endif
		refused = false
#endif
	};
#ifndef TIMEOUT_WAKES_NOBODY
	if
	:: to_wake -> waker = true
	:: else
	fi;
#endif
#endif
	atomic {
#if defined(PARK_BY_STORE)
		true -> state = PARKED; parked = true; owners--
#elif defined(PARK_FROM_NOTIFIED)
		state = PARKED; parked = true; owners--
#else
		if
		:: state == SERVED -> state = PARKED; parked = true; owners--
		:: else -> assert(state == NOTIFIED); parked = false
		fi
#endif
	};
	if
	:: !parked -> state = SERVED
	:: else
	fi
}

/* close_work, service_close: the descriptor is closed after the place is free. */
inline close_work()
{
	atomic { timed = false; assert(owners == 1) };
	atomic { owners--; used = false };
	atomic { open[fd] = false; in_set[fd] = false; ready[fd] = false }
}

/* serve_batch and serve_work with echo_turn. */
inline serve_batch()
{
	fd = now;
	state = SERVED;
turn:	last_check = expired;
	expired = false;
	do
	:: true ->
		if /* receive: parking_lot_forget before the recv; it may wait or not */
		:: (registered || timed) && !last_check ->
			atomic {
				timed = false; in_set[fd] = false; ready[fd] = false;
#ifndef FORGET_STAYS_REGISTERED
				registered = false
#endif
			}
		:: true
		fi;
		atomic {
			got = (unread[fd] < BUFFER -> unread[fd] : BUFFER);
			unread[fd] = unread[fd] - got;
			ended = got == 0 && fin[fd]
		};
		if
		:: ended || (got == 0 && last_check) ->
			ended = false;
			close_work();
			break
		:: !ended && got == 0 && !last_check -> /* TURN_QUIET */
			park();
			if
			:: parked -> break
			:: !parked -> goto turn
			:: !parked -> put_back(); break
			fi
		:: got > 0 -> /* policy_parks_at_once: TURN_QUIET */
			last_check = false;
			if
#ifdef SHORT_READ_IGNORES_HUNG_UP
			:: got < BUFFER ->
#else
			:: got < BUFFER && !hung_up ->
#endif
				park();
				if
				:: parked -> break
				:: !parked -> goto turn
				:: !parked -> put_back(); break
				fi
			:: true
			:: true -> /* TURN_QUANTUM */
				put_back();
				break
			fi
		fi
	od;
	atomic { fd = 0; got = 0; last_check = false; parked = false; to_wake = false }
}

/* An atomic that is read and written at once makes all stores before it seen. */
inline flush()
{
	if
	:: stored_late -> hung_up = true; stored_late = false
	:: else
	fi
}

/* note_event of one event in hand: its ENDED is `ends`. */
inline note_event(ends)
{
#ifndef HUNG_UP_AFTER_STATE
	if
#ifdef HUNG_UP_RELAXED
	:: ends -> stored_late = true
#else
	:: ends -> hung_up = true
#endif
	:: else
	fi;
#endif
	seen = state;
	do
	:: seen == PARKED ->
		atomic {
			if
			:: state == PARKED ->
				state = QUEUED; owners++; unparked++;
				assert(owners == 1);
				flush();
				break
			:: else -> seen = state
			fi
		}
#ifndef EVENT_IGNORED_WHILE_SERVED
	:: seen == SERVED ->
#ifdef NOTIFY_BY_STORE
		state = NOTIFIED;
		break
#else
		atomic {
			if
			:: state == SERVED -> state = NOTIFIED; flush(); break
			:: else -> seen = state
			fi
		}
#endif
	:: seen == QUEUED || seen == NOTIFIED -> break
#else
	:: seen != PARKED -> break
#endif
	od;
#ifdef HUNG_UP_AFTER_STATE
	if
	:: ends -> hung_up = true
	:: else
	fi;
#endif
	seen = QUEUED
}

/* expire_list_locked; the time-out may be over or the connection have been active. */
inline timeouts_expire()
{
	atomic {
		if
		:: over && armed && timed ->
			over = false;
			if
#ifdef EXPIRE_BY_STORE
			:: true ->
#else
			:: state == PARKED ->
#endif
				state = QUEUED; owners++; unparked++;
				assert(owners == 1);
				timed = false;
#ifdef FULL
			:: else
#else
				expired = true
			:: true /* active, or not parked: at the end of the list again */
#endif
			fi
		:: else
		fi;
		armed = false
	}
}

/* parking_lot_wait: timeouts_deadline, epoll_wait, note_event for each, timeouts_expire; then
 * work_queue_poll_results. The first socket's event may be one for the second's connection. */
inline lead()
{
	armed = timed;
end_lead:
	(ready[0] || ready[1] || waker || queue > 0 || (armed && over));
	atomic {
		waker = false;
		event0 = ready[0] && (unread[0] > 0 || fin[0]);
		ends0 = fin[0];
		ready[0] = false
	};
	atomic {
		event1 = ready[1] && (unread[1] > 0 || fin[1]);
		ends1 = fin[1];
		ready[1] = false
	};
	if
	:: event0 -> note_event(ends0)
	:: else
	fi;
	if
	:: event1 -> note_event(ends1)
	:: else
	fi;
	timeouts_expire();
	atomic {
		queue = queue + unparked; unparked = 0;
		assert(queue <= 1);
		event0 = false; event1 = false; ends0 = false; ends1 = false;
		leading = false
	}
}

active [2] proctype worker()
{
	byte fd, got, unparked;
	bool last_check, ended, parked, to_wake, refused, event0, event1, ends0, ends1;
	mtype seen = QUEUED;

end:	do
	:: atomic { queue > 0 -> queue-- } -> serve_batch()
	:: atomic { !leading -> leading = true } -> lead()
	od
}

#ifdef HUNG_UP_RELAXED
active proctype store_buffer()
{
end:	do
	:: atomic { stored_late -> hung_up = true; stored_late = false }
	od
}
#endif

/* Runs when no other process can. */
active proctype rest()
{
	timeout ->
	assert(owners == queue && queue == 0);
	assert(!open[0] || (unread[0] == 0 && !fin[0]));
	assert(!open[1] || (unread[1] == 0 && !fin[1]));
	assert(leading && (armed || !timed))
}

init
{
	atomic { run client(0); run client(1) }
}
