#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "base/cmdline.h"
#include "base/units.h"

#define DEFAULT_MESSAGE "Hello, world"

static const char summary[] =
	"Sends standard input, or messages, to an echo server, writes the echo to\n"
	"standard output, and checks that the two are equal. HOST is a name, an\n"
	"address, unix:PATH or unix:@NAME; HOST:PORT may be one word. The default "
	"is\n" ADDRESS_DEFAULT_HOST " " ADDRESS_DEFAULT_PORT ".";

static const char epilogue[] =
	"DUR is a number and one of us, ms, s, m, h. Offsets count from 0.\n"
	"\n"
	"Exit status:\n"
	"  0  the echo was exact\n"
	"  1  it differed, was incomplete or did not come in time\n"
	"  2  wrong usage\n"
	"  3  no connection, or standard input could not be read, or standard output\n"
	"     could not be written\n"
	"  4  unknown: a signal came before the first echo";

static int take_operand(void *context, const char *name, const char *value,
			struct echod_error *error)
{
	struct options *options = context;
	(void)name; // the table takes all options
	if (!options->host)
		options->host = value;
	else if (!options->port)
		options->port = value;
	else
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is too much: allowed are HOST and PORT", value);
	return 0;
}

static int take_message(void *context, const char *value, struct echod_error *error)
{
	struct options *options = context;
	if (!*value)
		return error_set(error, ECHOD_ERROR_USAGE, "'' is empty, so it has no echo");
	options->messages[options->message_count++] = value;
	return 0;
}

#define OPTION_FIELD(name) SETTING_FIELD(struct options, name)

static const struct setting table[] = {
	{'m', "message", "TEXT",
	 "send TEXT instead of standard input and print its echo; may be repeated",
	 .take = take_message},
	{'c', "count", "N",
	 "send the messages N times (0: until interrupted) and print round-trip times; without "
	 "--message send '" DEFAULT_MESSAGE "'",
	 SETTING_COUNT, OPTION_FIELD(count), .most = UNITS_EXACT_MAX},
	{'i', "interval", "DUR",
	 "start a round of messages every DUR; without --count until interrupted", SETTING_DURATION,
	 OPTION_FIELD(interval)},
	{0, "half-close", NULL,
	 "send FIN at the end of standard input, for a server that replies only then; by default "
	 "FIN follows the whole echo, because many proxies end both directions at the first FIN",
	 SETTING_SWITCH, OPTION_FIELD(half_close), .least = true},
	{0, "proxy", PROXY_WORDS,
	 "begin with a PROXY header of version 1 or 2 that tells our own address, as a proxy "
	 "would; "
	 "local: of version 2, which tells none",
	 SETTING_CHOICE, OPTION_FIELD(proxy), .preset = "none"},
	{'t', "timeout", "DUR",
	 "give up if connecting takes DUR, or if nothing comes for DUR; or never", SETTING_TIMEOUT,
	 OPTION_FIELD(timeout), .preset = "10s"},
};

// Whether `host` includes a port, as servers print it: `127.0.0.1:7000`, `[::1]:7000`.
static bool has_port(const char *host)
{
	const char *colon = strrchr(host, ':');
	if (!colon || address_path_in(host))
		return false;
	return host[0] == '[' ? colon[-1] == ']' : strchr(host, ':') == colon;
}

static int set_address(struct options *options, struct echod_error *error)
{
	struct address *address = &options->address;
	const char *host = options->host ? options->host : ADDRESS_DEFAULT_HOST;
	if (options->port || !has_port(host))
		return address_from_host(host, options->port ? options->port : ADDRESS_DEFAULT_PORT,
					 address, error);
	if (address_parse(host, address, error) != 0)
		return -1;
	if (address->port == 0 || !address->host[0])
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.100s' lacks a host or a port other than 0", host);
	return 0;
}

// Combines the host and the port, and fills in the defaults.
static int complete(struct options *options, struct echod_error *error)
{
	if (set_address(options, error) != 0)
		return -1;
	if (options->address.is_unix && options->port)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is a port, but a Unix-domain socket has none",
				 options->port);
	if (options->half_close && (options->ping || options->message_count))
		return error_set(error, ECHOD_ERROR_USAGE,
				 "--half-close is for standard input: it excludes --message, "
				 "--count and --interval");
	if (options->ping && options->message_count == 0)
		options->messages[options->message_count++] = DEFAULT_MESSAGE;
	if (!options->ping)
		options->count = 1;
	return 0;
}

int options_read(struct options *options, int argc, char **argv)
{
	*options = (struct options){
		.messages = calloc((size_t)argc + 1, sizeof(*options->messages)),
	};
	uint64_t given;
	struct echod_error error;
	if (!options->messages) {
		error_set(&error, ECHOD_ERROR_SYSTEM, "out of memory");
		return cmdline_fail("echocat", &error);
	}
	const struct cmdline cmdline = {
		.program = "echocat",
		.synopsis = "[OPTION]... [HOST [PORT]]",
		.summary = summary,
		.epilogue = epilogue,
		.options = table,
		.option_count = sizeof(table) / sizeof(table[0]),
		.take = take_operand,
		.context = options,
		.given = &given,
	};
	int status = cmdline_read(&cmdline, argc, argv);
	options->ping = cmdline_has(&cmdline, "count") || cmdline_has(&cmdline, "interval");
	if (status == -1 && complete(options, &error) != 0)
		status = cmdline_fail("echocat", &error);
	return status;
}

void options_free(struct options *options)
{
	free(options->messages);
}
