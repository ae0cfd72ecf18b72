// An error on its way up: base/error.
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void fills_kind_and_message(void **state)
{
	struct echod_error error = {0};
	assert_int_equal(error_set(&error, ECHOD_ERROR_SYSTEM, "cannot open '%s': %d", "x", 5), -1);
	assert_int_equal(error.kind, ECHOD_ERROR_SYSTEM);
	assert_string_equal(error.message, "cannot open 'x': 5");
}

static void nobody_need_want_it(void **state)
{
	assert_int_equal(error_set(NULL, ECHOD_ERROR_USAGE, "%d", 1), -1);
}

static void a_long_message_is_cut_off(void **state)
{
	struct echod_error error;
	error_set(&error, ECHOD_ERROR_USAGE, "%01000d", 7);
	assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
}

static void a_message_is_one_line(void **state)
{
	struct echod_error error;
	error_set(&error, ECHOD_ERROR_USAGE, "'%s'", "a\nb\t\x1b[2J\x7f \xc3\xa9");
	assert_string_equal(error.message, "'a?b??[2J? \xc3\xa9'");
}

static void every_errno_has_a_text(void **state)
{
	assert_string_equal(error_text(EADDRINUSE), "Address already in use");
	assert_string_equal(error_text(-1), "unknown error");
	assert_string_equal(error_text(100000), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_kind_and_message),
		cmocka_unit_test(nobody_need_want_it),
		cmocka_unit_test(a_long_message_is_cut_off),
		cmocka_unit_test(a_message_is_one_line),
		cmocka_unit_test(every_errno_has_a_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
