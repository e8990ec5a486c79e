#ifndef CLI_BAR_IO_H
#define CLI_BAR_IO_H
/* The bar of long work on standard error, if that is a terminal; else nothing is shown. */
#include "cli/progress.h"

struct bar {
    bool on;
    uint64_t done;
    struct progress progress;
};

/* all: bytes to do. */
struct bar bar_begin(uint64_t all);
void bar_add(struct bar *b, uint64_t bytes);
/* The same in another unit, and how much is done by now. */
struct bar bar_begin_in(enum progress_unit unit, uint64_t all);
void bar_at(struct bar *b, uint64_t done);
/* Takes it away. */
void bar_end(struct bar *b);

#endif
