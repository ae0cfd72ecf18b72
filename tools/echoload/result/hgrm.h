// HdrHistogram's percentile distribution as text (`.hgrm`), which its plotters read. Values in
// microseconds, which with the three decimals of the format are exact to the nanosecond; the last
// line says the unit. Any thread.
#ifndef ECHOLOAD_HGRM_H
#define ECHOLOAD_HGRM_H

#include <stdio.h>

#include "echoload/common/hdr.h"

// Five lines for each halving of the distance to 100 %, as HdrHistogram has it. Whether all could
// be written, ferror(file) says.
void hgrm_write(FILE *file, const struct hdr *hdr);

#endif
