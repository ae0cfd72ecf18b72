// echocat, the simple client of an echo server. It has only the main thread.
#include <unistd.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/program.h"
#include "conversation.h"
#include "options.h"
#include "peer.h"
#include "relay.h"

static int run(const struct options *options)
{
	struct peer peer;
	struct echod_error error;
	if (peer_connect(&peer, &options->address, options->timeout, options->proxy, &error) != 0)
		return cmdline_fail("echocat", &error);
	int status = options->message_count
			     ? conversation_run(&peer, options)
			     : relay_run(&peer, options, STDIN_FILENO, STDOUT_FILENO);
	peer_close(&peer);
	return status;
}

static int start(int argc, char **argv)
{
	struct options options;
	int status = options_read(&options, argc, argv);
	if (status == -1)
		status = run(&options);
	options_free(&options);
	return status;
}

int main(int argc, char **argv)
{
	return program_run("echocat", start, argc, argv);
}
