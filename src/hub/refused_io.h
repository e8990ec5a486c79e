#ifndef HUB_REFUSED_IO_H
#define HUB_REFUSED_IO_H
/* The last records that were refused, as JSON lines in a file, so that somebody can see what a
 * device sends and mend it. Bounded: two files of REFUSED_FILE_MAX bytes. */
#include "base/str.h"

#define REFUSED_FILE_MAX (1u << 20)
#define REFUSED_LINE_MAX 4096u /* of the payload; the rest is cut */

struct refused;

/* The file is path; the one before it path.1. Opens nothing before the first line. */
struct refused *refused_open(const char *path);
/* From any thread; never blocks. Lines beyond 1,000 waiting are dropped. */
void refused_put(struct refused *r, int64_t wall_ns, struct str source, struct str topic,
                 struct str field, const char *why, struct str payload);
void refused_close(struct refused *r);

#endif
