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
