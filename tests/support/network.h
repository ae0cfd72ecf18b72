// A network of the test's own. Any failure fails the running test. One thread.
#ifndef ECHOD_TESTS_NETWORK_H
#define ECHOD_TESTS_NETWORK_H

// Gives the calling thread, and the processes that it starts from now on, a network of their own
// with a loopback.
void network_enter(void);

// After network_enter: gives the loopback one more IPv6 address; replaces /etc/hosts by this text.
void network_add_address(const char *address);
void network_hosts(const char *hosts);

// After network_enter, in the process that runs a program: its name server never answers.
void network_mute_resolver(void);

// Brings up the device of that name; `fd` is any socket of the network.
void network_bring_up(int fd, const char *device);

#endif
