// Which socket of this machine listens at an address, as /proc/net shows them (proc(5)). Any
// thread.
#ifndef ECHOLOAD_LISTENING_H
#define ECHOLOAD_LISTENING_H

#include "net/address.h"

// The inode of the socket that takes connections to `endpoint`, 0: none does here. Of several it is
// the one that the kernel chooses: what is bound to this very address comes before what is bound to
// all. Only of our network namespace; a Unix-domain socket must have been bound to the very path.
unsigned long listening_inode(const struct endpoint *endpoint);

#endif
