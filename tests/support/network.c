// A network of the test's own. One thread.
#include "network.h"

#include <arpa/inet.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "process.h"
#include "test.h"

void network_bring_up(int fd, const char *device) {
	struct ifreq request = {.ifr_flags = IFF_UP};
	strncpy(request.ifr_name, device, sizeof(request.ifr_name) - 1);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

void network_add_address(const char *address) {
	struct in6_ifreq request = {.ifr6_prefixlen = 128, .ifr6_ifindex = 1};
	struct sockaddr_in6 end = {.sin6_family = AF_INET6, .sin6_scope_id = 1};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(inet_pton(AF_INET6, address, &request.ifr6_addr), 1);
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
	end.sin6_addr = request.ifr6_addr;
	wait_until(bind(fd, (const struct sockaddr *)&end, sizeof(end)) == 0); // not tentative
	close(fd);
}

// Covers the file at `target` with `text`, by a mount of the process's own.
static void cover(const char *target, const char *text) {
	char path[] = "/tmp/cover-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount(path, target, NULL, MS_BIND, NULL), 0);
	unlink(path);
}

void network_hosts(const char *hosts) { cover("/etc/hosts", hosts); }

void network_mute_resolver(void) {
	struct sockaddr_in end = {.sin_family = AF_INET, .sin_port = htons(53)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0); // it lives as long as the process that is started
	assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &end.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&end, sizeof(end)), 0);
	cover("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:30\n");
}

void network_enter(void) {
	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		fail_msg("neither root nor allowed to make a user namespace");
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	network_bring_up(fd, "lo");
	close(fd);
}
