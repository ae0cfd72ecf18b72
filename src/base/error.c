#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void error_make_line(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

int error_set(struct echod_error *error, enum echod_error_kind kind, const char *format, ...)
{
	if (!error)
		return -1;
	error->kind = kind;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	error_make_line(error->message);
	return -1;
}

const char *error_text(int number)
{
#ifdef HAVE_STRERRORDESC_NP
	const char *text = strerrordesc_np(number);
#else // musl, glibc before 2.32: for an errno value it is static, too
	const char *text = strerror(number);
#endif
	return text ? text : "unknown error";
}
