// A network of the test's own. What goes wrong here fails the running test. One thread.
#ifndef ECHOD_TESTS_NETWORK_H
#define ECHOD_TESTS_NETWORK_H

// The calling thread, and what it starts from now on, has a network of its own, with a loopback.
void network_enter(void);

// Gives its loopback one more IPv6 address.
void network_add_address(const char *address);

// After network_enter: this text is /etc/hosts, for the same.
void network_hosts(const char *hosts);

// After network_enter, in the process that runs a program: its name server never answers.
void network_mute_resolver(void);

// Brings up the device of that name; `fd` is any socket of the network.
void network_bring_up(int fd, const char *device);

#endif
