#include "conversation.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/units.h"
#include "complain.h"
#include "difference.h"
#include "exchange.h"
#include "round_trips.h"

#define GO_ON (-1) // in place of an exit status

struct conversation {
	struct peer *peer;
	const struct options *options;
	bool interrupted;
	char *reply;
	struct round_trips trips;
};

static void print_received(const char *reply, size_t length)
{
	fputs("Received '", stdout);
	while (length > 0) {
		char text[1024];
		size_t piece = length < sizeof(text) / 4 - 1 ? length : sizeof(text) / 4 - 1;
		fputs(log_escape(reply, piece, text, sizeof(text)), stdout);
		reply += piece;
		length -= piece;
	}
	fputs("'\n", stdout);
}

static void print_ping(const struct conversation *talk, const struct exchange *exchange)
{
	char duration[16];
	printf("%zu bytes from %s: seq=%" PRIu64 " time=%s\n", exchange->length, talk->peer->name,
	       talk->trips.sent,
	       units_format_duration(exchange->duration, duration, sizeof(duration)));
}

// Reports that the echo first differs from the message at `same`.
static void report_difference(struct conversation *talk, const struct exchange *exchange,
			      size_t same)
{
	talk->trips.mismatches++;
	struct difference difference = {
		.offset = same,
		.sent = same < exchange->length ? (unsigned char)exchange->message[same]
						: DIFFERENCE_NOTHING,
		.received = (unsigned char)exchange->reply[same],
	};
	char text[DIFFERENCE_TEXT_SIZE];
	complain(EXIT_CHECK_FAILED, "%s: message %" PRIu64 ": %s", talk->peer->name,
		 talk->trips.sent, difference_format(&difference, text));
}

// Compares the echo with the message. A surplus byte ends the conversation, because later echoes
// would be out of step. After a wrong byte it goes on.
static int check_echo(struct conversation *talk, const struct exchange *exchange)
{
	size_t same = difference_find(exchange->message, exchange->reply, exchange->length);
	bool surplus = exchange->received > exchange->length;
	if (same < exchange->length || surplus)
		report_difference(talk, exchange, same);
	return surplus ? EXIT_CHECK_FAILED : GO_ON;
}

// Reports an echo that is too short. Its bytes may also be wrong, which is reported first.
static int fail_short(struct conversation *talk, const struct exchange *exchange, const char *why)
{
	size_t same = difference_find(exchange->message, exchange->reply, exchange->received);
	if (same < exchange->received)
		report_difference(talk, exchange, same);
	return complain(EXIT_CHECK_FAILED,
			"%s: message %" PRIu64 ": %s: %zu of %zu bytes came back", talk->peer->name,
			talk->trips.sent, why, exchange->received, exchange->length);
}

static int send_message(struct conversation *talk, const char *message)
{
	struct exchange exchange = {
		.message = message,
		.length = strlen(message),
		.reply = talk->reply,
	};
	talk->trips.sent++;
	enum exchange_end end =
		exchange_run(&exchange, talk->peer, signals_fd(), talk->options->timeout);
	bool complete = end == EXCHANGE_COMPLETE;
	if (complete)
		round_trips_add(&talk->trips, exchange.duration);
	if (complete && talk->options->ping)
		print_ping(talk, &exchange);
	else if (exchange.received > 0 && !talk->options->ping)
		print_received(exchange.reply, exchange.received);
	if (fflush(stdout) != 0)
		return EXIT_UNREACHABLE;

	char why[64];
	char limit[16];
	switch (end) {
	case EXCHANGE_BROKEN:
		return fail_short(talk, &exchange, peer_end_text(talk->peer));
	case EXCHANGE_TIMED_OUT:
		snprintf(why, sizeof(why), "no echo for %s",
			 units_format_duration(talk->options->timeout, limit, sizeof(limit)));
		return fail_short(talk, &exchange, why);
	case EXCHANGE_INTERRUPTED:
		talk->interrupted = true;
		return GO_ON;
	default:
		return check_echo(talk, &exchange);
	}
}

// Waits until the next round is due. Any byte from the peer meanwhile is an error.
static int wait_for_round(struct conversation *talk, uint64_t due)
{
	uint64_t now = clock_now();
	if (now >= due)
		return GO_ON;
	struct timespec left = {
		.tv_sec = (time_t)((due - now) / NS_PER_S),
		.tv_nsec = (long)((due - now) % NS_PER_S),
	};
	struct pollfd ready[] = {
		{.fd = talk->peer->fd, .events = POLLIN},
		{.fd = signals_fd(), .events = POLLIN},
	};
	if (ppoll(ready, 2, &left, NULL) <= 0)
		return GO_ON;
	if (ready[1].revents) {
		talk->interrupted = true;
		return GO_ON;
	}
	char byte;
	if (peer_receive(talk->peer, &byte, 1) < 0)
		return complain(EXIT_CHECK_FAILED, "%s: %s between two messages", talk->peer->name,
				peer_end_text(talk->peer));
	return complain(EXIT_CHECK_FAILED, "%s: surplus bytes came after message %" PRIu64,
			talk->peer->name, talk->trips.sent);
}

static int run_rounds(struct conversation *talk)
{
	const struct options *options = talk->options;
	uint64_t due = clock_now();
	for (uint64_t round = 0; options->count == 0 || round < options->count; round++) {
		int status = wait_for_round(talk, due);
		due = clock_now() + options->interval;
		for (size_t i = 0; i < options->message_count; i++) {
			if (status == GO_ON && !talk->interrupted)
				status = send_message(talk, options->messages[i]);
		}
		if (status != GO_ON || talk->interrupted)
			return status;
	}
	return GO_ON;
}

static int finish(const struct conversation *talk, int status)
{
	if (talk->options->ping && status != EXIT_UNREACHABLE) {
		round_trips_print(&talk->trips, talk->peer->name, stdout);
		if (fflush(stdout) != 0)
			return EXIT_UNREACHABLE;
	}
	if (status != GO_ON)
		return status;
	if (talk->trips.mismatches)
		return EXIT_CHECK_FAILED;
	return talk->trips.received ? EXIT_OK : EXIT_INCONCLUSIVE;
}

int conversation_run(struct peer *peer, const struct options *options)
{
	size_t longest = 0;
	for (size_t i = 0; i < options->message_count; i++) {
		size_t length = strlen(options->messages[i]);
		longest = length > longest ? length : longest;
	}
	struct conversation talk = {.peer = peer, .options = options};
	talk.reply = malloc(longest + 1);
	if (!talk.reply)
		return complain(EXIT_UNREACHABLE, "out of memory");
	if (options->ping)
		signals_heed(1);
	int status = finish(&talk, run_rounds(&talk));
	free(talk.reply);
	return status;
}
