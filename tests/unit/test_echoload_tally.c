// The books that a thread counts in and the main thread takes from it:
// tools/echoload/load/counters. A writer counts as fast as it can while books are asked for. What
// it counts has numbers, so that what is lost or counted twice shows in the sums.
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "echoload/load/counters.h"

#define BOOKS 100
#define VALUES 1000

static struct tally tally;
static struct book sum;
static struct book copy;

static void begin(void)
{
	tally_init(&tally);
	book_reset(&sum);
}

FIXTURE(begin, NULL);

// Counts the event `number` in all that a book has.
static void count(struct book *book, uint64_t number)
{
	hdr_record(&book->latency, number % VALUES);
	hdr_record(&book->uncorrected, 2 * (number % VALUES));
	hdr_record(&book->lateness, 3 * (number % VALUES));
	book->messages++;
	book->bytes += number;
	book->verified += 2 * number;
	book->visits += 3;
	book->due += 5;
	book->unanswered += 6;
	load_errors_note(&book->errors, LOAD_EARLY_CLOSE, 0, (uint32_t)number, number);
	if (book->fault_count < BOOK_FAULTS)
		book->faults[book->fault_count] = (struct fault){.offset = number};
	book->fault_count++;
}

// Asserts that `book` holds the events from `first` on, and returns how many.
static uint64_t assert_holds(const struct book *book, uint64_t first)
{
	uint64_t events = book->messages;
	uint64_t numbers = 0;
	hdr_sum values = 0;
	for (uint64_t number = first; number < first + events; number++) {
		numbers += number;
		values += number % VALUES;
	}
	assert_int_equal(book->latency.count, events);
	assert_int_equal(book->uncorrected.count, events);
	assert_int_equal(book->lateness.count, events);
	assert_true(book->latency.sum == values);
	assert_true(book->uncorrected.sum == 2 * values);
	assert_true(book->lateness.sum == 3 * values);
	assert_int_equal(book->bytes, numbers);
	assert_int_equal(book->verified, 2 * numbers);
	assert_int_equal(book->visits, 3 * events);
	assert_int_equal(book->due, 5 * events);
	assert_int_equal(book->unanswered, 6 * events);
	assert_int_equal(load_errors_total(&book->errors), events);
	assert_int_equal(book->fault_count, events);
	if (events > 0)
		assert_int_equal(book->errors.of[LOAD_EARLY_CLOSE].first_at, first);
	for (uint64_t i = 0; i < events && i < BOOK_FAULTS; i++)
		assert_int_equal(book->faults[i].offset, first + i);
	return events;
}

struct writer {
	_Atomic uint64_t counted; // by the writer
	_Atomic bool enough;	  // by the main thread
	_Atomic bool finished;	  // by the writer, after its last turn
};

static void *write_books(void *argument)
{
	struct writer *writer = argument;
	uint64_t number = 0;
	while (!atomic_load(&writer->enough)) {
		tally_turn(&tally);
		count(tally.open, number++);
		atomic_store(&writer->counted, number);
	}
	atomic_store(&writer->finished, true);
	return NULL;
}

static void wait_for_count(struct writer *writer, uint64_t number)
{
	uint64_t deadline = clock_now() + 20 * NS_PER_S;
	while (atomic_load(&writer->counted) < number) {
		assert_true(clock_now() < deadline);
		sched_yield();
	}
}

static const struct book *wait_for_book(struct writer *writer)
{
	const struct book *book;
	uint64_t deadline = clock_now() + 20 * NS_PER_S;
	while (!(book = tally_take(&tally))) {
		assert_true(clock_now() < deadline);
		if (atomic_load(&writer->finished))
			tally_turn(&tally); // on its behalf, as the engine does
		sched_yield();
	}
	return book;
}

TEST(nothing_is_lost_while_it_is_taken)
{
	struct writer writer = {0};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, write_books, &writer), 0);
	uint64_t taken = 0;
	unsigned full = 0;
	for (int i = 0; i < BOOKS; i++) {
		tally_ask(&tally);
		const struct book *book = wait_for_book(&writer);
		taken += assert_holds(book, taken);
		full += book->messages > 0;
		book_add(&sum, book);
		// It stays as it is, however long it takes, while the writer goes on.
		if (i % 10 == 0) {
			memcpy(&copy, book, sizeof(copy));
			wait_for_count(&writer, atomic_load(&writer.counted) + 100);
			assert_memory_equal(&copy, book, sizeof(copy));
		}
	}
	atomic_store(&writer.enough, true);
	tally_ask(&tally);
	const struct book *last = wait_for_book(&writer);
	taken += assert_holds(last, taken);
	book_add(&sum, last);
	// What came between its last turn and its end is in the book that it left open.
	assert_int_equal(pthread_join(thread, NULL), 0);
	tally_ask(&tally);
	last = wait_for_book(&writer);
	taken += assert_holds(last, taken);
	book_add(&sum, last);
	assert_int_equal(taken, atomic_load(&writer.counted));
	assert_int_equal(assert_holds(&sum, 0), taken);
	assert_true(full > BOOKS / 2);
}

TEST(a_book_that_is_not_closed_is_not_given)
{
	count(tally.open, 0);
	tally_turn(&tally); // nobody has asked
	count(tally.open, 1);
	tally_ask(&tally);
	assert_null(tally_take(&tally));
	count(tally.open, 2); // before the thread looks
	tally_turn(&tally);
	count(tally.open, 3);
	tally_turn(&tally);
	const struct book *book = tally_take(&tally);
	assert_non_null(book);
	assert_int_equal(assert_holds(book, 0), 3);
	assert_ptr_equal(tally_take(&tally), book);
	tally_ask(&tally);
	assert_null(tally_take(&tally));
	tally_turn(&tally);
	book = tally_take(&tally);
	assert_non_null(book);
	assert_int_equal(assert_holds(book, 3), 1);
}

TEST(an_empty_book_has_no_samples)
{
	assert_int_equal(assert_holds(&sum, 0), 0);
	assert_true(sum.latency.min == UINT64_MAX);
	tally_ask(&tally);
	tally_turn(&tally);
	book_add(&sum, tally_take(&tally));
	assert_int_equal(assert_holds(&sum, 0), 0);
	assert_true(sum.latency.min == UINT64_MAX);
}

TEST(the_first_faults_are_kept_of_many_books)
{
	book_reset(&copy);
	uint64_t number = 0;
	for (uint64_t books = 1; books <= 3; books++) {
		for (int i = 0; i < BOOK_FAULTS - 24; i++)
			count(&copy, number++);
		book_add(&sum, &copy);
		book_reset(&copy);
		assert_int_equal(assert_holds(&sum, 0), number);
	}
	for (int i = 0; i < 2 * BOOK_FAULTS; i++) // more than one book keeps
		count(&copy, number++);
	book_reset(&sum);
	book_add(&sum, &copy);
	assert_int_equal(sum.fault_count, 2 * BOOK_FAULTS);
	assert_int_equal(sum.faults[BOOK_FAULTS - 1].offset, copy.faults[BOOK_FAULTS - 1].offset);
}
