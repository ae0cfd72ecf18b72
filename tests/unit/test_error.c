// An error on its way up: base/error.
#include "test.h"

#include "base/error.h"

TEST(fills_kind_and_message_if_it_is_wanted) {
	struct echod_error error = {0};
	assert_int_equal(error_set(&error, ECHOD_ERROR_SYSTEM, "cannot open '%s': %d", "x", 5), -1);
	assert_int_equal(error.kind, ECHOD_ERROR_SYSTEM);
	assert_string_equal(error.message, "cannot open 'x': 5");
	assert_int_equal(error_set(NULL, ECHOD_ERROR_USAGE, "%d", 1), -1);
}

TEST(a_message_is_one_line_that_fits) {
	struct echod_error error;
	error_set(&error, ECHOD_ERROR_USAGE, "%01000d", 7);
	assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
	error_set(&error, ECHOD_ERROR_USAGE, "'%s'", "a\nb\t\x1b[2J\x7f \xc3\xa9");
	assert_string_equal(error.message, "'a?b??[2J? \xc3\xa9'");
}

TEST(every_errno_has_a_text) {
	assert_string_equal(error_text(EADDRINUSE), "Address already in use");
	assert_string_equal(error_text(-1), "unknown error");
	assert_string_equal(error_text(100000), "unknown error");
}
