/*
 * What an acknowledgement costs: connections on one or more loops append records of 200 bytes and
 * wait for each to be durable, with a bounded window per connection. Beside it, in the same run and
 * on the same file system, a bare loop of pwrite and fdatasync: only ratios to that mean anything.
 *
 * Then a backlog of a million records: how long a start takes, how fast a sink reads, what memory it
 * needs.
 *
 * Usage: bench_journal [DIRECTORY [SECONDS [CONNECTIONS [WINDOW [LOOPS]]]]]
 */
#include "journal/journal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/workers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAYLOAD     200
#define SAMPLES_MAX 4000000

struct samples {
    uint32_t *ns; /* up to 4.2 s each */
    size_t n;
};

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void add_sample(struct samples *s, uint64_t ns)
{
    if (s->n < SAMPLES_MAX)
        s->ns[s->n++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static double percentile_us(struct samples *s, double p)
{
    if (s->n == 0)
        return 0;
    return (double)s->ns[(size_t)((double)(s->n - 1) * p)] / 1000;
}

static struct samples samples_new(void)
{
    return (struct samples){ mem_new_array(SAMPLES_MAX, sizeof(uint32_t)), 0 };
}

/* ---- the reference ---- */

static double bare_loop(const char *dir, size_t n, double seconds, bool preallocated,
                        struct samples *out)
{
    char path[512], *bytes = mem_new(n);
    uint64_t at = 0, size = MIB(64), start, before;
    int fd;

    snprintf(path, sizeof(path), "%s/bare", dir);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || (preallocated && fallocate(fd, 0, 0, (off_t)size) < 0)) {
        perror(path);
        exit(1);
    }
    out->n = 0;
    memset(bytes, 'x', n);
    start = clock_mono_ns();
    while (clock_mono_ns() - start < (uint64_t)(seconds * 1e9)) {
        before = clock_mono_ns();
        if (pwrite(fd, bytes, n, (off_t)at) != (ssize_t)n || fdatasync(fd) < 0) {
            perror("fdatasync");
            exit(1);
        }
        add_sample(out, clock_mono_ns() - before);
        at = (at + n) % (size - n);
    }
    seconds = (double)(clock_mono_ns() - start) / 1e9;
    close(fd);
    unlink(path);
    mem_free(bytes);
    qsort(out->ns, out->n, sizeof(uint32_t), by_value);
    return (double)out->n / seconds;
}

/* ---- the journal ---- */

struct connection;
struct sending {
    struct journal_entry entry;
    struct record record;
    struct connection *connection;
    uint64_t sent_ns;
    bool free;
};
struct connection {
    struct journal *journal;
    struct loop *loop;
    struct sending *window;
    size_t size, flying;
    char device[32], payload[PAYLOAD];
    bool stop;
    uint64_t done, failed;
    struct samples samples;
    struct timer timer; /* paced runs: what is due is sent each ms */
    double per_ms, due;
};

static void send_one(struct sending *s)
{
    struct connection *c = s->connection;

    s->record = (struct record){ .kind = RECORD_READING,
                                 .device = str_of(c->device),
                                 .stream = STR("env"),
                                 .wall_ns = clock_wall_ns(),
                                 .payload = str_from(c->payload, sizeof(c->payload)) };
    s->sent_ns = clock_mono_ns();
    s->free = false;
    c->flying++;
    journal_append(c->journal, &s->entry);
}

static void on_done(struct journal_entry *e, int code)
{
    struct sending *s = container_of(e, struct sending, entry);
    struct connection *c = s->connection;

    c->flying--;
    s->free = true;
    if (code < 0)
        c->failed++;
    else
        c->done++;
    add_sample(&c->samples, clock_mono_ns() - s->sent_ns);
    if (!c->stop && c->per_ms == 0)
        send_one(s);
}

static void on_timer(struct timer *t)
{
    struct connection *c = container_of(t, struct connection, timer);

    if (c->stop)
        return;
    c->due += c->per_ms;
    for (size_t i = 0; i < c->size && c->due >= 1; i++)
        if (c->window[i].free) {
            send_one(&c->window[i]);
            c->due -= 1;
        }
    timer_start(t, 1);
}

static void start_connection(struct connection *c)
{
    timer_init(&c->timer, c->loop, on_timer);
    if (c->per_ms > 0) {
        timer_start(&c->timer, 1);
        return;
    }
    for (size_t i = 0; i < c->size; i++)
        send_one(&c->window[i]);
}

struct bench {
    struct workers *workers;
    struct connection *connections;
    size_t count;
    uint64_t flying;
};

static void start_on(void *ctx, struct loop *l)
{
    struct bench *b = ctx;

    for (size_t i = 0; i < b->count; i++)
        if (b->connections[i].loop == l)
            start_connection(&b->connections[i]);
}

static void stop_on(void *ctx, struct loop *l)
{
    struct bench *b = ctx;

    for (size_t i = 0; i < b->count; i++)
        if (b->connections[i].loop == l) {
            b->connections[i].stop = true;
            timer_stop(&b->connections[i].timer);
        }
}

static void count_on(void *ctx, struct loop *l)
{
    struct bench *b = ctx;

    for (size_t i = 0; i < b->count; i++)
        if (b->connections[i].loop == l)
            b->flying += b->connections[i].flying;
}

static void pause_ms(uint64_t ms)
{
    struct gate *g = gate_new();

    gate_wait(g, ms);
    gate_free(g);
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char name[600];

    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        if (unlink(name) < 0)
            remove_tree(name);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static void make_connections(struct bench *b, struct journal *j, size_t window, double per_second,
                             unsigned loops)
{
    b->connections = mem_new_array(b->count, sizeof(struct connection));
    for (size_t i = 0; i < b->count; i++) {
        struct connection *c = &b->connections[i];

        c->journal = j;
        c->loop = workers_loop(b->workers, (unsigned)(i % loops));
        c->size = window;
        c->window = mem_new_array(window, sizeof(struct sending));
        c->per_ms = per_second / 1000 / (double)b->count;
        c->samples = samples_new();
        snprintf(c->device, sizeof(c->device), "bench-%zu", i);
        memset(c->payload, '7', sizeof(c->payload));
        for (size_t k = 0; k < window; k++) {
            c->window[k].connection = c;
            c->window[k].free = true;
            c->window[k].entry.records = &c->window[k].record;
            c->window[k].entry.count = 1;
            c->window[k].entry.reply = c->loop;
            c->window[k].entry.done = on_done;
        }
    }
}

static uint64_t counter(struct metrics *m, const char *name, const char *labels)
{
    return metric_value(metrics_counter(m, name, labels, ""));
}

static void report(struct bench *b, struct metrics *m, const char *title, double took,
                   uint64_t *out_done)
{
    uint64_t payload = counter(m, "wayside_journal_bytes_total", "what=\"payload\"");
    uint64_t written = counter(m, "wayside_journal_bytes_total", "what=\"written\"");
    uint64_t flushes = counter(m, "wayside_journal_flushes_total", ""), done = 0, failed = 0;
    struct samples all = samples_new();

    for (size_t i = 0; i < b->count; i++) {
        struct connection *c = &b->connections[i];

        done += c->done;
        failed += c->failed;
        for (size_t k = 0; k < c->samples.n; k++)
            add_sample(&all, c->samples.ns[k]);
        mem_free(c->samples.ns);
        mem_free(c->window);
    }
    qsort(all.ns, all.n, sizeof(uint32_t), by_value);
    printf("%-28s %9.0f acknowledged/s  ack p50 %7.0f us  p99 %7.0f us  max %7.0f us  "
           "%6.0f records/flush  %.3f bytes written per payload byte%s\n",
           title, (double)done / took, percentile_us(&all, 0.5), percentile_us(&all, 0.99),
           percentile_us(&all, 1), flushes ? (double)done / (double)flushes : 0,
           payload ? (double)written / (double)payload : 0, failed ? "  SOME FAILED" : "");
    mem_free(all.ns);
    *out_done = done;
}

static double run_journal(const char *dir, double seconds, size_t connections, size_t window,
                          unsigned loops, double per_second, const char *title)
{
    struct journal_options o = journal_options_default();
    struct limits limits = limits_default();
    struct metrics *metrics = metrics_new();
    struct bench b = { .count = connections };
    struct journal *j = NULL;
    struct journal_cursor *cursor = NULL;
    struct fault f = { 0 };
    char path[512], text[600];
    uint64_t start, done = 0;
    double took;

    snprintf(path, sizeof(path), "%s/journal", dir);
    if (journal_open(path, &o, &limits, metrics, NULL, &j, &f) < 0) {
        fprintf(stderr, "%s\n", fault_text(&f, text, sizeof(text)));
        exit(1);
    }
    if (journal_cursor_open(j, "bench", &cursor) < 0)
        exit(1);
    b.workers = workers_start(loops);
    make_connections(&b, j, window, per_second, loops);
    /* The cursor takes everything at once, so that segments are recycled as on a healthy node. */
    start = clock_mono_ns();
    workers_each(b.workers, start_on, &b);
    while (clock_mono_ns() - start < (uint64_t)(seconds * 1e9)) {
        pause_ms(20);
        journal_cursor_advance(cursor, journal_head(j));
    }
    workers_each(b.workers, stop_on, &b);
    took = (double)(clock_mono_ns() - start) / 1e9;
    do {
        b.flying = 0;
        pause_ms(5);
        workers_each(b.workers, count_on, &b);
    } while (b.flying > 0);
    report(&b, metrics, title, took, &done);
    workers_stop(b.workers);
    workers_free(b.workers);
    journal_cursor_close(cursor);
    journal_close(j);
    metrics_free(metrics);
    mem_free(b.connections);
    remove_tree(path);
    return (double)done / took;
}

/* ---- a backlog: start, memory and reading do not depend on what waits ---- */

#define BACKLOG_GROUP 1000

static uint64_t anonymous_kib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    uint64_t kib = 0;

    while (f && fgets(line, sizeof(line), f))
        if (str_starts(str_of(line), STR("RssAnon:")))
            kib = strtoull(line + 8, NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

struct group {
    struct journal_entry entry;
    struct gate *gate;
    int code;
};

static void on_group_done(struct journal_entry *e, int code)
{
    struct group *g = container_of(e, struct group, entry);

    g->code = code;
    gate_open(g->gate);
}

static void fill(struct journal *j, uint64_t count)
{
    static char payload[PAYLOAD];
    struct record *r = mem_new_array(BACKLOG_GROUP, sizeof(*r));
    struct group g = { .gate = gate_new() };

    memset(payload, '7', sizeof(payload));
    for (uint64_t done = 0; done < count; done += BACKLOG_GROUP) {
        for (size_t i = 0; i < BACKLOG_GROUP; i++)
            r[i] = (struct record){ .kind = RECORD_READING,
                                    .device = STR("bench"),
                                    .stream = STR("env"),
                                    .payload = str_from(payload, sizeof(payload)) };
        g.entry =
            (struct journal_entry){ .records = r, .count = BACKLOG_GROUP, .done = on_group_done };
        journal_append(j, &g.entry);
        while (!gate_wait(g.gate, 60000))
            ;
        if (g.code < 0) {
            fprintf(stderr, "append: %s\n", err_text(g.code));
            exit(1);
        }
    }
    gate_free(g.gate);
    mem_free(r);
}

static void run_backlog(const char *dir, uint64_t count)
{
    struct journal_options o = journal_options_default();
    struct limits limits = limits_default();
    struct journal *j = NULL;
    struct journal_reader *reader;
    struct record out[512];
    struct fault f = { 0 };
    char path[512];
    uint64_t start, opened, read = 0, anonymous, bytes = 0;
    size_t n = 0;

    snprintf(path, sizeof(path), "%s/backlog", dir);
    o.quota_bytes = MIB(4096);
    if (journal_open(path, &o, &limits, NULL, NULL, &j, &f) < 0)
        exit(1);
    fill(j, count);
    journal_close(j);
    anonymous = anonymous_kib();
    start = clock_mono_ns();
    if (journal_open(path, &o, &limits, NULL, NULL, &j, &f) < 0)
        exit(1);
    opened = clock_mono_ns();
    reader = journal_reader_new(j, NULL, 0, KIB(256));
    do {
        if (journal_reader_next(reader, out, COUNT_OF(out), KIB(256), &n) < 0)
            exit(1);
        read += n;
        for (size_t i = 0; i < n; i++)
            bytes += out[i].payload.n;
    } while (n > 0);
    printf("backlog of %llu: opened in %.1f ms, read at %.0f records/s (%llu MB), anonymous memory "
           "+%llu KiB\n",
           (unsigned long long)read, (double)(opened - start) / 1e6,
           (double)read * 1e9 / (double)(clock_mono_ns() - opened),
           (unsigned long long)(bytes / 1000000),
           (unsigned long long)(anonymous_kib() - anonymous));
    journal_reader_free(reader);
    journal_close(j);
    remove_tree(path);
}

static double number(int argc, char **argv, int at, double otherwise)
{
    double v = otherwise;

    return argc > at && str_to_double(str_of(argv[at]), &v) == 0 ? v : otherwise;
}

static void print_bare(const char *title, double rate, struct samples *s)
{
    printf("%-28s %9.0f /s               p50 %7.0f us  p99 %7.0f us  max %7.0f us\n", title, rate,
           percentile_us(s, 0.5), percentile_us(s, 0.99), percentile_us(s, 1));
}

int main(int argc, char **argv)
{
    const char *base = argc > 1 ? argv[1] : ".";
    double seconds = number(argc, argv, 2, 3);
    size_t connections = (size_t)number(argc, argv, 3, 4);
    size_t window = (size_t)number(argc, argv, 4, 1000);
    unsigned loops = (unsigned)number(argc, argv, 5, 1);
    struct samples s = samples_new();
    char dir[400];
    double rate;

    snprintf(dir, sizeof(dir), "%s/bench-journal-XXXXXX", base);
    if (!mkdtemp(dir)) {
        perror(dir);
        return 1;
    }
    rate = bare_loop(dir, 4096, seconds / 2, true, &s);
    print_bare("bare 4 KiB pwrite+fdatasync", rate, &s);
    rate = bare_loop(dir, 65536, seconds / 2, true, &s);
    print_bare("bare 64 KiB pwrite+fdatasync", rate, &s);
    rate = run_journal(dir, seconds, connections, window, loops, 0, "journal, full windows");
    run_journal(dir, seconds, connections, window, loops, rate / 2, "journal, half that rate");
    run_journal(dir, seconds, connections, window, loops, 500, "journal, 500/s");
    rate = bare_loop(dir, 4096, seconds / 2, true, &s);
    print_bare("bare 4 KiB, once more", rate, &s);
    mem_free(s.ns);
    run_backlog(dir, 1000000);
    rmdir(dir);
    return 0;
}
