// A thread for each connection, each running the blocking loop. `thread_per_conn PORT`
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

// The buffer is on the stack, where only the pages that a client's messages need are ever touched.
#define STACK_SIZE (PEER_BUFFER_SIZE + 32768)

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char buffer[PEER_BUFFER_SIZE] __attribute__((uninitialized));
	ssize_t received = peer_recv(fd, buffer, sizeof(buffer), 0);
	while (received > 0 && peer_send_all(fd, buffer, (size_t)received))
		received = peer_recv(fd, buffer, sizeof(buffer), 0);
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned short port = peer_start(argc, argv);
	int listener = peer_listen(port, false, false);
	pthread_attr_t attributes;
	pthread_t thread;
	if (pthread_attr_init(&attributes) != 0 ||
	    pthread_attr_setstacksize(&attributes, STACK_SIZE) != 0 ||
	    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) != 0)
		peer_fail("pthread_attr");
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0 &&
		    pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd) != 0)
			close(fd);
	}
}
