#include "idle.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/units.h"

#define MOST 32
#define MESSAGE 100

// Silences: 1, 2, 5, 10, 20, 30 s, the same of minutes and hours, and the longest.
static unsigned choose_silences(uint64_t longest, uint64_t *silences)
{
	static const unsigned steps[] = {1, 2, 5, 10, 20, 30};
	unsigned count = 0;
	for (uint64_t unit = NS_PER_S; unit <= 3600 * NS_PER_S; unit *= 60) {
		for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
			if (steps[i] * unit < longest)
				silences[count++] = steps[i] * unit;
		}
	}
	silences[count++] = longest;
	return count;
}

// Returns whether bytes went both ways.
static bool exchange(struct pair *pair, uint64_t timeout)
{
	end_put(&pair->client, &pair->server, MESSAGE);
	(void)play(pair, 1, timeout);
	end_put(&pair->server, &pair->client, MESSAGE);
	return play(pair, 1, timeout) && pair->client.received == pair->client.wanted &&
	       pair->server.received == pair->server.wanted;
}

// Prints what the silence came to. Returns whether the connection has outlived it.
static bool print_row(struct pair *pair, uint64_t silence, uint64_t timeout)
{
	const struct end *client = &pair->client, *server = &pair->server;
	char text[32];
	uint64_t after = client->ending ? client->quiet : server->quiet;
	if (server->ending && server->quiet < after)
		after = server->quiet;
	bool ended = client->ending || server->ending, alive = !ended && exchange(pair, timeout);
	printf("%-10s%s%s", units_exact_duration(silence, text, sizeof(text)),
	       alive   ? "alive"
	       : ended ? "ended after "
		       : "lost without a sign",
	       ended ? UNITS_DURATION(after) : "");
	if (!alive)
		printf(": the client got %s, the server %s", end_ending(client),
		       end_ending(server));
	putchar('\n');
	fflush(stdout);
	return alive;
}

int idle_run(const struct path *path, uint64_t longest, struct echod_error *error)
{
	uint64_t silences[MOST], starts[MOST];
	struct pair pairs[MOST];
	unsigned count = choose_silences(longest, silences), lost = 0;
	for (unsigned i = 0; i < count; i++) {
		const char *why = path_open_pairs(path, &pairs[i], 1, HELLO_FIRST);
		if (why)
			return error_set(error, ECHOD_ERROR_SYSTEM, "no connection: %s", why);
		(void)exchange(&pairs[i], path->timeout);
		starts[i] = clock_now();
	}
	puts("silence   then");
	for (unsigned i = 0; i < count; i++) {
		uint64_t due = starts[i] + silences[i], now = clock_now();
		if (now < due)
			play_for(&pairs[i], count - i, due - now);
		if (path->far->unable[0])
			return error_set(error, ECHOD_ERROR_SYSTEM, "%s", path->far->unable);
		lost += !print_row(&pairs[i], silences[i], path->timeout);
		pair_close(&pairs[i]);
	}
	return lost ? EXIT_CHECK_FAILED : EXIT_OK;
}
