// Assertions that stay on in release builds: for what cannot happen. What can happen is handled.
// Any thread.
#ifndef ECHOD_BASE_ASSERT_H
#define ECHOD_BASE_ASSERT_H

// Aborts the process with one line on standard error when `condition` is false.
#define ensure(condition) \
	((condition) ? (void)0 : assertion_failed(#condition, __FILE__, __LINE__, __func__))

_Noreturn void assertion_failed(const char *condition, const char *file, int line,
				const char *function);

#endif
