// The configuration behind echod_config_*: the settings of a server, by name.
#ifndef ECHOD_LIB_CONFIG_H
#define ECHOD_LIB_CONFIG_H

#include <stdbool.h>

#include "base/log.h"
#include "echod/echod.h"
#include "net/address.h"
#include "server/server.h"

#define PROXY_MARK " (PROXY)" // after an address that expects PROXY headers

struct echod_config {
	struct server_config server;
	bool listen_given;		      // the default address has been replaced
	char control_path[ADDRESS_PATH_SIZE]; // empty: none
	int control_fd;		 // a socket that the program was given in place of a path; -1: none
	bool control_by_default; // the path is the default one: if it fails, the server starts
				 // without
	struct echod_error control_error; // why there is no default path
	enum echod_log_level log_level;
	echod_log_function *log_function; // one of the two, or none
	echod_log_entry_function *log_entry_function;
	void *log_context;
};

#endif
