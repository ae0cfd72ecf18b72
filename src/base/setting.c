#include "base/setting.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/units.h"

static int parse_duration(const struct setting *setting, const char *value, uint64_t *ns,
			  struct echod_error *error)
{
	char limit[32];
	if (units_parse_duration(value, ns, error) != 0)
		return -1;
	if (*ns < setting->least)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' is shorter than %s", value,
				 units_exact_duration(setting->least, limit, sizeof(limit)));
	if (setting->most && *ns > setting->most)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' is longer than %s", value,
				 units_exact_duration(setting->most, limit, sizeof(limit)));
	return 0;
}

static int parse_timeout(const char *value, uint64_t *ns, struct echod_error *error)
{
	if (units_parse_timeout(value, ns, error) != 0)
		return -1;
	if (*ns == 0)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' must be longer than 0; 'never' means no limit", value);
	return 0;
}

static int parse_choice(const char *words, const char *value, uint64_t *place,
			struct echod_error *error)
{
	size_t length = strlen(value);
	*place = 0;
	for (const char *word = words; *word; *place += 1) {
		size_t end = strcspn(word, "|");
		if (end == length && strncmp(word, value, end) == 0)
			return 0;
		word += end + (word[end] == '|');
	}
	return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' is not one of %s", value, words);
}

static int parse_switch(const char *value, bool given, uint64_t *number, struct echod_error *error)
{
	uint64_t is_yes = 0;
	if (value && parse_choice("no|yes", value, &is_yes, error) != 0)
		return -1;
	*number = !value || is_yes ? given : !given;
	return 0;
}

static int parse_rate(const char *value, double *rate, struct echod_error *error)
{
	double parsed;
	if (units_parse_rate(value, &parsed, error) != 0)
		return -1;
	if (parsed <= 0)
		return error_set(error, ECHOD_ERROR_USAGE, "'%.64s' must be more than 0", value);
	*rate = parsed;
	return 0;
}

// Parses the kinds whose field is a whole number.
static int parse(const struct setting *setting, const char *value, uint64_t *number,
		 struct echod_error *error)
{
	switch (setting->kind) {
	case SETTING_COUNT:
		return units_parse_count(value, setting->least, setting->most, number, error);
	case SETTING_SIZE:
		return units_parse_size(value, setting->least, setting->most, number, error);
	case SETTING_DURATION:
		return parse_duration(setting, value, number, error);
	case SETTING_TIMEOUT:
		return parse_timeout(value, number, error);
	case SETTING_TIMEOUT_OR_ZERO:
		return units_parse_timeout(value, number, error);
	case SETTING_CHOICE:
		return parse_choice(setting->argument, value, number, error);
	default:
		return parse_switch(value, setting->least, number, error);
	}
}

int setting_take(const struct setting *setting, void *context, const char *value,
		 struct echod_error *error)
{
	if (setting->size == 0)
		return setting->take(context, value, error);
	void *field = (char *)context + setting->offset;
	uint64_t number;
	if (setting->kind == SETTING_TEXT) {
		*(const char **)field = value;
		return 0;
	}
	if (setting->kind == SETTING_RATE)
		return parse_rate(value, field, error);
	if (parse(setting, value, &number, error) != 0)
		return -1;
	if (setting->size == sizeof(uint64_t))
		*(uint64_t *)field = number;
	else if (setting->size == sizeof(uint32_t))
		*(uint32_t *)field = (uint32_t)number;
	else
		*(bool *)field = number;
	return 0;
}

const struct setting *setting_find(const struct setting *settings, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	}
	return NULL;
}

static char *format_limit(enum setting_kind kind, uint64_t limit, char *text, size_t size)
{
	if (kind == SETTING_SIZE)
		return units_exact_size(limit, text, size);
	if (kind == SETTING_DURATION)
		return units_exact_duration(limit, text, size);
	snprintf(text, size, "%" PRIu64, limit);
	return text;
}

// Leaves `text` empty when there are no limits to show.
static char *format_limits(const struct setting *setting, char *text, size_t size)
{
	enum setting_kind kind = setting->kind;
	bool is_number = kind == SETTING_COUNT || kind == SETTING_SIZE || kind == SETTING_DURATION;
	char least[32], most[32];
	format_limit(kind, setting->least, least, sizeof(least));
	format_limit(kind, setting->most, most, sizeof(most));
	text[0] = '\0';
	if (is_number && setting->most > 0 && setting->most < UNITS_EXACT_MAX)
		snprintf(text, size, "%s to %s", least, most);
	else if (is_number && setting->least > 1)
		snprintf(text, size, "at least %s", least);
	return text;
}

char *setting_help(const struct setting *setting, char *text, size_t size)
{
	char limits[80];
	format_limits(setting, limits, sizeof(limits));
	bool has_more = *limits || setting->preset;
	snprintf(text, size, has_more ? "%s (%s%s%s%s)" : "%s", setting->help, limits,
		 *limits && setting->preset ? "; " : "", setting->preset ? "default " : "",
		 setting->preset ? setting->preset : "");
	ensure(strlen(text) < size - 1);
	return text;
}
