// One client of the control socket: its request line so far, and the reply that goes out, a long
// list in pieces. Never blocks, and keeps one piece at most; one request at a time, the next is
// looked at when the reply has gone out. The stats thread only.
#ifndef ECHOD_CONTROL_SESSION_H
#define ECHOD_CONTROL_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/commands.h"
#include "control/protocol.h"

struct session {
	int fd;		    // -1: this slot is free
	uint64_t active_at; // when it last said something or took a byte; clock_now
	char input[PROTOCOL_MAX_LINE + 1];
	size_t input_length;
	uint64_t line_begun; // when the line in `input` was begun; clock_now
	bool input_ended;
	bool closing;  // to be closed when the reply has gone out
	char head[32]; // of the reply, or of the piece of it that goes out now; then comes the body
	size_t head_length;
	char *body; // malloc'd
	size_t body_length;
	size_t sent;	  // bytes of the two that have gone out
	struct list list; // what the next piece is written from
};

#define SESSION_FREE ((struct session){.fd = -1})

void session_begin(struct session *session, int fd);
void session_end(struct session *session);

// What poll(2) should watch for.
short session_events(const struct session *session);

// When it will have been silent, slow to finish its line, or slow to read for too long.
uint64_t session_deadline(const struct session *session);

// Closes it, after a word to a client that has not finished its line.
void session_expire(struct session *session, struct thread_stats *stats);

// Reads, answers, sends, as far as that goes without waiting, and of a list one piece. Requests and
// errors are counted in `stats`.
void session_step(struct session *session, const struct command_context *context,
		  struct thread_stats *stats);

// Puts a reply of one line in place, after which the session closes.
void session_refuse(struct session *session, enum status status, const char *line);

// No reply waits to be read.
bool session_is_idle(const struct session *session);

// There is something to answer already, so that poll(2) is not to be waited for.
bool session_has_work(const struct session *session);

#endif
