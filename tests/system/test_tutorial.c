// Scenario: the echo server and client of the well-known Python socket tutorial, unmodified,
// against ours both ways; and other servers and clients.
#include <signal.h>
#include <sys/mman.h>

#include "base/cmdline.h"
#include "load.h"
#include "peer.h"
#include "stats.h"

#define TUTORIAL_PORT 65432

static const char tutorial_server[] =
	"# echo-server.py\n\n"
	"import socket\n\n"
	"HOST = \"127.0.0.1\"  # Standard loopback interface address (localhost)\n"
	"PORT = 65432  # Port to listen on (non-privileged ports are > 1023)\n\n"
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
	"# echo-client.py\n\n"
	"import socket\n\n"
	"HOST = \"127.0.0.1\"  # The server's hostname or IP address\n"
	"PORT = 65432  # The port used by the server\n\n"
	"with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:\n"
	"    s.connect((HOST, PORT))\n"
	"    s.sendall(b\"Hello, world\")\n"
	"    data = s.recv(1024)\n\n"
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

// Sends bytes of its own, fewer than a message, and waits.
static const char greeting_server[] = "import socket\n"
				      "with socket.create_server(('127.0.0.1', 65432)) as server:\n"
				      "    while True:\n"
				      "        client = server.accept()[0]\n"
				      "        client.sendall(b'220 hi')\n"
				      "        client.recv(65536)\n"
				      "        client.recv(65536)\n";

// Writes the program into a file, with `port` in the place of the tutorial's.
static const char *write_program(const char *text, uint16_t port) {
	const char *constant = strstr(text, "65432");
	assert_non_null(constant);
	const char *whole = test_text("%.*s%u%s", (int)(constant - text), text, port, constant + 5);
	return place_file("program.py", whole, strlen(whole));
}

// A long one, which is shown in pieces, before a short one.
static void send_messages(uint16_t port) {
	char sent[3001] = "", shown[12001] = "";
	for (size_t i = 0; i < 3000; i++) {
		sent[i] = '\x01';
		memcpy(&shown[4 * i], "\\x01", 5);
	}
	assert_string_equal(OUTPUT_OF(ECHOCAT_PROGRAM, "-m", sent, "-m", "x", "127.0.0.1",
				      test_text("%u", port)),
			    test_text("Received '%s'\nReceived 'x'\n", shown));
}

static void run_tutorial_client(const char *program) {
	struct process *client = EXPECT_STATUS(0, "python3", program);
	assert_string_equal(process_errors(client, NULL), "");
	assert_string_equal(process_output(client, NULL), "Received b'Hello, world'\n");
}

DAEMON_TEST(tutorial_client, (NULL)) {
	run_tutorial_client(write_program(tutorial_client, daemon->port));
	stats_wait(daemon, "connections_closed_peer", 1);
	assert_int_equal(stats_counter(daemon, "bytes_sent"), strlen("Hello, world"));
	send_messages(daemon->port);
}

// Not a byte of it is changed, and --control is the only option of echod. If another program has
// the port, the test wants the message that says so.
TEST(unmodified_tutorial_client) {
	struct process *server =
		process_start_simple(ECHOD_PROGRAM, "--control", place_path("ctl"));
	if (!process_starts(server)) {
		assert_true(peer_port_listens(TUTORIAL_PORT));
		assert_int_equal(process_wait(server), EXIT_UNREACHABLE);
		assert_contains(process_errors(server, NULL), "127.0.0.1:65432");
		return;
	}
	assert_string_equal(process_output(server, NULL), "listening on 127.0.0.1:65432\n");
	run_tutorial_client(
		place_file("echo-client.py", tutorial_client, sizeof(tutorial_client) - 1));
	assert_string_equal(OUTPUT_OF(ECHOCAT_PROGRAM, "--message", "Hello, world"),
			    "Received 'Hello, world'\n");
	process_end(server);
}

// Starts the Python server on a free port and waits, without connecting, until it listens.
static struct process *start_python(const char *program, uint16_t *port) {
	*port = peer_free_port();
	struct process *server =
		process_start_simple("python3", "-u", write_program(program, *port));
	wait_until(peer_port_listens(*port));
	return server;
}

TEST(tutorial_server) {
	uint16_t port;
	struct process *server = start_python(tutorial_server, &port);
	assert_string_equal(OUTPUT_OF(ECHOCAT_PROGRAM, "--message", "Hello, world", "127.0.0.1",
				      test_text("%u", port)),
			    "Received 'Hello, world'\n");
	assert_int_equal(process_wait(server), 0);
	assert_true(strncmp(process_output(server, NULL), "Connected by ('127.0.0.1', ", 27) == 0);
}

// Runs a client that copies its standard input, `size` random bytes, to the server and the reply to
// its standard output.
static void run_copying_client(const char *const *arguments, size_t size) {
	char *bytes = malloc(size);
	assert_non_null(bytes);
	pattern_fill(17, 0, bytes, size);
	int input = memfd_create("input", MFD_CLOEXEC);
	assert_int_equal(pwrite(input, bytes, size, 0), size);
	struct process *client =
		process_run_to(EXIT_OK, PROCESS(.arguments = arguments, .in = input));
	close(input);
	size_t got;
	const char *output = process_output(client, &got);
	assert_int_equal(got, size);
	assert_int_equal(memcmp(output, bytes, size), 0);
	free(bytes);
}

TEST(echocat_against_socketserver) {
	uint16_t port;
	struct process *server = start_python(threading_server, &port);
	const char *const *arguments = STRINGS(ECHOCAT_PROGRAM, "127.0.0.1", test_text("%u", port));
	run_copying_client(arguments, 1);
	run_copying_client(arguments, 65536);
	run_copying_client(arguments, 3000000);
	process_kill(server);
}

// Its visits end in order, so that the server prints no errors, unless --linger rst is given.
TEST(echoload_against_socketserver) {
	static const char *const endings[] = {"fin", "rst"};
	for (size_t i = 0; i < 2; i++) {
		uint16_t port;
		struct process *server = start_python(threading_server, &port);
		json_t *result = load_run(EXIT_OK, test_text("127.0.0.1:%u", port), "-m", "churn",
					  "-c", "4", "-n", "100", "--linger", endings[i]);
		assert_int_equal(load_errors(result, NULL), 0);
		assert_string_equal(json_string_value(load_member(result, "configuration.linger")),
				    endings[i]);
		if (i == 1)
			process_expect_error_text(server, "ConnectionResetError");
		process_kill(server);
		if (i == 0)
			assert_string_equal(process_errors(server, NULL), "");
	}
}

// The bytes that come back are no part of an echo, and are not reported as one.
TEST(echocat_against_a_server_of_something_else) {
	uint16_t port;
	struct process *server = start_python(greeting_server, &port);
	struct process *client = EXPECT_STATUS(EXIT_CHECK_FAILED, ECHOCAT_PROGRAM, "-c", "1", "-t",
					       "200ms", "127.0.0.1", test_text("%u", port));
	assert_contains(process_errors(client, NULL), "the echo differs at offset 0: ");
	assert_contains(process_errors(client, NULL), "6 of 12 bytes came back");
	assert_contains(process_output(client, NULL), ", 1 mismatches\n");
	process_kill(server);
}

DAEMON_TEST(echocat_against_echod, (NULL)) {
	const char *const *arguments =
		STRINGS(ECHOCAT_PROGRAM, "127.0.0.1", test_text("%u", daemon->port));
	run_copying_client(arguments, 1);
	run_copying_client(arguments, 20000000);
	// With an empty standard input.
	struct process *client = process_run_to(EXIT_OK, PROCESS(.arguments = arguments));
	assert_string_equal(process_output(client, NULL), "");
	stats_wait(daemon, "connections_closed_peer", 2);
	stats_wait(daemon, "connections_closed_probe", 1);
}

DAEMON_TEST(socat, ("--workers", "1")) {
	const char *target = test_text("TCP:%s", daemon->address[0]);
	run_copying_client(STRINGS("socat", "-t5", "-", target), 3000000);
	run_copying_client(STRINGS("socat", "-t5", "-", target), 1);
	stats_wait(daemon, "connections_closed_peer", 2);
}
