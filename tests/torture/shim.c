// Linked into a program in place of the calls of calls.def (--wrap), so that a test can make each
// fail: exactly those of our own code, and under any sanitizer. Any thread, signal handlers too.
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
#include <unwind.h>

#include "torture.h"

#define FDS 1024
#define FAIL (errno = error, -1)
#define NO (errno = error, NULL)

// The linker's.
// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming)
extern char __executable_start, etext;

static struct torture *torture;	  // NULL: no test
static atomic_bool is_whole[FDS]; // of an eventfd, or in an epoll set
static _Atomic int lasting = -1;  // the call that fails for ever, once it has begun to

struct walk {
	uint64_t place;
	unsigned left;
};

static _Unwind_Reason_Code walk_on(struct _Unwind_Context *context, void *argument) {
	struct walk *walk = argument;
	uintptr_t at = _Unwind_GetIP(context), start = (uintptr_t)&__executable_start;
	if (at < start || at >= (uintptr_t)&etext || walk->left-- == 0)
		return _URC_END_OF_STACK;
	walk->place = (walk->place ^ (at - start)) * UINT64_C(0x9e3779b97f4a7c15);
	walk->place ^= walk->place >> 29;
	return _URC_NO_REASON;
}

// NULL: the table is full.
static struct torture_site *find_site(enum call call, uint64_t place) {
	for (size_t i = 0; i < TORTURE_SITES; i++) {
		struct torture_site *site = &torture->sites[(place + i) % TORTURE_SITES];
		uint64_t there = 0;
		if (atomic_compare_exchange_strong(&site->place, &there, place))
			atomic_store(&site->call, (int)call);
		else if (there != place)
			continue;
		return site;
	}
	return NULL;
}

// The errno with which this call has to fail; 0: it does not.
__attribute__((noinline)) static int strike(enum call call) {
	if (!torture || torture->pause)
		return 0;
	// The first two frames are ours.
	struct walk walk = {.place = (uint64_t)call + 1, .left = 2 + torture->callers};
	_Unwind_Backtrace(walk_on, &walk);
	struct torture_site *site = find_site(call, walk.place);
	unsigned turn = site ? atomic_fetch_add(&site->calls, 1) + 1 : 0;
	int error = atomic_load(&torture->error);
	bool is_place = walk.place == torture->place && turn == torture->turn;
	if (is_place && torture->for_ever)
		atomic_store(&lasting, (int)call);
	if (!error || !(is_place || atomic_load(&lasting) == (int)call))
		return 0;
	atomic_fetch_add(&torture->hits, 1);
	return error;
}

static bool moves_whole(int fd) { return fd >= 0 && fd < FDS && is_whole[fd]; }

// How many of `size` bytes to move: fewer if counts are to be short. An eventfd takes all or none;
// and where events are edge-triggered, a short count promises that there is no more (epoll(7)).
static size_t cut(int fd, size_t size) {
	static _Atomic size_t calls;
	if (!torture || !torture->short_counts || size == 0 || moves_whole(fd))
		return size;
	size_t call = atomic_fetch_add(&calls, 1);
	return call % 3 ? 1 + call * 7919 % size : 1;
}

#define ROW(name, ...)
#define CALL(type, name, parameters, arguments, result, ...)     \
	type __real_##name parameters;                           \
	type __wrap_##name parameters;                           \
	type __wrap_##name parameters {                          \
		int error = strike(CALL_##name);                 \
		return error ? result : __real_##name arguments; \
	}
#include "calls.def"

#define SPECIAL(type, name, parameters) \
	type __real_##name parameters;  \
	type __wrap_##name parameters;  \
	type __wrap_##name parameters

SPECIAL(ssize_t, read, (int fd, void *bytes, size_t size)) {
	int error = moves_whole(fd) ? 0 : strike(CALL_read);
	return error ? FAIL : __real_read(fd, bytes, cut(fd, size));
}

SPECIAL(ssize_t, write, (int fd, const void *bytes, size_t size)) {
	int error = moves_whole(fd) ? 0 : strike(CALL_write);
	return error ? FAIL : __real_write(fd, bytes, cut(fd, size));
}

SPECIAL(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags)) {
	int error = strike(CALL_sendmsg);
	struct msghdr less = *message;
	struct iovec first = *message->msg_iov;
	first.iov_len = cut(fd, first.iov_len);
	if (torture && torture->short_counts && first.iov_len > 0) {
		less.msg_iov = &first;
		less.msg_iovlen = 1;
	}
	return error ? FAIL : __real_sendmsg(fd, &less, flags);
}

// Those that src/net/socket.c makes.
SPECIAL(long, syscall, (long number, long fd, long bytes, long size, long d, long e, long f)) {
	int error = 0;
	if (number == SYS_recvfrom)
		error = strike(CALL_syscall_recvfrom);
	if (number == SYS_sendto)
		error = strike(CALL_syscall_sendto);
	if (number == SYS_recvfrom || number == SYS_sendto)
		size = (long)cut((int)fd, (size_t)size);
	return error ? FAIL : __real_syscall(number, fd, bytes, size, d, e, f);
}

SPECIAL(int, eventfd, (unsigned count, int flags)) {
	int error = strike(CALL_eventfd), fd = error ? FAIL : __real_eventfd(count, flags);
	if (fd >= 0 && fd < FDS)
		is_whole[fd] = true;
	return fd;
}

SPECIAL(int, epoll_ctl, (int epoll, int operation, int fd, void *event)) {
	int error = operation == EPOLL_CTL_ADD ? strike(CALL_epoll_ctl) : 0;
	if (fd >= 0 && fd < FDS && operation == EPOLL_CTL_ADD)
		is_whole[fd] = true;
	return error ? FAIL : __real_epoll_ctl(epoll, operation, fd, event);
}

// It closes, whatever it says.
SPECIAL(int, close, (int fd)) {
	int error = strike(CALL_close);
	if (fd >= 0 && fd < FDS)
		is_whole[fd] = false;
	int result = __real_close(fd);
	return error ? FAIL : result;
}

__attribute__((constructor)) static void find_test(void) {
	const char *path = getenv("TORTURE");
	int fd = path ? __real_open(path, O_RDWR | O_CLOEXEC, 0) : -1;
	void *shared = fd < 0 ? MAP_FAILED
			      : __real_mmap(NULL, sizeof(*torture), PROT_READ | PROT_WRITE,
					    MAP_SHARED, fd, 0);
	if (fd >= 0)
		__real_close(fd);
	if (path && shared == MAP_FAILED)
		abort();
	torture = path ? shared : NULL;
}
