// Scenario: the programs of the tutorial that everybody begins with (Python's sockets, the first
// echo server and client), as it gives them, against ours both ways; other people's servers and
// clients too.
#include <signal.h>
#include <sys/mman.h>

#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "peer.h"
#include "place.h"
#include "stats.h"

#define TUTORIAL_PORT 65432

static const char tutorial_server[] =
	"# echo-server.py\n"
	"\n"
	"import socket\n"
	"\n"
	"HOST = \"127.0.0.1\"  # Standard loopback interface address (localhost)\n"
	"PORT = 65432  # Port to listen on (non-privileged ports are > 1023)\n"
	"\n"
	"with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:\n"
	"    s.bind((HOST, PORT))\n"
	"    s.listen()\n"
	"    conn, addr = s.accept()\n"
	"    with conn:\n"
	"        print(f\"Connected by {addr}\")\n"
	"        while True:\n"
	"            data = conn.recv(1024)\n"
	"            if not data:\n"
	"                break\n"
	"            conn.sendall(data)\n";

static const char tutorial_client[] =
	"# echo-client.py\n"
	"\n"
	"import socket\n"
	"\n"
	"HOST = \"127.0.0.1\"  # The server's hostname or IP address\n"
	"PORT = 65432  # The port used by the server\n"
	"\n"
	"with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:\n"
	"    s.connect((HOST, PORT))\n"
	"    s.sendall(b\"Hello, world\")\n"
	"    data = s.recv(1024)\n"
	"\n"
	"print(f\"Received {data!r}\")\n";

static const char threading_server[] =
	"import socketserver\n"
	"class Echo(socketserver.BaseRequestHandler):\n"
	"    def handle(self):\n"
	"        while data := self.request.recv(65536):\n"
	"            self.request.sendall(data)\n"
	"socketserver.ThreadingTCPServer.allow_reuse_address = True\n"
	"with socketserver.ThreadingTCPServer(('127.0.0.1', 65432), Echo) as server:\n"
	"    server.serve_forever()\n";

// Says something of its own, less than a message, and waits.
static const char greeting_server[] = "import socket\n"
				      "with socket.create_server(('127.0.0.1', 65432)) as server:\n"
				      "    while True:\n"
				      "        client = server.accept()[0]\n"
				      "        client.sendall(b'220 hi')\n"
				      "        client.recv(65536)\n"
				      "        client.recv(65536)\n";

// Writes the program down, with `port` in the place of the tutorial's.
static const char *write_program(const char *name, const char *text, uint16_t port) {
	char number[8], whole[2048];
	snprintf(number, sizeof(number), "%u", port);
	const char *constant = strstr(text, "65432");
	assert_non_null(constant);
	int size = snprintf(whole, sizeof(whole), "%.*s%s%s", (int)(constant - text), text, number,
			    constant + 5);
	return place_file(name, whole, (size_t)size);
}

static void run_tutorial_client(const char *program) {
	struct process *client;
	int status = process_run_simple(&client, "python3", program, NULL);
	assert_string_equal(process_errors(client, NULL), "");
	assert_int_equal(status, 0);
	assert_string_equal(process_output(client, NULL), "Received b'Hello, world'\n");
}

DAEMON_TEST(tutorial_client, (NULL)) {
	run_tutorial_client(write_program("echo-client.py", tutorial_client, daemon->port));
	stats_wait(daemon, "connections_closed_peer", 1);
	assert_int_equal(stats_counter(daemon, "bytes_sent"), strlen("Hello, world"));
}

// Not a byte of it changed, and no option given to echod but where its control socket is. Where
// another program has that port, that one is as good as ours can be: the test then asks for the
// message that says so.
TEST(unmodified_tutorial_client) {
	struct process *server =
		process_start_simple(ECHOD_PROGRAM, "--control", place_path("ctl"));
	wait_until(!process_is_running(server) || strchr(process_output(server, NULL), '\n'));
	if (!process_is_running(server)) {
		assert_true(peer_port_listens(TUTORIAL_PORT));
		assert_int_equal(process_wait(server), EXIT_UNREACHABLE);
		assert_contains(process_errors(server, NULL), "127.0.0.1:65432");
		return;
	}
	assert_string_equal(process_output(server, NULL), "listening on 127.0.0.1:65432\n");
	run_tutorial_client(
		place_file("echo-client.py", tutorial_client, sizeof(tutorial_client) - 1));
	struct process *client;
	assert_int_equal(
		process_run_simple(&client, ECHOCAT_PROGRAM, "--message", "Hello, world", NULL), 0);
	assert_string_equal(process_output(client, NULL), "Received 'Hello, world'\n");
	process_signal(server, SIGTERM);
	assert_int_equal(process_wait(server), 0);
}

// Starts a Python server and waits, without connecting, until it listens.
static struct process *start_python(const char *program, uint16_t port) {
	struct process *server = process_start_simple("python3", "-u", program);
	wait_until(peer_port_listens(port));
	return server;
}

TEST(tutorial_server) {
	uint16_t port = peer_free_port();
	char number[8];
	snprintf(number, sizeof(number), "%u", port);
	struct process *server =
		start_python(write_program("echo-server.py", tutorial_server, port), port);
	struct process *client;
	int status = process_run_simple(&client, ECHOCAT_PROGRAM, "--message", "Hello, world",
					"127.0.0.1", number, NULL);
	assert_string_equal(process_output(client, NULL), "Received 'Hello, world'\n");
	assert_int_equal(status, 0);
	assert_int_equal(process_wait(server), 0);
	assert_true(strncmp(process_output(server, NULL), "Connected by ('127.0.0.1', ", 27) == 0);
}

// A file with `size` random bytes, open for reading; closed by the caller.
static int random_input(size_t size) {
	int fd = memfd_create("input", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(bytes != MAP_FAILED);
	pattern_fill(17, 0, bytes, size);
	munmap(bytes, size);
	return fd;
}

// Runs a client that copies its standard input to the server and the reply to its standard output.
static void run_copying_client(const char *const *arguments, size_t size) {
	int input = random_input(size);
	struct process *client;
	int status = process_run(PROCESS(.arguments = arguments, .in = input), &client);
	close(input);
	if (status != 0)
		fail_msg("%s: status %d: %s", arguments[0], status, process_errors(client, NULL));
	size_t got;
	const char *output = process_output(client, &got);
	assert_int_equal(got, size);
	char *expected = malloc(size + 1);
	assert_non_null(expected);
	pattern_fill(17, 0, expected, size);
	assert_int_equal(memcmp(output, expected, size), 0);
	free(expected);
}

TEST(echocat_against_socketserver) {
	uint16_t port = peer_free_port();
	char number[8];
	snprintf(number, sizeof(number), "%u", port);
	struct process *server =
		start_python(write_program("server.py", threading_server, port), port);
	const char *const arguments[] = {ECHOCAT_PROGRAM, "127.0.0.1", number, NULL};
	static const size_t sizes[] = {1, 65536, 3000000};
	for (size_t i = 0; i < 3; i++)
		run_copying_client(arguments, sizes[i]);
	process_kill(server);
}

// Its visits end in order, so that the server has nothing to complain of, unless that is asked for.
TEST(echoload_against_socketserver) {
	static const char *const endings[] = {"fin", "rst"};
	for (size_t i = 0; i < 2; i++) {
		uint16_t port = peer_free_port();
		char target[24];
		snprintf(target, sizeof(target), "127.0.0.1:%u", port);
		struct process *server =
			start_python(write_program("server.py", threading_server, port), port);
		json_t *result = load_run(EXIT_OK, target, "-m", "churn", "-c", "4", "-n", "100",
					  "--linger", endings[i]);
		assert_int_equal(load_errors(result, NULL), 0);
		assert_string_equal(json_string_value(load_member(result, "configuration.linger")),
				    endings[i]);
		if (i == 0) {
			process_kill(server);
			assert_string_equal(process_errors(server, NULL), "");
		} else {
			process_expect_error_text(server, "ConnectionResetError");
			process_kill(server);
		}
	}
}

// What came back is no part of an echo, and is not told as one.
TEST(echocat_against_a_server_of_something_else) {
	uint16_t port = peer_free_port();
	char number[8];
	snprintf(number, sizeof(number), "%u", port);
	struct process *server =
		start_python(write_program("server.py", greeting_server, port), port);
	struct process *client;
	int status = process_run_simple(&client, ECHOCAT_PROGRAM, "-c", "1", "-t", "200ms",
					"127.0.0.1", number, NULL);
	assert_int_equal(status, EXIT_CHECK_FAILED);
	assert_contains(process_errors(client, NULL), "the echo differs at offset 0: ");
	assert_contains(process_errors(client, NULL), "6 of 12 bytes came back");
	assert_contains(process_output(client, NULL), ", 1 mismatches\n");
	process_kill(server);
}

DAEMON_TEST(echocat_against_echod, (NULL)) {
	char number[8];
	snprintf(number, sizeof(number), "%u", daemon->port);
	const char *const arguments[] = {ECHOCAT_PROGRAM, "127.0.0.1", number, NULL};
	run_copying_client(arguments, 1);
	run_copying_client(arguments, 20000000);
	struct process *client; // whose standard input is empty
	assert_int_equal(process_run(PROCESS(.arguments = arguments), &client), 0);
	assert_string_equal(process_output(client, NULL), "");
	stats_wait(daemon, "connections_closed_peer", 2);
	stats_wait(daemon, "connections_closed_probe", 1);
}

DAEMON_TEST(socat, ("--workers", "1")) {
	char target[160];
	snprintf(target, sizeof(target), "TCP:%s", daemon->address[0]);
	const char *const arguments[] = {"socat", "-t5", "-", target, NULL};
	run_copying_client(arguments, 3000000);
	run_copying_client(arguments, 1);
	stats_wait(daemon, "connections_closed_peer", 2);
}

// Nobody there: one line and status 3.
TEST(echocat_finds_nobody) {
	char number[8];
	snprintf(number, sizeof(number), "%u", peer_free_port());
	struct process *client;
	int status = process_run_simple(&client, ECHOCAT_PROGRAM, "--message", "x", "127.0.0.1",
					number, NULL);
	assert_int_equal(status, EXIT_UNREACHABLE);
	assert_int_equal(process_count_lines(process_errors(client, NULL)), 1);
	assert_string_equal(process_output(client, NULL), "");
}
