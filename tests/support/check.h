// cmocka with what it needs before it. One thread: only the test's own may fail a test.
#ifndef ECHOD_TESTS_CHECK_H
#define ECHOD_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
