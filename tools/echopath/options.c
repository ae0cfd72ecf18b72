#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cmdline.h"

#define SHORTEST_TIMEOUT (100 * NS_PER_MS)
#define MOST_REPEATS 1000

static const char summary[] =
	"Finds out what a proxy, a balancer or a firewall does to TCP. It is both ends:\n"
	"it connects to the proxy (--via) and listens where the proxy forwards to\n"
	"(--backend), and compares what one end does with what the other sees. It\n"
	"tries the direct path without --via. An ID, or the beginning of some, selects:\n"
	"half-close, reset/client-idle. --list shows all. `idle` in place of an ID finds\n"
	"the idle time-out: connections are silent for times up to --max, then speak.";

static const char epilogue[] =
	"DUR is a number and one of us, ms, s, m, h. Results: kept; changed (something\n"
	"else arrived, nothing was lost); broken (bytes lost, stuck, an end not seen);\n"
	"info (a figure); not-run (it could not be tried).\n"
	"\n"
	"Exit status:\n"
	"  0  no row is broken; with --expect: all rows are as expected; with idle: no\n"
	"     connection was lost\n"
	"  1  a row is broken, worse than expected with --expect, or a connection lost\n"
	"  2  wrong usage\n"
	"  3  could not connect, listen, reach the server's end, read or write\n"
	"  4  unknown: the direct path is not clean, so nothing is said about the proxy;\n"
	"     or no row is broken, but some could not be tried\n"
	"  5  with --expect: rows are better than expected, and none is worse";

static bool is_selected(const struct options *options, const char *id)
{
	bool selected = options->selected_count == 0;
	for (unsigned i = 0; i < options->selected_count; i++) {
		const char *wanted = options->selected[i];
		bool exact = false;
		for (unsigned j = 0; j < behaviour_count; j++)
			exact |= strcmp(behaviours[j].id, wanted) == 0;
		selected |=
			exact ? strcmp(id, wanted) == 0 : strncmp(id, wanted, strlen(wanted)) == 0;
	}
	return selected;
}

unsigned options_select(const struct options *options, struct result *results)
{
	unsigned count = 0;
	for (unsigned i = 0; i < behaviour_count; i++) {
		results[i].selected = is_selected(options, behaviours[i].id) &&
				      !(options->quick && behaviours[i].slow);
		count += results[i].selected;
	}
	return count;
}

static int take_operand(void *context, const char *name, const char *value,
			struct echod_error *error)
{
	struct options *options = context;
	(void)name; // the table takes all options
	bool known = strcmp(value, "idle") == 0;
	options->idle |= known;
	for (unsigned i = 0; i < behaviour_count && *value; i++)
		known |= strncmp(behaviours[i].id, value, strlen(value)) == 0;
	options->selected[options->selected_count++] = value;
	return known ? 0
		     : error_set(error, ECHOD_ERROR_USAGE,
				 "no row begins with '%.64s' (" ECHOPATH " --list shows all)",
				 value);
}

#define OPTION_FIELD(name) SETTING_FIELD(struct options, name)

static const struct setting table[] = {
	{'v', "via", "HOST:PORT", "connect through the proxy there", SETTING_TEXT,
	 OPTION_FIELD(via_text)},
	{'b', "backend", "ADDR", "listen on HOST:PORT or :PORT, where the proxy forwards to",
	 SETTING_TEXT, OPTION_FIELD(backend_text)},
	{0, "connect", "HOST:PORT",
	 "the proxy is an HTTP proxy: ask it with CONNECT for HOST:PORT, its name for --backend",
	 SETTING_TEXT, OPTION_FIELD(connect_text)},
	{0, "far", "HOST:PORT",
	 "the server's end is the echopath that --serve runs there; --backend is on its machine",
	 SETTING_TEXT, OPTION_FIELD(far_text)},
	{0, "serve", "HOST:PORT",
	 "be the server's end for --far of another machine; whoever connects there may have it "
	 "listen, so only in a test network (127.0.0.1:PORT: from this machine alone)",
	 SETTING_TEXT, OPTION_FIELD(serve_text)},
	{'t', "timeout", "DUR", "what takes longer than DUR does not come", SETTING_DURATION,
	 OPTION_FIELD(timeout), .least = SHORTEST_TIMEOUT, .preset = "5s"},
	{'m', "max", "DUR", "with idle: the longest silence", SETTING_DURATION,
	 OPTION_FIELD(longest), .least = NS_PER_S, .preset = "65s"},
	{'q', "quick", NULL, "leave out rows that wait long, and shorten others", SETTING_SWITCH,
	 OPTION_FIELD(quick), .least = true},
	{'r', "repeat", "N",
	 "try each row N times; by default up to 10 times if it may depend on a race",
	 SETTING_COUNT, OPTION_FIELD(repeats), .least = 1, .most = MOST_REPEATS},
	{0, "skip-direct", NULL, "do not try the rows on the direct path first", SETTING_SWITCH,
	 OPTION_FIELD(skip_direct), .least = true},
	{'l', "list", NULL, "print the rows, each with its rule and the source, and exit",
	 SETTING_SWITCH, OPTION_FIELD(list), .least = true},
	{0, "reasons", NULL, "print the rule and its source below each row", SETTING_SWITCH,
	 OPTION_FIELD(reasons), .least = true},
	{0, "tap", NULL, "print TAP 13 in place of the table", SETTING_SWITCH, OPTION_FIELD(tap),
	 .least = true},
	{0, "json", "FILE", "write the results as JSON, too", SETTING_TEXT, OPTION_FIELD(json)},
	{0, "junit", "FILE", "write the results as JUnit XML, too", SETTING_TEXT,
	 OPTION_FIELD(junit)},
	{0, "expect", "FILE",
	 "compare the results with FILE, lines such as `half-close/client broken`; rows that it "
	 "does not name must be kept",
	 SETTING_TEXT, OPTION_FIELD(expect)},
};

static int parse(const char *option, const char *text, struct address *address,
		 struct echod_error *error)
{
	bool listens = strcmp(option, "backend") == 0;
	if (!text)
		return 0;
	if (address_parse(text, address, error) != 0)
		return -1;
	if (address->is_unix || (!listens && (address->port == 0 || !address->host[0])))
		return error_set(error, ECHOD_ERROR_USAGE, "--%s: '%.100s' is not %s", option, text,
				 listens ? "HOST:PORT or :PORT" : "HOST:PORT with a port above 0");
	return 0;
}

static int complete(struct options *options, struct echod_error *error)
{
	struct result results[64];
	const char *wrong = NULL;
	if (options->list)
		return 0;
	if (parse("via", options->via_text, &options->via, error) != 0 ||
	    parse("far", options->far_text, &options->far, error) != 0 ||
	    parse("serve", options->serve_text, &options->serve, error) != 0 ||
	    parse("backend", options->backend_text, &options->backend, error) != 0 ||
	    parse("connect", options->connect_text, &options->connect, error) != 0)
		return -1;
	if (options->far_text && !options->backend.host[0])
		memcpy(options->backend.host, options->far.host, sizeof(options->far.host));
	if (options->serve_text) {
		if (options->via_text || options->backend_text || options->far_text)
			wrong = "--serve stands alone: the other machine says the rest";
	} else if (!options->backend_text)
		wrong = "--backend is missing: the address to which the proxy forwards";
	else if (options->via_text && options->backend.port == 0)
		wrong = "--backend: port 0 is for the direct path, without --via";
	else if (options->connect_text && !options->via_text)
		wrong = "--connect needs --via";
	else if (options->idle && options->selected_count > 1)
		wrong = "idle stands alone, without IDs of rows";
	else if (options_select(options, results) == 0)
		wrong = "--quick leaves out all rows that are selected";
	return wrong ? error_set(error, ECHOD_ERROR_USAGE, "%s", wrong) : 0;
}

int options_read(struct options *options, int argc, char **argv)
{
	*options = (struct options){
		.selected = calloc((size_t)argc + 1, sizeof(*options->selected)),
	};
	struct echod_error error;
	if (!options->selected) {
		error_set(&error, ECHOD_ERROR_SYSTEM, "out of memory");
		return cmdline_fail(ECHOPATH, &error);
	}
	const struct cmdline cmdline = {
		.program = ECHOPATH,
		.synopsis = "[OPTION]... {--backend ADDR [ID|idle]...|--serve HOST:PORT}",
		.summary = summary,
		.epilogue = epilogue,
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = take_operand,
		.context = options,
	};
	int status = cmdline_read(&cmdline, argc, argv);
	if (status == -1 && complete(options, &error) != 0)
		status = cmdline_fail(ECHOPATH, &error);
	return status;
}

void options_free(struct options *options)
{
	free(options->selected);
}
