// What a run may be. Any thread.
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct load_mode_row load_modes[LOAD_MODES] = {
#define MODE(identifier, name, options, help) {name, options, help},
#include "modes.def"
};

const char load_mode_words[] =
#define MODE(identifier, name, options, help) "|" name
#include "modes.def"
	;

bool load_mode_takes(enum load_mode mode, const char *option)
{
	size_t length = strlen(option);
	for (const char *at = load_modes[mode].options; (at = strstr(at, "--")); at += 2) {
		if (strncmp(at + 2, option, length) == 0 && strchr(" ", at[2 + length]))
			return true;
	}
	return false;
}

char *config_name(const struct load_config *config, uint32_t id, char text[static CONFIG_NAME])
{
	char target[ADDRESS_TEXT_SIZE];
	snprintf(text, CONFIG_NAME, "connection %" PRIu32 " to %s", id,
		 endpoint_format(config_target(config, id), target));
	return text;
}
