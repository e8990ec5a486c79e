#ifndef HUB_QUERY_H
#define HUB_QUERY_H
/* The small texts of REST queries. Pure. */
#include "base/str.h"

/* A step of a chart: "500ms", "10s", "5m", "1h", "1d"; a whole number and a unit. ERR_SYNTAX,
 * ERR_VALUE (0, or beyond 366 days). */
MUST_USE int query_step(struct str s, int64_t *out_ns);

#endif
