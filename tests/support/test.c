#include "test.h"

#include "expect.h"

#include <poll.h>
#include <signal.h>

struct instance {
	const struct test *test;
	const void *row; // which begins with its name, as a string of `with` does; NULL: none
	char name[160];
};

static struct test *first, **last = &first;
static struct test each, once; // the fixtures of the file
static void (*cleanups[8])(void);
static size_t cleanup_count;
static void **kept;
static size_t kept_count;
static struct instance instances[2048];
static size_t instance_count;
static const struct instance *running;
static size_t descriptors; // open before it

static const char *value_of(const struct instance *instance) {
	return instance->row ? *(const char *const *)instance->row : NULL;
}

void test_register(struct test *test) {
	*last = test;
	last = &test->next;
}

void test_cleanup(void (*function)(void)) { cleanups[cleanup_count++] = function; }

const char *test_with(void) { return running ? value_of(running) : NULL; }

void test_clean_up(void) {
	for (size_t i = 0; i < cleanup_count; i++)
		cleanups[i]();
	while (kept_count > 0)
		free(kept[--kept_count]);
	free(kept);
	kept = NULL;
}

void *test_keep(void *memory) {
	void **more = realloc(kept, (kept_count + 1) * sizeof(*kept));
	assert_true(memory && more);
	kept = more;
	return kept[kept_count++] = memory;
}

const char *test_text(const char *format, ...) {
	char *text = NULL;
	va_list values;
	va_start(values, format);
	assert_true(vasprintf(&text, format, values) >= 0);
	va_end(values);
	return test_keep(text);
}

const char *test_output(void (*print)(FILE *file)) {
	char *output = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&output, &size);
	assert_non_null(file);
	print(file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(strlen(output), size);
	return test_keep(output);
}

void test_contains(const char *whole, const char *part, const char *file, int line) {
	if (strstr(whole, part))
		return;
	print_error("'%s' is not in: %s\n", part, whole);
	_fail(file, line);
}

static int call(void (*function)(void)) {
	if (function)
		function();
	return 0;
}

static int begin_file(void **state) {
	(void)state;
	return call(once.setup);
}

static int end_file(void **state) {
	(void)state;
	call(once.teardown);
	return call(test_clean_up);
}

static int begin(void **state) {
	running = *state;
	descriptors = open_descriptors();
	return call(running->test->setup ? running->test->setup : each.setup);
}

static void run(void **state) {
	(void)state;
	if (running->test->run_row)
		running->test->run_row(running->row);
	else
		running->test->run();
}

// A test of a unit closes what it opens, and the unit does so on every way out.
static bool leaves_descriptors(void) {
	if (!strstr(running->test->file, "/unit/"))
		return false;
	for (int i = 0; open_descriptors() > descriptors; i++) {
		if (i == 2000)
			return print_error("more descriptors are open than before\n"), true;
		poll(NULL, 0, 1); // a thread that was left to itself may have one
	}
	return false;
}

static int end(void **state) {
	(void)state;
	call(running->test->teardown ? running->test->teardown : each.teardown);
	if (once.teardown)
		return 0;
	test_clean_up();
	return leaves_descriptors();
}

// Whether tests/unit/test_FILE.c is that file.
static bool is_file(const struct test *test, const char *file) {
	const char *base = strrchr(test->file, '/');
	base = base ? base + 1 : test->file;
	size_t length = strlen(file);
	return strncmp(base, "test_", 5) == 0 && strncmp(base + 5, file, length) == 0 &&
	       strcmp(base + 5 + length, ".c") == 0;
}

static void add(const struct test *test, const void *row) {
	struct instance *instance = &instances[instance_count++];
	*instance = (struct instance){.test = test, .row = row};
	const char *value = row ? value_of(instance) : "";
	snprintf(instance->name, sizeof(instance->name), "%s%s%s", test->name, *value ? " " : "",
		 value);
}

static void add_fixture(struct test *to, const struct test *part) {
	to->setup = part->setup ? part->setup : to->setup;
	to->teardown = part->teardown ? part->teardown : to->teardown;
}

static void add_all(const struct test *test) {
	const char *row = test->rows ? test->rows : (const void *)test->with;
	size_t size = test->rows ? test->row_size : sizeof(test->with[0]);
	size_t count = test->row_count;
	while (!test->rows && count < COUNT_OF(test->with) && test->with[count])
		count++;
	if (count == 0)
		add(test, NULL);
	for (size_t i = 0; i < count; i++)
		add(test, row + i * size);
}

static bool is_wanted(const struct instance *instance, int count, char **prefixes) {
	bool wanted = count == 0;
	for (int i = 0; i < count && !wanted; i++) {
		size_t length = strlen(prefixes[i]);
		wanted = strncmp(instance->name, prefixes[i], length) == 0 ||
			 (instance->row && strncmp(value_of(instance), prefixes[i], length) == 0);
	}
	return wanted;
}

// Weak: a program may have its own.
__attribute__((weak)) int main(int argc, char **argv) {
	static struct CMUnitTest tests[COUNT_OF(instances)];
	size_t count = 0;
	for (int number = 1; number <= SIGRTMAX; number++) // nohup, a shell's background job
		signal(number, SIG_DFL);
	for (const struct test *test = first; test; test = test->next) {
		if (argc > 1 && !is_file(test, argv[1]))
			continue;
		if (instance_count + COUNT_OF(test->with) + test->row_count > COUNT_OF(instances))
			abort();
		if (test->name)
			add_all(test);
		else
			add_fixture(test->once ? &once : &each, test);
	}
	for (size_t i = 0; i < instance_count; i++) {
		struct instance *instance = &instances[i];
		if (argc < 2)
			printf("%s: %s\n", strrchr(instance->test->file, '/') + 1, instance->name);
		else if (is_wanted(instance, argc - 2, argv + 2))
			tests[count++] =
				(struct CMUnitTest){instance->name, run, begin, end, instance};
	}
	if (argc > 1 && count == 0)
		fprintf(stderr, "%s: there is no such test\n", argv[0]);
	if (count == 0)
		return argc > 1;
	return _cmocka_run_group_tests(argv[1], tests, count, begin_file, end_file) != 0;
}
