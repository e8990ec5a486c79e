/*
 * Salvaging a journal: what the scanner that sinks use gets out of the old folder is appended to a new
 * journal, in order, each record with the identity that it had. So nothing here knows the format, and
 * nothing is believed that a sink would not believe.
 *
 * The new journal has an identity of its own; the old one's records become records from elsewhere
 * there, which a hub drops when it has them. Cursors are carried to the place of the last record that
 * they had passed.
 */
#include "cli/journal_io.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/progress.h"
#include "journal/journal.h"
#include "journal/verify.h"

#include <stdio.h>
#include <unistd.h>

#define REPAIR_GROUP 500

/* Records on their way into the new journal; copied, since what they view goes with the next read. */
struct repair {
    bool bar;
    uint64_t all_bytes, done_bytes;
    struct progress progress;
    struct journal *into;
    struct record records[REPAIR_GROUP];
    struct arena arena;
    size_t count;
    uint64_t salvaged, lost;
    int code;
    struct verify_cursor cursors[16];
    uint64_t places[16]; /* of the cursors in the new journal */
    size_t cursor_count;
    uint64_t new_seq;
};

static void show_bar(struct repair *r)
{
    struct buf line = buf_init(256);

    if (r->bar && progress_line(&r->progress, r->done_bytes, clock_mono_ns() / 1000000, &line)) {
        fprintf(stderr, "\r%-78.*s", STR_ARG(buf_str(&line)));
        fflush(stderr);
    }
    buf_fini(&line);
}

static void add_size(void *ctx, const char *name, uint64_t bytes)
{
    struct repair *r = ctx;

    (void)name;
    r->all_bytes += bytes;
}

static void on_repaired(struct journal_entry *e, int code)
{
    e->code = code;
}

static void repair_flush(struct repair *r)
{
    struct journal_entry e = { .records = r->records, .count = r->count, .done = on_repaired };

    if (r->count == 0 || r->code < 0)
        return;
    journal_append(r->into, &e);
    journal_settle(r->into);
    r->code = e.code;
    r->salvaged += e.code == 0 ? r->count : 0;
    r->count = 0;
    arena_fini(&r->arena);
}

static bool repair_record(void *ctx, const struct record *from)
{
    struct repair *r = ctx;
    struct record *to = &r->records[r->count];

    *to = *from;
    to->seq = 0;
    to->device = arena_dup(&r->arena, from->device);
    to->stream = arena_dup(&r->arena, from->stream);
    to->content_type = arena_dup(&r->arena, from->content_type);
    to->payload = arena_dup(&r->arena, from->payload);
    r->new_seq++;
    for (size_t i = 0; i < r->cursor_count; i++)
        if (from->seq <= r->cursors[i].seq)
            r->places[i] = r->new_seq;
    if (++r->count == REPAIR_GROUP)
        repair_flush(r);
    return r->code == 0;
}

static void repair_segment(void *ctx, const struct verify_segment *s)
{
    struct repair *r = ctx;

    r->lost += s->missing;
    r->done_bytes += s->bytes;
    show_bar(r);
}

static void repair_cursor(void *ctx, const struct verify_cursor *c)
{
    struct repair *r = ctx;

    if (c->ok && r->cursor_count < COUNT_OF(r->cursors))
        r->cursors[r->cursor_count++] = *c;
}

/* The places of sinks, so that they go on where they were. */
static void carry_cursors(struct repair *r)
{
    for (size_t i = 0; i < r->cursor_count && r->code == 0; i++) {
        struct journal_cursor *c = NULL;

        r->code = journal_cursor_open(r->into, r->cursors[i].name, &c);
        if (r->code < 0)
            break;
        journal_cursor_advance(c, r->places[i]);
        journal_cursor_close(c);
    }
}

static int repair_run(struct repair *r, struct disk *disk, const char *new_dir, struct fault *f)
{
    struct verify_visitor cursors = { .ctx = r, .on_cursor = repair_cursor };
    struct verify_visitor all = { .ctx = r,
                                  .on_segment = repair_segment,
                                  .on_record = repair_record };
    struct journal_options o = journal_options_default();
    struct limits limits = limits_default();
    struct verify_summary sum;
    int rc = disk->ops->lock(disk);

    if (rc == ERR_BUSY)
        return fault_set(f, rc, "a node runs on this journal: stop it first");
    /* Once without records: the cursors are told last, and are needed first. */
    if (rc == 0)
        rc = verify_journal(disk, &cursors, &sum);
    if (rc < 0)
        return fault_set(f, rc, "%s",
                         rc == ERR_UNKNOWN ? "no segment here says whose it is: nothing can be read"
                                           : err_text(rc));
    o.quota_bytes = sum.bytes * 2 + 64 * o.segment_bytes;
    o.free_floor_bytes = 0;
    limits.record_payload_max_bytes = MIB(16);
    o.segment_bytes = MIB(32);
    o.quota_bytes += 4 * o.segment_bytes;
    rc = journal_open(new_dir, &o, &limits, NULL, NULL, &r->into, f);
    if (rc < 0)
        return rc;
    if (journal_head(r->into) > 0) {
        journal_close(r->into);
        return fault_set(f, ERR_EXISTS, "%s holds records already: name an empty or new folder",
                         new_dir);
    }
    rc = verify_journal(disk, &all, &sum);
    repair_flush(r);
    rc = rc == 0 ? r->code : rc;
    if (rc == 0)
        carry_cursors(r);
    journal_close(r->into);
    return rc < 0 || r->code < 0
               ? fault_set(f, rc < 0 ? rc : r->code, "%s", err_text(rc < 0 ? rc : r->code))
               : 0;
}

int journal_repair(const struct command_call *c)
{
    const char *dir = c->args[0], *into = command_value(c, "into");
    struct repair *r = NEW(struct repair);
    struct disk *disk = NULL;
    struct fault f = { 0 };
    char text[1024];
    int rc;

    if (!into) {
        fprintf(stderr,
                "wayside journal repair: --into NEWDIR says where the new journal is made\n");
        mem_free(r);
        return EXIT_USAGE;
    }
    r->bar = isatty(STDERR_FILENO);
    r->arena = arena_init(REPAIR_GROUP * (MIB(16) + 4096));
    rc = disk_open(dir, false, &disk, &f);
    if (rc == 0) {
        (void)!disk->ops->list(disk, add_size, r);
        progress_init(&r->progress, r->all_bytes, clock_mono_ns() / 1000000);
        rc = repair_run(r, disk, into, &f);
        disk->ops->free(disk);
    }
    if (r->bar)
        fprintf(stderr, "\r%78s\r", "");
    if (rc < 0)
        fprintf(stderr, "wayside: %s: %s\n", dir, fault_text(&f, text, sizeof(text)));
    else if (command_value(c, "json"))
        printf("{\"salvaged\":%llu,\"lost\":%llu}\n", (unsigned long long)r->salvaged,
               (unsigned long long)r->lost);
    else
        printf("%s: %llu records and gaps salvaged, %llu records lost\n"
               "put it in place:  mv %s %s.damaged && mv %s %s\n",
               into, (unsigned long long)r->salvaged, (unsigned long long)r->lost, dir, dir, into,
               dir);
    arena_fini(&r->arena);
    mem_free(r);
    return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}
