#ifndef TESTS_SIM_MQTT_WORLD_H
#define TESTS_SIM_MQTT_WORLD_H
/*
 * A machine for one broker in one thread: loops, workers, clocks, chance and the journal of its log, in
 * place of net/loop.c, net/timer.c, net/workers.c, base/clock.c, base/uuid.c and journal/journal_io.c. The
 * linker takes these definitions and leaves those files of the libraries alone; all else is the real
 * thing.
 *
 * Whoever runs it decides what happens next: a turn of one loop, or so much of the log that reaches the
 * disk. So workers overtake one another in every way that threads could, the clock moves only when
 * told to, and a seed says it all.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "net/workers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MOST 3

/* ---- what happened, told when something does not hold ---- */

static char *told;
static size_t told_n;

static void trace(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void trace(const char *fmt, ...)
{
    static const size_t most = 1 << 20, line = 300;
    va_list ap;
    int n;

    if (!told)
        told = mem_new(most);
    if (told_n + line >= most)
        return;
    va_start(ap, fmt);
    n = vsnprintf(told + told_n, line - 1, fmt, ap);
    va_end(ap);
    told_n += n < (int)line - 1 ? (size_t)n : line - 2;
    told[told_n++] = '\n';
}

static bool in_silence;

static void world_fails(const char *file, int line, const char *what)
{
    if (!in_silence) {
        fwrite(told, 1, told_n, stdout);
        printf("%s:%d: does not hold: %s\n", file, line, what);
        fflush(stdout);
    }
    abort();
}

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            world_fails(__FILE__, __LINE__, #what);                                                \
    } while (0)
/* It came to something that must not be: what holds instead is text. */
#define CHECK_NEVER(text) world_fails(__FILE__, __LINE__, text)

/* ---- chance ---- */

/* What a program does is read from bytes (a fuzzer's), as long as there are any, or drawn; how things
 * interleave is always drawn. */
struct chance {
    const uint8_t *bytes;
    size_t left;
    uint64_t state;
};
static struct chance dice_of, luck_of;

static uint64_t chance_next(struct chance *c)
{
    c->state ^= c->state << 13;
    c->state ^= c->state >> 7;
    c->state ^= c->state << 17;
    return c->state * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t chance_seed(uint64_t a, uint64_t b)
{
    uint64_t x = (a + 1) * UINT64_C(0x9e3779b97f4a7c15) + (b + 1) * UINT64_C(0xd1342543de82ef95);

    x ^= x >> 29;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 32;
    return x ? x : 1;
}

static unsigned chance_of(struct chance *c, unsigned n)
{
    if (c->bytes) {
        if (c->left == 0)
            return 0;
        c->left--;
        return *c->bytes++ % n;
    }
    return (unsigned)((chance_next(c) >> 33) % n);
}

static unsigned dice(unsigned n)
{
    return chance_of(&dice_of, n);
}

static unsigned luck(unsigned n)
{
    return chance_of(&luck_of, n);
}

static struct chance bytes_of; /* random_bytes() */

void random_bytes(void *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = (uint8_t)(chance_next(&bytes_of) >> 40);
}

struct uuid uuid_new(void)
{
    struct uuid u;

    random_bytes(u.b, sizeof(u.b));
    return u;
}

char *uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN + 1])
{
    for (size_t i = 0; i < sizeof(u->b); i++)
        snprintf(out + 2 * i, 3, "%02x", u->b[i]);
    memset(out + 2 * sizeof(u->b), '-', UUID_TEXT_LEN - 2 * sizeof(u->b));
    out[UUID_TEXT_LEN] = '\0';
    return out;
}

/* ---- time: it stands still while anything is under way ---- */

static uint64_t world_ms, world_reads;
static int64_t world_clock_ms; /* by how much the wall clock was set */

uint64_t clock_mono_ns(void)
{
    static uint64_t read_at;

    if (read_at != world_ms) { /* never as many as to be in the next ms */
        read_at = world_ms;
        world_reads = 0;
    }
    return world_ms * 1000000 + ++world_reads * 20; /* no two alike; a turn takes some, too */
}

uint64_t clock_uptime_ns(void)
{
    return world_ms * 1000000;
}

int64_t clock_wall_ns(void)
{
    return INT64_C(1700000000) * 1000000000 + (world_clock_ms + (int64_t)world_ms) * 1000000;
}

uint64_t clock_thread_cpu_ns(void)
{
    return 0;
}

/* ---- loops ---- */

struct loop {
    unsigned index;
    struct queue_node *mail, **mail_last;
    struct later *later, **later_last;
    struct timer **timers; /* a timer's slot is its place here, counted from 1 */
    size_t timer_count, timer_cap;
    bool firing;
};

uint64_t loop_now_ms(const struct loop *l)
{
    (void)l;
    return world_ms;
}

void loop_assert_mine(const struct loop *l)
{
    (void)l;
}

unsigned loop_index(const struct loop *l)
{
    return l->index;
}

void loop_later(struct loop *l, struct later *d)
{
    if (d->queued)
        return;
    d->queued = true;
    d->next = NULL;
    *l->later_last = d;
    l->later_last = &d->next;
}

/* Of streams, which are not here; without it the linker would take net/loop.c. */
void loop_at_end(struct loop *l, struct later *d);
void loop_at_end(struct loop *l, struct later *d)
{
    (void)l, (void)d;
    abort();
}

void loop_post(struct loop *l, struct mail *m)
{
    m->node.next = NULL;
    *l->mail_last = &m->node;
    l->mail_last = &m->node.next;
}

void timer_init(struct timer *t, struct loop *l, void (*fire)(struct timer *t))
{
    *t = (struct timer){ .fire = fire, .loop = l };
}

void timer_start_at(struct timer *t, uint64_t at_ms)
{
    struct loop *l = t->loop;

    t->at_ms = l->firing && at_ms <= world_ms ? world_ms + 1 : at_ms;
    if (t->slot)
        return;
    if (l->timer_count == l->timer_cap) {
        l->timer_cap = l->timer_cap ? l->timer_cap * 2 : 16;
        l->timers = mem_resize(l->timers, l->timer_cap * sizeof(struct timer *));
    }
    l->timers[l->timer_count++] = t;
    t->slot = l->timer_count;
}

void timer_start(struct timer *t, uint64_t after_ms)
{
    timer_start_at(t, world_ms + after_ms);
}

void timer_stop(struct timer *t)
{
    struct loop *l = t->loop;

    if (!t->slot)
        return;
    l->timers[t->slot - 1] = l->timers[--l->timer_count];
    l->timers[t->slot - 1]->slot = t->slot;
    t->slot = 0;
}

static struct timer *loop_first_timer(const struct loop *l)
{
    struct timer *first = NULL;

    for (size_t i = 0; i < l->timer_count; i++)
        if (!first || l->timers[i]->at_ms < first->at_ms)
            first = l->timers[i];
    return first;
}

static void loop_run_later(struct loop *l)
{
    while (l->later) {
        struct later *d = l->later;

        l->later = d->next;
        if (!l->later)
            l->later_last = &l->later;
        d->queued = false;
        d->run(d);
    }
}

static bool loop_deliver_one(struct loop *l)
{
    struct queue_node *n = l->mail;
    struct mail *m;

    if (!n)
        return false;
    l->mail = n->next;
    if (!l->mail)
        l->mail_last = &l->mail;
    m = container_of(n, struct mail, node);
    m->deliver(m, l);
    return true;
}

/* A turn that meets at most that much mail; false: there was nothing to do. */
static bool loop_turn_some(struct loop *l, unsigned mail_max)
{
    bool any = l->later != NULL;
    struct timer *t;

    world_reads += 20;
    l->firing = true;
    while ((t = loop_first_timer(l)) && t->at_ms <= world_ms) {
        timer_stop(t);
        t->fire(t);
        any = true;
    }
    l->firing = false;
    loop_run_later(l);
    while (mail_max-- > 0 && loop_deliver_one(l))
        any = true;
    loop_run_later(l);
    return any;
}

/* ---- the log: what was appended, what of it is on the disk ---- */

struct log_record {
    uint64_t seq;
    char *bytes;
    size_t n;
    int64_t wall_ns;
    uint64_t uptime_ns;
};
struct journal {
    struct log_record *all;
    size_t count, cap;
    size_t durable; /* of those; the rest is under way */
    uint64_t last_seq, bytes;
    struct queue_node *entries, **entries_last;
    struct journal_cursor {
        uint64_t seq, kept; /* kept: as a crash would leave it */
        bool open;
    } cursors[2];
};

void journal_append(struct journal *j, struct journal_entry *e)
{
    const struct record *r = e->records;

    if (j->count == j->cap) {
        j->cap = j->cap ? j->cap * 2 : 64;
        j->all = mem_resize(j->all, j->cap * sizeof(*j->all));
    }
    j->all[j->count++] = (struct log_record){ .seq = ++j->last_seq,
                                              .bytes = mem_dup(r->payload.p, r->payload.n),
                                              .n = r->payload.n,
                                              .wall_ns = r->wall_ns,
                                              .uptime_ns = r->uptime_ns };
    j->bytes += r->payload.n;
    e->records->seq = j->last_seq;
    e->node.next = NULL;
    *j->entries_last = &e->node;
    j->entries_last = &e->node.next;
}

struct journal_answer {
    struct mail mail;
    struct journal_entry *e;
};

static void journal_on_answer(struct mail *m, struct loop *l)
{
    struct journal_answer *a = container_of(m, struct journal_answer, mail);
    struct journal_entry *e = a->e;

    (void)l;
    mem_free(a);
    e->done(e, 0);
}

/* The next n of what is under way reach the disk. False: nothing was. */
static bool journal_flush(struct journal *j, size_t n)
{
    bool any = j && j->entries;

    while (n-- > 0 && j && j->entries) {
        struct journal_entry *e = container_of(j->entries, struct journal_entry, node);
        struct journal_answer *a;

        j->entries = j->entries->next;
        if (!j->entries)
            j->entries_last = &j->entries;
        j->durable++;
        if (!e->reply) {
            e->done(e, 0);
            continue;
        }
        a = NEW(struct journal_answer);
        a->mail.deliver = journal_on_answer;
        a->e = e;
        loop_post(e->reply, &a->mail);
    }
    return any;
}

void journal_settle(struct journal *j)
{
    journal_flush(j, SIZE_MAX);
}

static struct journal *journal_make(void)
{
    struct journal *j = NEW(struct journal);

    j->entries_last = &j->entries;
    return j;
}

static void journal_free(struct journal *j)
{
    for (size_t i = 0; i < j->count; i++)
        mem_free(j->all[i].bytes);
    mem_free(j->all);
    mem_free(j);
}

/* What a crash leaves: all that is durable, and what of the rest had come to the disk by chance. What lies
 * before both cursors is gone. */
static struct journal *journal_crashed(const struct journal *j)
{
    struct journal *k = journal_make();
    size_t most = j->durable + luck((unsigned)(j->count - j->durable) + 1);
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < 2; i++) {
        k->cursors[i].kept = luck(2) ? j->cursors[i].seq : j->cursors[i].kept;
        k->cursors[i].seq = k->cursors[i].kept;
        if (k->cursors[i].seq < least)
            least = k->cursors[i].seq;
    }
    k->all = mem_new_array(most + 1, sizeof(*k->all));
    k->cap = most + 1;
    for (size_t i = 0; i < most; i++) {
        const struct log_record *r = &j->all[i];

        k->last_seq = r->seq;
        if (r->seq <= least)
            continue;
        k->all[k->count] = *r;
        k->all[k->count++].bytes = mem_dup(r->bytes, r->n);
        k->bytes += r->n;
    }
    k->durable = k->count;
    return k;
}

/* Only the broker is killed, not its machine. */
struct uuid journal_boot(const struct journal *j)
{
    (void)j;
    return (struct uuid){ { 1 } };
}

void journal_status(const struct journal *j, struct journal_status *out)
{
    *out =
        (struct journal_status){ .head = j->last_seq, .bytes = j->bytes, .quota_bytes = 1 << 30 };
}

int journal_cursor_open(struct journal *j, const char *name, struct journal_cursor **out)
{
    *out = &j->cursors[strcmp(name, "mqtt") != 0];
    return 0;
}

uint64_t journal_cursor_seq(const struct journal_cursor *c)
{
    return c->seq;
}

void journal_cursor_advance(struct journal_cursor *c, uint64_t seq)
{
    c->kept = c->seq;
    if (seq > c->seq)
        c->seq = seq;
}

void journal_cursor_close(struct journal_cursor *c)
{
    (void)c;
}

struct journal_reader {
    struct journal *j;
    size_t at;
};

struct journal_reader *journal_reader_new(struct journal *j, struct journal_cursor *cursor,
                                          uint64_t after_seq, size_t buffer_bytes)
{
    struct journal_reader *r = NEW(struct journal_reader);

    (void)cursor;
    (void)buffer_bytes;
    r->j = j;
    while (r->at < j->durable && j->all[r->at].seq <= after_seq)
        r->at++;
    return r;
}

void journal_reader_free(struct journal_reader *r)
{
    mem_free(r);
}

int journal_reader_next(struct journal_reader *r, struct record *out, size_t max, size_t max_bytes,
                        size_t *out_count)
{
    size_t n = 0;

    (void)max_bytes;
    for (; n < max && r->at < r->j->durable; n++, r->at++)
        out[n] = (struct record){ .kind = RECORD_EVENT,
                                  .wall_ns = r->j->all[r->at].wall_ns,
                                  .uptime_ns = r->j->all[r->at].uptime_ns,
                                  .boot = journal_boot(r->j),
                                  .seq = r->j->all[r->at].seq,
                                  .payload = str_from(r->j->all[r->at].bytes, r->j->all[r->at].n) };
    *out_count = n;
    return 0;
}

/* ---- workers ---- */

struct workers {
    unsigned count;
    struct loop loops[WORKERS_MOST];
};

struct workers *workers_start(unsigned count)
{
    struct workers *w = NEW(struct workers);

    w->count = count;
    for (unsigned i = 0; i < count; i++) {
        w->loops[i].index = i;
        w->loops[i].mail_last = &w->loops[i].mail;
        w->loops[i].later_last = &w->loops[i].later;
    }
    return w;
}

unsigned workers_count(const struct workers *w)
{
    return w->count;
}

struct loop *workers_loop(const struct workers *w, unsigned index)
{
    return (struct loop *)(uintptr_t)&w->loops[index];
}

static void world_rest(void); /* until nothing is under way any more */

void workers_each(struct workers *w, void (*fn)(void *ctx, struct loop *l), void *ctx)
{
    for (unsigned i = 0; i < w->count; i++)
        fn(ctx, &w->loops[i]);
    world_rest();
}

void workers_free(struct workers *w)
{
    for (unsigned i = 0; i < w->count; i++)
        mem_free(w->loops[i].timers);
    mem_free(w);
}

#endif
