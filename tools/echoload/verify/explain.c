// Naming faults. The boundary between two segments can often be shifted by a byte or two, because
// neighbours happen to be equal. It is set so that the fewest faults remain, and then leftmost.
#include "resync.h"

#include <string.h>

#include "base/assert.h"

#define COMPARED_BYTES 256 // bytes compared at a time
#define FLIPPED_BITS 8	   // that may differ in a range, however short it is
#define CERTAIN_BYTES 4	   // right ones that are no chance at a place where they are expected

static void report(struct verify *verify, struct fault fault)
{
	fault.connection = verify->connection;
	verify->faults++;
	verify->truncated |= fault.kind == FAULT_TRUNCATED;
	verify->scope->report(verify->scope->context, &fault);
}

static void report_range(struct verify *verify, enum fault_kind kind, uint64_t from, uint64_t to)
{
	report(verify, (struct fault){.kind = kind, .offset = from, .length = to - from});
}

static void remove_at(struct resync *resync, unsigned i)
{
	struct missing_range *range = &resync->missing[i];
	resync->missing_count--;
	memmove(range, range + 1, (resync->missing_count - i) * sizeof(*range));
}

static void insert_at(struct resync *resync, unsigned i, struct missing_range missing)
{
	struct missing_range *range = &resync->missing[i];
	ensure(resync->missing_count < RESYNC_MISSING + 2);
	memmove(range + 1, range, (resync->missing_count - i) * sizeof(*range));
	*range = missing;
	resync->missing_count++;
}

void explain_lost(struct verify *verify, uint64_t latest)
{
	struct resync *resync = verify->resync;
	uint64_t horizon = verify->position > latest ? verify->position - latest : 0;
	while (resync->missing_count > RESYNC_MISSING ||
	       (resync->missing_count > 0 && resync->missing[0].to <= horizon)) {
		struct missing_range range = resync->missing[0];
		remove_at(resync, 0);
		report_range(verify, FAULT_LOST, range.from, range.to);
	}
}

// Late bytes begin at `start`, or up to `shift` bytes before it. If a missing range can begin
// there, decides where it does, stores that in both and returns true.
static bool align(struct resync *resync, uint64_t *start, uint64_t shift)
{
	for (unsigned i = 0; i < resync->missing_count; i++) {
		struct missing_range *range = &resync->missing[i];
		uint64_t at = *start - shift > range->from ? *start - shift : range->from;
		if (at <= *start && at <= range->from + range->shift) {
			*range = (struct missing_range){at, range->to + at - range->from, 0};
			*start = at;
			return true;
		}
	}
	return false;
}

// Removes the first part of [from, to) from the missing ranges. Returns where that part ends;
// `late`: whether all of it was missing, or none.
static uint64_t take_out(struct resync *resync, uint64_t from, uint64_t to, bool *late)
{
	unsigned i = 0;
	while (i < resync->missing_count && resync->missing[i].to <= from)
		i++;
	struct missing_range *range = &resync->missing[i];
	*late = i < resync->missing_count && range->from <= from;
	if (!*late)
		return i < resync->missing_count && range->from < to ? range->from : to;
	struct missing_range rest = {.from = to < range->to ? to : range->to, .to = range->to};
	*range = (struct missing_range){.from = range->from, .to = from};
	if (rest.from < rest.to)
		insert_at(resync, i + 1, rest);
	if (range->from == range->to)
		remove_at(resync, i);
	return rest.from;
}

// Ends the side stretch, if there is one, at `to`. The bytes that were missing are late, the others
// came again.
static void finish_side(struct verify *verify, uint64_t to)
{
	struct resync *resync = verify->resync;
	uint64_t from = resync->side ? resync->start : to;
	resync->side = false;
	while (from < to) {
		bool late;
		uint64_t end = take_out(resync, from, to, &late);
		report_range(verify, late ? FAULT_REORDERED : FAULT_REPEATED, from, end);
		if (late)
			verify->verified += end - from;
		from = end;
		explain_lost(verify, RESYNC_LATEST);
	}
}

void explain_advance(struct verify *verify, uint64_t length)
{
	struct resync *resync = verify->resync;
	uint64_t end = resync_expected(verify) + length;
	if (resync->side && end < verify->position) {
		resync->next = end;
		return;
	}
	resync->start -= resync->shift;
	finish_side(verify, verify->position - resync->shift);
	verify->position = end;
}

// How the first `length` bytes that are kept differ from those of the own stream in whose place
// they came; its length is 0 if they do not. If few enough bits differ, they are those bytes,
// damaged.
static struct fault damage_of(const struct verify *verify, size_t length)
{
	const uint8_t *bytes = verify->resync->bytes + verify->resync->head;
	uint64_t offset = resync_expected(verify);
	uint8_t right[COMPARED_BYTES];
	size_t first = 0, end = 0, count = 0;
	uint8_t bits = 0;
	for (size_t i = 0; i < length; i++) {
		if (i % COMPARED_BYTES == 0)
			payload_fill(verify->scope->payload, verify->connection, offset + i, right,
				     length - i < COMPARED_BYTES ? length - i : COMPARED_BYTES);
		uint8_t differ = bytes[i] ^ right[i % COMPARED_BYTES];
		if (!differ)
			continue;
		if (end == 0)
			first = i;
		end = i + 1;
		count += (unsigned)__builtin_popcount(differ);
		bits |= differ;
	}
	bool flipped = count <= FLIPPED_BITS || count < 2 * (end - first);
	return (struct fault){.kind = flipped ? FAULT_FLIPPED : FAULT_FOREIGN,
			      .offset = offset + first,
			      .length = end - first,
			      .bits = flipped ? bits : 0};
}

static void take_damage(struct verify *verify, size_t length)
{
	struct fault damage = damage_of(verify, length);
	if (damage.length > 0)
		report(verify, damage);
	explain_advance(verify, length);
}

// Reports the pieces that came after the own stream was left: in its place, or in addition to it.
// Returns how many bytes they have.
static uint64_t report_pieces(struct verify *verify, bool in_place)
{
	struct resync *resync = verify->resync;
	uint64_t sent = verify->scope->sent(verify->scope->context, verify->connection);
	uint64_t expected = resync_expected(verify), length = 0;
	for (unsigned i = 0; i < resync->pieces; i++) {
		struct fault *piece = &resync->piece[i];
		piece->offset = expected + (in_place ? length : 0);
		if (piece->kind == FAULT_FOREIGN && piece->offset >= sent)
			piece->kind = FAULT_SURPLUS;
		length += piece->length;
		report(verify, *piece);
	}
	resync->pieces = 0;
	return length;
}

// Adds a piece. If there are too many, they count as bytes in place of the own stream's.
static void push(struct verify *verify, struct fault piece)
{
	struct resync *resync = verify->resync;
	if (resync->pieces == RESYNC_PIECES)
		explain_advance(verify, report_pieces(verify, true));
	resync->piece[resync->pieces++] = piece;
}

static void push_unmatched(struct verify *verify, uint64_t length)
{
	struct resync *resync = verify->resync;
	struct fault *last = resync->pieces > 0 ? &resync->piece[resync->pieces - 1] : NULL;
	if (last && last->kind == FAULT_FOREIGN)
		last->length += length;
	else if (length > 0)
		push(verify, (struct fault){.kind = FAULT_FOREIGN, .length = length});
}

static uint64_t pieces_length(const struct resync *resync)
{
	uint64_t length = 0;
	for (unsigned i = 0; i < resync->pieces; i++)
		length += resync->piece[i].length;
	return length;
}

// Something else came between two stretches of the front. It may have begun up to `shift` bytes
// earlier. The front went on `ahead` bytes from where it was left, or up to `back` bytes earlier.
// If the front can thus go on exactly where it was left, returns by how many bytes at most the
// other bytes began earlier; else a negative number.
static int64_t rejoining_shift(int64_t ahead, uint64_t shift, uint64_t back)
{
	int64_t earlier = (int64_t)back - ahead;
	if (earlier > (int64_t)shift)
		earlier = (int64_t)shift;
	return earlier + ahead < 0 ? -1 : earlier;
}

// From a side stretch to `position`. Returns whether that is the front.
static bool return_to_front(struct verify *verify, uint64_t position, uint64_t back)
{
	struct resync *resync = verify->resync;
	int64_t ahead = (int64_t)(position - verify->position);
	int64_t earlier = rejoining_shift(ahead, resync->shift, back);
	if (earlier < 0)
		return false;
	resync->start -= (uint64_t)earlier;
	finish_side(verify, resync->next - (uint64_t)(earlier + ahead));
	verify->position = position;
	verify->verified += (uint64_t)ahead;
	return true;
}

// The own stream goes on at `position`, or up to `back` bytes before it.
static void jump(struct verify *verify, uint64_t position, uint64_t back)
{
	struct resync *resync = verify->resync;
	bool from_side = resync->side;
	if (position == resync_expected(verify) ||
	    (from_side && return_to_front(verify, position, back)))
		return;
	bool forward = position > verify->position;
	uint64_t begin = forward ? position - back : position, front = verify->position;
	bool settled = !forward && align(resync, &begin, back);
	uint64_t earlier = position - begin;
	finish_side(verify, resync->next - earlier);
	if (!from_side)
		front -= earlier;
	if (forward) {
		insert_at(resync, resync->missing_count,
			  (struct missing_range){front, begin, from_side ? 0 : earlier});
		verify->position = position;
		explain_lost(verify, RESYNC_LATEST);
		return;
	}
	verify->verified -= verify->position - front;
	verify->position = front;
	resync->side = true;
	resync->start = begin;
	resync->next = position;
	resync->shift = settled || from_side ? 0 : back;
}

// The own stream goes on at `position`, after pieces that did not come in its place.
static void settle_added(struct verify *verify, uint64_t position, uint64_t back, bool fixed)
{
	struct resync *resync = verify->resync;
	struct fault *first = &resync->piece[0];
	struct fault *last = &resync->piece[resync->pieces - 1];
	int64_t ahead = (int64_t)(position - verify->position);
	uint64_t shift = 0;
	if (!fixed && first->kind == FAULT_CROSSED)
		shift = resync->shift;
	// The first bytes of unmatched may happen to be those that were expected.
	else if (!fixed && ahead < 0 && ahead > -CERTAIN_BYTES)
		shift = (uint64_t)-ahead;
	int64_t earlier = rejoining_shift(ahead, shift, back);
	if (earlier < 0) {
		report_pieces(verify, false);
		jump(verify, position, 0);
		return;
	}
	first->length += (uint64_t)earlier;
	if (first->kind == FAULT_CROSSED)
		first->other_offset -= (uint64_t)earlier;
	last->length -= (uint64_t)(earlier + ahead);
	verify->position -= (uint64_t)earlier;
	report_pieces(verify, false);
	verify->position = position;
	verify->verified += (uint64_t)ahead;
}

// The own stream goes on at `position`, after pieces or not; `back` as for jump.
static void arrive(struct verify *verify, uint64_t position, uint64_t back)
{
	struct resync *resync = verify->resync;
	if (resync->pieces == 0) {
		jump(verify, position, back);
		return;
	}
	uint64_t length = pieces_length(resync);
	bool side = resync->side;
	if (side && position != resync->next + length)
		finish_side(verify, resync->next);
	if (position == resync_expected(verify) + length) {
		resync->piece[resync->pieces - 1].length -= back;
		explain_advance(verify, report_pieces(verify, true) + back);
		verify->verified += back;
	} else {
		settle_added(verify, position, back, side);
	}
}

void explain_lock(struct verify *verify, const struct lock *lock)
{
	struct resync *resync = verify->resync;
	bool own = lock->connection == verify->connection;
	size_t unmatched = lock->at - resync->head;
	if (own && resync->pieces == 0 && lock->position == resync_expected(verify) + unmatched)
		take_damage(verify, unmatched);
	else
		push_unmatched(verify, unmatched);
	uint64_t shift = resync_shift(verify, lock->connection, lock->position);
	resync->crossed = !own;
	if (own) {
		arrive(verify, lock->position, shift);
		return;
	}
	if (resync->pieces == 0 && !resync->side)
		resync->shift = shift;
	push(verify, (struct fault){.kind = FAULT_CROSSED,
				    .other = lock->connection,
				    .other_offset = lock->position});
}

void explain_unmatched(struct verify *verify, size_t length)
{
	if (verify->resync->pieces == 0 && damage_of(verify, length).kind == FAULT_FLIPPED)
		take_damage(verify, length);
	else
		push_unmatched(verify, length);
}

// The stream ends with unmatched bytes.
static void end_unmatched(struct verify *verify, uint64_t sent, bool whole)
{
	struct resync *resync = verify->resync;
	uint64_t front = verify->position;
	size_t length = resync->count - resync->head;
	// The end of the stream, if anything confirms it: it is too short for a lock.
	size_t suffix = resync_match_back(verify, verify->connection, sent,
					  resync->bytes + resync->count, length);
	if (whole && ((resync->pieces == 0 && front + length == sent) || suffix == length ||
		      suffix >= CERTAIN_BYTES || (front < sent && suffix >= sent - front))) {
		explain_lock(verify, &(struct lock){.connection = verify->connection,
						    .position = sent - suffix,
						    .at = resync->count - suffix});
		front = verify->position; // bytes behind it come again, or late
		explain_advance(verify, suffix);
		verify->verified += verify->position - front;
		return;
	}
	if (resync->pieces == 0) {
		finish_side(verify, resync->next);
		uint64_t missing = sent > verify->position ? sent - verify->position : 0;
		size_t in_place = length < missing ? length : (size_t)missing;
		take_damage(verify, in_place);
		length -= in_place;
	}
	push_unmatched(verify, length);
}

// The stream ends with pieces. They are in place as far as bytes are missing.
static void end_pieces(struct verify *verify, uint64_t sent, bool whole)
{
	struct resync *resync = verify->resync;
	if (whole && resync_expected(verify) + pieces_length(resync) == sent) {
		arrive(verify, sent, resync_shift(verify, verify->connection, sent));
		return;
	}
	finish_side(verify, resync->next);
	uint64_t length = report_pieces(verify, true);
	uint64_t missing = sent > verify->position ? sent - verify->position : 0;
	verify->position += length < missing ? length : missing;
}

bool verify_end(struct verify *verify, bool whole)
{
	struct resync *resync = verify->resync;
	uint64_t sent = verify->scope->sent(verify->scope->context, verify->connection);
	if (resync) {
		if (resync->searching)
			end_unmatched(verify, sent, whole);
		if (resync->pieces > 0)
			end_pieces(verify, sent, whole);
		finish_side(verify, resync->next);
		explain_lost(verify, 0);
	}
	if (whole && verify->position < sent)
		report_range(verify, FAULT_TRUNCATED, verify->position, sent);
	return verify->faults == 0;
}
