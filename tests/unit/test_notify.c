// Messages to a service manager, to the byte: manager/notify. The test is the manager, and has a
// server.
#include "expect.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "inside.h"
#include "manager/notify.h"
#include "peer.h"
#include "place.h"
#include "process.h"

static struct notify notify;
static int manager; // the socket that messages go to
static char last_line[400];
static unsigned lines;
static struct echod_error error;

static int keep_line(void *context, const struct echod_log_entry *entry) {
	snprintf(last_line, sizeof(last_line), "%s: %s", entry->event, entry->message);
	lines++;
	return 1;
}

BEFORE_EACH {
	inside_configure();
	inside_listen(place_address("a\nb"));
	inside_listen("127.0.0.1:0");
	inside->log.sink = keep_line;
	inside_start();
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	error = (struct echod_error){0};
}

AFTER_EACH {
	close(notify.fd);
	close(manager);
	inside_end();
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
}

static void set(const char *name, const char *value) {
	assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

// Binds the manager's socket, with an address made here and not by the code under test.
static void listen_at(const char *name) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(name);
	assert_true(length <= sizeof(address.sun_path));
	memcpy(address.sun_path, name, length);
	bool abstract = name[0] == '@';
	if (abstract)
		address.sun_path[0] = '\0';
	assert_int_equal(
		bind(manager, (struct sockaddr *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !abstract)),
		0);
	set("NOTIFY_SOCKET", name);
}

static const char *next_message(void) {
	static char message[1000];
	struct pollfd readable = {.fd = manager, .events = POLLIN};
	assert_int_equal(poll(&readable, 1, (int)(PATIENCE / NS_PER_MS)), 1);
	memset(message, 0, sizeof(message));
	assert_true(recv(manager, message, sizeof(message) - 1, 0) > 0);
	return message;
}

static void expect_message(const char *text) { assert_string_equal(next_message(), text); }

static void expect_silence(void) { assert_false(peer_is_readable(manager)); }

static const char *state(void) {
	return test_text("STATUS=listening on %s\\x0Ab and more", place_address("a"));
}

static void begin(void) {
	assert_int_equal(notify_open(&notify, &error), 0);
	notify_ready(&notify, &inside->server);
	expect_message(test_text("READY=1\n%s", state()));
}

// A path of so many bytes.
static const char *long_path(size_t length) {
	const char *place = place_path("");
	return test_text("%s%0*d", place, (int)(length - strlen(place)), 0);
}

static void expect_life(const char *name) {
	listen_at(name);
	begin();
	assert_true(notify_tend(&notify) <= clock_deadline(NS_PER_S));
	expect_silence();
	server_drain(&inside->server, 0, CLOCK_NEVER);
	notify_tend(&notify);
	expect_message("STOPPING=1\nEXTEND_TIMEOUT_USEC=86405000000\nSTATUS=draining");
	notify_tend(&notify);
	expect_silence();
}

TEST(at_a_path) { expect_life(place_path("manager")); }

TEST(at_a_path_of_107_bytes) { expect_life(long_path(107)); }

TEST(at_an_abstract_name) { expect_life(test_text("@echod-test/%d", (int)getpid())); }

TEST(at_an_abstract_name_of_107_bytes) { expect_life(test_text("@%0107d", (int)getpid())); }

TEST(a_change_is_told_once) {
	listen_at(place_path("manager"));
	begin();
	for (int pauses = 1; pauses >= 0; pauses--) {
		atomic_store(&inside->server.admission.lacks_resources, pauses);
		for (int i = 0; i < 2; i++)
			assert_true(notify_tend(&notify) >= clock_deadline(NS_PER_S / 2));
		expect_message(pauses ? "STATUS=accepting pauses: out of descriptors or memory"
				      : state());
		expect_silence();
	}
}

TEST(the_end_of_a_drain_with_a_limit) {
	listen_at(place_path("manager"));
	int client = peer_connect_served(inside_address());
	begin();
	uint64_t before = clock_now();
	for (unsigned s = 10; s <= 20; s += 10) { // a later deadline is told, too
		unsigned long long us;
		server_drain(&inside->server, 0, s * NS_PER_S);
		notify_tend(&notify);
		assert_int_equal(sscanf(next_message(),
					"STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\nSTATUS=draining",
					&us),
				 1);
		assert_in_range((s + 5) * 1000000ULL - us, 0, (clock_now() - before) / NS_PER_US);
	}
	peer_close(client);
	inside_expect_done();
}

TEST(without_a_manager_nothing_is_said) {
	static const char *const values[] = {NULL, ""};
	for (size_t i = 0; i < 2; i++) {
		set("NOTIFY_SOCKET", values[i]);
		set("WATCHDOG_USEC", "1000");
		assert_int_equal(notify_open(&notify, &error), 0);
		notify_ready(&notify, &inside->server);
		assert_int_equal(notify.fd, -1);
		assert_true(notify_tend(&notify) == CLOCK_NEVER);
	}
}

TEST(a_name_of_another_kind_is_an_error_and_nothing_more) {
	const char *const values[] = {"vsock:2:1234", "7", "relative", "@", long_path(108)};
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		set("NOTIFY_SOCKET", values[i]);
		assert_error(notify_open(&notify, &error), &error, ECHOD_ERROR_USAGE,
			     "$NOTIFY_SOCKET: ");
		notify_ready(&notify, &inside->server);
		assert_true(notify_tend(&notify) == CLOCK_NEVER);
	}
}

TEST(a_manager_that_is_gone_stops_nothing) {
	listen_at(place_path("manager"));
	begin();
	close(manager);
	manager = -1;
	server_drain(&inside->server, 0, 0);
	notify_tend(&notify);
	notify_tend(&notify);
}

// Sends to the manager until its queue is full.
static void fill_queue(void) {
	struct sockaddr_un address;
	socklen_t length = sizeof(address);
	assert_int_equal(getsockname(manager, (struct sockaddr *)&address, &length), 0);
	int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	while (sendto(other, "X=1", 3, 0, (struct sockaddr *)&address, length) == 3)
		;
	assert_int_equal(errno, EAGAIN);
	close(other);
}

static void empty_queue(void) {
	while (peer_is_readable(manager))
		expect_message("X=1");
}

TEST(what_a_full_queue_does_not_take_is_said_later) {
	listen_at(place_path("manager"));
	set("WATCHDOG_USEC", "600000000");
	begin();
	fill_queue();
	atomic_store(&inside->server.admission.lacks_resources, 1);
	notify_tend(&notify);
	assert_true(notify.ping_at <= clock_deadline(30 * NS_PER_S)); // nor a sign of life
	empty_queue();
	notify_tend(&notify);
	expect_message("STATUS=accepting pauses: out of descriptors or memory");
	fill_queue();
	server_drain(&inside->server, 0, CLOCK_NEVER);
	notify_tend(&notify);
	empty_queue();
	notify_tend(&notify);
	expect_message("STOPPING=1\nEXTEND_TIMEOUT_USEC=86405000000\nSTATUS=draining");
}

static void *say_ready(void *argument) {
	notify_ready(&notify, &inside->server);
	return NULL;
}

TEST(ready_waits_for_room) {
	listen_at(place_path("manager"));
	assert_int_equal(notify_open(&notify, &error), 0);
	fill_queue();
	pthread_t thread = thread_begin(say_ready, NULL);
	const char *message;
	do
		message = next_message();
	while (strcmp(message, "X=1") == 0);
	assert_string_equal(message, test_text("READY=1\n%s", state()));
	thread_end(thread);
}

static const struct period {
	const char *name, *usec;
	const char *pid; // "": ours
	uint64_t ns;
} periods[] = {
	{"none", NULL, NULL, CLOCK_NEVER},
	{"ours", "500000", "", 500 * NS_PER_MS},
	{"anyone's", "30000000", NULL, 30 * NS_PER_S},
	{"another's", "500000", "1", CLOCK_NEVER},
	{"no pid", "500000", "x", CLOCK_NEVER},
	{"no number", "500ms", NULL, CLOCK_NEVER},
	{"zero", "0", NULL, CLOCK_NEVER},
	{"longest", "18446744073709550", NULL, UINT64_C(18446744073709550000)},
	{"too long", "18446744073709551", NULL, CLOCK_NEVER},
	{"far too long", "18446744073709551615", NULL, CLOCK_NEVER},
};

TEST_ROWS(the_period_of_the_watchdog, const struct period *row, periods) {
	set("WATCHDOG_USEC", row->usec);
	set("WATCHDOG_PID", row->pid && !*row->pid ? test_text("%d", (int)getpid()) : row->pid);
	assert_int_equal(notify_open(&notify, &error), 0);
	assert_true(notify.period == row->ns);
}

// Calls it until the sign of life comes; returns when that was. The next is due after half of the
// period.
static uint64_t wait_for_ping(void) {
	uint64_t next;
	while ((next = notify_tend(&notify)) && !peer_is_readable(manager))
		poll(NULL, 0, clock_poll_timeout(next));
	expect_message("WATCHDOG=1");
	assert_true(notify.ping_at <= clock_deadline(notify.period / 2));
	assert_true(next <= notify.ping_at);
	return clock_now();
}

TEST(signs_of_life_at_half_of_the_period_also_while_draining) {
	listen_at(place_path("manager"));
	set("WATCHDOG_USEC", "400000");
	begin();
	uint64_t first = wait_for_ping();
	assert_true(wait_for_ping() >= first + 190 * NS_PER_MS);
	int client = peer_connect_served(inside_address());
	server_drain(&inside->server, 0, CLOCK_NEVER);
	notify_tend(&notify);
	expect_message("STOPPING=1\nEXTEND_TIMEOUT_USEC=86405000000\nSTATUS=draining");
	wait_for_ping();
	wait_for_ping();
	peer_close(client);
	inside_expect_done();
}

// A step of a thread that serves would change its state: these sleep.
TEST(no_sign_of_life_while_a_thread_is_stuck) {
	listen_at(place_path("manager"));
	set("WATCHDOG_USEC", "100000");
	begin();
	wait_for_ping();
	struct worker *worker = &inside->server.pool.workers[0];
	int before = atomic_exchange(&worker->state, WORKER_SERVING);
	lines = 0;
	for (int i = 0; i < 100; i++) {
		assert_true(notify_tend(&notify) <= clock_deadline(NS_PER_S));
		expect_silence();
		assert_true(notify.ping_at <= clock_deadline(50 * NS_PER_MS));
		poll(NULL, 0, 2);
	}
	assert_true(notify.ping_at <= clock_deadline(5 * NS_PER_MS));
	assert_int_equal(lines, 1);
	assert_string_equal(last_line, "stuck: echod/work-1 does not get on: no sign of life for "
				       "the watchdog");
	atomic_store(&worker->state, before);
	uint64_t well = clock_now();
	assert_true(wait_for_ping() < well + PATIENCE);
	atomic_store(&worker->state, WORKER_SERVING);
	wait_until((notify_tend(&notify), lines == 2)); // it is told anew
	atomic_store(&worker->state, before);
}
