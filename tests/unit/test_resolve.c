// Looking up a name within a time: net/resolve. The resolver is played.
#include "test.h"

#include <fcntl.h>
#include <netdb.h>
#include <semaphore.h>

#include "base/clock.h"
#include "net/resolve.h"

#define TIMEOUT (20 * NS_PER_S)
#define SHORT (20 * NS_PER_MS)

static sem_t answer, answered; // the resolver waits for the one and then raises the other
static _Atomic bool fails;

WRAP(int, getaddrinfo,
     (const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found)) {
	if (strcmp(host, "name.test") != 0 || (hints->ai_flags & AI_NUMERICHOST))
		return __real_getaddrinfo(host, port, hints, found);
	while (sem_wait(&answer) != 0)
		;
	// Without hints the address is there once for each kind of socket.
	int status = fails ? EAI_FAIL : __real_getaddrinfo("127.0.0.1", port, NULL, found);
	sem_post(&answered);
	return status;
}

static struct endpoint endpoints[3];
static struct echod_error error;

static int look_up(uint64_t timeout, int interrupt_fd) {
	const struct address address = {.host = "name.test", .port = 7};
	return resolve_within(&address, endpoints, 3, timeout, interrupt_fd, &error);
}

static void expect_failure(uint64_t timeout, int interrupt_fd, const char *reason) {
	assert_int_equal(look_up(timeout, interrupt_fd), -1);
	assert_string_equal(error.message, test_text("cannot find host 'name.test': %s", reason));
}

BEFORE_ALL {
	sem_init(&answer, 0, 0);
	sem_init(&answered, 0, 0);
}

TEST(an_answer_is_taken) {
	char text[ADDRESS_TEXT_SIZE];
	sem_post(&answer);
	assert_int_equal(look_up(TIMEOUT, -1), 1);
	assert_string_equal(endpoint_format(endpoints, text), "127.0.0.1:7");
	sem_wait(&answered);
	fails = true;
	sem_post(&answer);
	expect_failure(TIMEOUT, -1, "Non-recoverable failure in name resolution");
	sem_wait(&answered);
	fails = false;
}

TEST(no_answer_is_not_waited_for_and_an_interrupt_ends_it) {
	int interrupt[2];
	assert_int_equal(pipe2(interrupt, O_CLOEXEC), 0);
	close(interrupt[1]);
	expect_failure(SHORT, -1, "no answer within 20.0 ms");
	expect_failure(CLOCK_NEVER, interrupt[0], "interrupted");
	close(interrupt[0]);
	for (int i = 0; i < 2; i++) { // the threads that were left to themselves can end
		sem_post(&answer);
		sem_wait(&answered);
	}
}

TEST(an_ip_address_asks_nobody) {
	const struct address address = {.host = "::1", .port = 7};
	char text[ADDRESS_TEXT_SIZE];
	assert_int_equal(resolve_within(&address, endpoints, 1, 0, -1, NULL), 1);
	assert_string_equal(endpoint_format(endpoints, text), "[::1]:7");
}
