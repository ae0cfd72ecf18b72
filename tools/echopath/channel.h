// The side channel between the two machines: lines of text, `echopath 1` as the first of the far
// end's. It is neither encrypted nor authenticated. One thread.
//
//   near end                        far end
//   listen HOW ADDRESS              listens ADDRESS, or fails REASON
//   end ID ORDERS                   state ID PEER FACTS, whenever they have changed
//   sync                            synced, when all orders before it are in force
//                                   unable REASON, unasked: it lacks descriptors or memory
//
// `listen` resets all connections first; HOW is one of far_listen's words. A connection belongs to
// the ID that its first bytes name (CHANNEL_HELLO). ORDERS and FACTS are the numbers of END_ORDERS
// and END_FACTS (end.h). Times are durations of one machine's clock.
#ifndef ECHOPATH_CHANNEL_H
#define ECHOPATH_CHANNEL_H

#include "end.h"

#define CHANNEL_GREETING "echopath 1"
#define CHANNEL_HELLO "echopath: connection %010u\n"
#define CHANNEL_HELLO_SIZE 32
#define CHANNEL_PATIENCE (10 * NS_PER_S) // for an answer, and for room to send

struct channel {
	int fd;
	const char *lost;    // why it is of no more use; NULL: it is not
	size_t used, length; // of `bytes`: the line that was returned last, and all
	char bytes[8192];
};

// Takes over a connected socket, and sees to it that a peer that is gone is noticed.
void channel_open(struct channel *channel, int fd);

// The next whole line without its newline, valid until the next call; NULL: none yet, or lost.
char *channel_read(struct channel *channel);

void channel_send(struct channel *channel, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

// A line of orders or facts with its newline, into `line`, which has room for END_LINE bytes; and
// what follows the ID and PEER of such a line.
void channel_write_orders(const struct end *end, char *line);
void channel_write_facts(const struct end *end, char *line);
void channel_read_orders(struct end *end, char *text);
void channel_read_facts(struct end *end, char *text);

#endif
