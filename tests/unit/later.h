// A clock that a test moves on. The program wraps clock_gettime (CMakeLists.txt), with later.c.
#ifndef LATER_H
#define LATER_H

#include <stdint.h>

extern _Atomic uint64_t later; // ns that the clock is ahead

#endif
