#include "server/sources.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/assert.h"

int sources_open(struct sources *sources, uint64_t limit, unsigned prefix6, size_t capacity,
		 struct echod_error *error)
{
	*sources = (struct sources){.limit = limit, .prefix6 = prefix6, .bucket_count = 1};
	if (limit > 0 && getrandom(sources->secret, sizeof(sources->secret), 0) < 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot draw random numbers: %s",
				 error_text(errno));
	pthread_mutex_init(&sources->lock, NULL);
	if (limit == 0)
		return 0;
	while (sources->bucket_count < capacity)
		sources->bucket_count *= 2;
	sources->entries = calloc(capacity, sizeof(struct source));
	sources->buckets = calloc(sources->bucket_count, sizeof(struct source *));
	if (!sources->entries || !sources->buckets) {
		sources_close(sources);
		return error_set(error, ECHOD_ERROR_SYSTEM, "no memory for %zu sources", capacity);
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

// Keeps the first `bits` of 128 bits; the others become 0.
static void keep_prefix(uint32_t *words, unsigned bits)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned kept = bits > 32 * i ? bits - 32 * i : 0;
		if (kept < 32)
			words[i] &= htonl(~(UINT32_MAX >> kept));
	}
}

static struct source_key key_of(const struct sources *sources, const struct conn_origin *origin)
{
	struct source_key key = {{origin->peer.any.sa_family}};
	const struct sockaddr_in6 *v6 = &origin->peer.v6;
	switch (origin->peer.any.sa_family) {
	case AF_INET:
		key.word[1] = origin->peer.v4.sin_addr.s_addr;
		break;
	case AF_INET6:
		memcpy(&key.word[1], &v6->sin6_addr, sizeof(v6->sin6_addr));
		if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
			key.word[5] = v6->sin6_scope_id;
		else
			keep_prefix(&key.word[1], sources->prefix6);
		break;
	default:
		key.word[1] = origin->peer_user;
		break;
	}
	return key;
}

static bool keys_equal(const struct source_key *left, const struct source_key *right)
{
	return memcmp(left->word, right->word, sizeof(left->word)) == 0;
}

// Multilinear hashing (Lemire and Kaser, 2014): a client that does not know the secret cannot find
// keys that share a bucket more often than by chance.
static size_t bucket_of(const struct sources *sources, const struct source_key *key)
{
	uint64_t hash = sources->secret[0];
	for (size_t i = 0; i < SOURCES_WORDS; i++)
		hash += sources->secret[1 + i] * key->word[i];
	return (size_t)(hash >> 32) & (sources->bucket_count - 1);
}

// The pointer to the source with `key`, or to the end of its bucket.
static struct source **find_locked(struct sources *sources, const struct source_key *key)
{
	struct source **link = &sources->buckets[bucket_of(sources, key)];
	while (*link && !keys_equal(&(*link)->key, key))
		link = &(*link)->next;
	return link;
}

static bool enter_locked(struct sources *sources, const struct source_key *key)
{
	struct source **link = find_locked(sources, key);
	struct source *source = *link;
	if (!source) {
		source = sources->free;
		ensure(source);
		sources->free = source->next;
		source->next = NULL;
		source->connections = 0;
		source->key = *key;
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
	const struct source_key key = key_of(sources, origin);
	pthread_mutex_lock(&sources->lock);
	bool entered = enter_locked(sources, &key);
	pthread_mutex_unlock(&sources->lock);
	return entered;
}

static void leave_locked(struct sources *sources, const struct source_key *key)
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
	const struct source_key key = key_of(sources, origin);
	pthread_mutex_lock(&sources->lock);
	leave_locked(sources, &key);
	pthread_mutex_unlock(&sources->lock);
}
