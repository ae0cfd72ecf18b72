#include "fault/set.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"

#define MAX_DELAY (3600 * NS_PER_S)
#define MAX_BYTES (UINT64_C(1) << 60)
#define DEFAULT_SEED 1
#define PERCENT (FAULT_SHARE_ALL / 100)

enum value { NONE, DELAY, RATE, EACH, AFTER };

static const struct {
	const char *name;
	enum value value;
} faults[INJECTIONS] = {
#define FAULT(name, text, value) {text, value},
#include "fault/faults.def"
};

// The names, for a message.
static const char names[] =
#define FAULT(name, text, value) text ", "
#include "fault/faults.def"
	"p=SHARE and seed=N";

const char *injection_name(enum injection kind)
{
	return faults[kind].name;
}

// The fault that is written in the first `length` bytes, or INJECTIONS.
static enum injection find(const char *text, size_t length)
{
	int kind = 0;
	while (kind < INJECTIONS && (strlen(faults[kind].name) != length ||
				     strncmp(faults[kind].name, text, length) != 0))
		kind++;
	return (enum injection)kind;
}

char *fault_list_in(const char *text)
{
	for (char *at = strchr(text, '='); at; at = strchr(at + 1, '=')) {
		if (find(at + 1, strcspn(at + 1, "=,")) != INJECTIONS)
			return at + 1;
	}
	return NULL;
}

static int parse_delay(char *text, struct fault_set *set, struct echod_error *error)
{
	uint64_t *least = &set->value[INJECT_delay];
	char *dots = strstr(text, "..");
	if (dots)
		*dots = '\0';
	if (units_parse_duration(text, least, error) != 0)
		return -1;
	set->delay_most = *least;
	if (dots && units_parse_duration(dots + 2, &set->delay_most, error) != 0)
		return -1;
	if (set->delay_most < *least || set->delay_most > MAX_DELAY)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "at most an hour, and A..B from the lesser to the greater");
	return 0;
}

// `text`: NULL, there is none.
static int parse_value(enum injection kind, char *text, struct fault_set *set,
		       struct echod_error *error)
{
	uint64_t *value = &set->value[kind];
	switch (faults[kind].value) {
	case NONE:
		return text ? error_set(error, ECHOD_ERROR_USAGE, "it takes no value") : 0;
	case DELAY:
		return text ? parse_delay(text, set, error)
			    : error_set(error, ECHOD_ERROR_USAGE,
					"a time is missing: 20ms, 5ms..1s");
	default:
		break;
	}
	if (!text)
		return error_set(error, ECHOD_ERROR_USAGE, "a size is missing: 512, 4k, 1m");
	char *second = faults[kind].value == RATE ? strstr(text, "/s") : NULL;
	if (second && !second[2])
		*second = '\0';
	uint64_t least = faults[kind].value == EACH ? FAULT_LEAST_EACH : faults[kind].value == RATE;
	return units_parse_size(text, least, MAX_BYTES, value, error);
}

// A share is a fraction, or has a `%`: a bare 10 may mean either.
static int parse_share(const char *text, uint32_t *share, struct echod_error *error)
{
	double value;
	const char *rest = units_read_number(text, &value);
	double all = rest && *rest == '%' ? 100 : 1;
	if (!rest || strcmp(rest, all > 1 ? "%" : "") != 0 || value > all)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "a share is from 0 to 1, or from 0%% to 100%%");
	*share = (uint32_t)(value / all * FAULT_SHARE_ALL + 0.5);
	return 0;
}

// Takes one word of the list. `last`: the fault before it, INJECTIONS: none.
static int take(char *word, struct fault_set *set, enum injection *last, struct echod_error *error)
{
	char *value = strchr(word, '=');
	if (value)
		*value++ = '\0';
	if (strcmp(word, "seed") == 0)
		return units_parse_count(value ? value : "", 0, UINT64_MAX, &set->seed, error);
	if (strcmp(word, "p") == 0)
		return *last == INJECTIONS
			       ? error_set(error, ECHOD_ERROR_USAGE, "it follows its fault")
			       : parse_share(value ? value : "", &set->share[*last], error);
	enum injection kind = find(word, strlen(word));
	if (kind == INJECTIONS)
		return error_set(error, ECHOD_ERROR_USAGE, "there are %s", names);
	if (fault_in(set->kinds, kind))
		return error_set(error, ECHOD_ERROR_USAGE, "it is there twice");
	set->kinds |= 1U << kind;
	set->share[kind] = FAULT_SHARE_ALL;
	*last = kind;
	return parse_value(kind, value, set, error);
}

int fault_set_parse(const char *text, struct fault_set *set, struct echod_error *error)
{
	struct fault_set parsed = {.seed = DEFAULT_SEED};
	enum injection last = INJECTIONS;
	char copy[FAULT_SET_TEXT_SIZE];
	char *rest = copy;
	if (strlen(text) >= sizeof(copy))
		return error_set(error, ECHOD_ERROR_USAGE, "a list of faults is shorter than %d",
				 FAULT_SET_TEXT_SIZE);
	strcpy(copy, text);
	while (rest) {
		struct echod_error why;
		const char *word = text + (rest - copy);
		if (take(strsep(&rest, ","), &parsed, &last, &why) != 0)
			return error_set(error, ECHOD_ERROR_USAGE, "fault '%.*s': %s",
					 (int)strcspn(word, ","), word, why.message);
	}
	*set = parsed;
	return 0;
}

char *fault_set_format(const struct fault_set *set, char *text)
{
	char number[2][32];
	char *at = text;
	for (int kind = 0; kind < INJECTIONS; kind++) {
		if (!fault_in(set->kinds, (enum injection)kind))
			continue;
		at += sprintf(at, "%s%s", at == text ? "" : ",", faults[kind].name);
		uint64_t value = set->value[kind];
		if (faults[kind].value == DELAY)
			units_exact_duration(value, number[0], sizeof(number[0]));
		else
			units_exact_size(value, number[0], sizeof(number[0]));
		if (faults[kind].value != NONE)
			at += sprintf(at, "=%s", number[0]);
		if (faults[kind].value == DELAY && set->delay_most != value)
			at += sprintf(at, "..%s",
				      units_exact_duration(set->delay_most, number[1],
							   sizeof(number[1])));
		uint32_t share = set->share[kind];
		if (share % PERCENT)
			at += sprintf(at, ",p=0.%06" PRIu32, share);
		else if (share != FAULT_SHARE_ALL)
			at += sprintf(at, ",p=%" PRIu32 "%%", share / PERCENT);
	}
	if (at == text)
		return strcpy(text, "none");
	if (set->seed != DEFAULT_SEED)
		sprintf(at, ",seed=%" PRIu64, set->seed);
	return text;
}

char *fault_kinds_format(uint32_t kinds, char *text)
{
	char *at = text;
	*text = '\0';
	for (int kind = 0; kind < INJECTIONS; kind++) {
		if (fault_in(kinds, (enum injection)kind))
			at += sprintf(at, "%s%s", at == text ? "" : ",", faults[kind].name);
	}
	return text;
}
