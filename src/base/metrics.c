/*
 * Counters, gauges, histograms. Every metric has METRICS_SHARDS cells a cache line apart; a thread
 * that owns a shard adds with a plain load and store (nobody else writes there), the shared last
 * shard is added to with a locked instruction. Reading sums; it may see a sum that never stood at
 * one instant, which is what Prometheus expects.
 */
#include "base/metrics.h"

#include "base/buf.h"
#include "base/mem.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define CACHE_LINE 64
#define BOUNDS_MAX 24

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_ASKED };

struct cell {
    _Alignas(CACHE_LINE) atomic_ullong value; /* counters; gauges as two's complement */
    _Atomic double sum;                       /* histograms */
    atomic_ullong *buckets;                   /* histograms: bound_count + 1 */
};

struct metric {
    struct metric *next;
    const char *name, *help;
    char *labels;
    enum metric_kind kind;
    bool is_counter; /* of an asked metric */
    double (*ask)(void *ctx);
    void *ctx;
    double bounds[BOUNDS_MAX];
    size_t bound_count;
    _Atomic double set; /* gauges: what metric_set said */
    struct cell cells[METRICS_SHARDS];
};

struct metrics {
    pthread_mutex_t lock; /* registration and rendering; counting never takes it */
    struct metric *first, **last;
};

static atomic_uint next_shard;
static _Thread_local unsigned my_shard = METRICS_SHARDS - 1;

void metrics_take_shard(void)
{
    unsigned shard = atomic_fetch_add(&next_shard, 1);

    my_shard = shard < METRICS_SHARDS - 1 ? shard : METRICS_SHARDS - 1;
}

struct metrics *metrics_new(void)
{
    struct metrics *m = NEW(struct metrics);

    pthread_mutex_init(&m->lock, NULL);
    m->last = &m->first;
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    while (m->first) {
        struct metric *next = m->first->next;

        for (unsigned i = 0; i < METRICS_SHARDS; i++)
            mem_free(m->first->cells[i].buckets);
        mem_free(m->first->labels);
        free(m->first);
        m->first = next;
    }
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

static struct metric *make(const char *name, const char *labels, const char *help,
                           enum metric_kind kind)
{
    void *p = NULL;
    struct metric *x;

    if (posix_memalign(&p, CACHE_LINE, sizeof(*x)))
        abort();
    x = p;
    memset(x, 0, sizeof(*x));
    x->name = name;
    x->help = help;
    x->labels = str_dup(str_of(labels ? labels : ""));
    x->kind = kind;
    return x;
}

/* The metric of that name and labels; `fresh` is put in when there is none, else dropped. */
static struct metric *enter(struct metrics *m, struct metric *fresh)
{
    struct metric *x;

    pthread_mutex_lock(&m->lock);
    for (x = m->first; x; x = x->next) {
        if (strcmp(x->name, fresh->name) != 0)
            continue;
        assert(x->kind == fresh->kind); /* a name belongs to one kind */
        if (strcmp(x->labels, fresh->labels) == 0)
            break;
    }
    if (!x) {
        x = fresh;
        *m->last = x;
        m->last = &x->next;
    } else {
        for (unsigned i = 0; i < METRICS_SHARDS; i++)
            mem_free(fresh->cells[i].buckets);
        mem_free(fresh->labels);
        free(fresh);
    }
    pthread_mutex_unlock(&m->lock);
    return x;
}

struct metric *metrics_counter(struct metrics *m, const char *name, const char *labels,
                               const char *help)
{
    return m ? enter(m, make(name, labels, help, METRIC_COUNTER)) : NULL;
}

struct metric *metrics_gauge(struct metrics *m, const char *name, const char *labels,
                             const char *help)
{
    return m ? enter(m, make(name, labels, help, METRIC_GAUGE)) : NULL;
}

struct metric *metrics_histogram(struct metrics *m, const char *name, const char *labels,
                                 const char *help, const double *bounds, size_t count)
{
    struct metric *x;

    if (!m)
        return NULL;
    assert(count > 0 && count <= BOUNDS_MAX);
    x = make(name, labels, help, METRIC_HISTOGRAM);
    memcpy(x->bounds, bounds, count * sizeof(*bounds));
    x->bound_count = count;
    for (unsigned i = 0; i < METRICS_SHARDS; i++)
        x->cells[i].buckets = mem_new_array(count + 1, sizeof(*x->cells[i].buckets));
    return enter(m, x);
}

void metrics_ask(struct metrics *m, const char *name, const char *labels, const char *help,
                 bool is_counter, double (*ask)(void *ctx), void *ctx)
{
    struct metric *x;

    if (!m)
        return;
    x = make(name, labels, help, METRIC_ASKED);
    x->is_counter = is_counter;
    x->ask = ask;
    x->ctx = ctx;
    enter(m, x);
}

static void add(atomic_ullong *to, uint64_t n)
{
    if (my_shard < METRICS_SHARDS - 1)
        atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

void metric_add(struct metric *m, uint64_t n)
{
    if (m)
        add(&m->cells[my_shard].value, n);
}

void metric_gauge_add(struct metric *m, int64_t n)
{
    if (m)
        add(&m->cells[my_shard].value, (uint64_t)n);
}

void metric_set(struct metric *m, double v)
{
    if (m)
        atomic_store_explicit(&m->set, v, memory_order_relaxed);
}

void metric_observe(struct metric *m, double v)
{
    struct cell *c;
    size_t i = 0;
    double sum;

    if (!m)
        return;
    while (i < m->bound_count && v > m->bounds[i])
        i++;
    c = &m->cells[my_shard];
    add(&c->buckets[i], 1);
    add(&c->value, 1);
    sum = atomic_load_explicit(&c->sum, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&c->sum, &sum, sum + v, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

uint64_t metric_value(const struct metric *m)
{
    uint64_t sum = 0;

    if (!m)
        return 0;
    for (unsigned i = 0; i < METRICS_SHARDS; i++)
        sum += atomic_load_explicit(&m->cells[i].value, memory_order_relaxed);
    return sum;
}

int64_t metric_gauge_value(const struct metric *m)
{
    return (int64_t)metric_value(m);
}

static void render_number(struct buf *out, double v)
{
    if (isnan(v))
        buf_put(out, STR("NaN"));
    else if (isinf(v))
        buf_put(out, v > 0 ? STR("+Inf") : STR("-Inf"));
    else
        buf_printf(out, "%.15g", v);
}

static void render_series(struct buf *out, const char *name, const char *suffix, const char *labels,
                          const char *le)
{
    buf_printf(out, "%s%s", name, suffix);
    if (*labels || *le)
        buf_printf(out, "{%s%s%s}", labels, *labels && *le ? "," : "", le);
    buf_u8(out, ' ');
}

static void render_histogram(const struct metric *x, struct buf *out)
{
    uint64_t below = 0;
    double sum = 0;
    char le[64];

    for (size_t b = 0; b <= x->bound_count; b++) {
        for (unsigned i = 0; i < METRICS_SHARDS; i++)
            below += atomic_load_explicit(&x->cells[i].buckets[b], memory_order_relaxed);
        if (b < x->bound_count)
            snprintf(le, sizeof(le), "le=\"%.15g\"", x->bounds[b]);
        else
            snprintf(le, sizeof(le), "le=\"+Inf\"");
        render_series(out, x->name, "_bucket", x->labels, le);
        buf_printf(out, "%llu\n", (unsigned long long)below);
    }
    for (unsigned i = 0; i < METRICS_SHARDS; i++)
        sum += atomic_load_explicit(&x->cells[i].sum, memory_order_relaxed);
    render_series(out, x->name, "_sum", x->labels, "");
    render_number(out, sum);
    buf_u8(out, '\n');
    /* The count is the last bucket, so that the two can never disagree in one answer. */
    render_series(out, x->name, "_count", x->labels, "");
    buf_printf(out, "%llu\n", (unsigned long long)below);
}

static void render_one(const struct metric *x, struct buf *out)
{
    switch (x->kind) {
    case METRIC_COUNTER:
        render_series(out, x->name, "", x->labels, "");
        buf_printf(out, "%llu\n", (unsigned long long)metric_value(x));
        break;
    case METRIC_GAUGE:
        render_series(out, x->name, "", x->labels, "");
        render_number(out, (double)metric_gauge_value(x) + atomic_load(&x->set));
        buf_u8(out, '\n');
        break;
    case METRIC_ASKED:
        render_series(out, x->name, "", x->labels, "");
        render_number(out, x->ask(x->ctx));
        buf_u8(out, '\n');
        break;
    case METRIC_HISTOGRAM:
        render_histogram(x, out);
        break;
    }
}

static const char *type_name(const struct metric *x)
{
    switch (x->kind) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_ASKED:
        return x->is_counter ? "counter" : "gauge";
    case METRIC_HISTOGRAM:
        return "histogram";
    }
    return "untyped";
}

void metrics_render(struct metrics *m, struct buf *out)
{
    pthread_mutex_lock(&m->lock);
    for (struct metric *x = m->first; x; x = x->next) {
        struct metric *y;

        for (y = m->first; y != x && strcmp(y->name, x->name) != 0; y = y->next)
            ;
        if (y != x)
            continue; /* rendered with the first of its name */
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", x->name, x->help, x->name, type_name(x));
        for (y = x; y; y = y->next)
            if (strcmp(y->name, x->name) == 0)
                render_one(y, out);
    }
    pthread_mutex_unlock(&m->lock);
}
