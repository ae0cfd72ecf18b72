// Values from outside as JSON, so that none is lost for its form. Any thread.
#ifndef ECHOD_BASE_JSON_TEXT_H
#define ECHOD_BASE_JSON_TEXT_H

#include <jansson.h>

// A JSON string of any bytes: those that are not UTF-8 stand in it as the four characters \xE9.
// Returns NULL only when there is no memory.
json_t *json_text(const char *text);

// A JSON number, or null for what is none: infinity, not a number.
json_t *json_finite(double number);

#endif
