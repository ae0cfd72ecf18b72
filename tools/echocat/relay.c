#include "relay.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/output.h"
#include "base/units.h"
#include "complain.h"
#include "window.h"

#define RUNNING (-1)		      // in place of an exit status
#define READ_SIZE ((size_t)256 << 10) // of one read or recv

enum { INPUT, OUTPUT, PEER, DESCRIPTORS };

struct relay {
	struct peer *peer;
	int input;
	struct output output;
	bool output_lost;
	bool input_ended;
	bool half_closed; // our FIN has been sent
	int status;	  // RUNNING, or the verdict; then only the received bytes are still written
	const struct options *options;
	uint64_t deadline;
	bool waiting; // for the peer: the deadline applies
	struct window window;
};

static unsigned char ring[RELAY_WINDOW];
static unsigned char incoming[READ_SIZE];

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool is_passing(int number)
{
	return number == EAGAIN || number == EINTR;
}

// The first verdict stands.
static void end(struct relay *relay, int status)
{
	if (relay->status == RUNNING)
		relay->status = status;
}

static void lose_output(struct relay *relay, int number)
{
	relay->output_lost = true;
	if (relay->status == RUNNING)
		relay->status = complain_output(number);
}

static void read_input(struct relay *relay)
{
	struct span room = window_room(&relay->window);
	ssize_t count = read(relay->input, room.bytes, smaller(room.length, READ_SIZE));
	if (count > 0)
		relay->window.read += (uint64_t)count;
	else if (count == 0)
		relay->input_ended = true;
	else if (!is_passing(errno))
		end(relay, complain(EXIT_UNREACHABLE, "cannot read standard input: %s",
				    error_text(errno)));
}

static void write_output(struct relay *relay)
{
	struct span span;
	while ((span = window_unwritten(&relay->window)).length > 0) {
		ssize_t count = output_try(&relay->output, span.bytes, span.length);
		if (count < 0) {
			if (!is_passing(errno))
				lose_output(relay, errno);
			return;
		}
		relay->window.written += (uint64_t)count;
	}
}

// Nothing more will come. The end is in order after our half-close, when everything has come back.
static void end_of_stream(struct relay *relay)
{
	const struct window *window = &relay->window;
	const char *name = relay->peer->name;
	const char *why = peer_end_text(relay->peer);
	if (window->received < window->sent)
		end(relay,
		    complain(EXIT_CHECK_FAILED,
			     "%s: %s at offset %" PRIu64 ": the last %" PRIu64 " of %" PRIu64
			     " bytes sent did not come back%s",
			     name, why, window->received, window->sent - window->received,
			     window->sent,
			     relay->half_closed ? " (a proxy that does not pass a half-close "
						  "ends both ways: try without --half-close)"
						: ""));
	else if (relay->peer->broken || !relay->half_closed)
		end(relay, complain(EXIT_CHECK_FAILED, "%s: %s at offset %" PRIu64 ", %s", name,
				    why, window->received,
				    relay->half_closed ? "instead of closing it in order"
						       : "before the end of input"));
	else
		end(relay, EXIT_OK);
}

static void receive(struct relay *relay)
{
	ssize_t count = peer_receive(relay->peer, incoming, sizeof(incoming));
	if (count < 0)
		end_of_stream(relay);
	if (count <= 0)
		return;
	relay->deadline = clock_deadline(relay->options->timeout);
	struct difference difference;
	char text[DIFFERENCE_TEXT_SIZE];
	if (!window_receive(&relay->window, incoming, (size_t)count, &difference))
		end(relay, complain(EXIT_CHECK_FAILED, "%s: %s", relay->peer->name,
				    difference_format(&difference, text)));
}

// If the connection breaks here, recv reports it later, because bytes may still come before its
// end.
static void send_some(struct relay *relay)
{
	struct span span = window_unsent(&relay->window);
	if (span.length == 0 || relay->peer->broken)
		return;
	ssize_t count = peer_send(relay->peer, span.bytes, span.length);
	if (count > 0)
		relay->window.sent += (uint64_t)count;
}

// Proxies often end both directions at the first FIN, so by default it follows the whole echo.
static void half_close_when_due(struct relay *relay)
{
	const struct window *window = &relay->window;
	uint64_t done = relay->options->half_close ? window->sent : window->received;
	if (relay->half_closed || !relay->input_ended || done < window->read)
		return;
	relay->half_closed = true;
	// This fails only on a broken connection, which recv reports.
	(void)shutdown(relay->peer->fd, SHUT_WR);
}

static void time_out(struct relay *relay)
{
	char limit[16];
	const struct window *window = &relay->window;
	const char *more = "";
	if (relay->half_closed)
		more = ", and no end of stream";
	else if (relay->input_ended && window->sent == window->read)
		more = " (a server that waits for the end of its input needs --half-close)";
	end(relay, complain(EXIT_CHECK_FAILED,
			    "%s: nothing came for %s: %" PRIu64 " of %" PRIu64
			    " bytes sent have come back%s",
			    relay->peer->name,
			    units_format_duration(relay->options->timeout, limit, sizeof(limit)),
			    window->received, window->sent, more));
}

// Fills in the set for poll(2) and returns its time-out. The output is always in it, because its
// reader may leave while there is nothing to write.
static int prepare(struct relay *relay, struct pollfd *ready)
{
	const struct window *window = &relay->window;
	bool running = relay->status == RUNNING;
	bool unsent = window->sent < window->read;
	bool reading = running && !relay->input_ended && window_room(window).length > 0;
	bool sending = unsent && !relay->peer->broken;

	ready[INPUT] = (struct pollfd){.fd = reading ? relay->input : -1, .events = POLLIN};
	ready[OUTPUT] = (struct pollfd){.fd = relay->output.fd};
	if (window->written < window->received)
		ready[OUTPUT].events = POLLOUT;
	ready[PEER] = (struct pollfd){.fd = running ? relay->peer->fd : -1};
	ready[PEER].events = (short)(sending ? POLLIN | POLLOUT : POLLIN);

	bool owes = unsent || window->received < window->sent || relay->half_closed;
	if (owes && !relay->waiting)
		relay->deadline = clock_deadline(relay->options->timeout);
	relay->waiting = owes;
	return clock_poll_timeout(running && owes ? relay->deadline : CLOCK_NEVER);
}

static void turn(struct relay *relay)
{
	struct pollfd ready[DESCRIPTORS];
	int timeout = prepare(relay, ready);
	int count = poll(ready, DESCRIPTORS, timeout);
	if (count == 0)
		time_out(relay);
	if (count <= 0)
		return;
	if (ready[OUTPUT].revents & POLLOUT)
		write_output(relay);
	else if (ready[OUTPUT].revents)
		lose_output(relay, (ready[OUTPUT].revents & POLLNVAL) ? EBADF : EPIPE);
	if (ready[INPUT].revents)
		read_input(relay);
	if (ready[PEER].revents & ~POLLOUT)
		receive(relay);
	if (ready[PEER].revents & POLLOUT)
		send_some(relay);
	half_close_when_due(relay);
}

static bool is_finished(const struct relay *relay)
{
	return relay->status != RUNNING &&
	       (relay->output_lost || relay->window.written == relay->window.received);
}

int relay_run(struct peer *peer, const struct options *options, int input, int output)
{
	struct relay relay = {
		.peer = peer,
		.input = input,
		.status = RUNNING,
		.options = options,
	};
	output_open(&relay.output, output);
	window_init(&relay.window, ring, sizeof(ring));
	while (!is_finished(&relay))
		turn(&relay);
	output_close(&relay.output);
	return relay.status;
}
