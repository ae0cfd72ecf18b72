// Values from outside as JSON. They may hold any bytes. Any thread.
#ifndef ECHOD_BASE_JSON_TEXT_H
#define ECHOD_BASE_JSON_TEXT_H

#include <jansson.h>

// A JSON string of any bytes. A byte that is not UTF-8 becomes four characters, such as \xE9.
// Returns NULL only when there is no memory.
json_t *json_text(const char *text);

// Adds a member, and takes `value`. If either is NULL or there is no memory, `*object` is freed and
// becomes NULL: so an object lacks no member.
void json_put(json_t **object, const char *name, json_t *value);

// The same of an array.
void json_append(json_t **array, json_t *value);

// A JSON number; null for infinity and NaN.
json_t *json_finite(double number);

#endif
