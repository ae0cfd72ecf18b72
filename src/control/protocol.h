// The part of the control protocol that the server and its clients share: docs/control-protocol.md.
#ifndef ECHOD_CONTROL_PROTOCOL_H
#define ECHOD_CONTROL_PROTOCOL_H

#define PROTOCOL_MAX_LINE 1024 // bytes of a request, with its newline

// As in HTTP.
enum status {
	STATUS_OK = 200,
	STATUS_BAD_REQUEST = 400,
	STATUS_FORBIDDEN = 403,
	STATUS_NOT_FOUND = 404,
	STATUS_TIMED_OUT = 408,
	STATUS_ENDED = 410, // an answer, and no error, as is STATUS_NOT_READY
	STATUS_TOO_LONG = 413,
	STATUS_BUSY = 429,
	STATUS_FAILED = 500,
	STATUS_NOT_READY = 503,
};

// The formats that a command can answer in; each value includes those before it.
enum command_formats { TEXT, TEXT_JSON, TEXT_JSON_PROMETHEUS };

#endif
