#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void assertion_failed(const char *condition, const char *file, int line,
				const char *function)
{
	fprintf(stderr, "echod: %s:%d: %s: this cannot happen: !(%s)\n", file, line, function,
		condition);
	abort();
}
