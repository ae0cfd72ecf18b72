// Which options contradict each other. Main thread only.
#include "checks.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "echoload/common/paths.h"

#define MODE(name) (1U << MODE_##name)

struct mode_rule {
	const char *option;
	unsigned modes; // in which it means something
};

static const struct mode_rule mode_rules[] = {
	{"rate", MODE(PING) | MODE(IDLE)},
	{"arrival", MODE(PING) | MODE(IDLE)},
	{"search", MODE(PING)},
	{"pipeline", MODE(PING) | MODE(STREAM) | MODE(CHURN)},
	{"size", MODE(PING) | MODE(STREAM) | MODE(CHURN) | MODE(IDLE)},
	{"linger", MODE(CHURN)},
	{"visit", MODE(CHURN) | MODE(HALF_CLOSE)},
};

struct pair_rule {
	const char *option, *other;
	const char *why;
};

static const struct pair_rule pair_rules[] = {
	{"search", "rate", "it is what finds the rate"},
	{"search", "count", "each of its steps takes --duration"},
};

// The modes as `ping and idle`.
static void list_modes(unsigned modes, char *text, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; i < LOAD_MODES; i++) {
		if (!(modes & 1U << i))
			continue;
		bool last = modes >> i == 1;
		int length = snprintf(text + used, size - used, "%s%s",
				      used == 0 ? "" : (last ? " and " : ", "),
				      load_mode_name((enum load_mode)i));
		used += (size_t)length;
	}
}

static int check_mode(const struct arguments *arguments, struct error *error)
{
	enum load_mode mode = arguments->config->mode;
	for (size_t i = 0; i < sizeof(mode_rules) / sizeof(mode_rules[0]); i++) {
		const struct mode_rule *rule = &mode_rules[i];
		if ((rule->modes & 1U << mode) || !arguments_has(arguments, rule->option))
			continue;
		char modes[64];
		list_modes(rule->modes, modes, sizeof(modes));
		return error_set(error, ERROR_USAGE,
				 "--%s: not together with --mode %s, only with %s", rule->option,
				 load_mode_name(mode), modes);
	}
	return 0;
}

static int check_pairs(const struct arguments *arguments, struct error *error)
{
	for (size_t i = 0; i < sizeof(pair_rules) / sizeof(pair_rules[0]); i++) {
		const struct pair_rule *rule = &pair_rules[i];
		if (arguments_has(arguments, rule->option) && arguments_has(arguments, rule->other))
			return error_set(error, ERROR_USAGE, "--%s: not together with --%s: %s",
					 rule->option, rule->other, rule->why);
	}
	if (arguments_has(arguments, "search") && arguments->config->duration == CLOCK_NEVER)
		return error_set(
			error, ERROR_USAGE,
			"--search: not together with --duration never, as that is the time "
			"for each of its steps");
	if (arguments_has(arguments, "arrival") && arguments->config->mode == MODE_PING &&
	    !arguments_has(arguments, "rate") && !arguments_has(arguments, "search"))
		return error_set(error, ERROR_USAGE,
				 "--arrival: needs --rate or --search, as a closed loop has no "
				 "schedule");
	return 0;
}

static int check_numbers(const struct arguments *arguments, struct error *error)
{
	const struct load_config *config = arguments->config;
	if (config->connections && config->connections < arguments->target_count)
		return error_set(error, ERROR_USAGE,
				 "--connections: '%u' is less than the %zu targets",
				 config->connections, arguments->target_count);
	size_t connections = config->connections ? config->connections : arguments->target_count;
	if (config->threads > (connections ? connections : 1))
		return error_set(error, ERROR_USAGE,
				 "--threads: '%u' is more than the connections (--connections %zu)",
				 config->threads, connections ? connections : 1);
	return 0;
}

// A check that can never hold is a mistake: what it asks for is not measured in such a run.
static int check_expects(const struct arguments *arguments, struct error *error)
{
	for (size_t i = 0; i < arguments->wishes->expect_count; i++) {
		const struct expect *expect = &arguments->wishes->expects[i];
		bool open =
			expect->subject == EXPECT_UNCORRECTED || expect->subject == EXPECT_LATENESS;
		bool bytes = expect->subject == EXPECT_FAULTS ||
			     expect->subject == EXPECT_BYTES_VERIFIED;
		if (open && arguments->config->mode != MODE_IDLE &&
		    !arguments_has(arguments, "rate") && !arguments_has(arguments, "search"))
			return error_set(
				error, ERROR_USAGE,
				"--expect: '%.100s' is measured in the open loop only (--rate)",
				expect->text);
		if (bytes && arguments_has(arguments, "no-verify"))
			return error_set(error, ERROR_USAGE,
					 "--expect: '%.100s' cannot be told with --no-verify",
					 expect->text);
	}
	return 0;
}

static int check_files(const struct wishes *wishes, struct error *error)
{
	const char *const files[] = {wishes->json, wishes->hgrm, wishes->hlog, wishes->csv};
	const char *const names[] = {"json", "hgrm", "hlog", "csv"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		for (size_t j = 0; files[i] && j < i; j++) {
			if (files[j] && paths_same(files[i], files[j]))
				return error_set(error, ERROR_USAGE,
						 "--%s: '%.100s' is written by --%s already",
						 names[i], files[i], names[j]);
		}
	}
	for (size_t i = 0; wishes->data_on_stdout && i < sizeof(files) / sizeof(files[0]); i++) {
		if (files[i] && strcmp(files[i], "-") != 0 && paths_same(files[i], "/dev/stderr"))
			return error_set(error, ERROR_USAGE,
					 "--%s: '%.100s' is where the report goes, as standard "
					 "output is taken",
					 names[i], files[i]);
	}
	return 0;
}

int checks_run(const struct arguments *arguments, struct error *error)
{
	if (check_mode(arguments, error) != 0 || check_pairs(arguments, error) != 0 ||
	    check_numbers(arguments, error) != 0 || check_expects(arguments, error) != 0)
		return -1;
	return check_files(arguments->wishes, error);
}
