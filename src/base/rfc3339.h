#ifndef BASE_RFC3339_H
#define BASE_RFC3339_H
/* Times as text, RFC 3339 section 5.6. Pure. */
#include "base/str.h"

/* "2026-01-01T00:00:00.25Z", "…+07:00"; 't', 'z' and a space for 'T' are accepted, years 1970 to
 * 2261 (what ns in 64 bits hold). A leap second :60 counts as the next second. Digits beyond ns
 * are cut. ERR_SYNTAX or ERR_VALUE (no such day). */
MUST_USE int rfc3339_parse(struct str s, int64_t *out_ns);
/* UTC with milliseconds ("2026-01-01T00:00:00.250Z"), or with ns when they are not whole ms.
 * out has at least RFC3339_SIZE bytes; returns the length. */
#define RFC3339_SIZE 40
size_t rfc3339_format(int64_t ns, char *out);

#endif
