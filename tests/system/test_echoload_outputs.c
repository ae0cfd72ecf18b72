// Scenario: where the files of echoload go: standard output by any name, other files, FIFOs; and
// what they must not destroy.
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "peer.h"
#include "place.h"

static struct daemon *server; // of all tests

BEFORE_ALL { server = daemon_start(NULL); }

AFTER_ALL { daemon_stop(server); }

// The kinds of data, and how each begins.
static const struct {
	const char *option, *beginning;
} outputs[] = {
	{"--json", "{\n  \"schema\": 1,\n"},
	{"--hgrm", "       Value "},
	{"--hlog", "#[Logged with echoload "},
	{"--csv", "seconds,messages,"},
};
#define OUTPUTS (COUNT_OF(outputs))

// One kind of data may go to standard output; what people read is on standard error then.
TEST(standard_output) {
	static const char *const names[] = {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"};
	for (size_t i = 0; i < OUTPUTS; i++) {
		struct process *process = load_ends(EXIT_OK, server->address[0], outputs[i].option,
						    names[i], "-n", "100", "--allow-client-bound");
		load_expect_beginning(process_output(process, NULL), outputs[i].beginning);
		assert_null(strstr(process_output(process, NULL), "verdict   "));
		load_expect_report(process_errors(process, NULL));
	}
}

static const char *make_run(const char *name) {
	const char *path = place_path(name);
	load_ends(EXIT_OK, "--allow-client-bound", server->address[0], "-n", "9", "--json", path);
	return path;
}

// What is read must not be written.
TEST(output_is_an_input) {
	const char *const runs[] = {make_run("a.json"), make_run("b.json")};
	const char *before = place_read(runs[0]);
	const char *link = place_path("link.html");
	assert_int_equal(symlink(runs[0], link), 0);
	load_refuses(EXIT_USAGE, runs[0], "merge", runs[0], runs[1], "-o", runs[0]);
	load_refuses(EXIT_USAGE, runs[0], "report", runs[0], "-o", link);
	int fd = open(runs[0], O_WRONLY | O_APPEND | O_CLOEXEC);
	static const char *const subcommands[] = {"merge", "compare"};
	for (size_t i = 0; i < 2; i++)
		process_run_to(EXIT_USAGE,
			       PROCESS(.arguments = STRINGS(ECHOLOAD_PROGRAM, subcommands[i],
							    runs[0], runs[1]),
				       .out = fd));
	close(fd);
	assert_string_equal(before, place_read(runs[0]));
}

// A run that cannot begin destroys nothing, and leaves nothing.
TEST(refused_run) {
	const char *address = test_text("127.0.0.1:%u", (unsigned)peer_free_port());
	for (size_t i = 0; i < OUTPUTS; i++) {
		const char *old = place_file("old", "of yesterday", 12),
			   *fresh = place_path("fresh");
		load_refuses(EXIT_UNREACHABLE, "refused", address, outputs[i].option, old);
		assert_string_equal(place_read(old), "of yesterday");
		load_refuses(EXIT_UNREACHABLE, "refused", address, outputs[i].option, fresh);
		assert_false(place_exists(fresh));
		load_ends(EXIT_OK, server->address[0], "-n", "100", outputs[i].option, old,
			  "--allow-client-bound");
		assert_null(strstr(place_read(old), "yesterday"));
	}
}

// They are read while they are written.
TEST(fifo) {
	const char *path = place_path("fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	for (size_t i = 0; i < OUTPUTS; i++) {
		int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		assert_true(fd >= 0);
		load_ends(EXIT_OK, server->address[0], "-n", "100", outputs[i].option, path,
			  "--allow-client-bound");
		char text[64] = "";
		assert_true(read(fd, text, sizeof(text) - 1) > 0);
		load_expect_beginning(text, outputs[i].beginning);
		close(fd);
	}
}
