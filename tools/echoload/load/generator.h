// What a thread of the generator has and does: its connections, each from connect to its end, again
// and again; their messages; their timers and one epoll set. Only `sent` of a connection is read by
// other threads, and what is said to be for the main thread.
#ifndef ECHOLOAD_GENERATOR_H
#define ECHOLOAD_GENERATOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "counters.h"
#include "echoload/common/random.h"
#include "echoload/verify/verify.h"
#include "load_config.h"
#include "net/waker.h"
#include "timers.h"
#include "usage.h"

#define CONNECTION_RETRY (100 * NS_PER_MS) // after a connection that went wrong

enum connection_state {
	CONNECTION_CLOSED,     // its timer says when to connect
	CONNECTION_CONNECTING, // until the socket is writable
	CONNECTION_OPEN,
	CONNECTION_ENDING, // nothing more is sent; what is owed to us may come, then a FIN
};

// A message on its way.
struct message {
	uint64_t end;	// where it ends in the stream
	uint64_t due;	// when it was to be sent: in a closed loop, when it was
	uint64_t asked; // when it was
};

// Positions are those of the stream, which goes on when it is connected again.
struct connection {
	_Alignas(64) struct timer timer; // to connect; in the open loop, for its next message
	struct connection *next;	 // of the same thread
	uint32_t id;			 // the payload's connection
	unsigned rank;			 // among those loaded in this period
	bool loaded;			 // it takes part in this period
	int fd;
	enum connection_state state;
	bool hung_up; // the peer's FIN has been announced: read on to the end
	int broken;   // why sending failed, errno; 0: it has not, or after the peer's FIN
	struct connection *behind; // in the queue of those that wait to connect
	bool refused, failed; // last time it could not even begin to connect, or not be connected
	_Atomic uint64_t sent;
	uint64_t goal;	   // where the last message begun ends
	uint64_t received; // bytes that have come, right or wrong
	uint64_t answered; // where the last message that was answered ends
	struct verify verify;

	struct message *messages; // a ring of thread->ring
	unsigned first, waiting;  // of those on their way
	uint64_t left;		  // of a visit: messages still to begin
	uint64_t due_since;	  // when its next message was due, if that has passed; else 0
	uint64_t due;		  // open loop: when the next message is,
	double after;		  // ns since the period began,
	double number;		  // and which of all it is, when they are evenly spread
	uint64_t free_since;	  // when it last could have begun a message
	uint64_t moved_at;	  // when something last came, or was first waited for
	struct random random;
	struct usage_tcp before; // what its socket had counted when recording began
};

#define THREAD_BUFFER (256UL << 10)

// A period: who sends what, and when (clock_now). It is set while all threads are at rest, but
// `stop` and `end` may come nearer while they run.
enum period_kind {
	PERIOD_CONNECT, // closed connections are connected, no message begins
	PERIOD_SLICE,
	PERIOD_RUN, // takes stock of what the generator itself uses
	PERIOD_END, // the connections are ended as a client ends them
};

struct period {
	enum period_kind kind;
	unsigned connections;  // how many are not to rest
	uint64_t begin;	       // the first connect
	uint64_t ramp;	       // ns over which the connections begin
	uint64_t record;       // from here on it is counted
	_Atomic uint64_t stop; // nothing new is due
	_Atomic uint64_t end;  // what comes from here on is not counted
	uint64_t late;	       // ns around `stop` in which what was due before it may still begin
	uint64_t grace;	       // ns after it for which what is on its way is waited for
	_Atomic uint64_t left; // messages that may still begin; UINT64_MAX: no limit
};

struct thread {
	const struct load_config *config;
	const struct connection *all; // of all threads, to know what others have sent; [id]
	struct verify_scope scope;
	struct period *period;
	const struct waker *rested; // tells the main thread that this one rests
	struct counter_buffers buffers;
	pthread_t handle;

	struct connection *connections; // a list: `next`
	unsigned count;			// of it
	unsigned ring; // messages on their way on a connection at most, a power of two
	struct timers timers;
	int epoll;
	struct waker waker; // the main thread wants something
	char *in, *out;	    // THREAD_BUFFER bytes each
	uint64_t now;	    // when the round began
	unsigned connecting;
	struct connection *queue, *queue_end; // connections that wait for their turn to connect
	uint64_t owed;	      // messages on their way, and connections whose end is awaited
	uint64_t worked_for;  // ns in which there was something to do
	bool worked;	      // the last round had something to do
	double gap;	      // open loop: mean time between two messages of a connection, ns
	_Atomic bool resting; // between periods

	struct load_errors unconnected; // of all connects, recorded or not

	// Its own usage while recording, and what the kernel says of its sockets at the end; for
	// the main thread once it is `resting`.
	bool recording, stopped;
	struct usage_thread used;
	unsigned live_at_stop;
	struct usage_tcp sockets;
};

// When nothing new is due any more.
static inline uint64_t thread_stop(const struct thread *thread)
{
	return atomic_load_explicit(&thread->period->stop, memory_order_relaxed);
}

// Whether what happens, or is due, at that moment is recorded.
static inline bool thread_counts(const struct thread *thread, uint64_t moment)
{
	return moment >= thread->period->record &&
	       moment < atomic_load_explicit(&thread->period->end, memory_order_relaxed);
}

// The engine (engine.h): the threads and what they share. Main thread.
struct engine {
	const struct load_config *config;
	struct payload payload;
	struct period period;
	struct waker rested; // a thread has come to rest
	unsigned connections;
	struct connection *conn;  // of `connections`
	struct message *messages; // theirs
	struct thread *threads;
	char *buffers; // theirs
	unsigned started;
	struct counters interval; // of a run, being collected
};

void threads_free(struct engine *engine); // all of it, once the threads end. Main thread.

// generator.c: rounds of waiting for events and dealing with them, period by period. Nothing is
// allocated meanwhile, except to look into a fault.

void *generator_run(void *argument); // a struct thread, until PERIOD_END is over

// connection.c: what happens to a connection.

// Sees to a connection whose timer has come: connects it, or begins the messages that are due.
void connection_wake(struct thread *thread, struct connection *conn, uint64_t now);

void connection_events(struct thread *thread, struct connection *conn, uint32_t events,
		       uint64_t now);

// Ends a connection that has been waited for too long. Called now and then for each.
void connection_check_time(struct thread *thread, struct connection *conn, uint64_t now);

// A period begins: sees to it that the connection is connected, or begins to send, when it should.
void connection_plan(struct thread *thread, struct connection *conn);

// The period is over: what is still on its way is given up. A connection that owes us nothing stays
// open, unless it is for one visit.
void connection_rest(struct thread *thread, struct connection *conn);

// connecting.c: how connections begin and end.

// Begins to connect a closed connection, or has it wait until fewer do.
void connecting_begin(struct thread *thread, struct connection *conn, uint64_t now);

// Its socket is writable, or has failed. Returns whether it is connected.
bool connecting_finish(struct thread *thread, struct connection *conn, uint64_t now);

// Has epoll tell what happens to it. Returns what epoll_ctl does.
int connecting_listen(const struct thread *thread, struct connection *conn, int operation);

// Counts an error of a connection that takes part, while recording; and LOAD_MISMATCH always.
void connection_note_error(struct thread *thread, const struct connection *conn,
			   enum load_error error, int number);

// What has been verified of its stream since the last call is counted, or not.
static inline void connection_count_verified(const struct thread *thread, struct connection *conn,
					     bool counts)
{
	thread->buffers.open->verified += counts ? conn->verify.verified : 0;
	conn->verify.verified = 0;
}

// The end of the verification, if there is one. Returns whether there was no fault.
bool connection_end_verify(const struct thread *thread, struct connection *conn, bool whole);

// Closes the socket, and plans to connect at `again`; CLOCK_NEVER: not.
void connection_close(struct thread *thread, struct connection *conn, uint64_t again);

// The connection has failed with `error`, for the reason `number` if that is not 0.
void connection_fail(struct thread *thread, struct connection *conn, enum load_error error,
		     int number);

// messages.c: when each message is due, begun and answered, and what is recorded of it.

// Begins those that may begin now, `goal` grows: in a closed loop as many as may be on their way,
// in the open loop those that are due, and then sets the timer for the next.
void messages_begin(struct thread *thread, struct connection *conn, uint64_t now);

// The echo of the first one on its way is complete.
void messages_answered(struct thread *thread, struct connection *conn, uint64_t now);

// The period begins, for this connection at `begin`: plans its first message of the open loop.
void messages_plan(struct thread *thread, struct connection *conn, uint64_t begin);

// Whether messages of the open loop that were due before the end of the period may still begin.
bool messages_may_begin(const struct thread *thread, const struct connection *conn);

// Those on their way will not be answered any more, however their connection has ended. Each counts
// with the time until now: to leave it out would make the latency look better than it was.
void messages_abandon(struct thread *thread, struct connection *conn);

// At the end of a period of the open loop: the same for those that were due and never begun, in
// constant time however many they are.
void messages_abandon_due(struct thread *thread, struct connection *conn);

#endif
