#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H
/* The bar of long work, as one line of text for a terminal. Pure: time is an argument. */
#include "base/buf.h"

struct progress {
    uint64_t all, start_ms, shown_ms;
    bool shown;
    enum progress_unit { PROGRESS_BYTES, PROGRESS_COUNT, PROGRESS_MS } unit;
};

/* all: bytes to do; 0: unknown. Another unit is set behind it: a count has a rate, the time has none. */
void progress_init(struct progress *p, uint64_t all, uint64_t now_ms);
/* "[####    ]  50 %  1.2 GiB/s  3 s left" into out. False: it was shown less than 100 ms ago. */
bool progress_line(struct progress *p, uint64_t done, uint64_t now_ms, struct buf *out);

#endif
