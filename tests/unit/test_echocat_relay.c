// Standard input to the peer and back: tools/echocat/relay, against sound and faulty peers.
#include "expect.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>

#include "caught.h"
#include "echocat/relay.h"
#include "later.h"
#include "process.h"

#define TIMEOUT (20 * NS_PER_S)
#define PIPE_CAPACITY ((size_t)65536)
#define LONG_STREAM ((size_t)32 << 20) // many times the relay's window

// PROXY: ends both ways at the first FIN. LATE: echoes nothing before it.
// SLOW: lets half of the time-out pass before each piece.
enum fault { NONE, FLIP, DROP, ADD, CLOSE, STALL, PROXY, LATE, SLOW };

struct scene {
	size_t length; // of the input
	enum fault fault;
	size_t at;	     // the fault's offset
	bool slow_start;     // the output is read only once the window is full
	size_t output_limit; // its reader leaves after so many bytes
	uint64_t timeout;    // 0: TIMEOUT
	bool half_close;

	int input, output, peer; // the test's ends of the relay's descriptors
	_Atomic size_t fed;	 // input written so far
	size_t fed_unread;	 // the same when the first output was read
	size_t received;	 // by the reader of the output, and
	size_t wrong;		 // how much of that is not the input
};

static unsigned char byte_at(size_t offset) { return (unsigned char)(offset * 2654435761U >> 13); }

static void write_all(int fd, const unsigned char *bytes, size_t length) {
	while (length > 0) {
		ssize_t count = write(fd, bytes, length);
		if (count <= 0)
			return; // the relay has ended
		bytes += count;
		length -= (size_t)count;
	}
}

static void *write_input(void *context) {
	struct scene *scene = context;
	unsigned char bytes[8192];
	for (size_t done = 0; done < scene->length;) {
		size_t length = 0;
		for (; length < sizeof(bytes) && done < scene->length; length++)
			bytes[length] = byte_at(done++);
		write_all(scene->input, bytes, length);
		atomic_store(&scene->fed, done);
	}
	close(scene->input);
	return NULL;
}

// Sends `length` bytes back, with the fault if it falls among them. Returns whether to go on.
static bool echo(const struct scene *scene, unsigned char *bytes, size_t length, size_t offset) {
	later += scene->fault == SLOW ? TIMEOUT / 2 : 0;
	if (scene->fault == NONE || scene->at < offset || scene->at >= offset + length) {
		write_all(scene->peer, bytes, length);
		return true;
	}
	size_t before = scene->at - offset;
	size_t rest = before + (scene->fault == DROP);
	bytes[before] ^= scene->fault == FLIP;
	write_all(scene->peer, bytes, before);
	if (scene->fault == CLOSE || scene->fault == STALL)
		return false;
	write_all(scene->peer, (const unsigned char *)"+", scene->fault == ADD);
	write_all(scene->peer, bytes + rest, length - rest);
	return true;
}

// A peer that takes all the bytes and then waits for the FIN.
static void wait_for_fin(const struct scene *scene, unsigned char *bytes) {
	struct pollfd fin = {.fd = scene->peer, .events = POLLIN};
	size_t length = 0;
	while (length < scene->length)
		length += (size_t)read(scene->peer, bytes + length, scene->length - length);
	int wait = scene->fault == PROXY && !scene->half_close ? 20 : -1;
	if (poll(&fin, 1, wait) > 0 && scene->fault == PROXY)
		return;
	write_all(scene->peer, bytes, length);
}

static void *run_peer(void *context) {
	struct scene *scene = context;
	unsigned char bytes[10000];
	size_t offset = 0;
	ssize_t count;
	if (scene->fault == PROXY || scene->fault == LATE)
		wait_for_fin(scene, bytes);
	while ((count = read(scene->peer, bytes, sizeof(bytes))) > 0 &&
	       echo(scene, bytes, (size_t)count, offset))
		offset += (size_t)count;
	if (scene->fault == ADD && scene->at >= scene->length)
		write_all(scene->peer, (const unsigned char *)"+", 1);
	struct pollfd hung_up = {.fd = scene->peer};
	if (scene->fault == STALL)
		poll(&hung_up, 1, -1); // until the relay has closed its end
	close(scene->peer);
	return NULL;
}

// Waits until the relay has taken as much input as its window holds. From then on it can take no
// more than the two pipes hold.
static void wait_for_full_window(struct scene *scene) {
	uint64_t deadline = clock_deadline(TIMEOUT);
	while (atomic_load(&scene->fed) < RELAY_WINDOW && clock_now() < deadline)
		poll(NULL, 0, 1);
	scene->fed_unread = atomic_load(&scene->fed);
}

static void *read_output(void *context) {
	struct scene *scene = context;
	unsigned char bytes[10000];
	if (scene->slow_start)
		wait_for_full_window(scene);
	ssize_t count;
	while (scene->received < scene->output_limit &&
	       (count = read(scene->output, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < count; i++)
			scene->wrong += bytes[i] != byte_at(scene->received++);
	close(scene->output);
	return NULL;
}

static void open_ends(int input[2], int output[2], int connection[2]) {
	assert_int_equal(pipe2(input, O_CLOEXEC), 0);
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, connection), 0);
}

// Plays the scene and returns the status of the relay.
static int play(void *context) {
	struct scene *scene = context;
	static void *(*const actors[])(void *) = {write_input, run_peer, read_output};
	pthread_t threads[COUNT_OF(actors)];
	int input[2], output[2], connection[2];
	open_ends(input, output, connection);
	scene->input = input[1];
	scene->output = output[0];
	scene->peer = connection[1];
	if (scene->output_limit == 0)
		scene->output_limit = SIZE_MAX;
	for (size_t i = 0; i < COUNT_OF(actors); i++)
		threads[i] = thread_begin(actors[i], scene);

	struct peer peer = {.fd = connection[0], .name = "pe\ner"};
	const struct options options = {.timeout = scene->timeout ? scene->timeout : TIMEOUT,
					.half_close = scene->half_close};
	int status = relay_run(&peer, &options, input[0], output[1]);
	peer_close(&peer);
	close(input[0]);
	close(output[1]);
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		thread_end(threads[i]);
	return status;
}

// All that comes out is right.
static void expect_play(struct scene *scene, int status, size_t received) {
	assert_int_equal(play(scene), status);
	assert_int_equal(scene->received, received);
	assert_int_equal(scene->wrong, 0);
}

BEFORE_ALL { signal(SIGPIPE, SIG_IGN); }

TEST(streams_of_any_length_come_back) {
	static const size_t lengths[] = {0, 1, 4095, 4096, 4097, 100000, LONG_STREAM};
	for (size_t i = 0; i < 2 * COUNT_OF(lengths); i++) {
		struct scene scene = {.length = lengths[i / 2], .half_close = i % 2};
		expect_play(&scene, 0, scene.length);
	}
}

TEST(slow_reader_of_the_output_stops_the_input) {
	struct scene scene = {.length = LONG_STREAM, .slow_start = true};
	expect_play(&scene, 0, LONG_STREAM);
	assert_in_range(scene.fed_unread, RELAY_WINDOW, RELAY_WINDOW + 2 * PIPE_CAPACITY);
}

TEST(fin_follows_the_echo_or_comes_before_it) {
	static struct {
		struct scene scene;
		int status;
		const char *advice;
	} cases[] = {
		{{.length = 5, .fault = PROXY}, 0, NULL},
		{{.length = 0, .fault = PROXY}, 0, NULL},
		{{.length = 5, .fault = PROXY, .half_close = true}, 1, "try without --half-close"},
		{{.length = 5, .fault = LATE, .half_close = true}, 0, NULL},
		{{.length = 5, .fault = LATE, .timeout = 100 * NS_PER_MS}, 1, "needs --half-close"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct scene *scene = &cases[i].scene;
		struct caught caught = caught_from(play, scene);
		assert_int_equal(caught.status, cases[i].status);
		assert_int_equal(scene->received, caught.status == 0 ? scene->length : 0);
		assert_contains(caught.err, cases[i].advice ? cases[i].advice : "");
		assert_int_equal(process_count_lines(caught.err), cases[i].advice ? 1 : 0);
	}
}

TEST(faults_are_found_wherever_they_are) {
	static const enum fault faults[] = {FLIP, DROP, ADD, CLOSE};
	static const size_t offsets[] = {0, 9999, 123456, 6000000};
	for (size_t i = 0; i < COUNT_OF(faults) * COUNT_OF(offsets); i++) {
		// If the last byte is lost, this shows at the peer's FIN.
		struct scene scene = {6000001, faults[i / COUNT_OF(offsets)],
				      .at = offsets[i % COUNT_OF(offsets)], .half_close = i % 2};
		assert_int_equal(play(&scene), 1);
		// Up to the fault everything is written, except what a break takes along.
		assert_true(scene.received - scene.wrong <= scene.length);
		if (scene.fault != CLOSE && scene.at + 1 < scene.length)
			assert_in_range(scene.received, scene.at + 1, scene.length);
	}
}

TEST(silence_counts_from_the_last_byte) {
	expect_play(&(struct scene){LONG_STREAM / 8, SLOW, .at = SIZE_MAX}, 0, LONG_STREAM / 8);
}

TEST(surplus_after_the_end_is_found) {
	expect_play(&(struct scene){5000, ADD, .at = 5000}, 1, 5000);
}

TEST(peer_that_closes_before_the_input_ends_is_out_of_order) {
	int input[2], output[2], connection[2];
	open_ends(input, output, connection); // the input stays open and empty
	close(connection[1]);
	struct peer peer = {.fd = connection[0], .name = "peer"};
	const struct options options = {.timeout = TIMEOUT};
	assert_int_equal(relay_run(&peer, &options, input[0], output[1]), 1);
	peer_close(&peer);
	for (size_t i = 0; i < 2; i++) {
		close(input[i]);
		close(output[i]);
	}
}

TEST(stalled_peer_times_out) {
	struct scene scene;
	uint64_t until = clock_deadline(TIMEOUT);
	do { // on a busy machine 100 ms may pass before the peer runs
		scene = (struct scene){LONG_STREAM, STALL, 70000, .timeout = 100 * NS_PER_MS};
		assert_int_equal(play(&scene), 1);
		assert_int_equal(scene.wrong, 0);
	} while (scene.received < 70000 && clock_now() < until);
	assert_int_equal(scene.received, 70000);
}

TEST(reader_that_leaves_ends_it) {
	struct scene scene = {.length = LONG_STREAM, .output_limit = 10};
	assert_int_equal(play(&scene), 3);
	assert_int_equal(scene.wrong, 0);
}
