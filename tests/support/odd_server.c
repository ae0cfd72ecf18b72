// Echo servers that do something odd: the test's side.
#include "odd_server.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "odd_child.h"
#include "peer.h"
#include "process.h"

#define BACKLOG 1024

static struct odd_server *servers;

struct odd_server *odd_start(const struct odd_spec *spec) {
	struct odd_server *server = test_keep(calloc(1, sizeof(*server)));
	int memory = memfd_create("record", MFD_CLOEXEC);
	assert_int_equal(ftruncate(memory, sizeof(*server->record)), 0);
	server->record =
		mmap(NULL, sizeof(*server->record), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	assert_true(server->record != MAP_FAILED);
	close(memory);
	const char *at = spec->at ? spec->at : "127.0.0.1";
	int listener = peer_listen_at(at, SOCK_CLOEXEC, BACKLOG, &server->port);
	server->address = test_text("%s:%u", at, (unsigned)server->port);
	server->pid = process_fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0) {
		if (spec->conduct >= ODD_LOCKS)
			odd_run_threads(spec, server->record, listener);
		odd_run(spec, server->record, listener);
	}
	close(listener);
	server->next = servers;
	servers = server;
	return server;
}

uint64_t odd_accepted(const struct odd_server *server) {
	return atomic_load(&server->record->accepted);
}

uint64_t odd_received(const struct odd_server *server) {
	return atomic_load(&server->record->received);
}

const struct odd_span *odd_spans(const struct odd_server *server, size_t *count) {
	*count = atomic_load(&server->record->span_count);
	assert_true(*count < ODD_SPANS);
	return server->record->spans;
}

static void end_servers(void) {
	bool sound = true;
	while (servers) {
		struct odd_server *server = servers;
		servers = server->next;
		// It must have run until now.
		sound &= waitpid(server->pid, NULL, WNOHANG) == 0 &&
			 kill(server->pid, SIGKILL) == 0 && waitpid(server->pid, NULL, 0) > 0;
		munmap(server->record, sizeof(*server->record));
	}
	assert_true(sound);
}
CLEANUP(end_servers, 0)
