/* Metrics: exact sums from several threads, and the text that Prometheus reads. */
#include "unit/unit.h"

#include "base/buf.h"
#include "base/metrics.h"

#include <pthread.h>

static struct metric *shared;

static void *count_up(void *arg)
{
    (void)arg;
    metrics_take_shard();
    for (int i = 0; i < 10000; i++)
        metric_add(shared, 2);
    return NULL;
}

static void counts_exactly_from_many_threads(void **state)
{
    struct metrics *m = metrics_new();
    pthread_t threads[40]; /* more than shards: the last one is shared */

    (void)state;
    shared = metrics_counter(m, "wayside_x_total", "", "x");
    for (int i = 0; i < 40; i++)
        pthread_create(&threads[i], NULL, count_up, NULL);
    for (int i = 0; i < 40; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metric_value(shared), 40 * 20000);
    metrics_free(m);
}

static double answer(void *ctx)
{
    return *(int *)ctx;
}

static void renders_the_text_format(void **state)
{
    struct metrics *m = metrics_new();
    static const double bounds[] = { 0.1, 1 };
    struct metric *h, *g;
    struct buf b = buf_init(5000);
    int forty = 40;

    (void)state;
    metric_add(metrics_counter(m, "a_total", "qos=\"0\"", "first"), 3);
    h = metrics_histogram(m, "h_seconds", "", "times", bounds, 2);
    metric_observe(h, 0.05);
    metric_observe(h, 0.5);
    metric_observe(h, 5);
    metric_add(metrics_counter(m, "a_total", "qos=\"1\"", "first"), 4);
    metric_add(metrics_counter(m, "a_total", "qos=\"1\"", "first"), 1); /* the same one */
    g = metrics_gauge(m, "g", "", "now");
    metric_gauge_add(g, 5);
    metric_gauge_add(g, -7);
    metrics_ask(m, "asked", "", "asked for", false, answer, &forty);
    metrics_render(m, &b);
    assert_str(buf_str(&b), "# HELP a_total first\n# TYPE a_total counter\n"
                            "a_total{qos=\"0\"} 3\na_total{qos=\"1\"} 5\n"
                            "# HELP h_seconds times\n# TYPE h_seconds histogram\n"
                            "h_seconds_bucket{le=\"0.1\"} 1\n"
                            "h_seconds_bucket{le=\"1\"} 2\n"
                            "h_seconds_bucket{le=\"+Inf\"} 3\n"
                            "h_seconds_sum 5.55\nh_seconds_count 3\n"
                            "# HELP g now\n# TYPE g gauge\ng -2\n"
                            "# HELP asked asked for\n# TYPE asked gauge\nasked 40\n");
    metric_set(g, 10);
    assert_int_equal(metric_gauge_value(g), -2);
    buf_fini(&b);
    metrics_free(m);
}

static void nothing_is_counted_without_a_registry(void **state)
{
    (void)state;
    metric_add(metrics_counter(NULL, "x", "", ""), 1);
    metric_observe(NULL, 1);
    metric_set(NULL, 1);
    metric_gauge_add(NULL, 1);
    assert_int_equal(metric_value(NULL), 0);
}

RUN(TEST(counts_exactly_from_many_threads), TEST(renders_the_text_format),
    TEST(nothing_is_counted_without_a_registry))
