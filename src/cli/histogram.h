#ifndef CLI_HISTOGRAM_H
#define CLI_HISTOGRAM_H
/*
 * Times in cells of a sixteenth of a power of two: what is read out of it is at most 1/16 too large,
 * never too small. Adding costs a few instructions and no memory. Pure; not thread-safe.
 */
#include "base/buf.h"

#define HISTOGRAM_CELLS (61 * 16)

/* Zeroed at first. */
struct histogram {
    uint64_t count, max;
    uint64_t cells[HISTOGRAM_CELLS];
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The time within which this part (0 to 1) of all lies; 0 when there is none. */
uint64_t histogram_at(const struct histogram *h, double part);
/* "850 ns", "12.3 us", "1.23 ms", "2.10 s". */
void histogram_time(uint64_t ns, struct buf *out);
/* A line for each step of 1, 2, 5, 10, … between the least and the most: "up to 50 us  12.3 %  ####".
 * indent: spaces in front of each. */
void histogram_plot(const struct histogram *h, unsigned indent, struct buf *out);

#endif
