// echoload as a child of the test. One thread.
#include "load.h"

#include "place.h"

void load_expect_status(struct process *process, int status, int wanted) {
	if (status != wanted)
		fail_msg("status %d, not %d: %s", status, wanted, process_errors(process, NULL));
}

void load_expect_refusal(struct process *process, int status, int wanted, const char *text) {
	load_expect_status(process, status, wanted);
	process_expect_complaint(process, "echoload", STRINGS(text));
}

const char *load_refuses_with(const char *const *arguments, int wanted, const char *text) {
	struct process *process = process_run_to(wanted, PROCESS(.arguments = arguments));
	return process_expect_complaint(process, "echoload", STRINGS(text));
}

const char *const *load_arguments(const char *const *first, const char *const *more) {
	static const char *all[48];
	size_t count = 0;
	for (; *first; first++)
		all[count++] = *first;
	for (; *more; more++)
		all[count++] = *more;
	assert_true(count < COUNT_OF(all));
	all[count] = NULL;
	return all;
}

static json_t *checked(json_t *result) {
	assert_int_equal(load_count(result, "schema"), 1);
	return result;
}

json_t *load_result(struct process *process) {
	return checked(json_from(process_output(process, NULL)));
}

json_t *load_result_of_file(const char *path) { return checked(json_from(place_read(path))); }

json_t *load_run_with(const struct process_spec *spec, int wanted) {
	return load_result(process_run_to(wanted, spec));
}

const json_t *load_member(const json_t *result, const char *path) {
	char names[128];
	assert_true(strlen(path) < sizeof(names));
	strcpy(names, path);
	char *rest;
	for (char *name = strtok_r(names, ".", &rest); name; name = strtok_r(NULL, ".", &rest)) {
		result = json_is_array(result) ? json_array_get(result, strtoul(name, NULL, 10))
					       : json_object_get(result, name);
		if (!result)
			fail_msg("no %s in the result", path);
	}
	return result;
}

uint64_t load_count(const json_t *result, const char *path) {
	const json_t *value = load_member(result, path);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		fail_msg("%s is no count", path);
	return (uint64_t)json_integer_value(value);
}

double load_number(const json_t *result, const char *path) {
	const json_t *value = load_member(result, path);
	if (!json_is_number(value) || !(json_number_value(value) >= 0))
		fail_msg("%s is no number", path);
	return json_number_value(value);
}

const char *load_text(const json_t *result, const char *path) {
	const char *text = json_string_value(load_member(result, path));
	if (!text)
		fail_msg("%s is no text", path);
	return text;
}

uint64_t load_errors(const json_t *result, const char *name) {
	uint64_t total = 0;
	const char *each;
	json_t *count;
	json_object_foreach((json_t *)(uintptr_t)load_member(result, "errors"), each, count) {
		if (name && strcmp(each, name) != 0)
			continue;
		assert_true(json_integer_value(count) > 0);
		total += (uint64_t)json_integer_value(count);
		const json_t *first = json_object_get(load_member(result, "first_errors"), each);
		if (!json_is_string(first) || !strstr(json_string_value(first), "on connection"))
			fail_msg("nothing of the first error of %s", each);
	}
	return total;
}

void load_expect_beginning(const char *text, const char *beginning) {
	if (strncmp(text, beginning, strlen(beginning)) != 0)
		fail_msg("does not begin with '%s': %.200s", beginning, text);
}

void load_expect_report(const char *text) {
	static const char *const labels[] = {"load ",	  "throughput ", "latency ", "errors ",
					     "verified ", "faults ",	 "verdict "};
	for (size_t i = 0; i < COUNT_OF(labels); i++) {
		const char *found = strstr(text, labels[i]);
		if (!found || (found > text && found[-1] != '\n'))
			fail_msg("no line of %sin the report: %s", labels[i], text);
	}
}

uint64_t load_expect_only(const json_t *result, const char *name, const char *first) {
	uint64_t count = load_errors(result, name);
	if (count == 0 || load_errors(result, NULL) != count)
		fail_msg("not only %s: %s", name,
			 json_dumps(load_member(result, "errors"), JSON_COMPACT));
	const char *text = load_text(result, test_text("first_errors.%s", name));
	if (strncmp(text, "after ", 6) != 0 || !strstr(text, first))
		fail_msg("no '%s' in: %s", first, text);
	return count;
}
