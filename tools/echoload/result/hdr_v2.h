// A histogram as text: HdrHistogram's V2 compressed encoding in base64, as the logs of that format
// and our results hold it. Its buckets are ours (one nanosecond, three digits), so nothing is lost
// but the exact sum, minimum and maximum. Any thread.
#ifndef ECHOLOAD_HDR_V2_H
#define ECHOLOAD_HDR_V2_H

#include <stddef.h>

#include "base/error.h"
#include "echoload/common/hdr.h"

// Returns the text, one line without its end, which the caller frees; NULL: no memory. Takes less
// than a millisecond.
char *hdr_v2_encode(const struct hdr *hdr);

// The reverse, for what hdr_v2_encode has written: fills all of `hdr`, the sum, minimum and maximum
// as well as the buckets tell them. Returns 0 or -1.
int hdr_v2_decode(struct hdr *hdr, const char *text, struct error *error);

// Bytes as text (RFC 4648, with padding). Returns the text, which the caller frees; NULL: no
// memory.
char *base64_encode(const unsigned char *bytes, size_t length);

// Returns the bytes, which the caller frees; NULL: `text` is not in base64 (EINVAL), or no memory
// (ENOMEM), in errno.
unsigned char *base64_decode(const char *text, size_t *length);

#endif
