// Feeds a parser: `fuzz --NAME [OPTION|FOLDER]...` by libFuzzer or, without it, `fuzz --NAME FILE`,
// each line of the file, with \xNN for a byte, and some of its beginnings.
#include "fuzz.h"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cmdline.h"
#include "lib/config.h"
#include "net/connect.h"
#include "net/resolve.h"
#include "test.h"

static struct parser *parsers, *chosen;
static const char *file_text, *peer_bytes;
static size_t peer_size;
static int peer_fd = -1; // its end

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void fuzz_register(struct parser *parser) {
	parser->next = parsers;
	parsers = parser;
}

char *fuzz_copy(const char *bytes, size_t size) {
	char *copy = malloc(size);
	ensure(copy || size == 0);
	return size ? memcpy(copy, bytes, size) : copy;
}

void fuzz_files(const char *text) { file_text = text; }

WRAP(FILE *, fopen, (const char *path, const char *mode)) {
	return file_text ? fmemopen((void *)(uintptr_t)file_text, strlen(file_text), "r")
			 : __real_fopen(path, mode);
}

void fuzz_peer(const char *bytes, size_t size) {
	if (peer_fd >= 0)
		close(peer_fd);
	peer_fd = -1;
	peer_bytes = bytes;
	peer_size = size;
}

static int connect_to_peer(void) {
	int pair[2];
	ensure(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	ensure(write(pair[1], peer_bytes, peer_size) == (ssize_t)peer_size);
	shutdown(pair[1], SHUT_WR);
	peer_fd = pair[1];
	return pair[0];
}

WRAP(int, connect_one, (const struct endpoint *to, const struct connect_terms *terms, int *why)) {
	return peer_bytes ? connect_to_peer() : __real_connect_one(to, terms, why);
}

WRAP(int, connect_begin, (const struct endpoint *target, const struct endpoint *source)) {
	return peer_bytes ? connect_to_peer() : __real_connect_begin(target, source);
}

WRAP(int, connect_result, (int fd)) { return peer_bytes ? 0 : __real_connect_result(fd); }

// No name server is asked.
WRAP(int, getaddrinfo,
     (const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found)) {
	struct addrinfo numeric = *hints;
	numeric.ai_flags |= AI_NUMERICHOST;
	return __real_getaddrinfo(host, port, &numeric, found);
}

WRAP(int, resolve_within,
     (const struct address *address, struct endpoint *endpoints, size_t capacity, uint64_t timeout,
      int interrupt_fd, struct echod_error *error)) {
	(void)timeout;
	(void)interrupt_fd;
	return address_resolve(address, endpoints, capacity, error);
}

WRAP(void, server_drain, (struct server * server, uint64_t delay, uint64_t timeout)) {
	(void)server;
	(void)delay;
	(void)timeout;
}

void fuzz_command_line(char *text, int (*read)(int argc, char **argv)) {
	char *argv[34] = {(char[]){"fuzz"}};
	int argc = 1;
	FILE *out = stdout, *err = stderr;
	while (argc < 33 && (argv[argc] = strsep(&text, "\n")))
		argc++;
	argv[argc] = NULL;
	stdout = stderr = fopen("/dev/null", "w");
	int status = read(argc, argv);
	fclose(stdout);
	stdout = out;
	stderr = err;
	ensure(status == -1 || status == EXIT_OK || status == EXIT_USAGE ||
	       status == EXIT_UNREACHABLE);
}

struct server *fuzz_server(void) {
	static struct server server;
	static struct log log;
	static struct server_config settings;
	struct echod_config *config = echod_config_new();
	struct echod_error error;
	char at[64];
	int clients[2];
	snprintf(at, sizeof(at), "unix:" FUZZ_SERVER "=delay=1ms", (int)getpid());
	ensure(config && echod_config_set(config, "faulty", at, &error) == 0 &&
	       echod_config_set(config, "workers", "2", &error) == 0 &&
	       echod_config_set(config, "max-connections", "64", &error) == 0);
	settings = config->server;
	echod_config_free(config);
	ensure(server_build(&server, &settings, &log, &error) == 0 &&
	       server_start(&server, &error) == 0 && server_open(&server, &error) == 0);
	for (size_t i = 0; i < COUNT_OF(clients); i++)
		ensure((clients[i] = __real_connect_begin(&server.listeners[0].endpoint, NULL)) >=
		       0);
	return &server;
}

// libFuzzer ignores what begins with two dashes.
int LLVMFuzzerInitialize(int *argc, char ***argv) {
	const char *name = *argc > 1 ? (*argv)[1] : "";
	for (chosen = parsers; chosen; chosen = chosen->next) {
		if (strncmp(name, "--", 2) == 0 && strcmp(name + 2, chosen->name) == 0)
			break;
		if (!*name)
			puts(chosen->name);
	}
	if (!chosen)
		exit(*name ? 2 : 0);
	signal(SIGPIPE, SIG_IGN);
	if (chosen->begin)
		chosen->begin();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *copy = fuzz_copy((const char *)data, size), *text = strndup((const char *)data, size);
	if (chosen->feed)
		chosen->feed(copy, size);
	else
		chosen->feed_text(text);
	fuzz_files(NULL);
	fuzz_peer(NULL, 0);
	free(text);
	free(copy);
	return 0;
}

#ifndef LIBFUZZER
// Decodes a line in place; returns its length.
static size_t decode(char *line) {
	char *end = line;
	for (const char *at = line; *at && *at != '\n'; end++) {
		unsigned byte = (unsigned char)*at;
		at += sscanf(at, "\\x%2x", &byte) == 1 ? 4 : 1;
		*end = (char)byte;
	}
	return (size_t)(end - line);
}

int main(int argc, char **argv) {
	LLVMFuzzerInitialize(&argc, &argv);
	FILE *file = argc == 3 ? fopen(argv[2], "re") : NULL;
	char *line = NULL;
	size_t room = 0, count = 0;
	for (; file && getline(&line, &room, file) > 0; count++) {
		for (size_t size = decode(line); size > 0; size -= 1 + size / 8)
			LLVMFuzzerTestOneInput((uint8_t *)line, size);
	}
	printf("%s: %zu inputs and their beginnings\n", chosen->name, count);
	free(line);
	return count > 0 ? 0 : 1;
}
#endif
