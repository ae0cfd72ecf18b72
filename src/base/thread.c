#include "base/thread.h"

#include <link.h>
#include <signal.h>
#include <string.h>

#include "base/assert.h"

// Buffers are on the heap, and 4096 workers must not reserve 32 GiB.
#define THREAD_STACK_SIZE (256UL * 1024)

// Signals that a thread's own fault raises. If one is blocked, the kernel ends the process at once,
// and no handler of the host program sees it.
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};

static int add_thread_locals(struct dl_phdr_info *module, size_t size, void *total)
{
	(void)size;
	for (size_t i = 0; i < module->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &module->dlpi_phdr[i];
		if (segment->p_type == PT_TLS)
			*(size_t *)total += segment->p_memsz + segment->p_align;
	}
	return 0;
}

// glibc takes thread-local variables from the stack, and a host program may have many.
static size_t stack_size(void)
{
	size_t total = THREAD_STACK_SIZE;
	dl_iterate_phdr(add_thread_locals, &total);
	return total;
}

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument,
		 struct echod_error *error)
{
	ensure(strlen(name) <= 15);
	pthread_attr_t attributes;
	int failed = pthread_attr_init(&attributes);
	ensure(!failed);
	failed = pthread_attr_setstacksize(&attributes, stack_size());
	ensure(!failed);

	// A thread inherits the mask of its creator, so it never runs without it.
	sigset_t blocked;
	sigset_t before;
	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&blocked, faults[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	failed = pthread_create(thread, &attributes, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (failed)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot create thread %s: %s", name,
				 error_text(failed));
	pthread_setname_np(*thread, name); // at worst it keeps the program's name
	return 0;
}

void gate_init(struct gate *gate)
{
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->changed, NULL);
	gate->arrived = 0;
}

void gate_arrive(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->arrived++;
	pthread_cond_signal(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

void gate_wait(struct gate *gate, unsigned threads)
{
	pthread_mutex_lock(&gate->lock);
	while (gate->arrived < threads)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}

void gate_destroy(struct gate *gate)
{
	pthread_cond_destroy(&gate->changed);
	pthread_mutex_destroy(&gate->lock);
}
