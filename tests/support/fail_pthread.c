// Preloaded into the server: makes the k-th pthread_create of the process fail, k from
// FAIL_PTHREAD_AT, as a full process table does. Any thread.
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

// The names of glibc are reserved for it.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
		   void *(*run)(void *), void *restrict argument) {
	static atomic_int calls;
	const char *at = getenv("FAIL_PTHREAD_AT");
	if (at && atomic_fetch_add(&calls, 1) + 1 == atoi(at))
		return EAGAIN;
	create_function *create;
	*(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
	return create(thread, attributes, run, argument);
}
