#include "embedded.h"

#include "test.h"

struct echod_config *config;

void new_config(void) {
	config = echod_config_new();
	assert_non_null(config);
}

void free_config(void) { echod_config_free(config); }

void set(const char *name, const char *value) {
	struct echod_error error = {.kind = ECHOD_ERROR_NONE};
	if (echod_config_set(config, name, value, &error) != 0)
		fail_msg("%s %s: %s", name, value, error.message);
	assert_int_equal(error.kind, ECHOD_ERROR_NONE); // left alone
}

struct echod *start(void) {
	struct echod_error error = {.kind = ECHOD_ERROR_NONE};
	struct echod *server = echod_start(config, &error);
	if (!server)
		fail_msg("%s", error.message);
	assert_int_equal(error.kind, ECHOD_ERROR_NONE); // left alone
	return server;
}

uint64_t counter(struct echod *of, const char *name) {
	struct echod_snapshot *snapshot = echod_snapshot_take(of);
	uint64_t value = UINT64_MAX;
	assert_int_equal(echod_snapshot_get(snapshot, name, &value), 0);
	echod_snapshot_free(snapshot);
	return value;
}
