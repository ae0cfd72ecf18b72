// A thread of the generator: its connections, each from connect to its end, again and again; their
// messages and timers; one epoll set. Other threads read only `sent` of a connection, and the main
// thread the fields that say so.
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
	uint64_t due;	// when it was due; in a closed loop the same as `begun`
	uint64_t begun; // when its sending began
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
	bool hung_up;	       // the peer's FIN has been announced: read on to the end
	const char *end;       // of the peer's side: FIN, RST; NULL: it has not come
	enum load_error error; // with which it ended; LOAD_ERRORS: none
	bool error_counts;     // it is one of the run
	int broken;	       // why sending failed, errno; 0: it has not, or after the peer's FIN
	struct connection *next_in_queue; // of those that wait to connect
	bool refused, failed; // last time: it could not begin to connect, it was not connected
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
	uint64_t moved_at;	  // when bytes last came, or waiting for them began
	struct random random;
	struct usage_tcp before; // its socket's counters when recording began
};

#define THREAD_BUFFER (256UL << 10)

// A period: which connections send, and when (clock_now). It is set while all threads are at rest,
// but `stop` and `end` may come nearer while they run.
enum period_kind {
	PERIOD_CONNECT, // closed connections are connected, no message begins
	PERIOD_SLICE,
	PERIOD_RUN, // also notes the usage of the generator itself
	PERIOD_END, // the connections are ended as a client does
};

struct period {
	enum period_kind kind;
	unsigned connections;  // how many are not to rest
	uint64_t begin;	       // the first connect
	uint64_t ramp;	       // ns over which the connections begin
	uint64_t record;       // counting begins
	_Atomic uint64_t stop; // nothing new is due
	_Atomic uint64_t end;  // counting ends
	uint64_t late;	       // ns around `stop` in which messages due before it may still begin
	uint64_t grace;	       // ns after it in which messages on their way may be answered
	_Atomic uint64_t left; // messages that may still begin; UINT64_MAX: no limit
};

struct thread {
	const struct load_config *config;
	const struct connection *all; // of all threads, to know what others have sent; [id]
	struct verify_scope scope;
	struct period *period;
	const struct waker *rested; // wakes the main thread when this one rests
	struct counter_buffers buffers;
	struct endings *endings; // of all threads; NULL: not wanted
	pthread_t handle;

	struct connection *connections; // a list: `next`
	unsigned count;			// of it
	unsigned ring; // messages on their way on a connection at most, a power of two
	struct timers timers;
	int epoll;
	struct waker waker; // of this thread, by the main thread
	char *in, *out;	    // THREAD_BUFFER bytes each
	uint64_t now;	    // when the round began
	unsigned connecting;
	struct connection *queue, *queue_end; // connections that wait for their turn to connect
	uint64_t owed;	      // messages on their way, and connections whose end is awaited
	uint64_t worked_for;  // ns in which there was work
	bool worked;	      // the last round had work
	double gap;	      // open loop: mean time between two messages of a connection, ns
	_Atomic bool resting; // between periods

	struct load_errors unconnected; // of all connects, recorded or not

	// Its own usage while recording, and the counters of its sockets at the end; for the main
	// thread once it is `resting`.
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

// Whether an event at that time, or a message due then, is recorded.
static inline bool thread_counts(const struct thread *thread, uint64_t at)
{
	return at >= thread->period->record &&
	       at < atomic_load_explicit(&thread->period->end, memory_order_relaxed);
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

// generator.c: rounds of waiting for events and handling them, period by period. Nothing is
// allocated meanwhile, except to examine a fault.

void *generator_run(void *argument); // a struct thread, until PERIOD_END is over

// connection.c: events of a connection.

// The timer of a connection has come: connects it, or begins the messages that are due.
void connection_wake(struct thread *thread, struct connection *conn, uint64_t now);

void connection_events(struct thread *thread, struct connection *conn, uint32_t events,
		       uint64_t now);

// Ends a connection on which nothing has come for --timeout. Called now and then for each.
void connection_check_time(struct thread *thread, struct connection *conn, uint64_t now);

// A period begins: sets the timer of the connection, to connect it or to begin to send.
void connection_plan(struct thread *thread, struct connection *conn);

// The period is over: messages still on their way are given up. A connection that owes us nothing
// stays open, unless it is for one visit.
void connection_rest(struct thread *thread, struct connection *conn);

// connecting.c: how connections begin and end.

// Begins to connect a closed connection, or has it wait until fewer do.
void connecting_begin(struct thread *thread, struct connection *conn, uint64_t now);

// Its socket is writable, or has failed. Returns whether it is connected.
bool connecting_finish(struct thread *thread, struct connection *conn, uint64_t now);

// Registers it with epoll, or again. Returns what epoll_ctl does.
int connecting_listen(const struct thread *thread, struct connection *conn, int operation);

// Notes the error with which a connection ends. Counts it if the connection takes part, while
// recording; and LOAD_MISMATCH always.
void connection_note_error(struct thread *thread, struct connection *conn, enum load_error error,
			   int number);

// Counts the bytes verified since the last call, or forgets them.
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

// messages.c: when each message is due, begun and answered, and its record.

// Begins those that may begin now, so that `goal` grows: in a closed loop as many as may be on
// their way, in the open loop those that are due. There it also sets the timer for the next.
void messages_begin(struct thread *thread, struct connection *conn, uint64_t now);

// The echo of the first one on its way is complete.
void messages_answered(struct thread *thread, struct connection *conn, uint64_t now);

// The period begins, for this connection at `begin`: plans its first message of the open loop.
void messages_plan(struct thread *thread, struct connection *conn, uint64_t begin);

// Whether messages of the open loop that were due before the end of the period may still begin.
bool messages_may_begin(const struct thread *thread, const struct connection *conn);

// Those on their way will not be answered any more, however their connection has ended. Each counts
// with the time until now: without it the latency would look better than it was.
void messages_abandon(struct thread *thread, struct connection *conn);

// At the end of a period of the open loop: the same for those that were due and never begun, in
// constant time however many they are.
void messages_abandon_due(struct thread *thread, struct connection *conn);

#endif
