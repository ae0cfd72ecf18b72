// echopath's command line and its file of --expect. In a file of its own, as two programs have a
// struct result.
#include <stdio.h>

#include "echopath/report.h"
#include "fuzz.h"

TEXT_PARSER(expectation) {
	const struct options options = {.expect = "expected"};
	struct report report = {.options = &options};
	struct echod_error error;
	fuzz_files(text);
	if (report_open(&report, &error) == 0) {
		for (unsigned i = 0; i < behaviour_count; i++)
			ensure(report.allowed[i] < VERDICT_COUNT);
	}
	report_free(&report);
}

static int read_options(int argc, char **argv) {
	struct options options;
	int status = options_read(&options, argc, argv);
	ensure(status != -1 || options.list || options.backend_text || options.serve_text);
	options_free(&options);
	return status;
}

TEXT_PARSER(echopath) { fuzz_command_line(text, read_options); }
