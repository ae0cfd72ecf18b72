// io_uring: multishot accept, multishot receive into provided buffers, sends straight from those
// buffers; one system call for all that is ready. One thread. `io_uring PORT`
//
// A connection's received buffers wait in a list through `next` until they are sent, one send at a
// time, as sends in flight may overtake each other. A client that does not read gets its receive
// cancelled at QUEUE_LIMIT buffers; more than BUFFERS / QUEUE_LIMIT such clients would leave
// nothing to the others, which no cell of the benchmark does.
#include <errno.h>
#include <liburing.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common.h"

// A power of two. A receive that finds none left fails and has to be armed again.
#define BUFFERS 8192
#define BUFFER_SIZE 32768
// Each begins a cache line further in its page than the last: not all in one cache set.
#define STRIDE (BUFFER_SIZE + 64)
#define GROUP 0
#define QUEUE_LIMIT 8
#define NONE UINT16_MAX

enum operation { ACCEPT, RECEIVE, SEND, IGNORED };

struct conn {
	int fd;
	bool receiving; // a multishot receive is armed
	bool cancelled; // and told to stop
	bool sending;
	bool ended;  // nothing more will be received
	bool broken; // nothing more can be sent
	uint16_t first;
	uint16_t last;
	unsigned queued;
};

static struct io_uring ring;
static struct io_uring_buf_ring *provided;
static char (*buffers)[STRIDE];
static struct {
	uint16_t next;
	uint32_t size;
} filled[BUFFERS];

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	if (!sqe) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	if (!sqe)
		peer_fail("io_uring_get_sqe");
	return sqe;
}

// Marks an operation with its kind and its connection. After the prep function, which may clear it.
static void tag(struct io_uring_sqe *sqe, struct conn *conn, enum operation operation)
{
	sqe->user_data = (uint64_t)(uintptr_t)conn | operation;
}

static void buffer_return(uint16_t id)
{
	io_uring_buf_ring_add(provided, buffers[id], BUFFER_SIZE, id,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(provided, 1);
}

static void queue_drop_first(struct conn *conn)
{
	uint16_t id = conn->first;
	conn->first = filled[id].next;
	conn->queued--;
	buffer_return(id);
}

static void arm_receive(struct conn *conn)
{
	struct io_uring_sqe *sqe = next_sqe();
	io_uring_prep_recv_multishot(sqe, conn->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	tag(sqe, conn, RECEIVE);
	conn->receiving = true;
	conn->cancelled = false;
}

static void start_send(struct conn *conn)
{
	uint16_t id = conn->first;
	struct io_uring_sqe *sqe = next_sqe();
	// With MSG_WAITALL the kernel goes on after a partial send.
	io_uring_prep_send(sqe, conn->fd, buffers[id], filled[id].size, MSG_NOSIGNAL | MSG_WAITALL);
	tag(sqe, conn, SEND);
	conn->sending = true;
}

static void stop_receive(struct conn *conn)
{
	if (!conn->receiving || conn->cancelled)
		return;
	struct io_uring_sqe *sqe = next_sqe();
	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)conn | RECEIVE, 0);
	tag(sqe, NULL, IGNORED);
	conn->cancelled = true;
}

// Begins the next operation of a connection after one has completed.
static void advance(struct conn *conn)
{
	if (conn->broken) {
		while (conn->queued && !conn->sending)
			queue_drop_first(conn);
		stop_receive(conn);
	}
	if (conn->queued && !conn->sending)
		start_send(conn);
	if (!conn->queued && !conn->receiving && !conn->ended && !conn->broken)
		arm_receive(conn);
	if (conn->queued || conn->sending || conn->receiving)
		return;
	struct io_uring_sqe *sqe = next_sqe();
	io_uring_prep_close(sqe, conn->fd);
	tag(sqe, NULL, IGNORED);
	free(conn);
}

static void on_accept(int listener, const struct io_uring_cqe *cqe)
{
	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		struct io_uring_sqe *sqe = next_sqe();
		io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
		tag(sqe, NULL, ACCEPT);
	}
	if (cqe->res < 0)
		return;
	struct conn *conn = calloc(1, sizeof(*conn));
	if (!conn)
		peer_fail("calloc");
	conn->fd = cqe->res;
	arm_receive(conn);
}

static void on_receive(struct conn *conn, const struct io_uring_cqe *cqe)
{
	if (!(cqe->flags & IORING_CQE_F_MORE))
		conn->receiving = false;
	if (cqe->res > 0) {
		uint16_t id = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		filled[id].size = (uint32_t)cqe->res;
		if (conn->queued++)
			filled[conn->last].next = id;
		else
			conn->first = id;
		conn->last = id;
		if (conn->queued >= QUEUE_LIMIT)
			stop_receive(conn);
	} else if (cqe->res != -ENOBUFS && cqe->res != -ECANCELED && cqe->res != -EINTR) {
		conn->ended = true;
		conn->broken |= cqe->res < 0;
	}
	advance(conn);
}

static void on_send(struct conn *conn, const struct io_uring_cqe *cqe)
{
	conn->sending = false;
	uint32_t *size = &filled[conn->first].size;
	if (cqe->res < 0 && cqe->res != -EINTR) {
		conn->broken = true;
	} else if (cqe->res > 0 && (uint32_t)cqe->res < *size) {
		*size -= (uint32_t)cqe->res;
		memmove(buffers[conn->first], buffers[conn->first] + cqe->res, *size);
	} else if (cqe->res > 0) {
		queue_drop_first(conn);
	}
	advance(conn);
}

static void start_ring(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQSIZE,
		.cq_entries = 32768,
	};
	int failed = io_uring_queue_init_params(4096, &ring, &params);
	if (failed) {
		errno = -failed;
		peer_fail("io_uring_queue_init");
	}
	provided = aligned_alloc(4096, BUFFERS * sizeof(struct io_uring_buf));
	buffers = aligned_alloc(4096, BUFFERS * sizeof(*buffers));
	if (!provided || !buffers)
		peer_fail("aligned_alloc");
	io_uring_buf_ring_init(provided);
	struct io_uring_buf_reg registration = {
		.ring_addr = (uint64_t)(uintptr_t)provided,
		.ring_entries = BUFFERS,
		.bgid = GROUP,
	};
	if (io_uring_register_buf_ring(&ring, &registration, 0) != 0)
		peer_fail("io_uring_register_buf_ring");
	for (uint16_t id = 0; id < BUFFERS; id++)
		buffer_return(id);
}

static void dispatch(int listener, const struct io_uring_cqe *cqe)
{
	struct conn *conn = (struct conn *)(uintptr_t)(cqe->user_data & ~UINT64_C(3));
	switch ((enum operation)(cqe->user_data & 3)) {
	case ACCEPT:
		on_accept(listener, cqe);
		break;
	case RECEIVE:
		on_receive(conn, cqe);
		break;
	case SEND:
		on_send(conn, cqe);
		break;
	case IGNORED:
		break;
	}
}

int main(int argc, char **argv)
{
	unsigned short port = peer_start(argc, argv);
	int listener = peer_listen(port, false, false);
	start_ring();
	on_accept(listener, &(struct io_uring_cqe){.res = -EAGAIN});
	for (;;) {
		int failed = io_uring_submit_and_wait(&ring, 1);
		if (failed < 0 && failed != -EINTR && failed != -EBUSY) {
			errno = -failed;
			peer_fail("io_uring_submit_and_wait");
		}
		unsigned head;
		unsigned count = 0;
		const struct io_uring_cqe *cqe;
		io_uring_for_each_cqe(&ring, head, cqe)
		{
			dispatch(listener, cqe);
			count++;
		}
		io_uring_cq_advance(&ring, count);
	}
}
