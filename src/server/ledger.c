#include "server/ledger.h"

#include <stdlib.h>

#include "base/clock.h"

int ledger_open(struct ledger *ledger, size_t size, struct echod_error *error)
{
	*ledger = (struct ledger){.size = size};
	pthread_mutex_init(&ledger->lock, NULL);
	ledger->entries = size ? calloc(size, sizeof(*ledger->entries)) : NULL;
	if (!size || ledger->entries)
		return 0;
	return error_set(error, ECHOD_ERROR_SYSTEM,
			 "no memory for %zu entries; try a smaller --ledger", size);
}

void ledger_close(struct ledger *ledger)
{
	pthread_mutex_destroy(&ledger->lock);
	free(ledger->entries);
	ledger->entries = NULL;
}

void ledger_describe(struct ledger_entry *entry, const struct conn *conn, enum close_reason reason,
		     bool resets)
{
	*entry = (struct ledger_entry){.closed_at = clock_now(), .reason = reason};
	conn_show(conn, &entry->info);
	tcp_facts_read(conn->work.fd, &entry->tcp);
	bool is_cut = reason == CLOSE_reset || reason == CLOSE_timeout;
	// The kernel itself resets a connection that is closed with bytes unread.
	bool is_unread = entry->tcp.unread != 0 && entry->tcp.unread != FACT_UNKNOWN;
	if (reason == CLOSE_peer || reason == CLOSE_reset)
		entry->peer_end = reason == CLOSE_peer ? LEDGER_END_FIN : LEDGER_END_RST;
	if (!is_cut)
		entry->own_end = resets || is_unread ? LEDGER_END_RST : LEDGER_END_FIN;
}

void ledger_add(struct ledger *ledger, const struct ledger_entry *entry)
{
	pthread_mutex_lock(&ledger->lock);
	ledger->entries[ledger->total++ % ledger->size] = *entry;
	pthread_mutex_unlock(&ledger->lock);
}

uint64_t ledger_total(struct ledger *ledger)
{
	pthread_mutex_lock(&ledger->lock);
	uint64_t total = ledger->total;
	pthread_mutex_unlock(&ledger->lock);
	return total;
}

size_t ledger_copy(struct ledger *ledger, uint64_t *next, struct ledger_entry *entries,
		   size_t capacity)
{
	size_t copied = 0;
	pthread_mutex_lock(&ledger->lock);
	if (*next + ledger->size < ledger->total)
		*next = ledger->total - ledger->size;
	for (; copied < capacity && *next < ledger->total; (*next)++)
		entries[copied++] = ledger->entries[*next % ledger->size];
	pthread_mutex_unlock(&ledger->lock);
	return copied;
}

const char *ledger_ended_by(enum close_reason reason)
{
	switch (reason) {
	case CLOSE_peer:
	case CLOSE_probe:
	case CLOSE_reset:
	case CLOSE_reset_ok:
		return "peer";
	case CLOSE_timeout:
		return "network";
	default:
		return "server";
	}
}
