#include "crowd.h"

#include <sys/resource.h>

#include "stats.h"

#define SPARE 300 // descriptors for whatever else a process has open
#define SPAN_MS 2000
#define TRIES 20

size_t crowd_number(const char *name, size_t otherwise) {
	const char *text = getenv(name);
	if (!text)
		return otherwise;
	char *end;
	size_t number = strtoul(text, &end, 10);
	if (number == 0 || *end)
		fail_msg("%s is '%s', not a number", name, text);
	return number;
}

size_t crowd_room(size_t wanted, size_t others) {
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	rlim_t needed = wanted + others + SPARE;
	if (limit.rlim_cur < needed) {
		limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	}
	assert_true(limit.rlim_cur > others + 2 * SPARE);
	return limit.rlim_cur < needed ? limit.rlim_cur - others - SPARE : wanted;
}

size_t crowd_size(const char *name, size_t otherwise, size_t others) {
	size_t wanted = crowd_number(name, otherwise), room = crowd_room(wanted, others);
	if (getenv(name))
		assert_int_equal(room, wanted);
	return room;
}

struct crowd crowd_connect(struct daemon *daemon, size_t count) {
	uint64_t before = stats_counter(daemon, "connections_accepted");
	struct crowd crowd = {.fds = test_keep(calloc(count, sizeof(int))), .count = count};
	peer_connect_all(daemon->address[0], crowd.fds, count);
	stats_wait(daemon, "connections_accepted", before + count);
	return crowd;
}

void crowd_close(const struct crowd *crowd) { peer_close_all(crowd->fds, crowd->count); }

void crowd_leave(struct daemon *daemon, const struct crowd *crowd) {
	crowd_close(crowd);
	stats_wait_at_rest(daemon);
}

void crowd_open_unread(const struct daemon *daemon, struct stream *streams, size_t count,
		       uint64_t bytes_over_tcp) {
	for (size_t i = 0; i < count; i++) {
		bool tcp = i < 2;
		int fd = tcp ? peer_connect_narrow(daemon->address[0], 65536)
			     : peer_connect(daemon->address[1]);
		streams[i] = (struct stream){fd, i, tcp ? bytes_over_tcp : 640 << 10,
					     .half_close = true};
	}
}

void crowd_ping(const struct crowd *crowd, uint64_t round) {
	char there = (char)round, back;
	for (size_t i = 0; i < crowd->count; i++)
		assert_int_equal(peer_send_some(crowd->fds[i], &there, 1), 1);
	for (size_t i = 0; i < crowd->count; i++) {
		peer_receive(crowd->fds[(i + round) % crowd->count], &back, 1);
		assert_int_equal(back, there);
	}
}

void crowd_expect_no_cpu(struct daemon *daemon) {
	uint64_t used = 1;
	// A tick may be charged in any span; a thread that is kept busy is charged in all.
	for (int i = 0; i < TRIES && used > 0; i++) {
		used = process_cpu_time(daemon->process);
		poll(NULL, 0, (int)crowd_number("ECHOD_TEST_SPAN_MS", SPAN_MS));
		used = process_cpu_time(daemon->process) - used;
	}
	assert_int_equal(used, 0);
}

static int compare(const void *left, const void *right) {
	const uint64_t *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

uint64_t percentile_99(uint64_t *values, size_t count) {
	qsort(values, count, sizeof(values[0]), compare);
	return values[count * 99 / 100];
}
