// Books of what was counted.
#include "tally.h"

#include <stddef.h>
#include <string.h>

static void empty(struct book *book, void (*empty_hdr)(struct hdr *))
{
	memset(&book->messages, 0, offsetof(struct book, faults) - offsetof(struct book, messages));
	empty_hdr(&book->latency);
	empty_hdr(&book->uncorrected);
	empty_hdr(&book->lateness);
}

void book_reset(struct book *book)
{
	empty(book, hdr_reset);
}

void book_add(struct book *sum, const struct book *book)
{
	hdr_add(&sum->latency, &book->latency);
	hdr_add(&sum->uncorrected, &book->uncorrected);
	hdr_add(&sum->lateness, &book->lateness);
	sum->messages += book->messages;
	sum->answered += book->answered;
	sum->bytes += book->bytes;
	sum->verified += book->verified;
	sum->visits += book->visits;
	sum->due += book->due;
	sum->unanswered += book->unanswered;
	load_errors_add(&sum->errors, &book->errors);
	for (uint64_t i = 0; i < book->fault_count && i < BOOK_FAULTS; i++) {
		if (sum->fault_count + i < BOOK_FAULTS)
			sum->faults[sum->fault_count + i] = book->faults[i];
	}
	sum->fault_count += book->fault_count;
}

void tally_init(struct tally *tally)
{
	memset(tally, 0, sizeof(*tally));
	book_reset(&tally->books[0]);
	book_reset(&tally->books[1]);
	tally->open = &tally->books[0];
}

void tally_turn(struct tally *tally)
{
	unsigned closed = atomic_load_explicit(&tally->closed, memory_order_relaxed);
	if (atomic_load_explicit(&tally->asked, memory_order_acquire) == closed)
		return;
	tally->open = &tally->books[(closed + 1) % 2];
	atomic_store_explicit(&tally->closed, closed + 1, memory_order_release);
}

void tally_ask(struct tally *tally)
{
	unsigned asked = atomic_load_explicit(&tally->asked, memory_order_relaxed);
	empty(&tally->books[(asked + 1) % 2], hdr_clear); // the one that is going to be opened
	atomic_store_explicit(&tally->asked, asked + 1, memory_order_release);
}

const struct book *tally_take(struct tally *tally)
{
	unsigned asked = atomic_load_explicit(&tally->asked, memory_order_relaxed);
	if (atomic_load_explicit(&tally->closed, memory_order_acquire) != asked)
		return NULL;
	return &tally->books[(asked + 1) % 2];
}
