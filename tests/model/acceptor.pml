/*
 * The acceptor that waits for connections to close: src/server/acceptor.c, pause.c, admission.c and
 * drain.c. It pauses at --max-connections, or when it is out of descriptors, and at the end sees a
 * drain through. Other threads ask for the drain, and later for its end at once (server_drain);
 * workers close. A step is one access to an atomic, or one system call. A wake-up must end each
 * wait: time only ends a pause without resources that began when no connection was open.
 *
 * Checked: no more are open than the limit; when all is at rest no client waits while there is
 * room, and a drain has ended, unless it may still wait for clients that do not end. Each other
 * #ifdef is a fault that the checker must find (run.sh).
 */
#ifndef LIMIT
#define LIMIT 2
#endif
#ifndef CLIENTS
#define CLIENTS 4
#endif

mtype = { NO_PAUSE, AT_LIMIT, OUT_OF_RESOURCES };

byte backlog = CLIENTS; /* that the kernel has connected */
byte count, alive;	/* admission.open; of them, those that no worker is closing */
bool notifies, waker, draining, hurried, aborted, done;
bool failed_once; /* accept, for lack of descriptors */

/* pause_begin */
inline begin_pause(cause)
{
	pause = cause;
	before = count;
#ifndef PAUSE_DOES_NOT_NOTIFY
	notifies = true
#endif
}

/* pause_review with pause_end */
inline review_pause()
{
	if
	:: pause == AT_LIMIT && count < LIMIT -> pause = NO_PAUSE; notifies = false
	:: pause == OUT_OF_RESOURCES && (count < before || before == 0) ->
		pause = NO_PAUSE;
		notifies = false
	:: else
	fi
}

/* accept_batch with accept_one and admission_enter; during a drain, the quota. */
inline accept_all()
{
	do
	:: backlog > 0 && count < LIMIT ->
		atomic { backlog--; count++; alive++; assert(count <= LIMIT) }
	:: backlog > 0 && count >= LIMIT -> begin_pause(AT_LIMIT); break
	:: backlog > 0 && 0 < count && !failed_once ->
		failed_once = true;
		begin_pause(OUT_OF_RESOURCES);
		break
	:: backlog == 0 -> break
	od
}

active proctype acceptor()
{
	mtype pause = NO_PAUSE;
	byte before;
	bool last, all;

	do /* accept_round, and finish_accepting, which takes what the kernel has connected */
	:: !draining || (backlog > 0 && !hurried) ->
#ifndef PAUSE_IS_NOT_REVIEWED
		review_pause();
#endif
end_round:	(waker || (pause == NO_PAUSE && backlog > 0) ||
			(pause == OUT_OF_RESOURCES && before == 0));
		waker = false;
		if
		:: pause == NO_PAUSE -> accept_all()
		:: else
		fi
	:: else -> break
	od;
	backlog = 0;
	pause = NO_PAUSE;
	notifies = false;
waiting: /* wait_for_connections, with drain_sleep; `last` is the deadline as it was read */
#ifndef DRAIN_NOTIFIES_LATE
	notifies = true;
#endif
	do
	:: last = hurried && !all;
		if
		:: count == 0 || last -> break
		:: else ->
#ifdef DRAIN_NOTIFIES_LATE
			notifies = true;
#endif
#ifdef WAKER_CLEARED_FIRST
			waker = false;
#endif
end_wait:		waker;
			waker = false
		fi
	od;
	if /* abort_connections */
	:: count > 0 && !all -> aborted = true; all = true; goto waiting
	:: else
	fi;
	done = true
}

/* admission_leave. Clients end when they like, and at the abort. */
active [2] proctype worker()
{
	bool wakes;

end:	do
	:: atomic { alive > 0 -> alive-- };
#ifdef LEAVE_READS_FIRST
		wakes = notifies;
		count--;
#else
		count--;
		wakes = notifies;
#endif
		if
		:: wakes -> waker = true; wakes = false
		:: else
		fi
	:: !aborted -> /* silent until then */
end_silent:	aborted
	od
}

/* server_drain, then server_hurry */
active proctype ends()
{
	draining = true;
	waker = true;
	if
	:: hurried = true;
#ifndef HURRY_WAKES_NOBODY
		waker = true
#endif
	:: true
	fi
}

/* Runs when no other process can. */
active proctype rest()
{
	timeout ->
	assert((done && count == 0) || (!done && !hurried && count > 0))
}
