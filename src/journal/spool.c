/*
 * The group commit. All entries of a group are encoded into one buffer, written with one call (or
 * a few, when they are many) and flushed once; only then has any of them a code.
 *
 * Invariants:
 *  - durable_seq never passes what was flushed, file and directory both.
 *  - A group of lazy entries only is written, not flushed, and answered up to lazy_seq. Until the next flush
 *    it is as a group that is still under way, but for one thing: its numbers are never given again while
 *    this process runs.
 *  - After a write or a flush failed, nothing more is written to that file: systems mark pages
 *    clean after a failed flush, so a second one would lie. The segment is given up, its records
 *    that were not durable go into a new one, once; if that fails too they are refused.
 *  - Numbers are given in the order of the queue, and again if a group fails: a number that was
 *    never acknowledged may be used again, by a segment that begins at or before it; a reader
 *    takes each number from the newest segment that may hold it.
 *  - A name is written before its first and its second use in a segment, so that no damaged frame
 *    costs more than one record; before the first use in a later block, so that a block that is
 *    lost costs the records in it; and once more NAME_COPY_AFTER bytes later, so that a larger hole
 *    never costs the rest of the segment.
 */
#include "journal/spool.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>

#define WRITE_CHUNK     KIB(512)
#define BLOCK           KIB(4) /* what disks and file systems lose at once */
#define NAME_COPY_AFTER KIB(16)
/* Room that one record's names may take: its name, its origin, and the journal's own. */
#define NAMES_ROOM ((uint64_t)FRAME_CONTEXT_MAX + 2 * (FRAME_HEAD_SIZE + FRAME_UUID_SIZE))

static struct journal_entry *entry_of(struct queue_node *n)
{
    return container_of(n, struct journal_entry, node);
}

/* ---- encoding ---- */

static int write_out(struct spool *s)
{
    int rc;

    if (s->buf.n == 0)
        return 0;
    assert(!s->buf.over && s->file_at + s->buf.n <= s->file_size);
    rc = s->disk->ops->write(s->disk, s->file, s->buf.p, s->buf.n, s->file_at);
    if (rc < 0)
        return rc;
    s->counts.written_bytes += s->buf.n;
    s->file_at += s->buf.n;
    buf_clear(&s->buf);
    return 0;
}

/* Everything encoded so far is durable when this returns 0. */
static int flush(struct spool *s)
{
    int rc;

    if (s->file < 0 || s->durable_seq + 1 == s->next_seq)
        return 0;
    rc = write_out(s);
    if (rc == 0)
        rc = s->disk->ops->sync(s->disk, s->file);
    if (rc == 0 && s->dir_dirty)
        rc = s->disk->ops->sync_dir(s->disk);
    if (rc < 0)
        return rc;
    s->dir_dirty = false;
    s->durable_seq = s->lazy_seq = s->next_seq - 1;
    s->mark_committed = true;
    s->counts.flushes++;
    return 0;
}

/* Everything encoded so far is the system's when this returns 0. */
static int hand_over(struct spool *s)
{
    int rc = s->file < 0 ? 0 : write_out(s);

    if (rc < 0 || s->lazy_seq == s->next_seq - 1)
        return rc;
    if (s->lazy_seq == s->durable_seq)
        s->lazy_since_ns = s->disk->ops->mono_ns(s->disk);
    s->lazy_seq = s->next_seq - 1;
    return 0;
}

static uint8_t take_mark(struct spool *s)
{
    uint8_t flags = s->mark_committed ? FRAME_COMMITTED : 0;

    s->mark_committed = false;
    return flags;
}

/* A name is used now: writes it where that is due. */
static uint16_t use_name(struct spool *s, struct name *name, bool for_uuid)
{
    uint64_t at = s->file_at + s->buf.n;

    assert(name); /* a segment is ended before its refs are used up */
    if (name->copies == 4 || (name->copies == 2 && at / BLOCK == name->at / BLOCK) ||
        (name->copies == 3 && at - name->at < NAME_COPY_AFTER))
        return name->ref;
    names_write(&s->buf, s->seed, name, for_uuid, s->next_seq, take_mark(s));
    name->copies++;
    name->at = s->file_at + s->buf.n;
    return name->ref;
}

/* The ref of r's name; defined in this segment before its use, as the two that follow. */
static uint16_t name_ref(struct spool *s, const struct record *r)
{
    struct name *known = names_find(&s->names, r);

    return use_name(s, known ? known : names_add(&s->names, r), false);
}

static uint16_t origin_ref(struct spool *s, const struct record *r)
{
    struct name *known = names_find_uuid(&s->names, &r->origin, r->origin_epoch);

    return use_name(s, known ? known : names_add_uuid(&s->names, &r->origin, r->origin_epoch),
                    true);
}

/* Says where the records without an origin were born. */
static void own_ref(struct spool *s)
{
    if (!s->own)
        s->own = names_add_uuid(&s->names, &s->id.journal, s->origin_epoch);
    (void)use_name(s, s->own, true);
}

static void encode(struct spool *s, struct record *r)
{
    char room[8 + FRAME_GAP_REASON_MAX];
    struct frame f;

    frame_of_record(r, room, &f);
    f.seq = s->next_seq;
    /* In every segment: whose life it is matters for the gaps before it as well. */
    if (!s->own || uuid_eq(&r->origin, &s->id.journal))
        own_ref(s);
    if (!uuid_eq(&r->origin, &s->id.journal)) {
        f.flags |= FRAME_ORIGIN;
        f.origin = origin_ref(s, r);
        f.origin_seq = r->origin_seq;
    }
    if (record_is_data(r))
        f.ref = name_ref(s, r);
    f.flags |= take_mark(s);
    frame_write(&s->buf, s->seed, &f);
    s->rows[s->count - 1].kinds |= 1u << r->kind;
    r->seq = s->next_seq++;
}

/* Room in the segment for one more record of this size, with its names; else a new segment. An
 * error means that the segment being written must not be used any more; *out_refused is set when
 * only no new one can be had. */
static int make_room(struct spool *s, const struct record *r, int *out_refused)
{
    uint64_t need = FRAME_HEAD_SIZE + FRAME_EXTRA_MAX + 8 + r->payload.n + NAMES_ROOM;
    int rc;

    if (s->file >= 0 && s->file_at + s->buf.n + need <= s->file_size &&
        s->names.next + 3 <= NAMES_MAX)
        return 0;
    rc = flush(s);
    if (rc < 0)
        return rc;
    spool_end_segment(s);
    rc = spool_begin_segment(s);
    while (rc == ERR_FULL && s->o.policy[r->kind] == JOURNAL_DROP_OLDEST) {
        if (spool_drop_oldest(s) < 0)
            break;
        rc = spool_begin_segment(s);
    }
    *out_refused = rc;
    return 0;
}

size_t journal_payload_max(uint64_t segment_bytes)
{
    return (size_t)(segment_bytes - SEGMENT_HEADER_SIZE - FRAME_HEAD_SIZE - FRAME_EXTRA_MAX - 8 -
                    NAMES_ROOM);
}

/* What is wrong with a record, before anything is done with it. */
static int check(const struct spool *s, const struct record *r)
{
    size_t room = journal_payload_max(s->o.segment_bytes);
    int rc = record_check(r, s->payload_max < room ? s->payload_max : room);

    if (rc < 0)
        return rc;
    if (uuid_is_zero(&r->origin) ? !record_is_data(r) : r->origin_seq == 0)
        return ERR_VALUE;
    /* What was born here is here already: a batch that came round in a circle. */
    if (uuid_eq(&r->origin, &s->id.journal))
        return ERR_EXISTS;
    return r->kind == RECORD_GAP && r->payload.n > FRAME_GAP_REASON_MAX ? ERR_LIMIT : 0;
}

static int check_entry(const struct spool *s, const struct journal_entry *e)
{
    for (size_t i = 0; i < e->count; i++) {
        int rc = check(s, &e->records[i]);

        if (rc < 0)
            return rc;
    }
    return e->count > 0 ? 0 : ERR_VALUE;
}

/* A record born here is given its identity: the clock of this boot, and its origin. Its origin_seq
 * is 0 until it is durable, so that it can be given another number when a group is repeated. */
static void adopt(struct spool *s, struct record *r)
{
    if (!uuid_is_zero(&r->origin))
        return;
    if (r->uptime_ns == 0 && uuid_is_zero(&r->boot)) {
        r->uptime_ns = s->disk->ops->uptime_ns(s->disk);
        r->boot = s->boot;
    }
    r->origin = s->id.journal;
    r->origin_epoch = s->origin_epoch;
    r->origin_seq = 0;
}

/* ---- a group ---- */

/* Codes while a group is under way. */
enum { GROUP_OPEN = 1 };

static void refuse(struct spool *s, struct journal_entry *e, int code, enum spool_reason why)
{
    e->code = code;
    s->counts.refused[why] += e->count;
}

/* As refuse(), for what was adopted: the caller may hand it in again as it was. */
static void give_back(struct spool *s, struct journal_entry *e, int code)
{
    for (size_t i = 0; i < e->count; i++) {
        struct record *r = &e->records[i];

        if (uuid_eq(&r->origin, &s->id.journal)) {
            r->origin = (struct uuid){ 0 };
            r->origin_epoch = 0;
        }
        r->seq = 0;
    }
    refuse(s, e, code,
           code == ERR_FULL || code == -ENOSPC     ? SPOOL_FULL
           : code == ERR_STALE || code == ERR_BUSY ? SPOOL_INVALID
                                                   : SPOOL_FAILED);
}

/* Encodes the records of e that are not durable yet. As make_room() about errors. */
static int put_entry(struct spool *s, struct journal_entry *e, int *out_refused)
{
    for (size_t i = 0; i < e->count; i++) {
        struct record *r = &e->records[i];
        int rc;

        if (r->seq > 0 && r->seq <= s->durable_seq)
            continue;
        rc = make_room(s, r, out_refused);
        if (rc < 0 || *out_refused < 0)
            return rc;
        adopt(s, r);
        encode(s, r);
        if (s->buf.n >= WRITE_CHUNK) {
            rc = write_out(s);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

/* One try at all entries that are open. An error means that the segment must not be used any
 * more; entries for which there is no room are refused here. */
static int try_group(struct spool *s, struct queue_node *entries)
{
    int full[RECORD_KINDS] = { 0 };
    bool lazy = true;

    for (struct queue_node *n = entries; n; n = n->next) {
        struct journal_entry *e = entry_of(n);
        unsigned kind;
        int rc;

        if (e->code != GROUP_OPEN) {
            if (e->chain)
                e->chain->broken = true;
            continue;
        }
        rc = e->admit ? e->admit(e) : 0;
        if (rc == 0 && e->chain && e->chain->broken)
            rc = ERR_BUSY;
        if (rc < 0) {
            give_back(s, e, rc);
            if (e->chain)
                e->chain->broken = true;
            continue;
        }
        kind = e->records[0].kind;
        /* Full is full for the whole group; asking once per entry would make it slow as well. */
        rc = full[kind] < 0 ? 0 : put_entry(s, e, &full[kind]);
        if (rc < 0)
            return rc;
        if (full[kind] < 0) {
            s->error = full[kind];
            give_back(s, e, full[kind]);
            if (e->chain)
                e->chain->broken = true;
        }
        lazy &= e->lazy || e->code != GROUP_OPEN;
    }
    return lazy ? hand_over(s) : flush(s);
}

static void finish(struct spool *s, struct journal_entry *e, int failed)
{
    uint64_t last;

    if (e->code != GROUP_OPEN)
        return;
    last = e->records[e->count - 1].seq;
    if (last == 0 || last > (e->lazy ? s->lazy_seq : s->durable_seq)) {
        assert(failed < 0);
        give_back(s, e, failed);
        if (e->chain)
            e->chain->broken = true;
        return;
    }
    e->code = 0;
    for (size_t i = 0; i < e->count; i++) {
        struct record *r = &e->records[i];

        if (uuid_eq(&r->origin, &s->id.journal))
            r->origin_seq = r->seq;
        s->counts.records++;
        s->counts.payload_bytes += r->payload.n;
    }
}

/* Once when the disk begins to fail and once when it works again: there may be thousands of groups
 * in between. */
static void tell_failing(struct spool *s, int rc)
{
    if (rc < 0 && !s->failing)
        log_error("journal", "refused records: the disk fails", lf_err("error", rc),
                  lf_u64("seq", s->durable_seq + 1));
    if (rc == 0 && s->failing)
        log_info("journal", "the disk works again", lf_u64("seq", s->durable_seq));
    s->failing = rc < 0;
}

uint64_t spool_flush_lazy(struct spool *s, bool force)
{
    uint64_t due = s->lazy_since_ns + s->o.lazy_flush_ms * 1000000;
    int rc;

    if (s->file < 0 || s->lazy_seq == s->durable_seq)
        return UINT64_MAX;
    if (!force && s->disk->ops->mono_ns(s->disk) < due)
        return due;
    rc = flush(s);
    if (rc < 0) {
        s->counts.failed_flushes++;
        s->error = rc;
        log_error(
            "journal", "flush failed: what was not to be waited for may be lost with the power",
            lf_err("error", rc), lf_u64("from", s->durable_seq + 1), lf_u64("to", s->lazy_seq));
        spool_give_up(s);
    }
    return UINT64_MAX;
}

void spool_commit(struct spool *s, struct queue_node *entries)
{
    int rc;

    s->error = 0;
    for (struct queue_node *n = entries; n; n = n->next) {
        struct journal_entry *e = entry_of(n);

        rc = check_entry(s, e);
        e->code = GROUP_OPEN;
        for (size_t i = 0; i < e->count; i++)
            e->records[i].seq = 0;
        if (rc < 0)
            refuse(s, e, rc, SPOOL_INVALID);
    }
    rc = try_group(s, entries);
    if (rc < 0) {
        s->counts.failed_flushes++;
        if (!s->failing)
            log_error("journal", "flush failed, taking a new segment", lf_err("error", rc),
                      lf_u64("generation", s->id.generation), lf_u64("seq", s->durable_seq + 1));
        spool_give_up(s);
        rc = try_group(s, entries);
    }
    if (rc < 0) {
        s->counts.failed_flushes++;
        s->error = rc;
        spool_give_up(s);
    }
    tell_failing(s, rc);
    for (struct queue_node *n = entries; n; n = n->next)
        finish(s, entry_of(n), rc);
}
