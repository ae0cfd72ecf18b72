// Parsers, each fed with any bytes: by libFuzzer, or with the inputs that are kept. What a parser
// must do with them is asserted with ensure(). One thread.
#ifndef ECHOD_TESTS_FUZZ_H
#define ECHOD_TESTS_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "server/server.h"

struct parser {
	const char *name;
	void (*feed)(const char *bytes, size_t size); // there is no byte after them
	void (*feed_text)(char *text);		      // the same with a zero byte; may be changed
	void (*begin)(void);			      // before the first; NULL: nothing
	struct parser *next;
};

// PARSER(name, .begin = f) { … } gets `bytes` and `size`, TEXT_PARSER(name) { … } gets `text`.
#define PARSER(...) PARSER_(feed, (const char *bytes, size_t size), __VA_ARGS__, )
#define TEXT_PARSER(...) PARSER_(feed_text, (char *text), __VA_ARGS__, )
#define PARSER_(how, parameters, title, ...)                                                     \
	static void title##_fuzz parameters;                                                     \
	__attribute__((constructor)) static void title##_register(void) {                        \
		static struct parser entry = {.name = #title, .how = title##_fuzz, __VA_ARGS__}; \
		fuzz_register(&entry);                                                           \
	}                                                                                        \
	static void title##_fuzz parameters
void fuzz_register(struct parser *parser);

// A copy, at whose end a read too far is seen. The caller frees it.
char *fuzz_copy(const char *bytes, size_t size);

static inline bool fuzz_is_same(const void *one, const void *other, size_t size) {
	return memcmp(one, other, size) == 0;
}

// From now on each file that is opened holds `text`; NULL: files are what they are.
void fuzz_files(const char *text);

// From now on a connect reaches a peer that has sent these bytes and ended; NULL: no more.
void fuzz_peer(const char *bytes, size_t size);

// Reads a command line, an argument a line. The status is a program's, or -1: it may go on. What is
// printed is lost.
void fuzz_command_line(char *text, int (*read)(int argc, char **argv));

// A server inside this process with two clients, at `unix:` FUZZ_SERVER; it does not drain.
#define FUZZ_SERVER "@echod-fuzz-%d"
struct server *fuzz_server(void);

#endif
