#ifndef BASE_METRICS_H
#define BASE_METRICS_H
/*
 * Counters, gauges and histograms with Prometheus names and meaning. Each thread that has taken a
 * shard counts into its own cache line without a locked instruction; reading sums the shards.
 * Registration (metrics_*) is by one thread before the others start, or under the caller's own
 * order; counting is from any thread. A NULL metric may be counted into (nothing happens), so
 * modules work without a registry in unit tests.
 */
#include "base/str.h"

struct metrics;
struct metric;
struct buf;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* name and help are constant strings that outlive the registry. labels: "" or `qos="0",x="y"`
 * (copied). The same name and labels again give the same metric. A name belongs to one kind. */
struct metric *metrics_counter(struct metrics *m, const char *name, const char *labels,
                               const char *help);
struct metric *metrics_gauge(struct metrics *m, const char *name, const char *labels,
                             const char *help);
/* bounds: ascending upper bounds (le), count at most 24; copied. */
struct metric *metrics_histogram(struct metrics *m, const char *name, const char *labels,
                                 const char *help, const double *bounds, size_t count);
/* A gauge or counter whose value is asked for when it is read, on the reading thread. */
void metrics_ask(struct metrics *m, const char *name, const char *labels, const char *help,
                 bool is_counter, double (*ask)(void *ctx), void *ctx);

void metric_add(struct metric *m, uint64_t n); /* counters */
void metric_gauge_add(struct metric *m, int64_t n);
void metric_set(struct metric *m, double v); /* gauges; last writer wins */
void metric_observe(struct metric *m, double v);
uint64_t metric_value(const struct metric *m); /* sum of a counter; of a histogram its count */
int64_t metric_gauge_value(const struct metric *m);

/* Text exposition format 0.0.4: HELP and TYPE once per name, labels escaped by the caller. */
void metrics_render(struct metrics *m, struct buf *out);

/* Gives the calling thread a shard of its own (at most METRICS_SHARDS - 1; later threads share
 * the last one with locked additions). Called by net/ when it starts a thread. */
#define METRICS_SHARDS 16
void metrics_take_shard(void);

#endif
