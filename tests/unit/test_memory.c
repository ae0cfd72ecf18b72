// The figures of the allocator: stats/memory. The test plays jemalloc; that a process without
// it has no figures is seen in test_server.c.
#include "test.h"

#include "stats/memory.h"
#include "stats/stats.h"

static int epochs;
static const char *unknown; // a figure that this jemalloc lacks

int mallctl(const char *name, void *old_value, size_t *old_size, void *new_value, size_t new_size);

int mallctl(const char *name, void *old_value, size_t *old_size, void *new_value, size_t new_size) {
	if (unknown && strcmp(name, unknown) == 0)
		return 2; // ENOENT
	if (strcmp(name, "epoch") == 0) {
		assert_non_null(new_value);
		assert_int_equal(new_size, sizeof(uint64_t));
		epochs++;
		return 0;
	}
	assert_int_equal(*old_size, sizeof(size_t));
	assert_null(new_value);
	size_t value = (strcmp(name, "stats.allocated") == 0 ? 1000U : 5000U) + (size_t)epochs;
	memcpy(old_value, &value, sizeof(value));
	*old_size = sizeof(value);
	return 0;
}

TEST(each_call_refreshes_the_figures) {
	epochs = 0;
	for (unsigned i = 1; i <= 3; i++) {
		struct memory_use use = memory_use();
		assert_int_equal(use.allocated, 1000 + i);
		assert_int_equal(use.resident, 5000 + i);
	}
}

TEST(a_figure_that_jemalloc_lacks_is_unknown) {
	unknown = "stats.resident";
	struct memory_use use = memory_use();
	assert_true(use.allocated > 0);
	assert_true(use.resident == STATS_UNKNOWN);
	unknown = NULL;
}
