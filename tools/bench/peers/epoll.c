// The yardstick: one thread, one epoll loop. `epoll PORT`
#include "common.h"
#include "event_loop.h"

int main(int argc, char **argv)
{
	unsigned short port = peer_start(argc, argv);
	event_loop_run(peer_listen(port, true, false));
}
