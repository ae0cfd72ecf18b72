// Naming faults. Where a boundary between two segments lies is often open by a byte or two, where
// neighbours happen to be equal: it is settled so that the fewest faults remain, then leftmost. One
// thread for each struct verify.
#include "resync.h"

#include <string.h>

#define LATEST (UINT64_C(1) << 20) // bytes after which a missing range is lost
#define PIECE 256		   // bytes compared at a time
#define FLIPPED_BITS 8		   // so many may differ in however short a range
#define RUN 4 // so many right bytes are no chance, at a place where they are expected

static void report(struct verify *verify, struct fault fault)
{
	fault.connection = verify->connection;
	verify->faults++;
	verify->scope->report(verify->scope->context, &fault);
}

// Reports the missing ranges that lie before `horizon`, or are too many.
static void report_lost(struct verify *verify, uint64_t horizon)
{
	struct missing_range range;
	while (missing_drop(&verify->resync->missing, horizon, &range))
		report(verify, (struct fault){.kind = FAULT_LOST,
					      .offset = range.from,
					      .length = range.to - range.from});
}

void explain_lost(struct verify *verify)
{
	report_lost(verify, verify->position > LATEST ? verify->position - LATEST : 0);
}

// Ends the side stretch at `to`: what was missing of it is late, all else came again.
static void finish_side(struct verify *verify, uint64_t to)
{
	struct resync *resync = verify->resync;
	resync->side = false;
	for (uint64_t from = resync->start; from < to;) {
		bool late;
		uint64_t end = missing_take(&resync->missing, from, to, &late);
		report(verify, (struct fault){.kind = late ? FAULT_REORDERED : FAULT_REPEATED,
					      .offset = from,
					      .length = end - from});
		if (late)
			verify->verified += end - from;
		from = end;
		explain_lost(verify);
	}
}

void explain_joined(struct verify *verify)
{
	struct resync *resync = verify->resync;
	resync->start -= resync->slack;
	finish_side(verify, verify->position - resync->slack);
}

// The own stream goes on `length` bytes after where it was left.
static void advance(struct verify *verify, uint64_t length)
{
	struct resync *resync = verify->resync;
	uint64_t end = resync_anchor(verify) + length;
	if (!resync->side) {
		verify->position = end;
	} else if (end < verify->position) {
		resync->next = end;
	} else {
		explain_joined(verify);
		verify->position = end;
	}
}

// How bytes that came in the place of the own stream's from `offset` on differ from them; length 0:
// they do not. When few enough bits differ these were other bytes once.
static struct fault damage_of(const struct verify *verify, uint64_t offset, const uint8_t *bytes,
			      size_t length)
{
	uint8_t right[PIECE];
	size_t first = 0, end = 0, count = 0;
	uint8_t bits = 0;
	for (size_t i = 0; i < length; i++) {
		if (i % PIECE == 0)
			payload_fill(verify->scope->payload, verify->connection, offset + i, right,
				     length - i < PIECE ? length - i : PIECE);
		uint8_t differ = bytes[i] ^ right[i % PIECE];
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

// `length` bytes came in the place of as many of the own stream.
static void take_damage(struct verify *verify, const uint8_t *bytes, size_t length)
{
	struct fault damage = damage_of(verify, resync_anchor(verify), bytes, length);
	if (damage.length > 0)
		report(verify, damage);
	advance(verify, length);
}

static void report_piece(struct verify *verify, const struct piece *piece, uint64_t offset)
{
	struct fault fault = {.offset = offset, .length = piece->length};
	if (piece->crossed) {
		fault.kind = FAULT_CROSSED;
		fault.other = piece->other;
		fault.other_offset = piece->other_offset;
	} else {
		uint64_t sent = verify->scope->sent(verify->scope->context, verify->connection);
		fault.kind = offset < sent ? FAULT_FOREIGN : FAULT_SURPLUS;
	}
	report(verify, fault);
}

// Reports what came since the own stream was left: in its place, or in addition to it.
static void report_pieces(struct verify *verify, bool in_place)
{
	struct resync *resync = verify->resync;
	uint64_t offset = resync_anchor(verify) + (in_place ? resync->flushed : 0);
	for (unsigned i = 0; i < resync->pieces; i++) {
		report_piece(verify, &resync->piece[i], offset);
		if (in_place)
			offset += resync->piece[i].length;
	}
	resync->pieces = 0;
	resync->flushed = 0;
}

// Adds a piece. When there are too many the first is reported, as if it had come in place.
static void push(struct verify *verify, const struct piece *piece)
{
	struct resync *resync = verify->resync;
	if (resync->pieces == RESYNC_PIECES) {
		report_piece(verify, &resync->piece[0], resync_anchor(verify) + resync->flushed);
		resync->flushed += resync->piece[0].length;
		resync->pieces--;
		memmove(&resync->piece[0], &resync->piece[1], resync->pieces * sizeof(*piece));
	}
	resync->piece[resync->pieces++] = *piece;
}

static void push_noise(struct verify *verify, uint64_t length)
{
	struct resync *resync = verify->resync;
	if (length == 0)
		return;
	unsigned pieces = resync->pieces;
	if (pieces && !resync->piece[pieces - 1].crossed)
		resync->piece[pieces - 1].length += length;
	else
		push(verify, &(struct piece){.length = length});
}

static void push_crossed(struct verify *verify, const struct lock *lock)
{
	uint64_t slack = resync_slack(verify, lock->connection, lock->position);
	push(verify, &(struct piece){.crossed = true,
				     .other = lock->connection,
				     .other_offset = lock->position,
				     .slack = slack});
	verify->resync->crossed = true;
}

static uint64_t pieces_length(const struct resync *resync)
{
	uint64_t length = resync->flushed;
	for (unsigned i = 0; i < resync->pieces; i++)
		length += resync->piece[i].length;
	return length;
}

// Between two stretches of the front came something else. Where it began can be up to `slack` bytes
// earlier than was thought, and where the front went on, `ahead` bytes from where it was left, up
// to `back` bytes. Whether that makes the front go on just where it was left; `earlier` is the most
// that what came can begin earlier then.
static bool closes(int64_t ahead, uint64_t slack, uint64_t back, int64_t *earlier)
{
	*earlier = (int64_t)back - ahead;
	if (*earlier > (int64_t)slack)
		*earlier = (int64_t)slack;
	return *earlier >= 0 && *earlier + ahead >= 0;
}

// From a side stretch to `position`. Returns whether that is the front.
static bool return_to_front(struct verify *verify, uint64_t position, uint64_t back)
{
	struct resync *resync = verify->resync;
	int64_t ahead = (int64_t)(position - verify->position);
	int64_t earlier;
	if (!closes(ahead, resync->slack, back, &earlier))
		return false;
	resync->start -= (uint64_t)earlier;
	finish_side(verify, resync->next - (uint64_t)(earlier + ahead));
	verify->position = position;
	verify->verified += (uint64_t)ahead;
	return true;
}

// The own stream goes on at `position`, and up to `back` bytes before that are as those before.
static void jump(struct verify *verify, uint64_t position, uint64_t back)
{
	struct resync *resync = verify->resync;
	bool from_side = resync->side;
	if (position == resync_anchor(verify) ||
	    (from_side && return_to_front(verify, position, back)))
		return;

	bool forward = position > verify->position;
	uint64_t begin = position;
	bool settled = true;
	if (forward)
		begin -= back;
	else
		settled = missing_align(&resync->missing, &begin, back);

	uint64_t earlier = position - begin;
	uint64_t front = verify->position;
	if (from_side)
		finish_side(verify, resync->next - earlier);
	else
		front -= earlier;
	if (forward) {
		missing_add(&resync->missing, front, begin, from_side ? 0 : earlier);
		verify->position = position;
		explain_lost(verify);
		return;
	}
	verify->verified -= verify->position - front;
	verify->position = front;
	resync->side = true;
	resync->start = begin;
	resync->next = position;
	resync->slack = settled || from_side ? 0 : back;
}

// The own stream goes on at `position`, after pieces that did not come in its place.
static void settle_added(struct verify *verify, uint64_t position, uint64_t back, bool fixed)
{
	struct resync *resync = verify->resync;
	struct piece *first = &resync->piece[0];
	struct piece *last = &resync->piece[resync->pieces - 1];
	int64_t ahead = (int64_t)(position - verify->position);
	uint64_t slack = first->crossed ? first->slack : 0;
	// The first bytes of noise may happen to be those that were expected.
	if (!first->crossed && ahead < 0 && ahead > -RUN)
		slack = (uint64_t)-ahead;
	if (fixed || resync->flushed)
		slack = 0;
	int64_t earlier;
	if (!closes(ahead, slack, back, &earlier)) {
		report_pieces(verify, false);
		jump(verify, position, 0);
		return;
	}
	first->length += (uint64_t)earlier;
	first->other_offset -= (uint64_t)earlier;
	last->length -= (uint64_t)(earlier + ahead);
	verify->position -= (uint64_t)earlier;
	report_pieces(verify, false);
	verify->position = position;
	verify->verified += (uint64_t)ahead;
}

// The own stream goes on at `position`, after something else or not.
static void arrive(struct verify *verify, uint64_t position)
{
	struct resync *resync = verify->resync;
	uint64_t back = resync_slack(verify, verify->connection, position);
	resync->crossed = false;
	if (resync->pieces == 0) {
		jump(verify, position, back);
		return;
	}
	uint64_t length = pieces_length(resync);
	bool side = resync->side;
	if (side && position != resync->next + length)
		finish_side(verify, resync->next);
	if (position == resync_anchor(verify) + length) {
		resync->piece[resync->pieces - 1].length -= back;
		report_pieces(verify, true);
		advance(verify, length);
	} else {
		settle_added(verify, position, back, side);
	}
}

void explain_lock(struct verify *verify, const uint8_t *noise, size_t length,
		  const struct lock *lock)
{
	bool own = lock->connection == verify->connection;
	if (own && verify->resync->pieces == 0 && lock->position == resync_anchor(verify) + length)
		take_damage(verify, noise, length);
	else
		push_noise(verify, length);
	if (own)
		arrive(verify, lock->position);
	else
		push_crossed(verify, lock);
}

void explain_noise(struct verify *verify, const uint8_t *noise, size_t length)
{
	uint64_t anchor = resync_anchor(verify);
	if (verify->resync->pieces == 0 &&
	    damage_of(verify, anchor, noise, length).kind == FAULT_FLIPPED)
		take_damage(verify, noise, length);
	else
		push_noise(verify, length);
}

// How many of the last bytes of noise are the last ones of the stream; whether that can be believed
// though no lock says so.
static bool ends_as_sent(const struct verify *verify, const uint8_t *noise, size_t length,
			 uint64_t sent, size_t *tail)
{
	uint64_t front = verify->position;
	bool in_place = verify->resync->pieces == 0 && front + length == sent;
	*tail = resync_match_back(verify->scope->payload, verify->connection, sent, noise + length,
				  length);
	return in_place || *tail == length || *tail >= RUN ||
	       (front < sent && *tail >= sent - front);
}

// The noise that the stream ends with.
static void end_noise(struct verify *verify, const uint8_t *noise, size_t length, uint64_t sent,
		      bool whole)
{
	struct resync *resync = verify->resync;
	size_t tail;
	if (whole && ends_as_sent(verify, noise, length, sent, &tail)) {
		struct lock lock = {.connection = verify->connection, .position = sent - tail};
		explain_lock(verify, noise, length - tail, &lock);
		uint64_t front = verify->position; // what is behind it comes again, or late
		advance(verify, tail);
		verify->verified += verify->position - front;
		return;
	}
	if (resync->pieces == 0) {
		if (resync->side)
			finish_side(verify, resync->next);
		uint64_t missing = sent > verify->position ? sent - verify->position : 0;
		size_t in_place = length < missing ? length : (size_t)missing;
		take_damage(verify, noise, in_place);
		length -= in_place;
	}
	push_noise(verify, length);
}

// The pieces that the stream ends with: in place, as far as there is a place.
static void end_pieces(struct verify *verify, uint64_t sent, bool whole)
{
	struct resync *resync = verify->resync;
	uint64_t length = pieces_length(resync);
	if (whole && resync_anchor(verify) + length == sent) {
		arrive(verify, sent);
		return;
	}
	if (resync->side)
		finish_side(verify, resync->next);
	report_pieces(verify, true);
	uint64_t missing = sent > verify->position ? sent - verify->position : 0;
	verify->position += length < missing ? length : missing;
}

void explain_end(struct verify *verify, const uint8_t *noise, size_t length, bool whole)
{
	struct resync *resync = verify->resync;
	uint64_t sent = verify->scope->sent(verify->scope->context, verify->connection);
	if (length > 0)
		end_noise(verify, noise, length, sent, whole);
	if (resync && resync->pieces)
		end_pieces(verify, sent, whole);
	if (resync && resync->side)
		finish_side(verify, resync->next);
	if (resync)
		report_lost(verify, UINT64_MAX);
	if (whole && verify->position < sent)
		report(verify, (struct fault){.kind = FAULT_TRUNCATED,
					      .offset = verify->position,
					      .length = sent - verify->position});
}
