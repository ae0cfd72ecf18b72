// The list of --faulty, as it is written: fault/set.
#include "expect.h"

#include "base/clock.h"
#include "fault/set.h"

static struct fault_set set;
static struct echod_error error;

static const struct list {
	const char *text, *format; // NULL: as it was written
} lists[] = {
	{"reset", NULL},
	{"delay=20ms", NULL},
	{"delay=5ms..50ms", NULL},
	{"delay=0..1h", NULL},
	{"trickle=1k/s", "trickle=1k"},
	{"flip=1m,lose=64,repeat=512k,silent", NULL},
	{"stall-after=0,close-after=4k,reset-after=1,half-close-after=2g", NULL},
	{"reset,p=0.1", "reset,p=10%"},
	{"reset,p=12.5%", "reset,p=0.125000"},
	{"reset,p=1", "reset"},
	{"reset,p=100%", "reset"},
	{"reset,p=0", "reset,p=0%"},
	{"reset,p=0.000001", NULL},
	{"seed=7,delay=1s,p=50%,reset,p=0.25", "reset,p=25%,delay=1s,p=50%,seed=7"},
};

TEST_ROWS(list, const struct list *row, lists) {
	char text[FAULT_SET_TEXT_SIZE];
	assert_int_equal(fault_set_parse(row->text, &set, NULL), 0);
	assert_string_equal(fault_set_format(&set, text), row->format ? row->format : row->text);
	struct fault_set again;
	assert_int_equal(fault_set_parse(text, &again, NULL), 0);
	assert_memory_equal(&again, &set, sizeof(set));
}

// With what is wrong, and what is allowed.
static const struct refusal {
	const char *text, *part;
} refusals[] = {
	{"", "fault '': there are reset, delay, trickle, flip,"},
	{"explode", "half-close-after, p=SHARE and seed=N"},
	{"reset,", "fault '': there are"},
	{"reset=1", "fault 'reset=1': it takes no value"},
	{"reset,reset", "fault 'reset': it is there twice"},
	{"reset,p=10", "fault 'p=10': a share is from 0 to 1, or from 0% to 100%"},
	{"reset,p=101%", "a share is"},
	{"reset,p=-0.1", "a share is"},
	{"reset,p=0.1x", "a share is"},
	{"reset,p", "a share is"},
	{"reset,p=1.", "a share is"},
	{"reset,p=9007199254740993", "a share is"},
	{"p=0.1,reset", "fault 'p=0.1': it follows its fault"},
	{"delay", "a time is missing"},
	{"delay=20", "fault 'delay=20': '20' is not a duration"},
	{"delay=50ms..5ms", "from the lesser to the greater"},
	{"delay=2h", "at most an hour"},
	{"delay=1ms..", "is not a duration"},
	{"trickle=0", "'0' is not a size from 1"},
	{"trickle=1k/h", "'1k/h' is not a size"},
	{"trickle=1k/sx", "'1k/sx' is not a size"},
	{"flip=63", "from 64"},
	{"stall-after", "a size is missing"},
	{"close-after=-1", "is not a size"},
	{"close-after=1152921504606846977", "is not a size"},
	{"seed=x,reset", "fault 'seed=x'"},
	{"reset,seed", "fault 'seed'"},
};

TEST_ROWS(refusal, const struct refusal *row, refusals) {
	set = (struct fault_set){.seed = 99};
	assert_error(fault_set_parse(row->text, &set, &error), &error, ECHOD_ERROR_USAGE,
		     row->part);
	assert_int_equal(set.seed, 99);
}

TEST(longest) {
	const char *all =
		"reset,p=0.000001,delay=3599999999us..3600000000us,p=0.000001,"
		"trickle=1152921504606846975,p=0.000001,flip=1152921504606846975,p=0.000001,"
		"lose=1152921504606846975,p=0.000001,repeat=1152921504606846975,p=0.000001,"
		"silent,p=0.000001,stall-after=1152921504606846975,p=0.000001,"
		"close-after=1152921504606846975,p=0.000001,"
		"reset-after=1152921504606846975,p=0.000001,"
		"half-close-after=1152921504606846975,p=0.000001,seed=18446744073709551615";
	char text[FAULT_SET_TEXT_SIZE];
	assert_int_equal(fault_set_parse(all, &set, NULL), 0);
	fault_set_format(&set, text);
	fault_kinds_format(set.kinds, text);
	assert_error(fault_set_parse(test_text("%0512d", 0), &set, &error), &error,
		     ECHOD_ERROR_USAGE, "a list of faults is shorter than 512");
}

// The address ends where the list begins, also if a path has the sign.
TEST(address_and_list) {
	static const char *const rows[][2] = {
		{":7=delay=20ms", "delay=20ms"},
		{"unix:/a=b=reset,p=0.1", "reset,p=0.1"},
		{"unix:/reset-after=silent", "silent"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *text = test_keep(strdup(rows[i][0]));
		assert_string_equal(fault_list_in(text), rows[i][1]);
	}
	for (const char *const *none = STRINGS("", ":7", ":7=", ":7=x", "a=p=1", ":7=resets");
	     *none; none++)
		assert_null(fault_list_in(test_keep(strdup(*none))));
}
