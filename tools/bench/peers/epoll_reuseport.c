// One epoll loop for each CPU it may use, each with its own listener on the same port.
// `epoll_reuseport PORT`
#include <pthread.h>
#include <sched.h>

#include "common.h"
#include "event_loop.h"

static unsigned short port;

static void *loop_main(void *cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(*(size_t *)cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		peer_fail("pthread_setaffinity_np");
	event_loop_run(peer_listen(port, true, true));
}

int main(int argc, char **argv)
{
	port = peer_start(argc, argv);
	cpu_set_t usable;
	if (sched_getaffinity(0, sizeof(usable), &usable) != 0)
		peer_fail("sched_getaffinity");
	static size_t cpus[CPU_SETSIZE];
	size_t count = 0;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &usable))
			cpus[count++] = cpu;
	}
	for (size_t i = 1; i < count; i++) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, loop_main, &cpus[i]) != 0)
			peer_fail("pthread_create");
	}
	loop_main(&cpus[0]);
}
