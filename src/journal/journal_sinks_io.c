/*
 * What a sink has of a journal: its cursor, readers and watches. For the store's writer, the uplink,
 * and whoever looks. All of it asks the committer for what it needs and then works alone: a reader
 * reads files on its own thread, a cursor is one number that the committer looks at, a watch is
 * told after each flush that moved the head.
 */
#include "journal/journal_impl_io.h"

#include "base/mem.h"
#include "base/metrics.h"

struct journal_reader {
    struct journal *journal;
    struct reader reader;
};

/* ---- cursors ---- */

/* The object of that name; a new one when it was never opened before. */
static struct journal_cursor *cursor_of(struct journal *j, const char *name)
{
    struct journal_cursor *c;

    LIST_EACH (it, &j->cursors) {
        c = container_of(it, struct journal_cursor, link);
        if (strcmp(c->name, name) == 0)
            return c;
    }
    c = NEW(struct journal_cursor);
    c->journal = j;
    memcpy(c->name, name, strlen(name));
    list_push_back(&j->cursors, &c->link);
    return c;
}

static void run_cursor_open(struct journal *j, struct ask *a)
{
    struct spool_cursor *c = spool_cursor(&j->spool, a->name, true);

    if (c->at) {
        a->rc = ERR_BUSY;
        return;
    }
    a->cursor = cursor_of(j, a->name);
    cell_set(&a->cursor->at, c->seq);
    a->cursor->cursor = c;
    c->at = &a->cursor->at;
}

static double ask_lag(void *ctx)
{
    struct journal_cursor *c = ctx;
    uint64_t head = cell_get(&c->journal->head), at = cell_get(&c->at);

    return head > at ? (double)(head - at) : 0;
}

int journal_cursor_open(struct journal *j, const char *name, struct journal_cursor **out)
{
    struct ask a = { .run = run_cursor_open, .name = name };
    struct buf label = buf_init(64);

    if (!spool_cursor_name_valid(name))
        return ERR_VALUE;
    journal_ask(j, &a);
    if (a.rc < 0)
        return a.rc;
    if (j->registry && !a.cursor->told) {
        a.cursor->told = true;
        buf_printf(&label, "cursor=\"%s\"", name);
        metrics_ask(j->registry, "wayside_journal_cursor_lag", buf_cstr(&label),
                    "Records that a sink has not done yet", false, ask_lag, a.cursor);
        buf_fini(&label);
    }
    *out = a.cursor;
    return 0;
}

uint64_t journal_cursor_seq(const struct journal_cursor *c)
{
    return cell_get(&c->at);
}

void journal_cursor_advance(struct journal_cursor *c, uint64_t seq)
{
    struct journal *j = c->journal;

    /* The committer is woken at most once per its turn; it knows how often a file is written. */
    if (cell_raise(&c->at, seq) && cell_swap(&j->tend_soon, 1) == 0)
        gate_open(j->gate);
}

static void run_cursor_rewind(struct journal *j, struct ask *a)
{
    spool_rewind(&j->spool, a->cursor->cursor, a->seq);
}

void journal_cursor_rewind(struct journal_cursor *c, uint64_t seq)
{
    struct ask a = { .run = run_cursor_rewind, .cursor = c, .seq = seq };

    journal_ask(c->journal, &a);
}

static void run_cursor_close(struct journal *j, struct ask *a)
{
    (void)spool_tend(&j->spool, true);
    a->cursor->cursor->at = NULL;
    a->cursor->cursor = NULL;
}

void journal_cursor_close(struct journal_cursor *c)
{
    struct ask a = { .run = run_cursor_close, .cursor = c };

    if (!c)
        return;
    journal_ask(c->journal, &a);
}

static void run_cursor_forget(struct journal *j, struct ask *a)
{
    struct spool_cursor *c = spool_cursor(&j->spool, a->name, false);

    if (!c)
        a->rc = ERR_UNKNOWN;
    else
        a->rc = c->at ? ERR_BUSY : spool_forget(&j->spool, c);
}

int journal_cursor_forget(struct journal *j, const char *name)
{
    struct ask a = { .run = run_cursor_forget, .name = name };

    journal_ask(j, &a);
    return a.rc;
}

/* ---- readers ---- */

static uint64_t source_head(void *ctx)
{
    return cell_get(&((struct journal *)ctx)->head);
}

static uint64_t source_epoch(void *ctx)
{
    return cell_get(&((struct journal *)ctx)->epoch);
}

static void run_locate(struct journal *j, struct ask *a)
{
    a->count = spool_locate(&j->spool, a->seq, a->rows, a->count);
    a->epoch = j->spool.epoch;
}

static size_t source_locate(void *ctx, uint64_t seq, struct spool_row *out, size_t max,
                            uint64_t *out_epoch)
{
    struct ask a = { .run = run_locate, .seq = seq, .rows = out, .count = max };

    journal_ask(ctx, &a);
    *out_epoch = a.epoch;
    return a.count;
}

static void run_life(struct journal *j, struct ask *a)
{
    a->life = spool_life(&j->spool, a->seq);
}

static struct life_span source_life(void *ctx, uint64_t seq)
{
    struct ask a = { .run = run_life, .seq = seq };

    journal_ask(ctx, &a);
    return a.life;
}

struct life_span journal_life(struct journal *j, uint64_t seq)
{
    return source_life(j, seq);
}

static void run_damaged(struct journal *j, struct ask *a)
{
    spool_note_damage(&j->spool, a->epoch, a->seq, a->last);
}

static void source_damaged(void *ctx, uint64_t generation, uint64_t first, uint64_t last)
{
    struct ask a = { .run = run_damaged, .epoch = generation, .seq = first, .last = last };

    journal_ask(ctx, &a);
}

struct journal_reader *journal_reader_new(struct journal *j, struct journal_cursor *cursor,
                                          uint64_t after_seq, size_t buffer_bytes)
{
    struct journal_reader *r = NEW(struct journal_reader);
    struct reader_source source = { .ctx = j,
                                    .head = source_head,
                                    .epoch = source_epoch,
                                    .locate = source_locate,
                                    .life = source_life,
                                    /* One look by a person is no loss to a sink. */
                                    .damaged = cursor ? source_damaged : NULL };

    if (buffer_bytes < KIB(64))
        buffer_bytes = KIB(64);
    if (buffer_bytes > MIB(4))
        buffer_bytes = MIB(4);
    r->journal = j;
    reader_init(&r->reader, &source, j->disk, &j->spool.id.journal, j->spool.id.key, after_seq,
                buffer_bytes);
    return r;
}

void journal_reader_free(struct journal_reader *r)
{
    if (!r)
        return;
    reader_fini(&r->reader);
    mem_free(r);
}

int journal_reader_next(struct journal_reader *r, struct record *out, size_t max, size_t max_bytes,
                        size_t *out_count)
{
    return reader_next(&r->reader, out, max, max_bytes, out_count);
}

uint64_t journal_reader_seq(const struct journal_reader *r)
{
    return r->reader.next - 1;
}

void journal_reader_seek(struct journal_reader *r, uint64_t after_seq)
{
    reader_seek(&r->reader, after_seq);
}

/* ---- watches ---- */

static void on_news(struct mail *m, struct loop *l)
{
    struct journal_watch *w = container_of(m, struct journal_watch, mail);

    (void)l;
    /* Before the sink looks, so that what comes after its look is told again. */
    cell_set(&w->posted, 0);
    if (!w->closed)
        w->news(w->ctx);
}

static void on_last(struct mail *m, struct loop *l)
{
    (void)l;
    mem_free(container_of(m, struct journal_watch, last));
}

static void run_watch(struct journal *j, struct ask *a)
{
    list_push_back(&j->watches, &a->watch->link);
}

static void run_unwatch(struct journal *j, struct ask *a)
{
    (void)j;
    list_remove(&a->watch->link);
}

static struct journal_watch *watch(struct journal *j, struct journal_watch init)
{
    struct journal_watch *w = NEW(struct journal_watch);
    struct ask a = { .run = run_watch, .watch = w };

    *w = init;
    w->journal = j;
    w->mail.deliver = on_news;
    w->last.deliver = on_last;
    journal_ask(j, &a);
    return w;
}

struct journal_watch *journal_watch_gate(struct journal *j, struct gate *g)
{
    return watch(j, (struct journal_watch){ .gate = g });
}

struct journal_watch *journal_watch_loop(struct journal *j, struct loop *l, void (*news)(void *ctx),
                                         void *ctx)
{
    return watch(j, (struct journal_watch){ .loop = l, .news = news, .ctx = ctx });
}

void journal_unwatch(struct journal_watch *w)
{
    struct ask a = { .run = run_unwatch, .watch = w };

    if (!w)
        return;
    journal_ask(w->journal, &a);
    if (!w->loop) {
        mem_free(w);
        return;
    }
    /* Mail of the committer may still be on its way; this comes behind it. */
    loop_assert_mine(w->loop);
    w->closed = true;
    loop_post(w->loop, &w->last);
}
