#include "load_config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

#define SIZES_TEXT 1024

const struct load_mode_row load_modes[LOAD_MODES] = {
#define MODE(identifier, name, options, help) {name, options},
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

// Reads `SIZE` or `LEAST..MOST`, with `:WEIGHT` or without, and splits the text in place. `below`
// becomes the weight.
static int parse_part(char *text, struct sizes_part *part, struct echod_error *error)
{
	char *weight = text;
	strsep(&weight, ":");
	part->below = 1;
	const char *rest = weight ? units_read_number(weight, &part->below) : "";
	if (!rest || *rest || part->below <= 0)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not a weight: a number greater than 0", weight);
	char *dots = strstr(text, "..");
	char *high = dots ? dots + 2 : text;
	if (dots)
		*dots = '\0';
	if (units_parse_size(text, 1, SIZES_BYTES, &part->least, error) != 0 ||
	    units_parse_size(high, 1, SIZES_BYTES, &part->most, error) != 0)
		return -1;
	if (part->least > part->most)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.32s..%.32s' ends before it begins",
				 text, high);
	return 0;
}

// From weights to shares.
static void complete(struct sizes *sizes)
{
	double total = 0;
	for (size_t i = 0; i < sizes->count; i++)
		total += sizes->parts[i].below;
	double below = 0;
	for (size_t i = 0; i < sizes->count; i++) {
		struct sizes_part *part = &sizes->parts[i];
		double share = part->below / total;
		sizes->mean += share * ((double)part->least + (double)part->most) / 2;
		sizes->most = part->most > sizes->most ? part->most : sizes->most;
		part->below = below += share;
	}
	sizes->parts[sizes->count - 1].below = 1; // without the error of rounding
}

int sizes_parse(const char *text, struct sizes *sizes, struct echod_error *error)
{
	struct sizes parsed = {0};
	char copy[SIZES_TEXT], *rest = copy;
	if (snprintf(copy, sizeof(copy), "%s", text) >= SIZES_TEXT)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s...' is too long", text);
	while (rest) {
		if (parsed.count == SIZES_PARTS)
			return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' has more than %d parts",
					 text, SIZES_PARTS);
		if (parse_part(strsep(&rest, ","), &parsed.parts[parsed.count++], error) != 0)
			return -1;
	}
	complete(&parsed);
	*sizes = parsed;
	return 0;
}

uint64_t sizes_draw(const struct sizes *sizes, struct random *random)
{
	const struct sizes_part *part = sizes->parts;
	if (sizes->count > 1) {
		double share = random_share(random);
		while (share >= part->below)
			part++;
	}
	uint64_t span = part->most - part->least + 1;
	return span == 1 ? part->least
			 : part->least + (uint64_t)(random_share(random) * (double)span);
}
