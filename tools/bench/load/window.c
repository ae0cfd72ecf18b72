// The window in which what happens is counted. One thread.
#include "base/clock.h"
#include "load.h"

void window_record(struct result *result, uint64_t asked, uint64_t now)
{
	if (!result->started)
		return;
	result->messages++;
	// Looking at the server's usage, as the window opened, has delayed those sent before.
	if (asked >= result->started)
		latencies_record(&result->latencies, now - asked);
}

void window_add_bulk(struct result *result, uint64_t bytes)
{
	if (result->started)
		result->bulk_bytes += bytes;
}

bool window_open(const struct job *job, struct result *result, uint64_t now)
{
	static uint64_t first; // when the load began
	if (!first)
		first = now;
	if (!result->started) {
		if (now - first < job->warmup)
			return true;
		result->server_before = usage_of_group(job->server);
		result->own_cpu_us = usage_of_self();
		result->started = clock_now();
		return true;
	}
	if (result->ended || now - result->started < job->duration)
		return !result->ended;
	result->ended = now;
	result->own_cpu_us = usage_of_self() - result->own_cpu_us;
	result->server_after = usage_of_group(job->server);
	return false;
}
