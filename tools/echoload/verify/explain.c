// Naming faults. Where a boundary between two segments lies is often open by a byte or two, where
// neighbours happen to be equal: it is settled so that the fewest faults remain, then leftmost.
#include "resync.h"

#include <string.h>

#include "base/assert.h"

#define COMPARED_BYTES 256 // bytes compared at a time
#define FLIPPED_BITS 8	   // so many may differ in however short a range
#define RUN 4		   // so many right bytes are no chance, at a place where they are expected

static void report(struct verify *verify, struct fault fault)
{
	fault.connection = verify->connection;
	verify->faults++;
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

// Late bytes begin at `start`, or by up to `slack` bytes before it. When that can be the beginning
// of a missing range, settles where that begins, stores it and returns true.
static bool align(struct resync *resync, uint64_t *start, uint64_t slack)
{
	for (unsigned i = 0; i < resync->missing_count; i++) {
		struct missing_range *range = &resync->missing[i];
		uint64_t at = *start - slack > range->from ? *start - slack : range->from;
		if (at <= *start && at <= range->from + range->slack) {
			*range = (struct missing_range){at, range->to + at - range->from, 0};
			*start = at;
			return true;
		}
	}
	return false;
}

// Takes out of the missing ranges what [from, to) begins with: the part up to the value returned
// was missing, if `late` is set, or was not.
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

// Ends the side stretch, if there is one, at `to`. What was missing is late, the rest came again.
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
	uint64_t end = resync_anchor(verify) + length;
	if (resync->side && end < verify->position) {
		resync->next = end;
		return;
	}
	resync->start -= resync->slack;
	finish_side(verify, verify->position - resync->slack);
	verify->position = end;
}

// How the first `length` bytes that are kept differ from as many of the own stream, in the place of
// which they came; length 0: they do not. When few enough bits differ these were other bytes once.
static struct fault damage_of(const struct verify *verify, size_t length)
{
	const uint8_t *bytes = verify->resync->bytes + verify->resync->head;
	uint64_t offset = resync_anchor(verify);
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

// Reports what came since the own stream was left: in its place, or in addition to it. Returns how
// many bytes these are.
static uint64_t report_pieces(struct verify *verify, bool in_place)
{
	struct resync *resync = verify->resync;
	uint64_t sent = verify->scope->sent(verify->scope->context, verify->connection);
	uint64_t anchor = resync_anchor(verify), length = 0;
	for (unsigned i = 0; i < resync->pieces; i++) {
		struct fault *piece = &resync->piece[i];
		piece->offset = anchor + (in_place ? length : 0);
		if (piece->kind == FAULT_FOREIGN && piece->offset >= sent)
			piece->kind = FAULT_SURPLUS;
		length += piece->length;
		report(verify, *piece);
	}
	resync->pieces = 0;
	return length;
}

// Adds a piece. When there are too many, they have come in place.
static void push(struct verify *verify, struct fault piece)
{
	struct resync *resync = verify->resync;
	if (resync->pieces == RESYNC_PIECES)
		explain_advance(verify, report_pieces(verify, true));
	resync->piece[resync->pieces++] = piece;
}

static void push_noise(struct verify *verify, uint64_t length)
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

// Between two stretches of the front came something else. Where it began can be up to `slack` bytes
// earlier than was thought, and where the front went on, `ahead` bytes from where it was left, up
// to `back` bytes. When that can make the front go on just where it was left, returns the most that
// what came can begin earlier then; else something negative.
static int64_t closes(int64_t ahead, uint64_t slack, uint64_t back)
{
	int64_t earlier = (int64_t)back - ahead;
	if (earlier > (int64_t)slack)
		earlier = (int64_t)slack;
	return earlier + ahead < 0 ? -1 : earlier;
}

// From a side stretch to `position`. Returns whether that is the front.
static bool return_to_front(struct verify *verify, uint64_t position, uint64_t back)
{
	struct resync *resync = verify->resync;
	int64_t ahead = (int64_t)(position - verify->position);
	int64_t earlier = closes(ahead, resync->slack, back);
	if (earlier < 0)
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
	resync->slack = settled || from_side ? 0 : back;
}

// The own stream goes on at `position`, after pieces that did not come in its place.
static void settle_added(struct verify *verify, uint64_t position, uint64_t back, bool fixed)
{
	struct resync *resync = verify->resync;
	struct fault *first = &resync->piece[0];
	struct fault *last = &resync->piece[resync->pieces - 1];
	int64_t ahead = (int64_t)(position - verify->position);
	uint64_t slack = 0;
	if (!fixed && first->kind == FAULT_CROSSED)
		slack = resync->slack;
	// The first bytes of noise may happen to be those that were expected.
	else if (!fixed && ahead < 0 && ahead > -RUN)
		slack = (uint64_t)-ahead;
	int64_t earlier = closes(ahead, slack, back);
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
	if (position == resync_anchor(verify) + length) {
		resync->piece[resync->pieces - 1].length -= back;
		report_pieces(verify, true);
		explain_advance(verify, length);
	} else {
		settle_added(verify, position, back, side);
	}
}

void explain_lock(struct verify *verify, const struct lock *lock)
{
	struct resync *resync = verify->resync;
	bool own = lock->connection == verify->connection;
	size_t noise = lock->at - resync->head;
	if (own && resync->pieces == 0 && lock->position == resync_anchor(verify) + noise)
		take_damage(verify, noise);
	else
		push_noise(verify, noise);
	uint64_t slack = resync_slack(verify, lock->connection, lock->position);
	resync->crossed = !own;
	if (own) {
		arrive(verify, lock->position, slack);
		return;
	}
	if (resync->pieces == 0 && !resync->side)
		resync->slack = slack;
	push(verify, (struct fault){.kind = FAULT_CROSSED,
				    .other = lock->connection,
				    .other_offset = lock->position});
}

void explain_noise(struct verify *verify, size_t length)
{
	if (verify->resync->pieces == 0 && damage_of(verify, length).kind == FAULT_FLIPPED)
		take_damage(verify, length);
	else
		push_noise(verify, length);
}

// The noise that the stream ends with.
static void end_noise(struct verify *verify, uint64_t sent, bool whole)
{
	struct resync *resync = verify->resync;
	uint64_t front = verify->position;
	size_t length = resync->count - resync->head;
	// So many of the last bytes are the last ones of the stream. Whether that can be believed
	// though no lock says so:
	size_t tail = resync_match_back(verify, verify->connection, sent,
					resync->bytes + resync->count, length);
	if (whole && ((resync->pieces == 0 && front + length == sent) || tail == length ||
		      tail >= RUN || (front < sent && tail >= sent - front))) {
		explain_lock(verify, &(struct lock){.connection = verify->connection,
						    .position = sent - tail,
						    .at = resync->count - tail});
		front = verify->position; // what is behind it comes again, or late
		explain_advance(verify, tail);
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
	push_noise(verify, length);
}

// The pieces that the stream ends with: in place, as far as there is a place.
static void end_pieces(struct verify *verify, uint64_t sent, bool whole)
{
	struct resync *resync = verify->resync;
	if (whole && resync_anchor(verify) + pieces_length(resync) == sent) {
		arrive(verify, sent, resync_slack(verify, verify->connection, sent));
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
			end_noise(verify, sent, whole);
		if (resync->pieces > 0)
			end_pieces(verify, sent, whole);
		finish_side(verify, resync->next);
		explain_lost(verify, 0);
	}
	if (whole && verify->position < sent)
		report_range(verify, FAULT_TRUNCATED, verify->position, sent);
	return verify->faults == 0;
}
