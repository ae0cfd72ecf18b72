// A path between two networks, whose ends are devices (tun) of theirs. A child carries the packets.
#include "path.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "echoload/common/random.h"
#include "network.h"
#include "process.h"

#define PACKET 1500  // bytes, the device's MTU
#define PACKETS 8192 // on their way in a direction; a power of two

struct path {
	int near, far; // the networks
	pid_t child;
};

struct packet {
	uint64_t due;
	uint16_t size;
	uint8_t bytes[PACKET];
};

struct lane {
	struct path_lane is;
	int from, to;
	struct random random;
	uint64_t free_at; // when the packets that wait for the rate have passed
	size_t first, count;
	struct packet packet[PACKETS];
};

static void set_address(int fd, struct ifreq *request, unsigned long verb, const char *address) {
	struct sockaddr_in in = {.sin_family = AF_INET};
	assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
	memcpy(&request->ifr_addr, &in, sizeof(in));
	assert_int_equal(ioctl(fd, verb, request), 0);
}

static int open_tun(void) {
	int end = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (end >= 0)
		return end;
	// A container seldom has the node, but its root may make one.
	const char *node = test_text("/tmp/echod-test-tun-%ld", (long)getpid());
	if (mknod(node, S_IFCHR | 0600, makedev(10, 200)) == 0) {
		end = open(node, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		unlink(node);
	}
	return end;
}

bool path_is_possible(void) {
	int end = open_tun();
	if (end >= 0)
		close(end);
	return end >= 0;
}

// In the calling thread's network. Returns the end from which the packets can be read.
static int open_end(const char *own, const char *other) {
	struct ifreq request = {.ifr_name = "path"};
	int end = open_tun();
	if (end < 0)
		fail_msg("/dev/net/tun: %s", strerror(errno));
	request.ifr_flags = IFF_TUN | IFF_NO_PI;
	assert_int_equal(ioctl(end, TUNSETIFF, &request), 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	set_address(fd, &request, SIOCSIFADDR, own);
	set_address(fd, &request, SIOCSIFDSTADDR, other);
	network_bring_up(fd, request.ifr_name);
	close(fd);
	return end;
}

// The calling thread enters a network of its own.
static int enter_network(void) {
	network_enter();
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

// Takes packets in, except those that are lost.
static void take(struct lane *lane, uint64_t now) {
	while (lane->count < PACKETS) {
		struct packet *packet = &lane->packet[(lane->first + lane->count) % PACKETS];
		ssize_t size = read(lane->from, packet->bytes, PACKET);
		if (size <= 0)
			return;
		if (random_next(&lane->random) % 1000 < lane->is.per_mille)
			continue;
		uint64_t passes = lane->free_at > now ? lane->free_at : now;
		if (lane->is.rate > 0) {
			if ((passes - now) * lane->is.rate > lane->is.queue * NS_PER_S)
				continue;
			passes += (uint64_t)size * NS_PER_S / lane->is.rate;
			lane->free_at = passes;
		}
		packet->size = (uint16_t)size;
		packet->due = passes + lane->is.delay;
		lane->count++;
	}
}

// Sends the packets that are due. Returns when the next is.
static uint64_t give(struct lane *lane, uint64_t now) {
	for (; lane->count > 0; lane->count--) {
		const struct packet *packet = &lane->packet[lane->first];
		if (packet->due > now)
			return packet->due;
		// A packet that the other end does not take is lost.
		(void)!write(lane->to, packet->bytes, packet->size);
		lane->first = (lane->first + 1) % PACKETS;
	}
	return CLOCK_NEVER;
}

_Noreturn static void carry(struct lane *there, struct lane *back) {
	for (;;) {
		uint64_t now = clock_now();
		uint64_t due_there = give(there, now), due_back = give(back, now);
		uint64_t due = due_there < due_back ? due_there : due_back;
		struct pollfd ends[] = {{.fd = there->from, .events = POLLIN},
					{.fd = back->from, .events = POLLIN}};
		const struct timespec timeout =
			clock_timespec(due == CLOCK_NEVER ? NS_PER_S : due - now);
		ppoll(ends, 2, &timeout, NULL);
		now = clock_now();
		take(there, now);
		take(back, now);
	}
}

static struct lane *make_lane(const struct path_lane *is, int from, int to, uint64_t seed) {
	struct lane *lane = calloc(1, sizeof(*lane));
	if (!lane)
		_exit(1);
	lane->is = *is;
	lane->from = from;
	lane->to = to;
	lane->random = (struct random){seed};
	return lane;
}

struct path *path_open(const struct path_spec *spec) {
	struct path *path = test_keep(calloc(1, sizeof(*path)));
	path->far = enter_network();
	int far = open_end(PATH_FAR, PATH_NEAR);
	path->near = enter_network();
	int near = open_end(PATH_NEAR, PATH_FAR);
	path->child = process_fork();
	assert_true(path->child >= 0);
	if (path->child == 0)
		carry(make_lane(&spec->there, near, far, 1), make_lane(&spec->back, far, near, 2));
	close(far);
	close(near);
	return path;
}

void path_close(struct path *path) {
	kill(path->child, SIGKILL);
	waitpid(path->child, NULL, 0);
	close(path->near);
	close(path->far);
}

void path_go_far(const struct path *path) { assert_int_equal(setns(path->far, CLONE_NEWNET), 0); }

void path_go_near(const struct path *path) { assert_int_equal(setns(path->near, CLONE_NEWNET), 0); }
