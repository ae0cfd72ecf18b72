// What the load needs of the system. Main thread.
#include "resources.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPARE 64 // descriptors for all else

// Asks for as many descriptors as the connections need; those that are refused are errors of the
// run.
static void raise_limit(const struct load_config *config)
{
	struct rlimit limit;
	rlim_t needed =
		(rlim_t)config->connections + config->extra + 2 * (rlim_t)config->threads + SPARE;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
		return;
	limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

// Whether we may run on each of the CPUs: only trying tells.
static int check_cpus(const struct load_config *config, struct error *error)
{
	cpu_set_t before, one;
	int failed = sched_getaffinity(0, sizeof(before), &before);
	for (size_t i = 0; i < config->cpu_count && !failed; i++) {
		CPU_ZERO(&one);
		CPU_SET(config->cpus[i], &one);
		if (sched_setaffinity(0, sizeof(one), &one) != 0)
			return error_set(error, ERROR_USAGE, "--cpu: CPU %u cannot be used: %s",
					 config->cpus[i], error_text(errno));
	}
	if (!failed)
		(void)sched_setaffinity(0, sizeof(before), &before);
	return 0;
}

// Whether each source is an address of ours.
static int check_sources(const struct load_config *config, struct error *error)
{
	for (size_t i = 0; i < config->source_count; i++) {
		const struct endpoint *source = &config->sources[i];
		int fd = socket(source->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int failed = fd < 0 || bind(fd, &source->as.any, source->length) != 0;
		int number = errno;
		char text[ADDRESS_TEXT_SIZE];
		if (fd >= 0)
			close(fd);
		endpoint_format(source, text);
		if (failed)
			return error_set(error, ERROR_USAGE, "--source: '%.*s' cannot be used: %s",
					 (int)(strlen(text) - strlen(":0")), text,
					 error_text(number));
	}
	return 0;
}

int resources_check(const struct load_config *config, struct error *error)
{
	raise_limit(config);
	return check_cpus(config, error) != 0 || check_sources(config, error) != 0 ? -1 : 0;
}
