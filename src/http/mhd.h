// libmicrohttpd, loaded when --http is given: with it come eight libraries for TLS, which take time
// at each start and initialise themselves before main. Without --http echod does not need it.
#ifndef ECHOD_HTTP_MHD_H
#define ECHOD_HTTP_MHD_H

#include <microhttpd.h>

#include "base/error.h"

// The functions of ours, as mhd.run for MHD_run.
// clang-format off
#define MHD_FUNCTIONS(F)                                                                \
	F(add_response_header) F(create_response_from_buffer) F(destroy_response)           \
	F(get_connection_info) F(get_daemon_info) F(get_timeout) F(lookup_connection_value) \
	F(queue_response) F(quiesce_daemon) F(run) F(start_daemon) F(stop_daemon)
// clang-format on
#define MHD_FIELD(name) __typeof__(MHD_##name) *name; // NOLINT(bugprone-macro-parentheses)
struct mhd {
	MHD_FUNCTIONS(MHD_FIELD)
};
extern struct mhd mhd;

// Loads it, for good. Main thread, before any use.
int mhd_load(struct echod_error *error);

#endif
