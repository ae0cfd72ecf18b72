// The command line: base/cmdline, with standard output and standard error caught in files.
#include "test.h"

#include "base/cmdline.h"
#include "base/units.h"
#include "caught.h"

static int take_hidden(void *context, const char *value, struct echod_error *error) {
	return error_set(error, ECHOD_ERROR_USAGE, "'%s' is not for you", value);
}

struct run {
	char taken[200]; // ` name=value` of each option, ` value` of each operand
	struct caught caught;
};

static const struct setting options[] = {
	{'l', "listen", "ADDRESS",
	 "address to listen on, as often as you like: 127.0.0.1:65432 (default), [::1]:7000, "
	 ":7000, unix:/path; port 0 is a free one",
	 .take = NULL},
	{'w', "workers", "N", "number of worker threads (default 4)", .take = NULL},
	{0, "max-per-source", "CONNECTIONS", "has a head too long for a line with its help",
	 .take = NULL},
	{0, "max-connections", "N", "connections at a time", .take = NULL},
	{'q', "quiet", NULL, "say nothing", .take = NULL},
	{0, "hidden", "TEXT", NULL, .take = take_hidden},
};

static int take(void *context, const char *name, const char *value, struct echod_error *error) {
	struct run *run = context;
	size_t used = strlen(run->taken);
	snprintf(run->taken + used, sizeof(run->taken) - used, " %s%s%s", name ? name : "",
		 name ? "=" : "", value ? value : "");
	uint64_t count;
	if (name && strcmp(name, "workers") == 0)
		return units_parse_count(value, 1, 4096, &count, error);
	if (value && strcmp(value, "taken:1") == 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot listen on %s: in use", value);
	if (!name && strcmp(value, "surplus") == 0)
		return error_set(error, ECHOD_ERROR_USAGE, "'%s' is one too many", value);
	return 0;
}

static const struct cmdline description = {
	.program = "prog",
	.synopsis = "[OPTION]... [OPERAND]...",
	.summary = "Does something.",
	.epilogue = "It ends here.",
	.options = options,
	.option_count = COUNT_OF(options),
	.take = take,
};

static char **arguments; // of the command line that read_it reads

static int read_it(void *context) {
	struct cmdline cmdline = description;
	cmdline.context = context;
	int argc = 0;
	while (arguments[argc])
		argc++;
	return cmdline_read(&cmdline, argc, arguments);
}

static struct run run_by(int (*function)(void *context), char **given) {
	struct run run = {0};
	arguments = given;
	run.caught = caught_from(function, &run);
	return run;
}

#define RUN(...) run_by(read_it, (char *[]){"prog", __VA_ARGS__, NULL})

static void check_taken(struct run run, const char *taken) {
	assert_int_equal(run.caught.status, -1);
	assert_string_equal(run.taken, taken);
	assert_string_equal(run.caught.out, "");
	assert_string_equal(run.caught.err, "");
}

static void check_refused(struct run run, int status, const char *line) {
	assert_string_equal(run.caught.err, line);
	assert_int_equal(run.caught.status, status);
	assert_string_equal(run.caught.out, "");
	assert_string_equal(strchr(run.caught.err, '\n'), "\n"); // its last byte
}

static void complain(void *context, const char *message) {
	printf("%s, %s", ((struct run *)context)->taken, message);
}

static int read_loudly(void *context) {
	struct cmdline cmdline = description;
	cmdline.context = context;
	cmdline.complain = complain;
	cmdline.epilogue = NULL;
	return cmdline_read(&cmdline, 3, arguments);
}

// The same with a hint at the help.
static void check_misused(struct run run, const char *message) {
	check_refused(run, EXIT_USAGE, test_text("prog: %s (see prog --help)\n", message));
}

TEST(takes_options_in_every_spelling_and_operands) {
	check_taken(run_by(read_it, (char *[]){"prog", NULL}), "");
	check_taken(RUN("-w", "3"), " workers=3");
	check_taken(RUN("-w3"), " workers=3");
	check_taken(RUN("--workers", "3"), " workers=3");
	check_taken(RUN("--workers=3"), " workers=3");
	check_taken(RUN("--work=3"), " workers=3");
	check_taken(RUN("-qw3", "-l", ":7"), " quiet= workers=3 listen=:7");
	check_taken(RUN("-l", ":1", "--listen", ":2"), " listen=:1 listen=:2");
	check_taken(RUN("--listen="), " listen=");
	check_taken(RUN("--listen", "--quiet"), " listen=--quiet");
	check_taken(RUN("host", "-q", "7"), " quiet= host 7");
	check_taken(RUN("--", "-q", "--help"), " -q --help");
	check_taken(RUN("-"), " -");
	check_taken(RUN(""), " ");
}

TEST(refuses_wrong_options_and_arguments) {
	check_misused(RUN("-w"), "an argument is missing after option '--workers'");
	check_taken(RUN("-q", "-q"), " quiet= quiet="); // nothing is left of the call before
	check_misused(RUN("--nonsense"), "unknown or ambiguous option '--nonsense'");
	check_misused(RUN("--max=3"), "unknown or ambiguous option '--max=3'");
	check_misused(RUN("-x"), "unknown option '-x'");
	check_misused(RUN("-qx"), "unknown option '-x'");
	check_misused(RUN("-?"), "unknown option '-?'");
	check_misused(RUN("-:"), "unknown option '-:'");
	check_misused(RUN("-q", "--workers"), "an argument is missing after option '--workers'");
	check_misused(RUN("--max-conn"), "an argument is missing after option '--max-connections'");
	check_misused(RUN("--quiet=yes"), "no argument is allowed after option '--quiet'");
	check_misused(RUN("--help=me"), "no argument is allowed after option '--help'");
}

TEST(a_bad_value_names_its_option) {
	check_refused(RUN("-w", "0", "--help"), EXIT_USAGE,
		      "prog: --workers: '0' is not a whole number from 1 to 4096\n");
	check_refused(RUN("--listen", "taken:1"), EXIT_UNREACHABLE,
		      "prog: --listen: cannot listen on taken:1: in use\n");
	check_refused(RUN("one", "surplus", "three"), EXIT_USAGE,
		      "prog: 'surplus' is one too many\n");
	// The message is one line, whatever was given.
	check_misused(RUN("-\n"), "unknown option '-?'");
	check_misused(RUN("--a\nb\033[1m"), "unknown or ambiguous option '--a?b?[1m'");
	check_refused(RUN("-w", "1\n2\r"), EXIT_USAGE,
		      "prog: --workers: '1?2?' is not a whole number from 1 to 4096\n");
	check_refused(RUN("-w", "zw\xc3\xb6lf"), EXIT_USAGE,
		      "prog: --workers: 'zw\xc3\xb6lf' is not a whole number from 1 to 4096\n");
}

static void check_printed(struct run run, const char *text) {
	assert_int_equal(run.caught.status, EXIT_OK);
	assert_string_equal(run.caught.out, text);
	assert_string_equal(run.caught.err, "");
}

TEST(version_is_one_line) {
	check_printed(RUN("-q", "--version", "--nonsense"), "prog " ECHOD_VERSION "\n");
	check_printed(RUN("-q", "-V", "--nonsense"), "prog " ECHOD_VERSION "\n");
	check_printed(RUN("-q", "--vers", "--nonsense"), "prog " ECHOD_VERSION "\n");
}

static const char help_text[] =
	"Usage: prog [OPTION]... [OPERAND]...\n"
	"Does something.\n"
	"\n"
	"Options:\n"
	"  -l, --listen ADDRESS       address to listen on, as often as you like:\n"
	"                             127.0.0.1:65432 (default), [::1]:7000, :7000,\n"
	"                             unix:/path; port 0 is a free one\n"
	"  -w, --workers N            number of worker threads (default 4)\n"
	"      --max-per-source CONNECTIONS\n"
	"                             has a head too long for a line with its help\n"
	"      --max-connections N    connections at a time\n"
	"  -q, --quiet                say nothing\n"
	"  -h, --help                 print this help and exit\n"
	"  -V, --version              print the version and exit\n"
	"\n"
	"It ends here.\n";

TEST(help_fits_80_columns) {
	check_printed(RUN("--help", "-w", "0"), help_text);
	check_printed(RUN("-h", "-w", "0"), help_text);
	check_printed(RUN("--he", "-w", "0"), help_text);
	for (const char *line = help_text; *line; line = strchr(line, '\n') + 1)
		assert_in_range(strcspn(line, "\n"), 0, 79);
}

TEST(a_program_may_have_no_epilogue_and_a_complaint_of_its_own) {
	struct run run = run_by(read_loudly, (char *[]){"prog", "-q", "--help", NULL});
	assert_string_equal(strrchr(run.caught.out, 'p'), "print the version and exit\n");
	run = run_by(read_loudly, (char *[]){"prog", "-q", "--hidden=x", NULL});
	assert_int_equal(run.caught.status, EXIT_USAGE);
	assert_string_equal(run.caught.out, " quiet=, --hidden: 'x' is not for you");
	assert_string_equal(run.caught.err, "");
}

static int fail_as(void *context) {
	struct run *run = context;
	struct echod_error error = {.kind = ECHOD_ERROR_SYSTEM,
				    .message = "cannot listen on :7: Bad luck"};
	int status = cmdline_fail("prog", &error);
	error.kind = ECHOD_ERROR_USAGE;
	snprintf(run->taken, sizeof(run->taken), "%d", cmdline_fail("prog", &error));
	return status;
}

TEST(failures_end_with_their_kinds_status) {
	struct run run = run_by(fail_as, NULL);
	assert_int_equal(run.caught.status, EXIT_UNREACHABLE);
	assert_string_equal(run.taken, "2");
	assert_string_equal(run.caught.err, "prog: cannot listen on :7: Bad luck\n"
					    "prog: cannot listen on :7: Bad luck\n");
}

static int end_with(void *context, struct echod_error *error) {
	struct run *run = context;
	if (strcmp(run->taken, " four") == 0)
		return EXIT_INCONCLUSIVE;
	return error_set(error, ECHOD_ERROR_SYSTEM, "no luck with%s", run->taken);
}

static int run_it(void *context) {
	struct cmdline cmdline = description;
	cmdline.context = context;
	cmdline.run = end_with;
	return cmdline_run(&cmdline, 2, arguments);
}

static void check_run(char *operand, int status, const char *line) {
	struct run run = run_by(run_it, (char *[]){"prog", operand, NULL});
	assert_string_equal(run.caught.err, line);
	assert_int_equal(run.caught.status, status);
}

TEST(a_run_ends_with_its_status_or_its_error) {
	check_run("four", EXIT_INCONCLUSIVE, "");
	check_run("five", EXIT_UNREACHABLE, "prog: no luck with five\n");
	check_run("surplus", EXIT_USAGE, "prog: 'surplus' is one too many\n");
}
