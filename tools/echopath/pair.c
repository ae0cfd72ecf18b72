#include "pair.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "far.h"
#include "net/connect.h"

void pair_init(struct pair *pair)
{
	*pair = (struct pair){.client = end_none("client", 1), .server = end_none("server", 2)};
	pair->client.id = 1; // the server's is what counts
}

void end_put(struct end *from, struct end *to, uint64_t count)
{
	from->to_send += count;
	to->wanted += count;
}

void far_fail(struct far *far, const char *why)
{
	if (!far->unable[0])
		snprintf(far->unable, sizeof(far->unable), "%s", why);
}

static void note_lost(struct far *far)
{
	char reason[120];
	snprintf(reason, sizeof(reason), "the side channel to the far end is lost: %s",
		 far->channel.lost);
	far_fail(far, reason);
}

// Takes in what the far end says. Returns whether something moved there.
static bool take_lines(struct far *far)
{
	bool moved = false;
	char *line;
	while ((line = channel_read(&far->channel))) {
		unsigned id;
		int used = 0;
		char peer[ADDRESS_TEXT_SIZE];
		if (sscanf(line, "state %u %119s%n", &id, peer, &used) == 2 && used > 0) {
			struct end *end = far->ends[id % MOST_PAIRS];
			if (!end || end->id != id)
				continue;
			memcpy(end->peer, peer, sizeof(peer));
			end->accepted = moved = true;
			channel_read_facts(end, line + used);
		} else if (strncmp(line, "unable ", 7) == 0) {
			far_fail(far, line + 7);
		} else {
			snprintf(far->answer, sizeof(far->answer), "%s", line);
		}
	}
	if (far->channel.lost)
		note_lost(far);
	return moved;
}

// Asks, unless `question` is NULL, and waits for the line that answers. Returns it, or NULL.
static const char *ask(struct far *far, const char *question)
{
	struct pollfd ready = {.fd = far->channel.fd, .events = POLLIN};
	uint64_t deadline = clock_deadline(CHANNEL_PATIENCE);
	if (question) {
		far->answer[0] = '\0';
		channel_send(&far->channel, "%s\n", question);
	}
	while (!far->answer[0] && !far->channel.lost) {
		if (clock_now() >= deadline)
			far->channel.lost = "no answer in time";
		else if (poll(&ready, 1, clock_poll_timeout(deadline)) > 0)
			(void)take_lines(far);
	}
	if (!far->channel.lost)
		return far->answer;
	note_lost(far);
	return NULL;
}

const char *far_listen(struct far *far, const char *how)
{
	char line[ADDRESS_WRITTEN_SIZE + 20], backend[ADDRESS_WRITTEN_SIZE];
	if (!far->channel.lost)
		far->unable[0] = '\0';
	memset(far->ends, 0, sizeof(far->ends));
	snprintf(line, sizeof(line), "listen %s %s", how, address_format(far->backend, backend));
	const char *answer = ask(far, line);
	if (answer && strncmp(answer, "listens ", 8) == 0)
		snprintf(far->name, sizeof(far->name), "%.119s", answer + 8);
	else if (answer)
		far_fail(far, strncmp(answer, "fails ", 6) == 0 ? answer + 6 : answer);
	return far->unable[0] ? far->unable : NULL;
}

int far_open(struct far *far, const struct address *address, const struct address *backend,
	     uint64_t timeout, struct echod_error *error)
{
	const struct connect_terms terms = {.timeout = timeout, .interrupt_fd = -1};
	struct endpoint reached;
	struct address own;
	*far = (struct far){.backend = backend, .last_id = (unsigned)(clock_wall() / NS_PER_MS)};
	int fd = address ? connect_to(address, &terms, &reached, error) : far_fork(error);
	channel_open(&far->channel, fd);
	if (fd < 0)
		return -1;
	const char *greeting = ask(far, NULL);
	if (greeting && strcmp(greeting, CHANNEL_GREETING) != 0)
		far_fail(far, "the far end is none, or of another version");
	if (far->unable[0] || far_listen(far, "accept"))
		return error_set(error, ECHOD_ERROR_SYSTEM, "%s", far->unable);
	if (address_parse(far->name, &own, error) != 0 ||
	    address_resolve(&own, &far->endpoint, 1, error) != 1)
		return -1;
	return 0;
}

void far_close(struct far *far)
{
	if (far->channel.fd >= 0)
		close(far->channel.fd);
}

void pair_claim(struct pair *pair, struct far *far, bool any)
{
	struct end *server = &pair->server;
	*server = end_none("server", 2);
	server->far = far;
	server->id = ++far->last_id ? far->last_id : ++far->last_id;
	server->open = true;
	server->any = any;
	far->ends[server->id % MOST_PAIRS] = server;
}

bool pair_hello(const struct pair *pair)
{
	return dprintf(pair->client.fd, CHANNEL_HELLO, pair->server.id) == CHANNEL_HELLO_SIZE;
}

// Tells the far end what has changed in the orders. Returns whether something has.
static bool send_orders(struct end *end)
{
	char line[END_LINE];
	if (!end->far)
		return false;
	channel_write_orders(end, line);
	if (strcmp(line, end->told) == 0)
		return false;
	memcpy(end->told, line, sizeof(line));
	channel_send(&end->far->channel, "%s", line);
	return true;
}

static void leave(struct end *end, enum leave how)
{
	if (end->far && end->open) {
		end->leave = how;
		(void)send_orders(end);
		end->far->ends[end->id % MOST_PAIRS] = NULL;
	}
	end->far = NULL;
	end_leave(end, how == LEAVE_RESET);
}

void end_close(struct end *end)
{
	leave(end, LEAVE_CLOSE);
}

void end_reset(struct end *end)
{
	leave(end, LEAVE_RESET);
}

void pair_close(struct pair *pair)
{
	end_reset(&pair->client);
	end_reset(&pair->server);
}

// Has the orders in force. Returns the far end; NULL: none is needed.
static struct far *begin(struct pair *pairs, size_t count)
{
	struct far *far = NULL;
	bool changed = false;
	for (size_t i = 0; i < count; i++) {
		far = pairs[i].server.far ? pairs[i].server.far : far;
		changed |= send_orders(&pairs[i].server);
	}
	if (changed)
		(void)ask(far, "sync");
	return far;
}

// The end of the pair that is on this machine.
static struct end *end_here(struct pair *pair)
{
	return pair->client.fd >= 0 ? &pair->client : &pair->server;
}

bool step_pairs(struct pair *pairs, size_t count)
{
	bool moved = false;
	for (size_t i = 0; i < count; i++)
		moved |= end_step(end_here(&pairs[i]));
	return moved;
}

void wait_for_pairs(struct pair *pairs, size_t count, int channel, int listener, uint64_t deadline)
{
	struct pollfd polls[MOST_CONNECTIONS + 2] = {{.fd = channel, .events = POLLIN},
						     {.fd = listener, .events = POLLIN}};
	for (size_t i = 0; i < count; i++) {
		const struct end *end = end_here(&pairs[i]);
		uint64_t due = end_due(end);
		polls[i + 2] = end_watch(end);
		deadline = due < deadline ? due : deadline;
	}
	(void)poll(polls, count + 2, clock_poll_timeout(deadline));
}

// One step of all ends, here and there. Returns whether something moved.
static bool step_all(struct pair *pairs, size_t count, struct far *far)
{
	bool moved = far && take_lines(far);
	return step_pairs(pairs, count) || moved;
}

// If the client has seen an end, no server of its name comes any more.
static bool is_satisfied(const struct pair *pair)
{
	const struct end *client = &pair->client, *server = &pair->server;
	bool missed = client->ending != ENDING_NONE && !server->accepted && !server->any;
	return end_is_satisfied(client) && (missed || end_is_satisfied(server));
}

bool play(struct pair *pairs, size_t count, uint64_t timeout)
{
	struct far *far = begin(pairs, count);
	uint64_t deadline = clock_deadline(timeout);
	while (!(far && far->unable[0])) {
		if (step_all(pairs, count, far))
			deadline = clock_deadline(timeout);
		size_t satisfied = 0;
		while (satisfied < count && is_satisfied(&pairs[satisfied]))
			satisfied++;
		if (satisfied == count || clock_now() >= deadline)
			return satisfied == count;
		wait_for_pairs(pairs, count, far ? far->channel.fd : -1, -1, deadline);
	}
	return false;
}

void play_for(struct pair *pairs, size_t count, uint64_t duration)
{
	struct far *far = begin(pairs, count);
	uint64_t deadline = clock_deadline(duration);
	while (clock_now() < deadline && !(far && far->unable[0])) {
		if (!step_all(pairs, count, far))
			wait_for_pairs(pairs, count, far ? far->channel.fd : -1, -1, deadline);
	}
}
