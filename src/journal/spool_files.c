/*
 * The segment files of a journal while it runs: beginning, giving up, trimming, dropping, the
 * spare, the file that says who this journal is.
 *
 * A new segment is an old one behind all cursors under a new name (overwriting blocks that are
 * written already is the fastest thing a disk does), else a file that is allocated in advance. Its
 * header reaches the disk with the first flush, together with the records and followed by the
 * directory; until then nothing in it was acknowledged, so a crash may leave any mixture: the
 * start takes such a file for what it is (see spool_open.c).
 *
 * The limits: all segments and the spare together stay within the quota; a new file is made only
 * if the disk keeps its floor of free space, so that cursors and logs can be written on a disk
 * that "is full". Where whoever appends keeps to both (quota_is_soft), half the floor is a reserve for what
 * makes room; it holds a segment at least, since nothing can be written in less.
 */
#include "journal/spool.h"

#include "base/clock_set.h"
#include "base/log.h"

#include <errno.h>

void spool_push_row(struct spool *s, struct spool_row row)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->rows = mem_resize(s->rows, s->cap * sizeof(struct spool_row));
    }
    s->rows[s->count++] = row;
    s->epoch++;
}

uint64_t spool_bytes(const struct spool *s)
{
    uint64_t n = s->has_spare ? s->o.segment_bytes : 0;

    for (size_t i = 0; i < s->count; i++)
        n += s->rows[i].bytes;
    return n;
}

uint64_t spool_oldest(const struct spool *s)
{
    return s->count == 0 || s->rows[0].first_seq > s->durable_seq ? 0 : s->rows[0].first_seq;
}

/* What no segment may take of the disk. */
static uint64_t last_floor(const struct spool *s)
{
    return s->o.quota_is_soft ? s->o.free_floor_bytes / 2 : s->o.free_floor_bytes;
}

uint64_t spool_reserve(const struct spool *s)
{
    uint64_t half = s->o.free_floor_bytes - s->o.free_floor_bytes / 2;

    return half > s->o.segment_bytes ? half : s->o.segment_bytes;
}

#define SPACE_LOOK_NS 1000000000u

/* In whole segments: what is left of less than one is of no use. */
static uint64_t most_of(const struct spool *s, uint64_t left)
{
    uint64_t keep = last_floor(s) + spool_reserve(s), segment = s->o.segment_bytes;
    uint64_t most = spool_bytes(s) + (s->has_spare ? segment : 0); /* the spare is room, too */

    if (left >= keep)
        return most + (left - keep) / segment * segment;
    return most > keep - left ? most - (keep - left) : 1;
}

uint64_t spool_look_at_disk(struct spool *s)
{
    struct spool_space *space = &s->space;
    uint64_t now;

    if (!s->o.quota_is_soft)
        return UINT64_MAX;
    now = s->disk->ops->mono_ns(s->disk);
    if (now < space->next_ns && space->bytes == spool_bytes(s))
        return space->next_ns;
    space->next_ns = now + SPACE_LOOK_NS;
    space->bytes = spool_bytes(s);
    space->most = s->disk->ops->free_bytes(s->disk, &space->free) < 0 ? 0 : most_of(s, space->free);
    return space->next_ns;
}

/* A file of the right size under the spare's name, if the disk keeps the floor. */
static int make_spare(struct spool *s, uint64_t floor)
{
    uint64_t left = 0;
    int file, rc;

    if (!s->o.quota_is_soft && spool_bytes(s) + s->o.segment_bytes > s->o.quota_bytes)
        return ERR_FULL;
    rc = s->disk->ops->free_bytes(s->disk, &left);
    if (rc < 0)
        return rc;
    if (left < floor + s->o.segment_bytes)
        return -ENOSPC;
    file = s->disk->ops->open(s->disk, SPOOL_SPARE, DISK_WRITE | DISK_CREATE);
    if (file < 0)
        return file;
    rc = s->disk->ops->allocate(s->disk, file, s->o.segment_bytes);
    s->disk->ops->close(s->disk, file);
    if (rc < 0) {
        (void)s->disk->ops->unlink(s->disk, SPOOL_SPARE);
        return rc;
    }
    s->has_spare = true;
    return 0;
}

/* The oldest segment's file becomes the spare, or goes; a damaged one is kept aside. */
static int remove_oldest(struct spool *s)
{
    char name[SEGMENT_NAME_LEN + 1];
    struct spool_row *row = &s->rows[0];
    int rc;

    segment_name(row->generation, name);
    if (row->damaged && spool_put_aside(s, row->generation) == 0) {
        rc = 0;
    } else if (!s->has_spare && row->bytes == s->o.segment_bytes) {
        rc = s->disk->ops->rename(s->disk, name, SPOOL_SPARE);
        s->has_spare = rc == 0;
    } else {
        rc = s->disk->ops->unlink(s->disk, name);
    }
    if (rc < 0) {
        log_warn("journal", "cannot remove a segment", lf_text("file", name), lf_err("error", rc));
        return rc;
    }
    s->count--;
    memmove(s->rows, s->rows + 1, s->count * sizeof(struct spool_row));
    s->epoch++;
    return 0;
}

void spool_note_damage(struct spool *s, uint64_t generation, uint64_t first, uint64_t last)
{
    struct spool_row *row = NULL;

    for (size_t i = 0; i < s->count; i++)
        if (s->rows[i].generation == generation)
            row = &s->rows[i];
    if (row)
        row->damaged = true;
    if (row && first <= row->lost_to)
        first = row->lost_to + 1;
    if (first > last)
        return;
    if (row)
        row->lost_to = last;
    s->counts.lost += last - first + 1;
    log_warn("journal", "records are damaged and were skipped", lf_u64("first", first),
             lf_u64("last", last), lf_u64("generation", generation));
}

/* Whether the oldest segment may be dropped for the quota. */
static bool may_drop_oldest(const struct spool *s)
{
    uint32_t may = 1u << RECORD_GAP | 1u << RECORD_MARK;

    for (unsigned k = 1; k < RECORD_KINDS; k++)
        if (s->o.policy[k] == JOURNAL_DROP_OLDEST)
            may |= 1u << k;
    return s->count >= 2 && (s->rows[0].kinds & ~may) == 0;
}

int spool_drop_oldest(struct spool *s)
{
    uint64_t first, end, lost, done = spool_lowest_cursor(s);
    int rc;

    if (!may_drop_oldest(s))
        return ERR_FULL;
    /* What every sink has is not lost with its segment. */
    end = s->rows[1].first_seq;
    first = s->rows[0].first_seq > done ? s->rows[0].first_seq : done + 1;
    lost = first < end ? end - first : 0;
    if (lost > 0)
        log_warn("journal", "quota reached, the oldest records are dropped", lf_u64("first", first),
                 lf_u64("last", end - 1));
    /* Counted durably before they go, so that no loss is ever untold. */
    s->dropped_ever += lost;
    rc = spool_write_id(s, s->id_file.said, s->id_file.said_first);
    if (rc == 0)
        rc = remove_oldest(s);
    if (rc == 0)
        s->counts.dropped += lost;
    else
        s->dropped_ever -= lost;
    return rc;
}

#define AGE_LOOK_NS ((uint64_t)60 * 1000000000)

/* Whether all of the oldest segment is older than max_age_ms: it ended when the next one began. */
static bool oldest_is_old(const struct spool *s)
{
    int64_t now = s->disk->ops->wall_ns(s->disk), ended = s->rows[1].begun_ns;

    return s->o.max_age_ms > 0 && clock_is_set(ended) && now > ended &&
           (uint64_t)(now - ended) / 1000000 > s->o.max_age_ms;
}

uint64_t spool_drop_old(struct spool *s)
{
    while (may_drop_oldest(s)) {
        bool many =
            s->o.max_records > 0 && s->durable_seq + 1 - s->rows[1].first_seq >= s->o.max_records;

        if ((!many && !oldest_is_old(s)) || spool_drop_oldest(s) < 0)
            break;
    }
    return s->o.max_age_ms > 0 && s->count > 1 ? s->disk->ops->mono_ns(s->disk) + AGE_LOOK_NS
                                               : UINT64_MAX;
}

/* The lowest place of any cursor, as its file says it durably; UINT64_MAX: there is no cursor. */
static uint64_t lowest_kept(const struct spool *s)
{
    uint64_t least = UINT64_MAX;

    LIST_EACH (it, &s->cursors) {
        const struct spool_cursor *c = container_of(it, struct spool_cursor, link);

        if (c->kept < least)
            least = c->kept;
    }
    return least;
}

void spool_trim(struct spool *s)
{
    uint64_t least = lowest_kept(s);

    /* Without any cursor nobody has read anything yet. */
    while (least != UINT64_MAX && s->count > 1 && s->rows[1].first_seq <= least + 1)
        if (remove_oldest(s) < 0)
            break;
}

/* What the segment before the newest one holds; rows with an empty range do not count. */
static uint32_t kinds_before(const struct spool *s)
{
    for (size_t i = s->count - 1; i-- > 0;)
        if (s->rows[i].first_seq < s->rows[i + 1].first_seq)
            return s->rows[i].kinds;
    return 0;
}

/* Header of the segment at the end of rows, into the buffer. */
static void put_header(struct spool *s)
{
    struct segment_header h = { .id = s->id,
                                .boot = s->boot,
                                .first_seq = s->next_seq,
                                .created_ns = s->rows[s->count - 1].begun_ns,
                                .size = (uint32_t)s->o.segment_bytes,
                                .before_kinds = kinds_before(s),
                                .lives = s->lives };

    segment_write_header(&s->buf, &h);
}

int spool_begin_segment(struct spool *s)
{
    struct spool_row row = { .generation = s->id.generation + 1,
                             .first_seq = s->next_seq,
                             .bytes = s->o.segment_bytes,
                             .begun_ns = s->disk->ops->wall_ns(s->disk),
                             .life = s->origin_epoch };
    char name[SEGMENT_NAME_LEN + 1];
    int rc = 0, file;

    if (!s->has_spare)
        rc = make_spare(s, last_floor(s));
    if (rc == ERR_FULL || rc == -ENOSPC) {
        spool_keep_cursors(s);
        spool_trim(s);
        rc = s->has_spare ? 0 : make_spare(s, last_floor(s));
    }
    if (rc < 0)
        return rc;
    segment_name(row.generation, name);
    rc = s->disk->ops->rename(s->disk, SPOOL_SPARE, name);
    /* After a failure too: nobody knows under which name it is. */
    s->has_spare = false;
    s->id.generation++;
    if (rc < 0)
        return rc;
    file = s->disk->ops->open(s->disk, name, DISK_WRITE);
    if (file < 0) {
        (void)s->disk->ops->unlink(s->disk, name);
        return file;
    }
    names_fini(&s->names);
    names_init(&s->names);
    s->own = NULL;
    buf_clear(&s->buf);
    s->file = file;
    s->file_at = 0;
    s->file_size = row.bytes;
    s->seed = segment_seed(&s->id);
    s->dir_dirty = true;
    s->mark_committed = true;
    spool_push_row(s, row);
    put_header(s);
    return 0;
}

void spool_end_segment(struct spool *s)
{
    if (s->file < 0)
        return;
    s->disk->ops->close(s->disk, s->file);
    s->file = -1;
    buf_clear(&s->buf);
}

void spool_give_up(struct spool *s)
{
    char name[SEGMENT_NAME_LEN + 1];
    struct spool_row *row;

    if (s->file >= 0) {
        spool_end_segment(s);
        row = &s->rows[s->count - 1];
        if (row->first_seq > s->lazy_seq) {
            /* Nothing acknowledged is in it. Where it cannot be removed its row stays, with an
             * empty range: so it goes before the one that holds its numbers goes, and never
             * stands for it. */
            row->kinds = 0;
            if (s->disk->ops->unlink(s->disk, segment_name(row->generation, name)) == 0)
                s->count--;
        }
    }
    s->epoch++;
    s->next_seq = s->lazy_seq + 1;
}

/* The last row that begins at or before seq; -1: none. */
static ptrdiff_t row_of(const struct spool *s, uint64_t seq)
{
    size_t low = 0, high = s->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (s->rows[mid].first_seq <= seq)
            low = mid + 1;
        else
            high = mid;
    }
    return (ptrdiff_t)low - 1;
}

size_t spool_locate(const struct spool *s, uint64_t seq, struct spool_row *out, size_t max)
{
    ptrdiff_t at = row_of(s, seq);
    size_t n = 0;

    for (size_t i = at < 0 ? 0 : (size_t)at; i < s->count && n < max; i++, n++) {
        out[n] = s->rows[i];
        if (i + 1 < s->count)
            out[n].end_seq = s->rows[i + 1].first_seq;
        else
            out[n].end_seq = s->file >= 0 ? UINT64_MAX : s->durable_seq + 1;
    }
    return n;
}

struct life_span spool_life(const struct spool *s, uint64_t seq)
{
    struct life_span span;
    ptrdiff_t at, from, to;

    if (lives_find(&s->lives, seq, &span) || s->count == 0)
        return span;
    /* Older than the starts that are remembered: each segment knows its own. What is gone is
     * counted to the oldest segment. */
    at = row_of(s, seq);
    from = to = at < 0 ? 0 : at;
    while (from > 0 && s->rows[from - 1].life == s->rows[from].life)
        from--;
    while ((size_t)to + 1 < s->count && s->rows[to + 1].life == s->rows[to].life)
        to++;
    span.epoch = s->rows[from].life;
    if (from > 0)
        span.first = s->rows[from].first_seq;
    if ((size_t)to + 1 < s->count && s->rows[to + 1].first_seq - 1 < span.last)
        span.last = s->rows[to + 1].first_seq - 1;
    return span;
}

/* Says which segment is the newest, once that segment is durable: see spool_open.c. */
static void keep_id(struct spool *s)
{
    if (s->file < 0 || s->id_file.said == s->id.generation || s->dir_dirty)
        return;
    (void)!spool_write_id(s, s->id.generation, s->rows[s->count - 1].first_seq);
}

#define PROBE_NS 1000000000u

/* After an error of the disk with nobody appending: does it work again? Writes and flushes what is
 * safe to write at any time. Returns when it wants to be asked again (mono ns). */
static uint64_t probe(struct spool *s)
{
    uint64_t now = s->disk->ops->mono_ns(s->disk);
    int rc = 0;

    if (s->error == 0 || s->error == ERR_FULL)
        return UINT64_MAX;
    if (now >= s->probe_ns) {
        s->probe_ns = now + PROBE_NS;
        rc = spool_write_id(s, s->id_file.said, s->id_file.said_first);
        if (rc == 0 && !s->has_spare)
            rc = make_spare(s, last_floor(s));
        s->error = rc;
    }
    return s->error == 0 || s->error == ERR_FULL ? UINT64_MAX : s->probe_ns;
}

uint64_t spool_tend(struct spool *s, bool force)
{
    uint64_t wake = spool_flush_lazy(s, force), again = spool_tend_cursors(s, force);

    wake = again < wake ? again : wake;

    if (s->count > 1 && s->rows[1].first_seq <= spool_lowest_cursor(s) + 1) {
        spool_keep_cursors(s);
        spool_trim(s);
    }
    again = spool_drop_old(s);
    wake = again < wake ? again : wake;
    again = probe(s);
    wake = again < wake ? again : wake;
    keep_id(s);
    /* In advance, so that nobody waits for it; without room the next segment will say so. */
    if (!s->has_spare && s->file >= 0 && s->error == 0)
        (void)make_spare(s, s->o.free_floor_bytes);
    again = spool_look_at_disk(s);
    return again < wake ? again : wake;
}
