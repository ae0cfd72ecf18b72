// Throttles. One thread; the children have one each.
#include "throttle.h"

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "peer.h"
#include "process.h"

#define PERIOD (50 * NS_PER_MS) // of stop and go
#define QUOTA_PERIOD_US 50000L
#define TICK NS_PER_MS
#define PAIRS 128
#define PIECE 4096

struct throttle {
	pid_t child; // 0: there is none
	pid_t target;
	const char *cgroup; // its folder; NULL: none
};

// Returns true in the child.
static bool fork_child(struct throttle *throttle) {
	throttle->child = process_fork();
	assert_true(throttle->child >= 0);
	return throttle->child == 0;
}

static void pause_for(uint64_t ns) {
	const struct timespec span = clock_timespec(ns);
	nanosleep(&span, NULL);
}

static void move_threads(pid_t pid, const cpu_set_t *cpus) {
	DIR *threads = opendir(test_text("/proc/%ld/task", (long)pid));
	assert_non_null(threads);
	for (const struct dirent *entry; (entry = readdir(threads));)
		if (atoi(entry->d_name) > 0)
			sched_setaffinity(atoi(entry->d_name), sizeof(*cpus), cpus);
	closedir(threads);
}

static cpu_set_t only(unsigned cpu) {
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return cpus;
}

void throttle_pin(pid_t pid, unsigned cpu) {
	const cpu_set_t cpus = only(cpu);
	move_threads(pid, &cpus);
}

void throttle_unpin(pid_t pid) {
	cpu_set_t cpus;
	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	move_threads(pid, &cpus);
}

struct throttle *throttle_neighbour(unsigned cpu) {
	struct throttle *throttle = test_keep(calloc(1, sizeof(*throttle)));
	if (!fork_child(throttle))
		return throttle;
	const cpu_set_t cpus = only(cpu);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (volatile uint64_t turns = 0;; turns = turns + 1)
		;
}

struct throttle *throttle_stop_and_go(pid_t pid, double share) {
	struct throttle *throttle = test_keep(calloc(1, sizeof(*throttle)));
	throttle->target = pid;
	if (!fork_child(throttle))
		return throttle;
	uint64_t go = (uint64_t)(share * (double)PERIOD);
	for (;;) {
		kill(pid, SIGSTOP);
		pause_for(PERIOD - go);
		kill(pid, SIGCONT);
		pause_for(go);
	}
}

static bool write_file(const char *folder, const char *name, const char *text) {
	FILE *file = fopen(test_text("%s/%s", folder, name), "r+e"); // a cgroup's folder has it
	if (!file)
		return false;
	bool written = fputs(text, file) >= 0;
	return fclose(file) == 0 && written;
}

static bool set_quota(const char *folder, double share) {
	const char *period = test_text("%ld", QUOTA_PERIOD_US);
	const char *quota = test_text("%ld", (long)(share * QUOTA_PERIOD_US));
	return write_file(folder, "cpu.max", test_text("%s %s", quota, period)) ||
	       (write_file(folder, "cpu.cfs_period_us", period) &&
		write_file(folder, "cpu.cfs_quota_us", quota));
}

// Makes a cgroup for CPUs: of version 2, or of version 1.
static bool make_cgroup(struct throttle *throttle, double share) {
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/cpu"};
	for (size_t i = 0; i < COUNT_OF(mounts); i++) {
		throttle->cgroup =
			test_text("%s/echod-test-%ld", mounts[i], (long)throttle->target);
		if (mkdir(throttle->cgroup, 0755) != 0)
			continue;
		if (set_quota(throttle->cgroup, share))
			return true;
		rmdir(throttle->cgroup);
	}
	throttle->cgroup = NULL;
	return false;
}

struct throttle *throttle_quota(pid_t pid, double share) {
	struct throttle *throttle = test_keep(calloc(1, sizeof(*throttle)));
	throttle->target = pid;
	if (make_cgroup(throttle, share) &&
	    write_file(throttle->cgroup, "cgroup.procs", test_text("%ld", (long)pid)))
		return throttle;
	if (throttle->cgroup)
		rmdir(throttle->cgroup);
	return NULL;
}

// One direction of a connection through the proxy.
struct lane {
	int from, to;
	char bytes[PIECE];
	size_t first, count; // of `bytes`, still to be sent
	bool ended;
};

struct pacer {
	int listener;
	uint16_t port;
	uint64_t rate;		     // bytes a second in each direction
	struct lane lane[2 * PAIRS]; // there and back of each pair
	size_t lanes, turn;
	uint64_t room[2]; // bytes that may pass now, there and back
};

static void open_pair(struct pacer *pacer, int client) {
	const int on = 1;
	const struct sockaddr_in server = {AF_INET, .sin_port = htons(pacer->port),
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || pacer->lanes == 2 * PAIRS ||
	    connect(fd, (const struct sockaddr *)&server, sizeof(server)) != 0) {
		close(client);
		if (fd >= 0)
			close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	pacer->lane[pacer->lanes++] = (struct lane){.from = client, .to = fd};
	pacer->lane[pacer->lanes++] = (struct lane){.from = fd, .to = client};
}

// Moves as much as `room` permits. A lane stays open until the end of the test.
static void serve_lane(struct lane *lane, uint64_t *room) {
	if (lane->count == 0 && !lane->ended && *room > 0) {
		size_t size = *room < PIECE ? (size_t)*room : PIECE;
		ssize_t got = recv(lane->from, lane->bytes, size, MSG_DONTWAIT);
		if (got > 0) {
			lane->first = 0;
			lane->count = (size_t)got;
			*room -= (uint64_t)got;
		} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			lane->ended = true;
			shutdown(lane->to, SHUT_WR);
		}
	}
	if (lane->count > 0) {
		ssize_t sent = send(lane->to, lane->bytes + lane->first, lane->count,
				    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0) {
			lane->first += (size_t)sent;
			lane->count -= (size_t)sent;
		}
	}
}

_Noreturn static void run_pacer(struct pacer *pacer) {
	for (uint64_t then = clock_now();; pause_for(TICK)) {
		uint64_t now = clock_now();
		uint64_t more = (uint64_t)((double)pacer->rate * (double)(now - then) / 1e9);
		uint64_t most = pacer->rate / 100;
		then = now;
		for (size_t side = 0; side < 2; side++) {
			uint64_t room = pacer->room[side] + more;
			pacer->room[side] = room < most ? room : most;
		}
		int client;
		while ((client = accept4(pacer->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
			open_pair(pacer, client);
		// Each time another lane is the first.
		pacer->turn++;
		for (size_t i = 0; i < pacer->lanes; i++) {
			size_t at = (i + pacer->turn) % pacer->lanes;
			serve_lane(&pacer->lane[at], &pacer->room[at % 2]);
		}
	}
}

struct throttle *throttle_pacing_proxy(uint16_t *port, uint64_t bytes_per_second) {
	struct throttle *throttle = test_keep(calloc(1, sizeof(*throttle)));
	uint16_t own;
	int listener = peer_listen(SOCK_NONBLOCK, PAIRS, &own);
	if (fork_child(throttle)) {
		struct pacer *pacer = calloc(1, sizeof(*pacer));
		if (!pacer)
			_exit(1);
		pacer->listener = listener;
		pacer->port = *port;
		pacer->rate = bytes_per_second;
		run_pacer(pacer);
	}
	close(listener);
	*port = own;
	return throttle;
}

// Gives the process back to the group above, if it still lives.
static void remove_cgroup(const struct throttle *throttle) {
	(void)write_file(throttle->cgroup, "../cgroup.procs",
			 test_text("%ld", (long)throttle->target));
	for (uint64_t until = clock_deadline(5 * NS_PER_S); rmdir(throttle->cgroup) != 0;
	     pause_for(NS_PER_MS)) {
		if (clock_now() >= until)
			fail_msg("%s cannot be removed", throttle->cgroup);
	}
}

void throttle_end(struct throttle *throttle) {
	if (throttle->child > 0) {
		kill(throttle->child, SIGKILL);
		waitpid(throttle->child, NULL, 0);
		if (throttle->target > 0)
			kill(throttle->target, SIGCONT);
	}
	if (throttle->cgroup)
		remove_cgroup(throttle);
}
