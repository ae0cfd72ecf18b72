// Names of what a run may be. Any thread.
#include "config.h"

#include <string.h>

static const char *const mode_names[LOAD_MODES] = {
	[MODE_PING] = "ping", [MODE_STREAM] = "stream",		[MODE_CHURN] = "churn",
	[MODE_IDLE] = "idle", [MODE_HALF_CLOSE] = "half-close",
};

const char *load_mode_name(enum load_mode mode)
{
	return mode_names[mode];
}

int load_mode_parse(const char *text, enum load_mode *mode, struct error *error)
{
	for (size_t i = 0; i < LOAD_MODES; i++) {
		if (strcmp(text, mode_names[i]) == 0) {
			*mode = (enum load_mode)i;
			return 0;
		}
	}
	return error_set(error, ERROR_USAGE,
			 "'%.64s' is none of ping, stream, churn, idle and half-close", text);
}
