#include "fault/plan.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

uint64_t fault_random(const struct fault_plan *plan, enum injection kind, uint64_t index)
{
	uint64_t sequence = mix(plan->random + ((uint64_t)kind + 1) * GOLDEN);
	return mix(sequence + (index + 1) * GOLDEN);
}

uint32_t fault_plan_make(struct fault_plan *plan, const struct fault_set *set, uint64_t number)
{
	*plan = (struct fault_plan){.set = *set};
	plan->random = mix(mix(set->seed + GOLDEN) + number * GOLDEN);
	for (int i = 0; i < INJECTIONS; i++) {
		enum injection kind = (enum injection)i;
		if (fault_random(plan, kind, 0) % FAULT_SHARE_ALL >= set->share[i])
			plan->set.kinds &= ~(1U << i);
	}
	return plan->set.kinds;
}

unsigned fault_width(enum injection kind)
{
	return kind == INJECT_flip ? 1 : FAULT_STRETCH;
}

uint64_t fault_stretch(const struct fault_plan *plan, enum injection kind, uint64_t position)
{
	uint64_t each = plan->set.value[kind];
	uint64_t block = position / each;
	return block * each + fault_random(plan, kind, block + 1) % (each - fault_width(kind) + 1);
}

enum injection fault_next_cut(const struct fault_plan *plan, uint64_t *bytes)
{
	enum injection next = INJECTIONS;
	*bytes = UINT64_MAX;
	for (int kind = INJECT_stall; kind < INJECTIONS; kind++) {
		uint64_t after = plan->set.value[kind];
		uint64_t left = after > plan->passed ? after - plan->passed : 0;
		if (!fault_in(plan->set.kinds, (enum injection)kind) || left >= *bytes)
			continue;
		next = (enum injection)kind;
		*bytes = left;
	}
	return next;
}

uint64_t fault_draw_due(struct fault_plan *plan, uint64_t now)
{
	uint64_t least = plan->set.value[INJECT_delay];
	uint64_t span = plan->set.delay_most - least + 1;
	uint64_t due = now + least + fault_random(plan, INJECT_delay, ++plan->pieces) % span;
	uint64_t before = plan->mark_count ? plan->marks[plan->mark_count - 1].due : 0;
	return due > before ? due : before;
}

bool fault_mark(struct fault_plan *plan, uint64_t end, uint64_t now)
{
	if (end <= plan->marked)
		return false;
	uint64_t due = fault_draw_due(plan, now);
	if (plan->mark_count == FAULT_MARKS) // it goes with the one before
		plan->mark_count--;
	plan->marks[plan->mark_count++] = (struct fault_mark){end, due};
	plan->marked = end;
	return true;
}
