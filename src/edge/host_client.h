#ifndef EDGE_HOST_CLIENT_H
#define EDGE_HOST_CLIENT_H
/* This machine as a source: every interval its health becomes a record of stream "host". */
#include "base/metrics.h"
#include "journal/journal.h"

struct host;

struct host_options {
    const char *root; /* folder that holds proc and sys; outlives it */
    uint64_t interval_ms;
    struct str device; /* this node's id; outlives it */
    struct journal *journal;
    struct metrics *metrics; /* may be NULL */
};
struct host *host_start(const struct host_options *o);
/* No record is appended any more when this returns. */
void host_stop(struct host *h);
/* node_exporter's names for a sample taken now, for /metrics. Reads some files of /proc and /sys. */
struct buf;
void host_metrics(struct host *h, struct buf *out);

#endif
