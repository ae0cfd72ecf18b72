// Assertions that stay on in release builds, for conditions that cannot occur. Errors that can
// occur are handled instead. Any thread.
#ifndef ECHOD_BASE_ASSERT_H
#define ECHOD_BASE_ASSERT_H

#include <stdio.h>
#include <stdlib.h>

// Aborts the process with one line on standard error when `condition` is false.
#define ensure(condition) \
	((condition) ? (void)0 : assertion_failed(#condition, __FILE__, __LINE__, __func__))

_Noreturn __attribute__((cold, unused)) static void
assertion_failed(const char *condition, const char *file, int line, const char *function)
{
	fprintf(stderr, "echod: %s:%d: %s: this cannot happen: !(%s)\n", file, line, function,
		condition);
	abort();
}

#endif
