// A network of the test's own. One thread.
#include "network.h"

#include <arpa/inet.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

void network_bring_up(int fd, const char *device)
{
	struct ifreq request = {.ifr_flags = IFF_UP};
	strncpy(request.ifr_name, device, sizeof(request.ifr_name) - 1);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

void network_add_address(const char *address)
{
	struct in6_ifreq request = {.ifr6_prefixlen = 128, .ifr6_ifindex = 1};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(inet_pton(AF_INET6, address, &request.ifr6_addr), 1);
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
	close(fd);
}

void network_hosts(const char *hosts)
{
	char path[] = "/tmp/hosts-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, hosts, strlen(hosts)), strlen(hosts));
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount(path, "/etc/hosts", NULL, MS_BIND, NULL), 0);
	unlink(path);
}

void network_enter(void)
{
	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		fail_msg("neither root nor allowed to make a user namespace");
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	network_bring_up(fd, "lo");
	close(fd);
}
