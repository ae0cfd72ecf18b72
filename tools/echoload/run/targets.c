// The addresses that the connections go to. Main thread only.
#include "targets.h"

#include <unistd.h>

#include "base/signals.h"
#include "net/connect.h"
#include "net/resolve.h"

// Whether all sources can reach the target.
static int check_sources(const struct load_config *config, const struct endpoint *target,
			 struct error *error)
{
	for (size_t i = 0; i < config->source_count; i++) {
		const struct endpoint *source = &config->sources[i];
		char from[ADDRESS_TEXT_SIZE];
		char to[ADDRESS_TEXT_SIZE];
		if (source->as.any.sa_family != target->as.any.sa_family)
			return error_set(error, ERROR_USAGE,
					 "--source: %s cannot reach %s: another address family",
					 endpoint_format(source, from),
					 endpoint_format(target, to));
	}
	return 0;
}

// Puts those that the first source can reach in front. Returns how many: all without a source.
static size_t keep_reachable(const struct load_config *config, struct endpoint *found, size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (config->source_count == 0 ||
		    found[i].as.any.sa_family == config->sources[0].as.any.sa_family)
			found[kept++] = found[i];
	}
	return kept;
}

static int find(const struct load_config *config, const struct address *address,
		struct endpoint *target, struct error *error)
{
	struct endpoint found[CONNECT_ADDRESSES];
	int count = resolve_within(address, found, CONNECT_ADDRESSES, config->timeout, signals_fd(),
				   error);
	if (count < 0)
		return -1;
	size_t kept = keep_reachable(config, found, (size_t)count);
	*target = found[0]; // without a choice it is the load that finds out
	if (kept > 1) {
		const struct connect_terms terms = {
			.source = config->source_count ? config->sources : NULL,
			.timeout = config->timeout,
			.interrupt_fd = signals_fd(),
		};
		int fd = connect_first(found, kept, &terms, target, error);
		if (fd < 0)
			return -1;
		close(fd);
	}
	return check_sources(config, target, error);
}

int targets_find(struct load_config *config, const struct address *targets, size_t count,
		 struct error *error)
{
	for (size_t i = 0; i < count; i++) {
		if (find(config, &targets[i], &config->targets[i], error) != 0)
			return -1;
	}
	config->target_count = count;
	return 0;
}
