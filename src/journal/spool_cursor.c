/*
 * Cursors: each a file of two slots (slots.h) that is overwritten in place, so that it can be
 * written on a full disk. They are written without a flush: an older cursor only makes a sink
 * repeat. Only before segments are removed on their word are they flushed.
 */
#include "journal/spool.h"

#include "base/cell.h"
#include "base/log.h"

#include <stdio.h>

static void file_name(const char *name, char out[48])
{
    snprintf(out, 48, SPOOL_CURSOR "%s", name);
}

int spool_write_slot(struct spool *s, int file, const struct slot *slot)
{
    char sector[SLOT_SIZE];
    struct buf b = { sector, 0, sizeof(sector), sizeof(sector), false };
    int rc;

    slots_write(&b, slot);
    rc = s->disk->ops->write(s->disk, file, b.p, b.n, slots_offset(slot));
    if (rc == 0)
        s->counts.written_bytes += b.n;
    return rc;
}

int spool_read_slots(struct disk *disk, const char *name, struct slot *out)
{
    char both[SLOTS_BYTES];
    size_t got = 0;
    int file = disk->ops->open(disk, name, DISK_READ), rc;

    if (file < 0)
        return file;
    rc = disk->ops->read(disk, file, both, sizeof(both), 0, &got);
    disk->ops->close(disk, file);
    return rc < 0 ? rc : slots_read(str_from(both, got), out);
}

/* The number before the oldest record: where a new sink starts. */
static uint64_t before_oldest(const struct spool *s)
{
    return s->count > 0 ? s->rows[0].first_seq - 1 : s->next_seq - 1;
}

static int write_cursor(struct spool *s, struct spool_cursor *c)
{
    struct slot slot = { c->counter + 1, s->id.journal, c->seq, 0, 0 };
    char name[48];
    int rc;

    file_name(c->name, name);
    if (c->file < 0)
        c->file = s->disk->ops->open(s->disk, name, DISK_WRITE | DISK_CREATE);
    rc = c->file < 0 ? c->file : spool_write_slot(s, c->file, &slot);
    if (rc < 0) {
        log_warn("journal", "cannot write a cursor", lf_text("file", name), lf_err("error", rc));
        return rc;
    }
    c->counter++;
    c->written = c->seq;
    c->written_ns = s->disk->ops->mono_ns(s->disk);
    s->counts.cursor_writes++;
    return 0;
}

struct spool_cursor *spool_cursor(struct spool *s, const char *name, bool create)
{
    struct spool_cursor *c;

    LIST_EACH (it, &s->cursors) {
        c = container_of(it, struct spool_cursor, link);
        if (strcmp(c->name, name) == 0)
            return c;
    }
    if (!create)
        return NULL;
    c = NEW(struct spool_cursor);
    snprintf(c->name, sizeof(c->name), "%s", name);
    c->file = -1;
    c->seq = c->kept = before_oldest(s);
    list_push_back(&s->cursors, &c->link);
    (void)write_cursor(s, c);
    return c;
}

uint64_t spool_load_cursor(struct spool *s, const char *name)
{
    struct spool_cursor *c = NEW(struct spool_cursor);
    struct slot slot = { 0 };
    char file[48];
    int rc;

    snprintf(c->name, sizeof(c->name), "%s", name);
    file_name(name, file);
    rc = spool_read_slots(s->disk, file, &slot);
    c->file = -1;
    if (rc == 0 && uuid_eq(&slot.journal, &s->id.journal)) {
        c->seq = c->written = c->kept = slot.a;
        c->counter = slot.counter;
    } else {
        /* Lost or another journal's: the sink sees everything that is kept once more. */
        log_warn("journal", "a cursor starts over", lf_text("cursor", name), lf_err("error", rc));
        c->seq = c->kept = before_oldest(s);
    }
    list_push_back(&s->cursors, &c->link);
    return c->seq;
}

int spool_forget(struct spool *s, struct spool_cursor *c)
{
    char name[48];
    int rc;

    file_name(c->name, name);
    if (c->file >= 0)
        s->disk->ops->close(s->disk, c->file);
    rc = s->disk->ops->unlink(s->disk, name);
    list_remove(&c->link);
    mem_free(c);
    return rc;
}

static void refresh(struct spool_cursor *c)
{
    uint64_t at = c->at ? cell_get(c->at) : c->seq;

    if (at > c->seq)
        c->seq = at;
}

void spool_rewind(struct spool *s, struct spool_cursor *c, uint64_t seq)
{
    refresh(c);
    if (seq >= c->seq)
        return;
    c->seq = seq;
    c->kept = seq < c->kept ? seq : c->kept;
    if (c->at)
        cell_set(c->at, seq);
    if (write_cursor(s, c) == 0)
        (void)s->disk->ops->sync(s->disk, c->file);
}

uint64_t spool_lowest_cursor(struct spool *s)
{
    uint64_t least = UINT64_MAX - 1;

    if (list_empty(&s->cursors))
        return 0;
    LIST_EACH (it, &s->cursors) {
        struct spool_cursor *c = container_of(it, struct spool_cursor, link);

        refresh(c);
        if (c->seq < least)
            least = c->seq;
    }
    return least;
}

uint64_t spool_tend_cursors(struct spool *s, bool force)
{
    uint64_t now = s->disk->ops->mono_ns(s->disk), wake = UINT64_MAX;

    LIST_EACH (it, &s->cursors) {
        struct spool_cursor *c = container_of(it, struct spool_cursor, link);
        uint64_t due = c->written_ns + s->o.cursor_write_ms * 1000000;

        refresh(c);
        if (c->seq == c->written)
            continue;
        if (!force && now < due) {
            wake = due < wake ? due : wake;
            continue;
        }
        if (write_cursor(s, c) < 0) {
            /* Not again at once: a failing disk has enough to do. */
            c->written_ns = now;
            due = now + s->o.cursor_write_ms * 1000000;
            wake = due < wake ? due : wake;
        }
    }
    return wake;
}

void spool_keep_cursors(struct spool *s)
{
    LIST_EACH (it, &s->cursors) {
        struct spool_cursor *c = container_of(it, struct spool_cursor, link);

        refresh(c);
        if (c->kept == c->seq)
            continue;
        if (c->written != c->seq && write_cursor(s, c) < 0)
            continue;
        /* A cursor that came from its file and never moved has no open file to flush. */
        if (c->file >= 0 && s->disk->ops->sync(s->disk, c->file) == 0)
            c->kept = c->seq;
    }
}
