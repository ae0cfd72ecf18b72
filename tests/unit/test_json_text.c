// Values from outside as JSON: base/json_text.
#include "expect.h"

#include <math.h>

#include "base/json_text.h"

TEST(any_bytes_become_a_string) {
	static const char *const rows[][2] = {
		{"", ""},
		{"plain \\ \"text\"", "plain \\ \"text\""},
		{"tab\t, escape \x1b[2J", "tab\t, escape \x1b[2J"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
		{"caf\xe9", "caf\\xE9"},
		{"\xc3", "\\xC3"},
		{"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\xe2\x82", "\\xE2\\x82"},
		{"\xff\xfe", "\\xFF\\xFE"},
		{"\xc0\xaf", "\\xC0\\xAF"},				  // overlong
		{"\xe0\x80\xaf", "\\xE0\\x80\\xAF"},			  // overlong
		{"\xed\xa0\x80", "\\xED\\xA0\\x80"},			  // half of a pair
		{"\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"},		  // beyond U+10FFFF
		{"\xf0\x8f\xbf\xbf", "\\xF0\\x8F\\xBF\\xBF"},		  // overlong
		{"\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"}, // beside the pairs
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *json = json_keep(json_text(rows[i][0]));
		assert_string_equal(json_string_value(json), rows[i][1]);
	}
}

// jansson's own check is the judge: no byte, nor any two after a first one, is refused.
TEST(nothing_is_refused) {
	for (unsigned i = 1; i < 256; i++) {
		for (unsigned j = 1; j < 256; j++) {
			json_t *json = json_text((char[]){(char)i, (char)j, '\x80', '\0'});
			assert_non_null(json);
			json_decref(json);
		}
	}
}

TEST(a_number_that_is_none_is_null) {
	assert_true(json_real_value(json_keep(json_finite(1.5))) == 1.5);
	assert_true(json_is_null(json_finite(NAN)));
	assert_true(json_is_null(json_finite(INFINITY)) && json_is_null(json_finite(-INFINITY)));
}

TEST(an_object_lacks_no_member) {
	json_t *object = json_object();
	json_put(&object, "one", json_integer(1));
	assert_int_equal(json_object_size(object), 1);
	json_put(&object, "two", NULL); // there was no memory for it
	assert_null(object);
	json_put(&object, "three", json_integer(3));
	assert_null(object);
}
