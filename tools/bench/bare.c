// What echoload is measured by, for generator.sh: a closed loop that does the same (an epoll loop,
// the clock read for each message, a histogram, the same sizes and buffers) but looks at no byte
// that comes back, and gives up when anything fails. Prints one line of JSON. One thread.
//
// No connection waits to be writable: while it has bytes on the way their echo will come, and
// sending goes on then.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 256
#define BUFFER (256U << 10)
#define MOST_CONNECTIONS 19000
#define MOST_PIPELINE 16
#define WARM_UP UINT64_C(300000000) // ns
#define TICK_MS 100
#define SUB_BITS 10 // of the histogram: 1,024 buckets for each power of two

struct conn {
	int fd;
	uint64_t goal; // send up to here
	uint64_t sent;
	uint64_t received;
	uint64_t end;			 // of the first message on its way
	uint64_t sent_at[MOST_PIPELINE]; // when each of those was sent
	unsigned first;
};

struct counts {
	uint64_t messages;
	uint64_t bytes;
	uint64_t bucket[64U << SUB_BITS];
};

static struct {
	unsigned short port;
	unsigned connections;
	unsigned size; // bytes in a message
	unsigned pipeline;
	unsigned seconds;
} job;

static struct conn conns[MOST_CONNECTIONS];
static struct counts counts;
static char in[BUFFER], out[BUFFER];

static void fail(const char *what)
{
	perror(what);
	exit(3);
}

static uint64_t now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void record(uint64_t ns)
{
	unsigned power = (ns >> SUB_BITS) ? 63U - (unsigned)__builtin_clzll(ns) - SUB_BITS : 0;
	counts.bucket[(power << SUB_BITS) + (unsigned)(ns >> power)]++;
	counts.messages++;
}

static uint64_t median(void)
{
	uint64_t seen = 0;
	unsigned i = 0;
	while (i < (64U << SUB_BITS) - 1 && (seen += counts.bucket[i]) * 2 < counts.messages)
		i++;
	unsigned power = (i >> (SUB_BITS + 1)) ? (i >> SUB_BITS) - 1 : 0;
	return (uint64_t)(i - (power << SUB_BITS)) << power;
}

static void begin(struct conn *conn, uint64_t now, unsigned place)
{
	conn->sent_at[place] = now;
	conn->goal += job.size;
}

static void send_some(struct conn *conn)
{
	while (conn->sent < conn->goal) {
		uint64_t left = conn->goal - conn->sent;
		size_t size = left < BUFFER ? (size_t)left : BUFFER;
		ssize_t sent = send(conn->fd, out, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0)
			fail("send");
		conn->sent += (uint64_t)sent;
	}
}

// Receives until there is no more. Returns the time, or 0 if there was nothing.
static uint64_t receive(struct conn *conn)
{
	uint64_t now = 0;
	ssize_t received = BUFFER;
	while (received == BUFFER) {
		received = recv(conn->fd, in, BUFFER, MSG_DONTWAIT);
		if (received < 0 && errno == EAGAIN)
			break;
		if (received <= 0)
			fail("recv");
		now = now_ns();
		counts.bytes += (uint64_t)received;
		conn->received += (uint64_t)received;
		for (; conn->received >= conn->end; conn->end += job.size) {
			record(now - conn->sent_at[conn->first]);
			begin(conn, now, conn->first);
			conn->first = (conn->first + 1) % job.pipeline;
		}
		send_some(conn);
	}
	return now;
}

static void open_conn(int epoll, struct conn *conn)
{
	const int on = 1;
	struct sockaddr_in server = {
		.sin_family = AF_INET,
		.sin_port = htons(job.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = conn};
	conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0 || setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    connect(conn->fd, (const struct sockaddr *)&server, sizeof(server)) != 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0)
		fail("connect");
	conn->end = job.size;
}

// Runs until `until`. Returns when it really ended.
static uint64_t run(int epoll, uint64_t until)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	uint64_t now = now_ns();
	while (now < until) {
		int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, TICK_MS);
		uint64_t last = 0;
		for (int i = 0; i < count; i++) {
			uint64_t then = receive(events[i].data.ptr);
			last = then ? then : last;
		}
		now = last ? last : now_ns();
	}
	return now;
}

static bool read_number(const char *text, unsigned long most, unsigned *number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	*number = (unsigned)value;
	return *text && !*end && value >= 1 && value <= most;
}

int main(int argc, char **argv)
{
	unsigned port = 0;
	if (argc != 6 || !read_number(argv[1], 65535, &port) ||
	    !read_number(argv[2], MOST_CONNECTIONS, &job.connections) ||
	    !read_number(argv[3], BUFFER, &job.size) ||
	    !read_number(argv[4], MOST_PIPELINE, &job.pipeline) ||
	    !read_number(argv[5], 3600, &job.seconds)) {
		fprintf(stderr, "usage: bare PORT CONNECTIONS SIZE PIPELINE SECONDS\n");
		return 2;
	}
	job.port = (unsigned short)port;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		fail("epoll_create1");
	for (unsigned i = 0; i < job.connections; i++)
		open_conn(epoll, &conns[i]);
	for (unsigned i = 0; i < job.connections; i++) {
		for (unsigned place = 0; place < job.pipeline; place++)
			begin(&conns[i], now_ns(), place);
		send_some(&conns[i]);
	}
	uint64_t from = run(epoll, now_ns() + WARM_UP);
	memset(&counts, 0, sizeof(counts));
	uint64_t to = run(epoll, from + job.seconds * UINT64_C(1000000000));
	double seconds = (double)(to - from) / 1e9;
	printf("{\"messages\": %ju, \"seconds\": %.6f, \"messages_per_second\": %.1f, "
	       "\"bytes_per_second\": %.1f, \"p50_ns\": %ju}\n",
	       (uintmax_t)counts.messages, seconds, (double)counts.messages / seconds,
	       (double)counts.bytes / seconds, (uintmax_t)median());
	return 0;
}
