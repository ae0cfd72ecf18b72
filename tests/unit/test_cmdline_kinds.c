// The kinds of values on a command line: base/setting and base/cmdline.
#include "test.h"

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/units.h"
#include "caught.h"

// One field for each kind of value.
struct fields {
	bool loud;
	const char *text;
	unsigned count;
	uint64_t most, pause, patience;
	double rate;
	enum { NEVER, OFTEN, ALWAYS } when;
	uint64_t given;
};

static int take_nothing(void *context, const char *name, const char *value,
			struct echod_error *error) {
	return error_set(error, ECHOD_ERROR_USAGE, "'%s' is left over", value);
}

#define FIELD(name) SETTING_FIELD(struct fields, name)

static const struct setting options[] = {
	{0, "quiet", NULL, "", SETTING_SWITCH, FIELD(loud), .least = false},
	{0, "text", "TEXT", "", SETTING_TEXT, FIELD(text), .least = 0},
	{'n', "count", "N", "", SETTING_COUNT, FIELD(count), .least = 2, .most = 9, .preset = "4"},
	{0, "most", "N", "", SETTING_COUNT, FIELD(most), .most = UINT64_MAX},
	{0, "rate", "RATE", "", SETTING_RATE, FIELD(rate), .least = 0},
	{0, "pause", "DUR", "", SETTING_DURATION, FIELD(pause), .least = NS_PER_US},
	{0, "patience", "DUR", "", SETTING_TIMEOUT, FIELD(patience), .preset = "250us"},
	{0, "when", "never|often|always", "", SETTING_CHOICE, FIELD(when), .least = 0},
};

static struct fields fields;

static const struct cmdline description = {
	.program = "prog",
	.options = options,
	.option_count = COUNT_OF(options),
	.take = take_nothing,
	.context = &fields,
	.given = &fields.given,
};

#define ARGUMENTS(...) ((char *[]){"prog", __VA_ARGS__, NULL})

static int read_all(char **argv) {
	int argc = 0;
	while (argv[argc])
		argc++;
	return cmdline_read(&description, argc, argv);
}

TEST(values_go_into_the_fields_of_the_context) {
	char **argv =
		ARGUMENTS("--quiet", "--text", "a b", "-n", "9", "--most=18446744073709551615",
			  "--rate=2.5k", "--pause=1us", "--patience", "never", "--when", "always");
	fields = (struct fields){.loud = true};
	cmdline_set(&description, "count", "3");
	cmdline_set(&description, "when", "often");
	assert_int_equal(fields.count, 3);
	assert_int_equal(fields.when, OFTEN);
	assert_int_equal(read_all(argv), -1);
	assert_false(fields.loud);
	assert_string_equal(fields.text, "a b");
	assert_int_equal(fields.count, 9);
	assert_true(fields.most == UINT64_MAX);
	assert_true(fields.rate == 2500);
	assert_int_equal(fields.pause, NS_PER_US);
	assert_true(fields.patience == UINT64_MAX);
	assert_int_equal(fields.when, ALWAYS);
	assert_true(cmdline_has(&description, "when"));
	assert_int_equal(read_all(ARGUMENTS("--quiet")), -1);
	assert_true(cmdline_has(&description, "quiet"));
	assert_false(cmdline_has(&description, "when"));
}

TEST(an_option_not_given_has_its_default) {
	fields = (struct fields){.text = "untouched", .count = 9};
	assert_int_equal(read_all(ARGUMENTS("--most=7")), -1);
	assert_int_equal(fields.count, 4);
	assert_true(fields.patience == 250 * NS_PER_US);
	assert_string_equal(fields.text, "untouched"); // it has none
	assert_false(cmdline_has(&description, "count"));
	assert_false(cmdline_has(&description, "quiet")); // the first
}

static const struct helped {
	const char *help;
	struct setting setting;
} helped[] = {
	{"a word", {.help = "a word", .kind = SETTING_TEXT}},
	{"n", {.help = "n", .kind = SETTING_COUNT, .most = UNITS_EXACT_MAX}},
	{"n (1 to 9)", {.help = "n", .kind = SETTING_COUNT, .least = 1, .most = 9}},
	{"n (0 to 9; default 4)", {.help = "n", .kind = SETTING_COUNT, .most = 9, .preset = "4"}},
	{"s (1 to 3m; default 64k)",
	 {.help = "s", .kind = SETTING_SIZE, .least = 1, .most = 3 << 20, .preset = "64k"}},
	{"d (0 to 1500us)", {.help = "d", .kind = SETTING_DURATION, .most = 1500 * NS_PER_US}},
	{"d (at least 1m)", {.help = "d", .kind = SETTING_DURATION, .least = 60 * NS_PER_S}},
	{"t (default never)", {.help = "t", .kind = SETTING_TIMEOUT, .preset = "never"}},
};

TEST_ROWS(help_tells_the_limits_and_the_default, const struct helped *row, helped) {
	char text[100];
	assert_string_equal(setting_help(&row->setting, text, sizeof(text)), row->help);
}

static int read_one(void *argument) { return read_all(ARGUMENTS(argument)); }

TEST(a_value_that_its_kind_does_not_allow_is_refused) {
	static char *const cases[][2] = {
		{"-n1", "count: '1' is not a whole number from 2 to 9\n"},
		{"--rate=0", "rate: '0' must be more than 0\n"},
		{"--rate=x", "rate: 'x' is not a rate"},
		{"--pause=x", "pause: 'x' is not a duration"},
		{"--pause=0", "pause: '0' is shorter than 1us\n"},
		{"--patience=0", "patience: '0' must be longer than 0; 'never' means no limit\n"},
		{"--when=of", "when: 'of' is not one of never|often|always\n"},
		{"--when=often|always", "when: 'often|always' is not one of"},
		{"--when=", "when: '' is not one of"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct caught caught = caught_from(read_one, cases[i][0]);
		const char *message = test_text("prog: --%s", cases[i][1]);
		assert_int_equal(caught.status, EXIT_USAGE);
		assert_memory_equal(caught.err, message, strlen(message));
	}
}
