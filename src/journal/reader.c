/*
 * How a sink reads while the committer writes, recycles and drops.
 *
 * What may be believed: everything up to the head as it was before the bytes were read, in the
 * segment that holds each number as it was after that. So the order is: head, then epoch (or the
 * rows), then the bytes. A segment that was given up may hold other records under the same numbers;
 * since its being given up changes the epoch before the head moves, they are never reached.
 *
 * When a number is not where it should be, the segment may have been recycled meanwhile: the rows
 * are asked for again and it is looked for once more. Not there the second time, it is lost, and
 * the reader says so with a RECORD_GAP. No record is ever delivered that its checksum, its
 * segment's seed and its number do not vouch for.
 */
#include "journal/reader.h"

#include <errno.h>

#define BYTES_GUESS 512 /* per record, for the first read of news */

static const struct str why_dropped = STR("dropped");
static const struct str why_damaged = STR("damaged");

void reader_init(struct reader *r, const struct reader_source *source, struct disk *disk,
                 const struct uuid *journal, uint64_t key, uint64_t after_seq, size_t chunk)
{
    *r = (struct reader){ .source = *source,
                          .id = { .journal = *journal, .key = key },
                          .next = after_seq + 1 };
    segfile_init(&r->file, disk, chunk);
}

void reader_fini(struct reader *r)
{
    segfile_fini(&r->file);
}

void reader_seek(struct reader *r, uint64_t after_seq)
{
    r->held = r->split = false;
    r->next = after_seq + 1;
    r->read_head = 0;
    r->row_count = r->row = 0;
    segfile_close(&r->file);
    r->stashed = false;
}

/* A gap from r->next to last. */
static struct record gap_to(struct reader *r, uint64_t last, struct str why)
{
    struct record g = { .kind = RECORD_GAP,
                        .seq = last,
                        .origin = r->id.journal,
                        .origin_seq = last,
                        .first = r->next,
                        .payload = why };

    r->next = last + 1;
    return g;
}

static void leave(struct reader *r)
{
    segfile_close(&r->file);
    r->stashed = false;
}

static void ask_rows(struct reader *r)
{
    leave(r);
    r->read_head = r->source.head(r->source.ctx);
    r->row = 0;
    r->row_count = r->source.locate(r->source.ctx, r->next, r->rows, SPOOL_ROWS_MAX, &r->epoch);
}

/* There are durable records that were not read yet: renews what may be believed. */
static void look_again(struct reader *r, uint64_t head)
{
    uint64_t news = head + 1 - r->next;

    r->read_head = head;
    if (r->source.epoch(r->source.ctx) != r->epoch)
        ask_rows(r);
    else if (r->file.file >= 0)
        segfile_forget(&r->file, news < SIZE_MAX / BYTES_GUESS ? (size_t)news * BYTES_GUESS : 0);
}

/* True once: r->next was not found in this generation. The second time it is lost. */
static bool doubt(struct reader *r, uint64_t generation)
{
    if (r->doubt == r->next && r->doubt_generation == generation)
        return false;
    r->doubt = r->next;
    r->doubt_generation = generation;
    return true;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Opens the segment in which r->next is. 0: open. 1: *out is a gap. */
static int enter(struct reader *r, struct record *out)
{
    bool asked = false;

    for (;;) {
        struct spool_row *row;
        int rc;

        while (r->row < r->row_count && r->rows[r->row].end_seq <= r->next)
            r->row++;
        if (r->row == r->row_count) {
            if (asked) {
                /* No segment at all holds what should be there. */
                *out = gap_to(r, r->read_head, why_dropped);
                return 1;
            }
            ask_rows(r);
            asked = true;
            continue;
        }
        row = &r->rows[r->row];
        if (row->first_seq > r->next) {
            *out = gap_to(r, least(row->first_seq - 1, r->read_head), why_dropped);
            return 1;
        }
        r->id.generation = row->generation;
        rc = segfile_open(&r->file, &r->id, row->first_seq);
        if (rc == 0)
            r->file.scan.epoch = row->life; /* should the frames that say it be lost */
        if (rc != -ENOENT)
            return rc;
        if (!doubt(r, row->generation)) {
            *out = gap_to(r, least(row->end_seq - 1, r->read_head), why_dropped);
            return 1;
        }
        ask_rows(r);
        asked = true;
    }
}

static struct record damaged_to(struct reader *r, uint64_t last)
{
    if (r->source.damaged)
        r->source.damaged(r->source.ctx, r->rows[r->row].generation, r->next, last);
    return gap_to(r, last, why_damaged);
}

/* r->next is not in the segment that is open, which ends before it or has a hole there. `found`:
 * the record behind the hole. 0: *out is a gap; ERR_MORE: go on. */
static int missing(struct reader *r, const struct record *found, struct record *out)
{
    const struct spool_row *row = &r->rows[r->row];
    uint64_t last = least(row->end_seq - 1, r->read_head);

    if (r->next <= last) {
        if (doubt(r, row->generation)) {
            ask_rows(r);
            return ERR_MORE;
        }
        if (found && found->seq <= last) {
            *out = damaged_to(r, found->seq - 1);
            r->hold = *found;
            r->held = true;
            return 0;
        }
        *out = damaged_to(r, last);
        /* What the scanner has stepped over meanwhile may be wanted later: begin again. */
        leave(r);
        return 0;
    }
    leave(r);
    return ERR_MORE;
}

static int next_in_file(struct reader *r, bool may_read, struct record *out)
{
    if (!r->stashed)
        return segfile_next(&r->file, may_read, out);
    r->stashed = false;
    *out = r->stash;
    return r->stash_rc;
}

/* The next record or gap. ERR_MORE: nothing new. ERR_BUSY: only by reading, which `may_read` does
 * not allow. */
static int step(struct reader *r, bool may_read, struct record *out)
{
    for (;;) {
        struct record rec;
        int rc;

        if (r->next > r->read_head) {
            uint64_t head = r->source.head(r->source.ctx);

            if (r->next > head)
                return ERR_MORE;
            if (!may_read)
                return ERR_BUSY;
            look_again(r, head);
        }
        if (r->file.file < 0) {
            if (!may_read)
                return ERR_BUSY;
            rc = enter(r, out);
            if (rc != 0)
                return rc > 0 ? 0 : rc;
        }
        rc = next_in_file(r, may_read, &rec);
        if (rc == 0 && rec.seq < r->next)
            continue;
        if (rc == 0 && rec.seq == r->next && rec.seq < r->rows[r->row].end_seq) {
            *out = rec;
            r->next++;
            return 0;
        }
        if (rc < 0 && rc != ERR_MORE)
            return rc;
        if (!may_read) {
            /* The scanner is beyond it: kept until the views that are out may go. */
            r->stashed = true;
            r->stash_rc = rc;
            r->stash = rec;
            return ERR_BUSY;
        }
        rc = missing(r, rc == 0 ? &rec : NULL, out);
        if (rc == 0)
            return 0;
    }
}

static bool is_new_gap(const struct reader *r, const struct record *rec)
{
    return rec->kind == RECORD_GAP && rec->origin_epoch == 0 &&
           uuid_eq(&rec->origin, &r->id.journal);
}

/* Says whose numbers a gap has (lives.h), and leaves for later what is another start's. */
static void name_gap(struct reader *r, struct record *gap)
{
    struct life_span span = r->source.life(r->source.ctx, gap->first);

    r->split = span.last < gap->seq;
    if (r->split) {
        r->rest = *gap;
        r->rest.first = span.last + 1;
        gap->seq = gap->origin_seq = span.last;
    }
    gap->origin_epoch = span.epoch;
    r->next = gap->seq + 1;
}

/* Gaps that follow each other are one. Nothing is out yet, so what follows may be read now: another
 * gap makes this one longer, a record waits. */
static void join_gaps(struct reader *r, struct record *gap)
{
    struct record after;

    while (!r->held && step(r, true, &after) == 0) {
        if (is_new_gap(r, &after)) {
            gap->seq = gap->origin_seq = after.seq;
        } else {
            r->hold = after;
            r->held = true;
        }
    }
}

static struct record take_held(struct reader *r)
{
    struct record out = r->split ? r->rest : r->hold;

    if (r->split) {
        name_gap(r, &out);
    } else {
        r->held = false;
        r->next = out.seq + 1;
    }
    return out;
}

int reader_next(struct reader *r, struct record *out, size_t max, size_t max_bytes,
                size_t *out_count)
{
    size_t n = 0, bytes = 0;

    while (n < max && (r->split || r->held)) {
        out[n] = take_held(r);
        bytes += out[n++].payload.n;
    }
    while (n < max && (n == 0 || bytes < max_bytes) && !r->held && !r->split) {
        int rc = step(r, n == 0, &out[n]);

        if (rc == ERR_MORE || rc == ERR_BUSY)
            break;
        if (rc < 0 && n == 0)
            return rc;
        if (rc < 0)
            break; /* it comes again with the next call */
        if (n == 0 && is_new_gap(r, &out[0])) {
            join_gaps(r, &out[0]);
            name_gap(r, &out[0]);
        }
        bytes += out[n++].payload.n;
    }
    *out_count = n;
    return 0;
}
