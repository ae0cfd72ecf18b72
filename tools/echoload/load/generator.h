// What a thread of the generator does: rounds of waiting for events and dealing with them, period
// by period. Nothing is allocated meanwhile, except to look into a fault.
#ifndef ECHOLOAD_GENERATOR_H
#define ECHOLOAD_GENERATOR_H

void *generator_run(void *argument); // a struct loop, until its schedule is over

#endif
