// Collecting the faults that the verifier reports. Test's own thread.
#include "test.h"

#include "echoload_heard.h"

static uint64_t sent_on(void *context, uint32_t connection) {
	const struct heard *heard = context;
	assert_true(connection < HEARD_CONNECTIONS);
	return heard->sent[connection];
}

static void hear(void *context, const struct fault *fault) {
	struct heard *heard = context;
	if (heard->count < HEARD_FAULTS)
		heard->fault[heard->count] = *fault;
	heard->count++;
}

void heard_set_sent(struct heard *heard, uint64_t sent) {
	for (unsigned i = 0; i < HEARD_CONNECTIONS; i++)
		heard->sent[i] = sent;
}

void heard_init(struct heard *heard, uint64_t sent) {
	*heard = (struct heard){0};
	heard_set_sent(heard, sent);
	payload_init(&heard->payload, 7);
	heard->scope = (struct verify_scope){&heard->payload, .connections = HEARD_CONNECTIONS,
					     .sent = sent_on, .report = hear, .context = heard};
}

bool heard_same(const struct fault *a, const struct fault *b) {
	return a->kind == b->kind && a->connection == b->connection && a->offset == b->offset &&
	       a->length == b->length && a->bits == b->bits && a->other == b->other &&
	       a->other_offset == b->other_offset;
}

static void print_faults(const char *title, const struct fault *faults, unsigned count) {
	for (unsigned i = 0; i < count && i < HEARD_FAULTS; i++)
		print_error("%s: %s, connection %u, offset %ju, length %ju, bits %02x, other %u at "
			    "%ju\n",
			    title, fault_kind_names[faults[i].kind], faults[i].connection,
			    (uintmax_t)faults[i].offset, (uintmax_t)faults[i].length,
			    faults[i].bits, faults[i].other, (uintmax_t)faults[i].other_offset);
}

static int by_place(const void *a, const void *b) {
	const struct fault *x = a, *y = b;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

void heard_assert(const struct heard *heard, const struct fault *expected, unsigned count) {
	struct heard found = *heard;
	bool right = found.count == count;
	if (right)
		qsort(found.fault, count, sizeof(found.fault[0]), by_place);
	for (unsigned i = 0; right && i < count; i++)
		right = heard_same(&found.fault[i], &expected[i]);
	if (right)
		return;
	print_faults("expected", expected, count);
	print_faults("   found", found.fault, found.count);
	fail_msg("%u faults expected, %u found", count, found.count);
}
