// One client of the control socket: its request line so far, and the reply that is being sent, a
// long list in pieces. Never blocks, and keeps one piece at most. It takes the next request when
// the reply has been sent. The stats thread only.
#ifndef ECHOD_CONTROL_SESSION_H
#define ECHOD_CONTROL_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/commands.h"
#include "control/protocol.h"

struct session {
	int fd;		    // -1: this slot is free
	uint64_t active_at; // when it last sent or took a byte; clock_now
	char input[PROTOCOL_MAX_LINE + 1];
	size_t input_length;
	uint64_t line_begun; // when the line in `input` was begun; clock_now
	bool input_ended;
	bool closing;  // to be closed when the reply has been sent
	char head[32]; // of the reply, or of the piece of it that goes out now; then comes the body
	size_t head_length;
	char *body; // malloc'd
	size_t body_length;
	size_t sent;	  // bytes of head and body that have been sent
	struct list list; // the source of the next piece
};

#define SESSION_FREE ((struct session){.fd = -1})

void session_begin(struct session *session, int fd);
void session_end(struct session *session);

// The events that poll(2) waits for.
short session_events(const struct session *session);

// When the session expires: the client has been silent, or slow to finish its line or to read.
uint64_t session_deadline(const struct session *session);

// Closes it. A client that has not finished its line gets a reply first.
void session_expire(struct session *session, struct thread_stats *stats);

// Reads, answers and sends as far as possible without waiting; of a list, one piece. Counts
// requests and errors in `stats`.
void session_step(struct session *session, const struct command_context *context,
		  struct thread_stats *stats);

// Prepares a reply of one line, after which the session closes.
void session_refuse(struct session *session, enum status status, const char *line);

// Whether no reply waits to be read.
bool session_is_idle(const struct session *session);

// Whether there is a request to answer already, so that the thread must not wait in poll(2).
bool session_has_work(const struct session *session);

#endif
