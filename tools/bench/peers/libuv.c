// libuv: a stream for each connection, uv_try_write in the read callback, uv_write for what does
// not fit. One thread. `libuv PORT`
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common.h"

struct conn {
	uv_tcp_t stream; // first: what callbacks get is the connection
	uv_write_t write;
	char *unsent;
};

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	static char shared[PEER_BUFFER_SIZE];
	(void)handle;
	(void)suggested;
	*buffer = uv_buf_init(shared, sizeof(shared));
}

static void on_close(uv_handle_t *handle)
{
	struct conn *conn = (struct conn *)handle;
	free(conn->unsent);
	free(conn);
}

static void conn_end(struct conn *conn)
{
	if (!uv_is_closing((uv_handle_t *)&conn->stream))
		uv_close((uv_handle_t *)&conn->stream, on_close);
}

static void on_written(uv_write_t *write, int status)
{
	struct conn *conn = (struct conn *)write->handle;
	free(conn->unsent);
	conn->unsent = NULL;
	if (status != 0 || uv_read_start((uv_stream_t *)&conn->stream, on_buffer, on_read) != 0)
		conn_end(conn);
}

static void keep_unsent(struct conn *conn, const char *bytes, size_t size)
{
	conn->unsent = malloc(size);
	if (!conn->unsent)
		peer_fail("malloc");
	memcpy(conn->unsent, bytes, size);
	uv_buf_t rest = uv_buf_init(conn->unsent, (unsigned)size);
	uv_read_stop((uv_stream_t *)&conn->stream);
	if (uv_write(&conn->write, (uv_stream_t *)&conn->stream, &rest, 1, on_written) != 0)
		conn_end(conn);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct conn *conn = (struct conn *)stream;
	if (size < 0) {
		conn_end(conn);
		return;
	}
	if (size == 0)
		return;
	uv_buf_t all = uv_buf_init(buffer->base, (unsigned)size);
	int sent = uv_try_write(stream, &all, 1);
	if (sent < 0 && sent != UV_EAGAIN) {
		conn_end(conn);
		return;
	}
	size_t taken = sent < 0 ? 0 : (size_t)sent;
	if (taken < (size_t)size)
		keep_unsent(conn, buffer->base + taken, (size_t)size - taken);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct conn *conn = status == 0 ? calloc(1, sizeof(*conn)) : NULL;
	if (!conn || uv_tcp_init(listener->loop, &conn->stream) != 0) {
		free(conn);
		return;
	}
	if (uv_accept(listener, (uv_stream_t *)&conn->stream) != 0 ||
	    uv_read_start((uv_stream_t *)&conn->stream, on_buffer, on_read) != 0)
		conn_end(conn);
}

int main(int argc, char **argv)
{
	unsigned short port = peer_start(argc, argv);
	uv_loop_t *loop = uv_default_loop();
	uv_tcp_t listener;
	if (uv_tcp_init(loop, &listener) != 0 ||
	    uv_tcp_open(&listener, peer_listen(port, true, false)) != 0 ||
	    uv_listen((uv_stream_t *)&listener, 4096, on_connection) != 0)
		peer_fail("libuv");
	return uv_run(loop, UV_RUN_DEFAULT);
}
