// A server: its parts and its life. One thread builds and starts it. From then on the acceptor runs
// it to its end; other threads may read it and ask it to drain.
#ifndef ECHOD_SERVER_SERVER_H
#define ECHOD_SERVER_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "echo/conn.h"
#include "echo/turn.h"
#include "fault/faults.h"
#include "net/address.h"
#include "net/listener.h"
#include "net/waker.h"
#include "pool/pool.h"
#include "proxy/trust.h"
#include "server/admission.h"
#include "server/by_listener.h"
#include "server/ledger.h"
#include "server/proxy_wait.h"
#include "stats/stats.h"
#include "trace/trace.h"

// The configuration of a server. src/lib has the names and the text of these values.
#define CONFIG_MAX_LISTEN 64
#define CONFIG_MAX_WORKERS 4096
#define CONFIG_LEAST_DEFAULT_WORKERS 4
#define CONFIG_MAX_CONNECTIONS (UINT64_C(1) << 20)
#define CONFIG_MAX_SPIN NS_PER_MS
#define CONFIG_MAX_DRAIN_DELAY (3600 * NS_PER_S)
#define CONFIG_MAX_UNSENT (UINT64_C(1) << 40)
#define CONFIG_MAX_LEDGER (UINT64_C(1) << 20)
#define CONFIG_MAX_BUFFER (UINT64_C(16) << 20)

enum overload {
	OVERLOAD_WAIT,	// at the limit, stop accepting: clients wait in the kernel's backlog
	OVERLOAD_RESET, // at the limit, accept and reset
};

// What is asked for with an address.
struct listen {
	struct address address;
	bool proxy;	    // connections begin with a PROXY header
	struct trust trust; // of which peers
	bool is_faulty;	    // connections get faults on purpose
	struct fault_set faults;
};

// A listening socket that the program was given, as by a service manager.
struct inherited {
	int fd;
	const char *name; // that the giver has for it
	bool proxy;	  // as above; peers of this host are trusted
	bool is_faulty;	  // as above
	struct fault_set faults;
};

struct server_config {
	struct listen listen[CONFIG_MAX_LISTEN];
	size_t listen_count;
	const struct inherited *inherited; // the caller's, outlive the server, which closes them
	size_t inherited_count;
	int interrupt_fd; // when readable, the start is given up; -1: none
	unsigned workers;
	uint64_t max_connections; // 0: as many as the descriptor limit allows,
	bool is_guest;		  // or half as many: the rest is for the host program
	uint64_t max_per_source;  // 0: no limit
	unsigned source_prefix6;  // bits of an IPv6 address that make a source
	enum overload overload;
	uint64_t idle_timeout; // durations in ns, or CLOCK_NEVER
	uint64_t send_timeout;
	uint64_t drain_delay;
	uint64_t drain_timeout;
	uint64_t patience;
	uint64_t spin;	       // ns, 0: never
	uint64_t unsent_limit; // bytes
	int backlog;
	bool reuse_port;	    // TCP listeners set SO_REUSEPORT
	size_t buffer_size;	    // bytes, one buffer for each worker
	size_t ledger;		    // entries of the ledger; 0: none
	unsigned spare_descriptors; // that are left to the program
};

#define SERVER_MAX_LISTENERS STATS_MAX_LISTENERS // a host name may stand for several addresses

enum { SERVER_THREAD_ACCEPTOR, SERVER_THREAD_STATS, SERVER_THREAD_HTTP, SERVER_FIXED_THREADS };

struct server {
	struct server_config config;
	struct log *log; // the caller's; outlives the server
	uint64_t started_at;
	uint64_t start_time; // the same time, of clock_wall
	struct stats stats;  // of SERVER_FIXED_THREADS, then one for each worker
	struct pulse pulse[SERVER_FIXED_THREADS];
	struct listener listeners[SERVER_MAX_LISTENERS];     // the acceptor's, once it runs;
							     // the inherited ones come first
	char names[SERVER_MAX_LISTENERS][ADDRESS_TEXT_SIZE]; // of the listeners; these stay
	uint16_t ports[SERVER_MAX_LISTENERS];
	const struct trust *trusts[SERVER_MAX_LISTENERS]; // NULL: no PROXY headers are expected
	size_t listener_count;
	struct by_listener by_listener; // what they count
	struct conn_table conns;
	struct ledger ledger;
	struct admission admission;
	struct faults faults;
	struct trace traces[TRACES_MAX];
	struct proxy_wait proxy_wait; // the acceptor's
	struct pool pool;
	struct echo echo; // what all turns share

	pthread_t acceptor;
	struct gate acceptor_ready;
	struct waker acceptor_waker; // it may begin, is to drain, or a connection has left
	struct waker done;	     // readable once the last connection has ended

	// Set before the acceptor is woken: `started` by the thread that starts the server, when it
	// has opened the listeners or given up; the others by any thread, `draining` last.
	_Atomic bool started;
	_Atomic bool draining;
	_Atomic uint64_t drain_at;	 // when the delay is over: clock_now, CLOCK_NEVER before
	_Atomic uint64_t drain_deadline; // clock_now
};

// Reserves memory, checks the descriptor limit, resolves the addresses and binds them. Starts
// nothing. On failure nothing is left. `server` is too large for a stack.
int server_build(struct server *server, const struct server_config *config, struct log *log,
		 struct echod_error *error);

// Starts the acceptor and the workers, and waits until all are ready. No client gets in yet. On
// failure no thread is left, and the caller must call server_free.
int server_start(struct server *server, struct echod_error *error);

// Opens the listeners to clients. On failure the caller must drain and join the server.
int server_open(struct server *server, struct echod_error *error);

// Asks for a drain. For `delay` ns the server is not ready, and still accepts. Then it drains, for
// `timeout` ns at most (0: aborts all at once). Any thread, any number of times: the last `timeout`
// counts, and the delay that ends first.
void server_drain(struct server *server, uint64_t delay, uint64_t timeout);

// After server_drain: ends the delay if it still lasts, so that the drain begins, with the time-out
// that was asked for. Else aborts all. Any thread.
void server_hurry(struct server *server);

// How long the delay of a drain still lasts, in ns; 0: there is none. Any thread.
uint64_t server_drain_delay(const struct server *server);

// Whether a balancer should send new clients here. If not, `*reason` is a constant text, else NULL.
// After --max-connections was reached, the server is ready again below 95 % of it. Any thread.
bool server_ready(struct server *server, const char **reason);

// After server_drain: waits for the acceptor and the workers to end. The server can still be read.
void server_join(struct server *server);

// Call it after server_join, a failed server_start, or server_build alone, when no thread uses the
// server.
void server_free(struct server *server);

// Limits how long a worker blocks in recv on `fd` to the patience, or to the idle time-out if that
// is shorter. If `fd` is a TCP listener, its connections inherit the limit.
void server_set_patience(const struct server *server, int fd);

// Adds up the counters and fills in all gauges. Any thread. A sample is the same without the
// listeners, whose sum takes longer when many connections are open.
void server_snapshot(struct server *server, struct snapshot *snapshot);
void server_sample(struct server *server, struct snapshot *snapshot);

#endif
