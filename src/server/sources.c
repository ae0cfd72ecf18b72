// How many connections each source has open. The acceptor enters, workers leave.
#include "server/sources.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

int sources_open(struct sources *sources, uint64_t limit, size_t capacity, struct error *error)
{
	*sources = (struct sources){.limit = limit, .bucket_count = 1};
	pthread_mutex_init(&sources->lock, NULL);
	if (limit == 0)
		return 0;
	while (sources->bucket_count < capacity)
		sources->bucket_count *= 2;
	sources->entries = calloc(capacity, sizeof(struct source));
	sources->buckets = calloc(sources->bucket_count, sizeof(struct source *));
	if (!sources->entries || !sources->buckets) {
		sources_close(sources);
		return error_set(error, ERROR_SYSTEM, "no memory for %zu sources", capacity);
	}
	for (size_t i = 0; i < capacity; i++) {
		sources->entries[i].next = sources->free;
		sources->free = &sources->entries[i];
	}
	return 0;
}

void sources_close(struct sources *sources)
{
	free(sources->entries);
	free(sources->buckets);
	pthread_mutex_destroy(&sources->lock);
}

static void make_key(const struct conn_origin *origin, unsigned char *key)
{
	memset(key, 0, sizeof(((struct source *)0)->key));
	key[0] = (unsigned char)origin->peer.any.sa_family;
	switch (origin->peer.any.sa_family) {
	case AF_INET:
		memcpy(key + 1, &origin->peer.v4.sin_addr, sizeof(origin->peer.v4.sin_addr));
		break;
	case AF_INET6:
		memcpy(key + 1, &origin->peer.v6.sin6_addr, sizeof(origin->peer.v6.sin6_addr));
		break;
	default:
		memcpy(key + 1, &origin->peer_user, sizeof(origin->peer_user));
		break;
	}
}

// FNV-1a. Clients choose their addresses, not so many at once that a long bucket hurts.
static size_t bucket_of(const struct sources *sources, const unsigned char *key)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	for (size_t i = 0; i < sizeof(((struct source *)0)->key); i++)
		hash = (hash ^ key[i]) * UINT64_C(1099511628211);
	return (size_t)(hash ^ hash >> 32) & (sources->bucket_count - 1);
}

// The link that points to the source with `key`, or to the end of its bucket.
static struct source **find_locked(struct sources *sources, const unsigned char *key)
{
	struct source **link = &sources->buckets[bucket_of(sources, key)];
	while (*link && memcmp((*link)->key, key, sizeof((*link)->key)) != 0)
		link = &(*link)->next;
	return link;
}

static bool enter_locked(struct sources *sources, const unsigned char *key)
{
	struct source **link = find_locked(sources, key);
	struct source *source = *link;
	if (!source) {
		source = sources->free;
		ensure(source);
		sources->free = source->next;
		source->next = NULL;
		source->connections = 0;
		memcpy(source->key, key, sizeof(source->key));
		*link = source;
	}
	if (source->connections >= sources->limit)
		return false;
	source->connections++;
	return true;
}

bool sources_enter(struct sources *sources, const struct conn_origin *origin)
{
	if (sources->limit == 0)
		return true;
	unsigned char key[sizeof(((struct source *)0)->key)];
	make_key(origin, key);
	pthread_mutex_lock(&sources->lock);
	bool entered = enter_locked(sources, key);
	pthread_mutex_unlock(&sources->lock);
	return entered;
}

static void leave_locked(struct sources *sources, const unsigned char *key)
{
	struct source **link = find_locked(sources, key);
	struct source *source = *link;
	ensure(source && source->connections > 0);
	if (--source->connections > 0)
		return;
	*link = source->next;
	source->next = sources->free;
	sources->free = source;
}

void sources_leave(struct sources *sources, const struct conn_origin *origin)
{
	if (sources->limit == 0)
		return;
	unsigned char key[sizeof(((struct source *)0)->key)];
	make_key(origin, key);
	pthread_mutex_lock(&sources->lock);
	leave_locked(sources, key);
	pthread_mutex_unlock(&sources->lock);
}
