/*
 * One place in the table of connections (src/echo/conn.c), used by one connection after the other,
 * each with a socket of its own: src/pool/work.h, parking_lot.c, timeouts.c, pool.c and the turn of
 * src/echo/turn.c. Two workers, one of which may lead; the acceptor; clients. The queue is a number
 * here (queue.pml has it in full). A step is one atomic operation, one system call, or one section
 * under a lock. That a worker waits for its client only delays its next call, so it is left out.
 *
 * Checked: never two owners, never queued twice, never parked while owned; when all is at rest no
 * socket has data or an end of stream that no thread will see, and a time-out that runs is one that
 * the leader waits for. TIMEOUTS: there is an idle time-out. FULL: the kernel has no room for it
 * once, and a short time-out checks it instead. WRITING: a socket takes one message at a time, and
 * the client may stop reading, with RESETS also reset; what does not go out is kept, or, at the
 * limit of unsent bytes, stays in the kernel. Checked then: the echo is whole and in order, and at
 * rest nothing is left that could be sent. DRAIN: all turns are aborted, and then no connection is
 * left. CHILD: a child of the host program holds each descriptor too. Each other #ifdef is a
 * fault that the checker must find (run.sh).
 */
#ifndef CONNS
#define CONNS 2	   /* one after the other */
#endif
#ifndef MESSAGES
#define MESSAGES 2 /* of each client; with TIMEOUTS or FULL, the second's end of stream alone */
#endif
#define BUFFER 2   /* messages that one recv can take: less is a short read */

mtype = { QUEUED, SERVED, NOTIFIED, PARKED };
mtype = { NONE, IDLE, STUCK, POLLED };

/* struct work and struct conn */
mtype state = QUEUED;
mtype timed = NONE;
bool hung_up, registered, for_room, expired, stuck;
bool stored_late; /* HUNG_UP_RELAXED: the leader's store of hung_up, not visible yet */

/* Sockets: what is to be received; epoll: registered, and on the list of those with an edge. */
byte unread[CONNS];
bool fin[CONNS], shut[CONNS], open[CONNS], in_set[CONNS], ready[CONNS];
#ifdef WRITING
bool no_room[CONNS], gone[CONNS];
byte unsent, taken, sent; /* messages kept, taken out of the kernel, and echoed */
#define HAS_ROOM(fd) (for_room && !no_room[fd])
#define UNSENT unsent
#else
#define HAS_ROOM(fd) false
#define UNSENT 0
#endif
#define IS_READY(fd) (unread[fd] > 0 || fin[fd] || shut[fd] || HAS_ROOM(fd))

#if CONNS > 1
#define MAY_SERVE true
#define MAY_LEAD true
#else
#define MAY_SERVE (_pid % 2 == 0)
#define MAY_LEAD (_pid % 2 == 1)
#endif

bool used;	    /* the place in the table */
byte now;	    /* the connection in it */
bool accepted;	    /* all connections */
byte queue;	    /* how often it is queued */
byte owners;	    /* threads that own it */
bool leading;	    /* a worker is at the parking lot */
bool waker;	    /* its waker is readable */
mtype armed = NONE; /* the time-out that the leader waits for */
bool over;	    /* time has passed */
bool aborted;
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
#ifdef WRITING
	unread[fd] = left; left = 0; /* all at once: more than the socket takes */
	atomic { edge(fd) };
#endif
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

#ifdef WRITING
/* A client reads as long as it likes, or resets. */
proctype reader(byte fd)
{
end:	do
	:: no_room[fd] ->
		no_room[fd] = false;
		if
		:: for_room -> atomic { edge(fd) }
		:: else
		fi
#ifdef RESETS
	:: open[fd] ->
		atomic { gone[fd] = true; fin[fd] = true };
		atomic { edge(fd) };
		break
#endif
	:: open[fd] -> break
	od
}
#endif

/* conn_table_add with conn_init, pool_submit. */
active proctype acceptor()
{
	byte next;

	do
	:: next < CONNS ->
end:		atomic {
			!used -> used = true;
			owners++;
			assert(owners == 1);
			now = next
		};
		state = QUEUED;
		atomic {
			hung_up = false; registered = false; timed = NONE; expired = false;
			for_room = false; stuck = false
		};
		atomic { open[next] = true; queue++; next++; accepted = next == CONNS; assert(queue == 1) }
	:: else -> break
	od
}

#if defined(FULL)
active proctype clock()
{
end:	do
	:: timed != NONE && !over -> over = true
	od
}
#elif defined(TIMEOUTS)
active proctype clock()
{
	over = true
}
#endif

#ifdef DRAIN
/* abort_connections with conn_table_shut_reading. */
active proctype drain()
{
end:	accepted;
#ifndef ABORT_AFTER_SHUTDOWN
	aborted = true;
#endif
	atomic {
		if
		:: used -> shut[now] = true; edge(now)
		:: else
		fi
	};
#ifdef ABORT_AFTER_SHUTDOWN
	aborted = true
#endif
}
#endif

/* register_events, for room too if `room`. The kernel checks the socket as it registers it. */
inline register_events(room)
{
	if
#ifdef ONE_REGISTRATION
	:: !registered ->
#else
	:: !registered || for_room != room ->
#endif
		atomic {
			registered = true;
#ifndef ROOM_NOT_ASKED_FOR
			for_room = room;
#endif
			in_set[fd] = true;
#ifdef CHANGE_CHECKS_NOTHING
			if
			:: !room -> ready[fd] = ready[fd] || IS_READY(fd)
			:: else
			fi
#else
			ready[fd] = ready[fd] || IS_READY(fd)
#endif
		}
#ifdef FULL
	:: !registered && !full_once -> full_once = true; refused = true
#endif
	:: else
	fi
}

/* What a turn leaves behind says nothing any more; so there are fewer states. */
inline forget_locals()
{
	got = 0; last_check = false; time_is_up = false; ended = false; by_peer = false;
	parked = false
}

/* To the back of the queue: in TURN_QUANTUM, or when others wait. */
inline put_back()
{
	atomic { state = QUEUED; forget_locals() };
	atomic { queue++; assert(queue == 1) }
}

/* parking_lot_park, in park_work; `parked` tells whether it went through. */
inline park(wanted)
{
	register_events((wanted == STUCK));
#if defined(TIMEOUTS) || defined(FULL) || defined(WRITING)
	atomic { /* timeouts_set */
#ifdef TIMEOUTS
		kind = wanted;
#else
		kind = (wanted == IDLE -> NONE : wanted);
#endif
#ifndef FULL_HAS_NO_TIMEOUT
		kind = (refused -> POLLED : kind);
#endif
		refused = false;
		to_wake = timed != kind && kind != NONE;
		timed = kind;
		kind = NONE
	};
#ifndef TIMEOUT_WAKES_NOBODY
	if
	:: to_wake -> atomic { waker = true; to_wake = false }
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

/* close_work, service_close: the descriptor is closed after the place is free. It stays in the set,
 * with an event, if a child of the host program holds it too. */
inline close_work()
{
	atomic {
		timed = NONE;
#ifdef WRITING
		unsent = 0; taken = 0; sent = 0;
#endif
		forget_locals();
		assert(owners == 1)
	};
	atomic { owners--; used = false };
	atomic {
		open[fd] = false;
		if
		:: in_set[fd] = false; ready[fd] = false
#ifdef CHILD
		:: in_set[fd] -> fin[fd] = true; ready[fd] = true
#endif
		fi
	}
}

/* parking_lot_forget, before a recv that may wait. */
inline forget()
{
	if
#ifndef WRITING
	:: registered || timed != NONE ->
		atomic {
			timed = NONE; in_set[fd] = false; ready[fd] = false; for_room = false;
#ifndef FORGET_STAYS_REGISTERED
			registered = false
#endif
		}
#endif
	:: true
	fi
}

/* is_aborted */
inline end_if_aborted()
{
#ifdef DRAIN
	if
	:: aborted -> goto closing
	:: else
	fi
#else
	skip
#endif
}

/* A recv, or a peek at the limit of unsent bytes (unsent_is_full). */
inline receive()
{
	got = (unread[fd] < BUFFER -> unread[fd] : BUFFER);
	ended = got == 0 && (fin[fd] || shut[fd]);
	by_peer = ended && fin[fd];
#ifdef WRITING
	assert(unsent == 0 && (!ended || taken == sent));
	if
	:: unread[fd] = unread[fd] - got; taken = taken + got
	:: got > 0 -> peeked = true
	fi
#else
	unread[fd] = unread[fd] - got
#endif
}

#ifdef WRITING
/* send_all of `piece` messages, unsent_keep and the taking of echo_peeked. With something left the
 * socket was full; a client that reset ends it. */
inline send_all()
{
	do
	:: atomic { piece > 0 && !no_room[fd] && !gone[fd] ->
			no_room[fd] = true; piece--; went++; stuck = false; assert(!last_check) }
	:: atomic { piece > 0 && gone[fd] -> went = 0; goto closing }
	:: atomic { piece > 0 && no_room[fd] && !gone[fd] -> stuck = true; break }
	:: atomic { piece == 0 -> break }
	od;
	atomic {
		sent = sent + went;
		if
#ifdef PEEK_TAKES_ALL
		:: peeked -> went = went + piece;
#else
		:: peeked ->
#endif
			unread[fd] = unread[fd] - went;
			taken = taken + went
		:: else -> unsent = piece
		fi;
#ifdef UNSENT_IS_FORGOTTEN
		unsent = 0;
#endif
		went = 0; peeked = false
	}
}
#endif

/* serve_batch and serve_work with echo_turn. */
inline serve_batch()
{
	fd = now;
	state = SERVED;
turn:	atomic {
		forget_locals();
#ifdef STUCK_IS_IDLE
		last_check = expired;
#else
		last_check = expired && !stuck;
#endif
		time_is_up = expired && stuck;
		expired = false
	};
	do
	:: true ->
#ifdef DRAIN
		end_if_aborted();
#endif
#ifdef WRITING
		if
		:: unsent > 0 -> piece = unsent; got = BUFFER; goto sending
		:: else
		fi;
#endif
		forget();
		atomic {
			receive();
			if
			:: got > 0 -> last_check = false
			:: else -> stuck = false
			fi
		};
		if /* after_empty_recv */
		:: got > 0
		:: got == 0 ->
#if defined(DRAIN) && !defined(EMPTY_IGNORES_ABORT)
			end_if_aborted();
#endif
			if
			:: ended -> assert(by_peer); goto closing /* not of our own making */
			:: !ended && last_check -> goto closing
			:: !ended && !last_check -> goto quiet
			fi
		fi;
#ifdef WRITING
		piece = got;
sending:	send_all();
		if /* after_failed_send */
		:: piece == 0
		:: piece > 0 ->
			piece = 0;
#ifdef DRAIN
			end_if_aborted();
#endif
			if
			:: time_is_up -> goto closing
			:: else
			fi;
			park(STUCK);
			goto handed_over
		fi;
#endif
		if
#ifdef SHORT_READ_IGNORES_HUNG_UP
		:: got < BUFFER ->
#else
		:: got < BUFFER && !hung_up -> /* policy_parks_at_once */
#endif
quiet:			park(IDLE);
handed_over:		if
			:: parked -> atomic { forget_locals() }; break
			:: !parked -> goto turn
			:: !parked -> put_back(); break /* policy_must_yield */
			fi
		:: got = 0
#ifndef WRITING
		:: true -> /* TURN_QUANTUM */
			put_back();
			break
#endif
		:: false ->
closing:		close_work();
			break
		fi
	od;
	fd = 0
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

/* expire_list_locked; the time may be up, or the connection have been active (is_over). */
inline timeouts_expire()
{
	atomic {
		if
		:: over && armed == timed && timed != NONE ->
			over = false;
			if
#ifdef EXPIRE_BY_STORE
			:: true ->
#else
			:: state == PARKED ->
#endif
				state = QUEUED; owners++; unparked++;
				assert(owners == 1);
				if
				:: timed != POLLED -> expired = true
				:: true
				fi;
				timed = NONE
			:: timed == IDLE /* active: at the end of the list again */
			:: state == SERVED -> state = NOTIFIED
			:: state == QUEUED || state == NOTIFIED
			fi
		:: else
		fi;
		armed = NONE
	}
}

/* parking_lot_wait: timeouts_deadline, epoll_wait, note_event for each, timeouts_expire; then
 * work_queue_poll_results. The first socket's event may be one for the second's connection. */
inline lead()
{
	armed = timed;
end_lead:
	(ready[0] || ready[CONNS - 1] || waker || queue > 0 || (armed != NONE && over));
	atomic {
		waker = false;
		event0 = ready[0] && IS_READY(0);
		ends0 = fin[0] || shut[0];
		ready[0] = false
	};
#if CONNS > 1
	atomic {
		event1 = ready[1] && IS_READY(1);
		ends1 = fin[1] || shut[1];
		ready[1] = false
	};
#endif
	if
	:: event0 -> note_event(ends0)
	:: else
	fi;
#if CONNS > 1
	if
	:: event1 -> note_event(ends1)
	:: else
	fi;
#endif
	timeouts_expire();
	atomic {
		queue = queue + unparked; unparked = 0;
		assert(queue <= 1);
		event0 = false; event1 = false; ends0 = false; ends1 = false;
		leading = false
	}
}

/* With one connection only one worker serves at a time, and so the other one leads. */
active [2] proctype worker()
{
	byte fd, got, unparked;
	bool last_check, time_is_up, ended, by_peer, parked, to_wake, refused;
	bool event0, event1, ends0, ends1;
	mtype seen = QUEUED;
	mtype kind = NONE;
#ifdef WRITING
	byte piece, went;
	bool peeked;
#endif

end:	do
	:: atomic { queue > 0 && MAY_SERVE -> queue-- } -> serve_batch()
	:: atomic { !leading && MAY_LEAD -> leading = true } -> lead()
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
	assert(!used || open[now]);
#ifdef WRITING
	assert(!used || (stuck && no_room[now]) || (unsent == 0 && unread[now] == 0 && !fin[now]));
#else
	assert(!used || (unread[now] == 0 && !fin[now]));
#endif
	assert(!aborted || !used);
	assert(leading && (timed == NONE || armed == timed))
}

init
{
	atomic {
		run client(0);
#if CONNS > 1
		run client(1);
#endif
#ifdef WRITING
		run reader(0)
#endif
	}
}
