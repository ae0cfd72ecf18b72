// Keeping the bytes that are not understood, searching them for a lock, and keeping account of what
// is missing. One thread for each struct verify.
#include "resync.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define FIRST_CAPACITY 4096

uint64_t resync_anchor(const struct verify *verify)
{
	const struct resync *resync = verify->resync;
	return resync->side ? resync->next : verify->position;
}

size_t resync_room(const struct resync *resync)
{
	return RESYNC_BYTES - (resync->count - resync->head);
}

static int grow(struct resync *resync, size_t needed)
{
	size_t capacity = resync->capacity ? resync->capacity : FIRST_CAPACITY;
	while (capacity < needed)
		capacity *= 2;
	uint8_t *bytes = realloc(resync->bytes, capacity);
	if (!bytes)
		return -1;
	resync->bytes = bytes;
	resync->capacity = capacity;
	return 0;
}

int resync_append(struct resync *resync, const void *bytes, size_t length)
{
	if (resync->count + length > resync->capacity) {
		size_t kept = resync->count - resync->head;
		if (kept + length > resync->capacity && grow(resync, kept + length) != 0)
			return -1;
		memmove(resync->bytes, resync->bytes + resync->head, kept);
		resync->scanned -= resync->head;
		resync->count = kept;
		resync->head = 0;
	}
	memcpy(resync->bytes + resync->count, bytes, length);
	resync->count += length;
	return 0;
}

size_t resync_match_back(const struct payload *payload, uint32_t connection, uint64_t position,
			 const uint8_t *end, size_t limit)
{
	size_t matched = 0;
	while (matched < limit && matched < position &&
	       payload_match(payload, connection, position - matched - 1, end - matched - 1, 1) ==
		       1)
		matched++;
	return matched;
}

// How many bytes before `position` may have come: of the own stream, those of this connection.
static uint64_t reach_back(const struct verify *verify, uint32_t connection, uint64_t position)
{
	bool own = connection == verify->connection && position >= verify->start;
	return own ? position - verify->start : position;
}

uint64_t resync_slack(const struct verify *verify, uint32_t connection, uint64_t position)
{
	const struct resync *resync = verify->resync;
	const struct payload *payload = verify->scope->payload;
	uint32_t left = verify->connection;
	uint64_t end = resync_anchor(verify);
	if (resync->pieces) {
		const struct piece *last = &resync->piece[resync->pieces - 1];
		if (!last->crossed)
			return 0;
		left = last->other;
		end = last->other_offset + last->length;
	}
	uint8_t before[RESYNC_LOCK - 1];
	uint64_t reach = reach_back(verify, left, end);
	size_t size = reach < sizeof(before) ? (size_t)reach : sizeof(before);
	payload_fill(payload, left, end - size, before, size);
	reach = reach_back(verify, connection, position);
	return resync_match_back(payload, connection, position, before + size,
				 reach < size ? (size_t)reach : size);
}

static bool believable(const struct verify_scope *scope, struct payload_place place)
{
	return place.connection < scope->connections &&
	       place.position + PAYLOAD_WORD <= scope->sent(scope->context, place.connection);
}

bool resync_lock(struct verify *verify, struct lock *lock)
{
	struct resync *resync = verify->resync;
	const struct payload *payload = verify->scope->payload;
	for (; resync->scanned + PAYLOAD_WORD <= resync->count; resync->scanned++) {
		size_t noise = resync->scanned - resync->head;
		const uint8_t *word = resync->bytes + resync->scanned;
		struct payload_place place = payload_locate(payload, word);
		if (!believable(verify->scope, place))
			continue;
		size_t length = resync->count - resync->scanned;
		if (length > RESYNC_LOCK)
			length = RESYNC_LOCK;
		size_t right =
			payload_match(payload, place.connection, place.position, word, length);
		uint64_t reach = reach_back(verify, place.connection, place.position);
		size_t back = resync_match_back(payload, place.connection, place.position, word,
						reach < noise ? (size_t)reach : noise);
		lock->connection = place.connection;
		lock->position = place.position - back;
		lock->at = resync->scanned - back;
		uint64_t before =
			back == noise ? resync_slack(verify, place.connection, lock->position) : 0;
		if (before + back + right >= RESYNC_LOCK)
			return true;
		if (right == length) // it may yet become one
			return false;
	}
	return false;
}

static void remove_at(struct missing *missing, unsigned i)
{
	missing->count--;
	memmove(&missing->range[i], &missing->range[i + 1],
		(missing->count - i) * sizeof(missing->range[0]));
}

static void insert_at(struct missing *missing, unsigned i, struct missing_range range)
{
	ensure(missing->count < MISSING_RANGES + 2);
	memmove(&missing->range[i + 1], &missing->range[i],
		(missing->count - i) * sizeof(missing->range[0]));
	missing->range[i] = range;
	missing->count++;
}

void missing_add(struct missing *missing, uint64_t from, uint64_t to, uint64_t slack)
{
	insert_at(missing, missing->count, (struct missing_range){from, to, slack});
}

bool missing_align(struct missing *missing, uint64_t *start, uint64_t slack)
{
	for (unsigned i = 0; i < missing->count; i++) {
		struct missing_range *range = &missing->range[i];
		uint64_t at = *start - slack > range->from ? *start - slack : range->from;
		if (at > *start || at > range->from + range->slack)
			continue;
		range->to += at - range->from;
		range->from = at;
		range->slack = 0;
		*start = at;
		return true;
	}
	return false;
}

uint64_t missing_take(struct missing *missing, uint64_t from, uint64_t to, bool *late)
{
	unsigned i = 0;
	while (i < missing->count && missing->range[i].to <= from)
		i++;
	*late = i < missing->count && missing->range[i].from <= from;
	if (!*late)
		return i < missing->count && missing->range[i].from < to ? missing->range[i].from
									 : to;

	struct missing_range range = missing->range[i];
	uint64_t end = to < range.to ? to : range.to;
	remove_at(missing, i);
	if (end < range.to)
		insert_at(missing, i, (struct missing_range){end, range.to, 0});
	if (range.from < from)
		insert_at(missing, i, (struct missing_range){range.from, from, 0});
	return end;
}

bool missing_drop(struct missing *missing, uint64_t horizon, struct missing_range *dropped)
{
	if (missing->count == 0)
		return false;
	*dropped = missing->range[0];
	if (missing->count <= MISSING_RANGES && dropped->to > horizon)
		return false;
	remove_at(missing, 0);
	return true;
}
