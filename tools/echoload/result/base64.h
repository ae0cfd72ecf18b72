// Bytes as text (RFC 4648, with padding). Any thread.
#ifndef ECHOLOAD_BASE64_H
#define ECHOLOAD_BASE64_H

#include <stddef.h>

// Returns the text, which the caller frees; NULL: no memory.
char *base64_encode(const unsigned char *bytes, size_t length);

// Returns the bytes, which the caller frees; NULL: `text` is not in base64 (EINVAL), or no memory
// (ENOMEM), in errno.
unsigned char *base64_decode(const char *text, size_t *length);

#endif
