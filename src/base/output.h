// Output streams that do not block the program. Bytes that a descriptor (a full pipe, a terminal
// stopped with Ctrl-S, a full socket) does not take at once are kept in memory. An ending signal
// (base/signals.h) ends a wait for the reader. Main thread, except output_try.
#ifndef ECHOD_BASE_OUTPUT_H
#define ECHOD_BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

// A descriptor that is written to without waiting.
struct output {
	int fd;	   // the one that was given, or the same file opened again
	int given; // the caller's
	enum { OUTPUT_NON_BLOCKING, OUTPUT_SOCKET, OUTPUT_POLLED } kind;
};

// Prepares `output` for `fd`, which stays the caller's and must stay open until output_close. Its
// mode does not change for processes that share it, such as the shell.
void output_open(struct output *output, int fd);
void output_close(struct output *output);

// Writes as much as possible without waiting. Returns how many bytes, or -1 with errno; EAGAIN:
// nothing can be written now. Up to PIPE_BUF bytes go to a pipe as a whole. Any thread.
ssize_t output_try(const struct output *output, const void *bytes, size_t length);

// Makes `stdout` and `stderr` such streams. Call it at the start of a program, right after
// signals_open.
void output_take_standard(void);

// While `hold` is set, printing neither waits nor fails. Otherwise it waits when 64 KiB are kept,
// as with a pipe.
void output_hold(bool hold);

// Whether output of `stdout` or `stderr` is still kept. If so, printing progress has no point.
bool output_is_behind(FILE *file);

// Drops the kept output of `stdout` or `stderr`. Returns whether there was any.
bool output_drop(FILE *file);

// The descriptor below `stdout`, `stderr` or another stream.
int output_descriptor(FILE *file);

// Flushes `stdout` or `stderr` and, unless output_hold says otherwise, waits until all has been
// written. After an ending signal it gives up when nothing can be written for half a second.
// Returns 0 or the errno of the first write that failed since the last call; EINTR: it gave up.
int output_finish(FILE *file);

// For a signal handler: prints `text` to standard output as the program's last output.
void output_last_word(const char *text);

// Opens a file for writing as fopen(path, "we") does. Writing to it never waits, except for a disk;
// fclose waits as output_finish does and fails with the errno of the first write that failed.
FILE *output_fopen(const char *path);

#endif
