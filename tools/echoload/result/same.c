// Whether results may stand side by side or be added up. One thread each.
#include "same.h"

#include <string.h>

// Members of the configuration that make the load. Those of the generator are among them, as its
// own time is in every latency.
static const char *const load[] = {
	"mode",	   "connections", "pipeline",	      "sizes",		"visit",
	"linger",  "rate",	  "arrival",	      "verify",		"count",
	"threads", "spin",	  "duration_seconds", "warmup_seconds", "ramp_seconds",
};

json_t *same_member(const json_t *object, size_t index)
{
	json_t *runs = json_object_get(object, "runs");
	if (json_object_size(object) == 1 && json_is_array(runs))
		return json_array_get(runs, index);
	return index == 0 ? (json_t *)object : NULL;
}

// The first thing in which two configurations differ, NULL: there is none.
static const char *difference(const json_t *left, const json_t *right)
{
	for (size_t i = 0; i < sizeof(load) / sizeof(load[0]); i++) {
		json_t *a = json_object_get(left, load[i]), *b = json_object_get(right, load[i]);
		if (a != b && !json_equal(a, b))
			return load[i];
	}
	size_t targets = json_array_size(json_object_get(left, "targets"));
	return targets == json_array_size(json_object_get(right, "targets")) ? NULL : "targets";
}

int same_check(const struct result *left, const struct result *right, struct error *error)
{
	for (size_t i = 0; i < left->run_count; i++) {
		for (size_t j = 0; j < right->run_count; j++) {
			if (memcmp(&left->runs[i], &right->runs[j], sizeof(*left->runs)) == 0)
				return error_set(error, ERROR_USAGE,
						 "it holds a run that another one holds too");
		}
	}
	const json_t *one, *other;
	for (size_t i = 0; (one = same_member(left->configuration, i)); i++) {
		for (size_t j = 0; (other = same_member(right->configuration, j)); j++) {
			const char *name = difference(one, other);
			if (name)
				return error_set(error, ERROR_USAGE,
						 "it is of another load: '%s' differs", name);
		}
	}
	return 0;
}
