#ifndef BASE_BASE64_H
#define BASE_BASE64_H
/* Base64 of RFC 4648, section 4, with padding. Pure. */
#include "base/buf.h"

void base64_put(struct buf *out, struct str s);

#endif
