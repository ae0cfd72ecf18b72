#include "complain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/cmdline.h"

int complain(int status, const char *format, ...)
{
	char message[600];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	cmdline_complain("echocat", message);
	return status;
}

int complain_output(int number)
{
	if (number == EPIPE)
		return EXIT_UNREACHABLE;
	return complain(EXIT_UNREACHABLE, "cannot write to standard output: %s",
			error_text(number));
}
