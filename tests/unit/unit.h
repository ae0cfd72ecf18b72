// What every unit test includes: cmocka, with the headers it wants before it.
#ifndef ECHOD_UNIT_H
#define ECHOD_UNIT_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
