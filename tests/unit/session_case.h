// One client of the control socket, on a socketpair, for its tests. One thread.
#ifndef ECHOD_UNIT_SESSION_CASE_H
#define ECHOD_UNIT_SESSION_CASE_H

#include "control/session.h"
#include "inside.h"
#include "test.h"

#define SESSION_MOST_CONNECTIONS ((size_t)4000) // of the server
#define SESSION_MOST_BYTES ((size_t)96 << 10)	// that a session may hold

extern struct session session;
extern int session_client; // the other end

// For all tests of a program; inside_end ends it.
void session_start_server(void);

// For each test.
void session_set_up(void);
void session_tear_down(void);

// Steps once, as the stats thread does when poll(2) has returned.
void session_do_step(void);

// Its time is up.
void session_do_expire(void);

// The client sends; the same and a step; it receives a reply with `status` that holds `text`.
void session_say(const char *bytes, size_t length);
void session_ask(const char *text);
void session_expect_reply(int status, const char *text);

// The client closes its socket, which ends the session.
void session_leave(void);

uint64_t session_requests(void);
void session_expect_counted(uint64_t requests, uint64_t errors);

#endif
