// Verification of one connection's bytes: following the stream, and what to do where it is left.
// The naming is in explain.c. One thread for each struct verify.
#include "verify.h"

#include <stdlib.h>

#include "base/assert.h"
#include "resync.h"

#define STEP 256 // bytes looked into at once, so that few are kept when all is soon well again
#define CONTEXT (RESYNC_LOCK + PAYLOAD_WORD) // bytes in which a lock may have begun

const char *fault_kind_name(enum fault_kind kind)
{
	static const char *const names[FAULT_KINDS] = {
		[FAULT_FLIPPED] = "flipped",	 [FAULT_LOST] = "lost",
		[FAULT_REPEATED] = "repeated",	 [FAULT_REORDERED] = "reordered",
		[FAULT_CROSSED] = "crossed",	 [FAULT_FOREIGN] = "foreign",
		[FAULT_TRUNCATED] = "truncated", [FAULT_SURPLUS] = "surplus",
	};
	ensure(kind < FAULT_KINDS);
	return names[kind];
}

void verify_init(struct verify *verify, const struct verify_scope *scope, uint32_t connection)
{
	*verify = (struct verify){.scope = scope, .connection = connection};
}

// Up to what was sent at most: a byte after that is wrong even if it is the one to be sent next.
static size_t follow_front(struct verify *verify, const uint8_t *bytes, size_t length)
{
	const struct verify_scope *scope = verify->scope;
	uint64_t sent = scope->sent(scope->context, verify->connection);
	uint64_t under_way = sent > verify->position ? sent - verify->position : 0;
	if (length > under_way)
		length = (size_t)under_way;
	size_t right =
		payload_match(scope->payload, verify->connection, verify->position, bytes, length);
	verify->position += right;
	verify->verified += right;
	return right;
}

static size_t follow_crossed(struct verify *verify, const uint8_t *bytes, size_t length)
{
	struct resync *resync = verify->resync;
	struct piece *piece = &resync->piece[resync->pieces - 1];
	size_t right = payload_match(verify->scope->payload, piece->other,
				     piece->other_offset + piece->length, bytes, length);
	piece->length += right;
	return right;
}

// Up to the front at most.
static size_t follow_side(struct verify *verify, const uint8_t *bytes, size_t length)
{
	struct resync *resync = verify->resync;
	uint64_t behind = verify->position - resync->next;
	if (length > behind)
		length = (size_t)behind;
	size_t right = payload_match(verify->scope->payload, verify->connection, resync->next,
				     bytes, length);
	resync->next += right;
	if (resync->next == verify->position)
		explain_joined(verify);
	return right;
}

// Returns how many bytes are those of the segment that is followed.
static size_t follow(struct verify *verify, const uint8_t *bytes, size_t length)
{
	const struct resync *resync = verify->resync;
	if (!resync)
		return follow_front(verify, bytes, length);
	size_t right = 0;
	if (resync->crossed) {
		right = follow_crossed(verify, bytes, length);
	} else {
		if (resync->side)
			right = follow_side(verify, bytes, length);
		if (!resync->side)
			right += follow_front(verify, bytes + right, length - right);
	}
	explain_lost(verify);
	return right;
}

// Looks into the bytes that are kept, as far as can be said what they are.
static void look(struct verify *verify)
{
	struct resync *resync = verify->resync;
	struct lock lock;
	while (resync->searching && resync_lock(verify, &lock)) {
		explain_lock(verify, resync->bytes + resync->head, lock.at - resync->head, &lock);
		resync->head =
			lock.at + follow(verify, resync->bytes + lock.at, resync->count - lock.at);
		resync->scanned = resync->head;
		resync->searching = resync->head < resync->count;
	}
}

static bool all_is_well(const struct resync *resync)
{
	return !resync->searching && !resync->side && resync->pieces == 0 &&
	       resync->missing.count == 0;
}

// The next byte is wrong.
static int begin_search(struct verify *verify)
{
	struct resync *resync = verify->resync;
	if (!resync)
		resync = verify->resync = calloc(1, sizeof(*resync));
	if (!resync)
		return -1;
	resync->searching = true;
	resync->head = resync->scanned = resync->count = 0;
	return 0;
}

// Keeps some of the bytes and looks into them. When as many are kept as may be, all but the last of
// them become noise. Returns how many bytes it has taken, or 0 when there is no memory.
static size_t suspect(struct verify *verify, const uint8_t *bytes, size_t length)
{
	struct resync *resync = verify->resync;
	size_t room = resync_room(resync);
	size_t step = length < STEP ? length : STEP;
	if (step > room)
		step = room;
	if (resync_append(resync, bytes, step) != 0)
		return 0;
	look(verify);
	if (resync_room(resync) == 0) {
		size_t noise = RESYNC_BYTES - CONTEXT;
		explain_noise(verify, resync->bytes + resync->head, noise);
		resync->head += noise;
	}
	return step;
}

int verify_bytes(struct verify *verify, const void *bytes, size_t length)
{
	const uint8_t *next = bytes;
	const uint8_t *end = next + length;
	while (next < end) {
		size_t left = (size_t)(end - next);
		if (verify->resync && verify->resync->searching) {
			size_t step = suspect(verify, next, left);
			if (step == 0)
				return -1;
			next += step;
		} else {
			next += follow(verify, next, left);
			if (next < end && begin_search(verify) != 0)
				return -1;
		}
		if (verify->resync && all_is_well(verify->resync))
			verify_free(verify);
	}
	return 0;
}

bool verify_end(struct verify *verify, bool whole)
{
	const struct resync *resync = verify->resync;
	bool noise = resync && resync->searching;
	explain_end(verify, noise ? resync->bytes + resync->head : NULL,
		    noise ? resync->count - resync->head : 0, whole);
	return verify->faults == 0;
}

void verify_free(struct verify *verify)
{
	if (verify->resync)
		free(verify->resync->bytes);
	free(verify->resync);
	verify->resync = NULL;
}
