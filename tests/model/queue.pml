/*
 * src/pool/work_queue.c and the loop of src/pool/pool.c: which worker sleeps, leads or is woken.
 * Work is only counted. A step is one access to what others read without the lock (depth,
 * waiting, leading), or all that the lock hides, or one call of a semaphore. What src/pool/policy.c
 * decides is part of it.
 *
 * Checked: when all is at rest there is no work and no event, or each worker waits for a client;
 * whoever wakes workers leaves no more awake than there are CPUs, however these change; all workers
 * end after close. With LIVENESS, where clients answer or patience ends, and a connection may use
 * up one quantum after the other: an event is seen in the end. Each other #ifdef is a fault that
 * the checker must find (run.sh).
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef CPUS
#define CPUS 1
#endif
#ifndef PUSHES
#define PUSHES 3
#endif
#ifndef EVENTS
#define EVENTS 2 /* what clients do in all, so that it comes to rest; not with LIVENESS */
#endif
#ifndef CPUS_LATER
#define CPUS_LATER CPUS
#endif
#define SMALL_BATCH 4
#define BATCHES_A_POLL 2
#define RUNNERS (WORKERS < cpus -> WORKERS : cpus)
#define SPARE (cpus > 1 -> cpus - 1 : 1)
#define NOBODY WORKERS

/* struct work_queue */
bool lock, poll_due, closed, leading;
byte depth, sleeping, taken, waiting;
byte cpus = CPUS;
byte sleepers = NOBODY;

/* struct sleeper of each worker. `woken` is the semaphore. */
byte next[WORKERS];
bool woken[WORKERS];

bool waker;		/* the parking lot's waker is readable */
byte connections;	/* submitted and not yet closed */
byte parked, events;	/* of them in the parking lot: quiet, and with an event unseen */
byte acted;		/* of EVENTS */
bool all_over;		/* clients end now */

/* Where workers really are: in sleep_locked, and not chosen to be woken; from work_queue_take to
 * work_queue_poll_results. */
byte asleep, at_lot;

#ifdef LIVENESS /* a section is one step, as the order in which threads get a mutex is unknown */
#define LOCK atomic { true
#define UNLOCK }
#define RELOCK true
#define CLIENT_ACTS true
#define MAY_BLOCK (hand == 1 && connections <= (WORKERS < SPARE -> WORKERS : SPARE))
#ifdef YIELD_IGNORES_LEADER
#define MUST_YIELD (hand > 1 || depth > 0)
#else
#define MUST_YIELD (hand > 1 || depth > 0 || (!MAY_BLOCK && !leading))
#endif
#else
#define LOCK atomic { !lock -> lock = true }
#define UNLOCK lock = false
#define RELOCK !lock -> lock = true
#define CLIENT_ACTS (acted < EVENTS || all_over) -> acted = (all_over -> acted : acted + 1)
#define MAY_BLOCK (hand == 1) /* as with --patience never */
#define MUST_YIELD true
#endif

hidden byte sleeper, granted; /* of one step */

inline post(worker)
{
	assert(!woken[worker]);
	woken[worker] = true
}

inline wake()
{
	do
	:: chosen != NOBODY ->
#ifdef WAKE_READS_NEXT_LATE
		post(chosen);
		chosen = next[chosen]
#else
		d_step {
			sleeper = chosen;
			chosen = next[sleeper];
			next[sleeper] = NOBODY;
			post(sleeper)
		}
#endif
	:: else -> break
	od
}

/* What it makes of the numbers must be so. */
inline room_locked()
{
	d_step {
		room = sleeping + waiting + leading;
		room = (WORKERS > room -> WORKERS - room : 0);
		room = (cpus > room -> cpus - room : 0);
		assert(room == 0 || WORKERS - asleep - waiting - at_lot + room <= cpus)
	}
}

inline choose_sleepers_locked(wanted)
{
	d_step {
		granted = (wanted < room -> wanted : room);
		do
		:: granted > 0 && sleepers != NOBODY ->
			granted--;
			asleep--;
			sleeper = sleepers;
			sleepers = next[sleeper];
#ifndef CHOOSE_KEEPS_SLEEPING
			sleeping--;
#endif
			next[sleeper] = chosen;
			chosen = sleeper
		:: else -> break
		od;
#ifdef CHOOSE_AND_FORGET
		chosen = NOBODY
#endif
	}
}

/* work_queue_take with policy_next, remove_first_locked, sleep_locked. In one step: it writes only
 * one of those that others read. */
inline take()
{
	atomic {
		LOCK;
again:
		if
		:: poll_due && depth > 0 && !leading ->
			leading = true; at_lot++; action = POLL
		:: depth > 0 && !(poll_due && !leading) ->
			hand = depth / RUNNERS;
			if
			:: RUNNERS > 1 && hand > SMALL_BATCH ->
				hand = (hand / 2 > SMALL_BATCH -> hand / 2 : SMALL_BATCH)
			:: else
			fi;
			hand = (hand < 1 -> 1 : hand);
			depth = depth - hand;
			taken = (taken < BATCHES_A_POLL -> taken + 1 : taken);
#ifndef NEVER_POLLS
			poll_due = poll_due || taken >= BATCHES_A_POLL;
#endif
			action = SERVE
		:: depth == 0 && closed ->
			action = EXIT
		:: depth == 0 && !closed && !leading ->
			leading = true; at_lot++; action = WAIT
		:: depth == 0 && !closed && leading ->
			next[me] = sleepers; sleepers = me;
			sleeping++; asleep++;
			lock = false;
			woken[me] -> woken[me] = false;
			RELOCK;
			goto again
		fi;
		UNLOCK
	}
}

/* work_queue_poll_results; `count` is what the leader brings. */
inline poll_results()
{
#ifdef RESULTS_CLEAR_LATE
	LOCK;
	d_step { at_lot--; poll_due = false; taken = 0 }
	depth = depth + count;
#else
	LOCK;
	d_step { leading = false; at_lot--; poll_due = false; taken = 0 };
	depth = depth + count;
#endif
	if
	:: depth > 1 -> room_locked(); choose_sleepers_locked(depth - 1)
	:: else
	fi;
#ifdef RESULTS_CLEAR_LATE
	leading = false;
#endif
	UNLOCK;
	wake()
}

inline put_back()
{
	LOCK;
	d_step {
		depth++;
#ifndef NEVER_POLLS
		poll_due = true
#endif
	};
	UNLOCK
}

/* work_queue_wait_begins; wakes the leader if no worker can be woken. */
inline wait_begins()
{
#ifdef WAIT_CHECKS_FIRST
	seen_depth = depth;
	waiting++;
#else
	waiting++;
	seen_depth = depth;
#endif
#ifdef WAIT_IGNORES_DEPTH
	seen_depth = 0;
#endif
	if
#ifdef WAIT_IGNORES_LEADING
	:: seen_depth == 0
#else
	:: seen_depth == 0 && leading
#endif
	:: else ->
		LOCK;
		to_wake = false;
		room_locked();
		choose_sleepers_locked(1);
#ifndef WAIT_WAKES_NOBODY
		to_wake = chosen == NOBODY && room > 0 && leading && depth > 0;
#endif
		UNLOCK;
		wake();
		if
		:: to_wake -> waker = true; to_wake = false
		:: else
		fi
	fi;
	d_step { seen_depth = 0; room = 0 }
}

/* serve_work: what a turn may end with. A worker that need not yield (policy_must_yield) has
 * another quantum. One that may block (policy_may_block) polls before, with success, or blocks
 * until its client has answered or the patience ends. */
inline serve()
{
	do
	:: connections--; break				/* TURN_CLOSE */
	:: !all_over -> parked++; break			/* TURN_QUIET */
	:: !all_over && MUST_YIELD -> put_back(); break	/* TURN_QUANTUM */
	:: !all_over && MAY_BLOCK ->			/* policy_begin_blocking */
		wait_begins();
at_client:	atomic { CLIENT_ACTS; waiting-- }	/* policy_end_blocking */
#ifdef LIVENESS
	:: !all_over && !MUST_YIELD && !MAY_BLOCK
#ifdef POLL_IGNORES_LEADER
	:: !all_over && MAY_BLOCK && depth == 0
#else
	:: !all_over && MAY_BLOCK && depth == 0 && (leading || sleeping == 0) /* policy_begin_polling */
#endif
#endif
	od;
	hand--
}

mtype = { SERVE, WAIT, POLL, EXIT };

proctype worker(byte me)
{
	mtype action;
	byte hand, count, room, seen_depth, chosen = NOBODY;
	bool was_woken, to_wake;

	do
	:: take();
		if
		:: action == SERVE ->
			do
			:: hand > 0 -> serve()
			:: else -> break
			od
		:: action == EXIT -> break
		:: else -> /* lead, parking_lot_wait */
			atomic {
				action == POLL || waker || events > 0;
				was_woken = waker; count = events; events = 0
			};
			if
			:: was_woken -> waker = false; was_woken = false
			:: else
			fi;
			poll_results();
			atomic { count = 0; room = 0 }
		fi
	od
}

/* work_queue_push and pool_submit; work_queue_close and pool_close. */
active proctype acceptor()
{
	byte left = PUSHES, room, chosen = NOBODY;
	bool to_wake;

	do
	:: left > 0 ->
		connections++;
		LOCK;
#ifdef PUSH_CHECKS_FIRST
		room_locked();
		depth++;
#else
		depth++;
		room_locked();
#endif
		choose_sleepers_locked(1);
		to_wake = chosen == NOBODY && room > 0 && leading;
		UNLOCK;
		wake();
		if
#ifndef PUSH_WAKES_NOBODY
		:: to_wake -> waker = true
#endif
		:: else
		fi;
		atomic { left--; to_wake = false; room = 0 }
	:: else -> break
	od;
	connections == 0;
	LOCK;
	closed = true;
#ifdef CLOSE_WAKES_ONE
	room = 1;
#else
	room = sleeping;
#endif
	choose_sleepers_locked(room);
	UNLOCK;
	wake();
#ifndef CLOSE_WAKES_NO_LEADER
	waker = true
#endif
}

#if CPUS_LATER != CPUS
active proctype follow_cpus() /* policy_follow_cpus */
{
	cpus = CPUS_LATER
}
#endif

/* Clients of parked connections. */
active proctype clients()
{
end:	do
	:: atomic { parked > 0; CLIENT_ACTS; parked--; events++ }
	od
}

#ifndef LIVENESS
/* Runs when no other process can, and lets all come to its end then. */
active proctype rest()
{
	timeout ->
	assert(waiting == WORKERS || (depth == 0 && events == 0));
	all_over = true
}
#endif

init
{
	atomic {
		run worker(0); run worker(1);
#if WORKERS > 2
		run worker(2)
#endif
	}
}

#ifdef LIVENESS
ltl seen { [] (events > 0 -> <> (events == 0)) }
#endif
