// Following the stream, and searching for it where it is left. explain.c names the faults.
#include "verify.h"

#include <stdlib.h>
#include <string.h>

#include "resync.h"

#define SEARCH_STEP 256 // bytes searched at once, so that few are kept if all is soon well again
#define SEARCH_OVERLAP (RESYNC_LOCK + PAYLOAD_WORD) // last bytes, in which a lock may have begun

const char *const fault_kind_names[FAULT_KINDS] = {
	[FAULT_FLIPPED] = "flipped",	 [FAULT_LOST] = "lost",	      [FAULT_REPEATED] = "repeated",
	[FAULT_REORDERED] = "reordered", [FAULT_CROSSED] = "crossed", [FAULT_FOREIGN] = "foreign",
	[FAULT_TRUNCATED] = "truncated", [FAULT_SURPLUS] = "surplus",
};

uint64_t resync_expected(const struct verify *verify)
{
	const struct resync *resync = verify->resync;
	return resync->side ? resync->next : verify->position;
}

// Returns how many bytes are right. A byte after what was sent is wrong, even if it is the one to
// be sent next.
static size_t follow_front(struct verify *verify, const uint8_t *bytes, size_t length)
{
	const struct verify_scope *scope = verify->scope;
	uint64_t sent = scope->sent(scope->context, verify->connection);
	uint64_t under_way = sent > verify->position ? sent - verify->position : 0;
	size_t right = payload_match(scope->payload, verify->connection, verify->position, bytes,
				     length < under_way ? length : (size_t)under_way);
	verify->position += right;
	verify->verified += right;
	return right;
}

// The same for the segment that is followed, whichever that is.
static size_t follow(struct verify *verify, const uint8_t *bytes, size_t length)
{
	struct resync *resync = verify->resync;
	const struct payload *payload = verify->scope->payload;
	size_t right = 0;
	if (resync->crossed) {
		struct fault *piece = &resync->piece[resync->pieces - 1];
		right = payload_match(payload, piece->other, piece->other_offset + piece->length,
				      bytes, length);
		piece->length += right;
		return right;
	}
	if (resync->side) {
		uint64_t behind = verify->position - resync->next;
		right = payload_match(payload, verify->connection, resync->next, bytes,
				      length < behind ? length : (size_t)behind);
		explain_advance(verify, right);
	}
	if (!resync->side)
		right += follow_front(verify, bytes + right, length - right);
	explain_lost(verify, RESYNC_LATEST);
	return right;
}

// The first byte before `position` that may have come on this connection.
static uint64_t first_before(const struct verify *verify, uint32_t connection, uint64_t position)
{
	bool own = connection == verify->connection && position >= verify->start;
	return own ? verify->start : 0;
}

size_t resync_match_back(const struct verify *verify, uint32_t connection, uint64_t position,
			 const uint8_t *end, size_t limit)
{
	const struct payload *payload = verify->scope->payload;
	uint64_t at = position, first = first_before(verify, connection, position);
	while (position - at < limit && at > first &&
	       payload_match(payload, connection, at - 1, end - (position - at) - 1, 1) == 1)
		at--;
	return (size_t)(position - at);
}

uint64_t resync_shift(const struct verify *verify, uint32_t connection, uint64_t position)
{
	const struct resync *resync = verify->resync;
	uint32_t left = verify->connection;
	uint64_t end = resync_expected(verify);
	if (resync->pieces) {
		const struct fault *last = &resync->piece[resync->pieces - 1];
		if (last->kind != FAULT_CROSSED)
			return 0;
		left = last->other;
		end = last->other_offset + last->length;
	}
	uint8_t before[RESYNC_LOCK - 1];
	uint64_t reach = end - first_before(verify, left, end);
	size_t size = reach < sizeof(before) ? (size_t)reach : sizeof(before);
	payload_fill(verify->scope->payload, left, end - size, before, size);
	return resync_match_back(verify, connection, position, before + size, size);
}

static bool believable(const struct verify_scope *scope, struct payload_place place)
{
	return place.connection < scope->connections &&
	       place.position + PAYLOAD_WORD <= scope->sent(scope->context, place.connection);
}

// Searches the bytes that have not been searched for a lock. The result does not depend on how many
// bytes came at once.
static bool find_lock(struct verify *verify, struct lock *lock)
{
	struct resync *resync = verify->resync;
	const struct payload *payload = verify->scope->payload;
	for (; resync->scanned + PAYLOAD_WORD <= resync->count; resync->scanned++) {
		size_t unmatched = resync->scanned - resync->head;
		const uint8_t *word = resync->bytes + resync->scanned;
		struct payload_place place = payload_locate(payload, word);
		if (!believable(verify->scope, place))
			continue;
		size_t kept = resync->count - resync->scanned;
		size_t length = kept < RESYNC_LOCK ? kept : RESYNC_LOCK;
		size_t right =
			payload_match(payload, place.connection, place.position, word, length);
		size_t back = resync_match_back(verify, place.connection, place.position, word,
						unmatched);
		lock->connection = place.connection;
		lock->position = place.position - back;
		lock->at = resync->scanned - back;
		uint64_t before = back == unmatched
					  ? resync_shift(verify, place.connection, lock->position)
					  : 0;
		if (before + back + right >= RESYNC_LOCK)
			return true;
		if (right == length) // it may become one
			return false;
	}
	return false;
}

// Explains the bytes that are kept, as far as their origin is known.
static void explain_kept(struct verify *verify)
{
	struct resync *resync = verify->resync;
	struct lock lock;
	while (resync->searching && find_lock(verify, &lock)) {
		explain_lock(verify, &lock);
		resync->head =
			lock.at + follow(verify, resync->bytes + lock.at, resync->count - lock.at);
		resync->scanned = resync->head;
		resync->searching = resync->head < resync->count;
	}
}

static bool all_is_well(const struct resync *resync)
{
	return !resync->searching && !resync->side && resync->pieces == 0 &&
	       resync->missing_count == 0;
}

// The next byte is wrong.
static int begin_search(struct verify *verify)
{
	struct resync *resync = verify->resync;
	if (!resync) {
		resync = verify->resync = malloc(sizeof(*resync) + RESYNC_BYTES);
		if (!resync)
			return -1;
		*resync = (struct resync){0};
	}
	resync->searching = true;
	resync->head = resync->scanned = resync->count = 0;
	return 0;
}

// Keeps some of the bytes and searches them. If there is room for no more, all except the last of
// them count as unmatched. Returns how many bytes it has taken.
static size_t search(struct verify *verify, const uint8_t *bytes, size_t length)
{
	struct resync *resync = verify->resync;
	size_t kept = resync->count - resync->head;
	size_t step = length < SEARCH_STEP ? length : SEARCH_STEP;
	if (step > RESYNC_BYTES - kept)
		step = RESYNC_BYTES - kept;
	if (resync->count + step > RESYNC_BYTES) {
		memmove(resync->bytes, resync->bytes + resync->head, kept);
		resync->scanned -= resync->head;
		resync->count = kept;
		resync->head = 0;
	}
	memcpy(resync->bytes + resync->count, bytes, step);
	resync->count += step;
	explain_kept(verify);
	if (resync->count - resync->head == RESYNC_BYTES) {
		size_t unmatched = RESYNC_BYTES - SEARCH_OVERLAP;
		explain_unmatched(verify, unmatched);
		resync->head += unmatched;
	}
	return step;
}

int verify_bytes(struct verify *verify, const void *bytes, size_t length)
{
	const uint8_t *next = bytes, *end = next + length;
	while (next < end) {
		size_t left = (size_t)(end - next);
		if (verify->resync && verify->resync->searching) {
			next += search(verify, next, left);
		} else {
			next += verify->resync ? follow(verify, next, left)
					       : follow_front(verify, next, left);
			if (next < end && begin_search(verify) != 0)
				return -1;
		}
		if (verify->resync && all_is_well(verify->resync))
			verify_free(verify);
	}
	return 0;
}

void verify_free(struct verify *verify)
{
	free(verify->resync);
	verify->resync = NULL;
}
