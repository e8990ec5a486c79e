/*
 * The layout of a segment and the scanner that every reader of segments stands on: the start of a
 * journal, the sinks, `journal verify`.
 *
 * Header, little-endian: magic "wayside\n" | version u32 | size u32 | generation u64 | journal uuid
 * 16 | key u64 | boot uuid 16 | first seq u64 | created i64 | before_kinds u32 | zero u32 |
 * lives (epoch u64, before u64) × 24, newest first | zeros | crc u32 in the last four bytes of the
 * sector.
 *
 * After a bad frame the next whole one is searched, byte by byte: its own length is not believed,
 * since it may be what was hit, and would then skip what follows. All frames are tied to this
 * segment by the seed, so neither the bytes of an earlier use of the file nor those of another
 * segment are ever taken; nor can a device hide a frame of its making in a payload and have it
 * found there: the key in the seed is known to nobody outside the machine.
 *
 * A search must not cost more than reading: a payload could be full of magics with large lengths.
 * When checksums of candidates have cost SEARCH_BYTES, only short candidates are tried.
 */
#include "journal/segment.h"

#include "base/crc32c.h"
#include "base/limits.h"
#include "base/rd.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>

#define MAGIC        STR("wayside\n")
#define SEARCH_BYTES MIB(64)
#define SEARCH_SHORT KIB(4)

static struct segment_id read_id(struct rd *r)
{
    struct segment_id id = { 0 };
    struct str uuid;

    id.generation = rd_le64(r);
    uuid = rd_bytes(r, sizeof(id.journal.b));
    if (uuid.p)
        memcpy(id.journal.b, uuid.p, uuid.n);
    id.key = rd_le64(r);
    return id;
}

int segment_read_header(struct str in, struct segment_header *out, struct wire_why *why)
{
    struct rd r = rd_init(in), end = rd_init(str_skip(in, SEGMENT_HEADER_SIZE - 4));
    struct segment_header h = { 0 };
    struct str magic = rd_bytes(&r, 8), boot;
    uint32_t version = rd_le32(&r);

    h.size = rd_le32(&r);
    h.id = read_id(&r);
    boot = rd_bytes(&r, sizeof(h.boot.b));
    h.first_seq = rd_le64(&r);
    h.created_ns = (int64_t)rd_le64(&r);
    h.before_kinds = rd_le32(&r);
    rd_skip(&r, 4);
    lives_read(&r, &h.lives);
    if (r.bad || in.n < SEGMENT_HEADER_SIZE || !str_eq(magic, MAGIC) ||
        rd_le32(&end) != crc32c(0, str_sub(in, 0, SEGMENT_HEADER_SIZE - 4))) {
        wire_refuse(why, ERR_CORRUPT, 0, "no header of a segment, or damaged");
        return ERR_CORRUPT;
    }
    if (version != SEGMENT_VERSION) {
        wire_refuse(why, ERR_VERSION, 8, "written by another version");
        return ERR_VERSION;
    }
    memcpy(h.boot.b, boot.p, boot.n);
    *out = h;
    return 0;
}

void segment_write_header(struct buf *out, const struct segment_header *h)
{
    static const char zeros[SEGMENT_HEADER_SIZE];
    size_t start = out->n;

    if (!buf_reserve(out, SEGMENT_HEADER_SIZE))
        return;
    buf_put(out, MAGIC);
    buf_le32(out, SEGMENT_VERSION);
    buf_le32(out, h->size);
    buf_le64(out, h->id.generation);
    buf_put_bytes(out, h->id.journal.b, sizeof(h->id.journal.b));
    buf_le64(out, h->id.key);
    buf_put_bytes(out, h->boot.b, sizeof(h->boot.b));
    buf_le64(out, h->first_seq);
    buf_le64(out, (uint64_t)h->created_ns);
    buf_le32(out, h->before_kinds);
    buf_le32(out, 0);
    lives_write(out, &h->lives);
    buf_put_bytes(out, zeros, SEGMENT_HEADER_SIZE - 4 - (out->n - start));
    buf_le32(out, crc32c(0, str_from(out->p + start, SEGMENT_HEADER_SIZE - 4)));
}

uint32_t segment_seed(const struct segment_id *id)
{
    uint64_t words[2] = { htole64(id->key), htole64(id->generation) };

    return crc32c(crc32c(0, str_from(id->journal.b, sizeof(id->journal.b))),
                  str_from(words, sizeof(words)));
}

char *segment_name(uint64_t generation, char out[SEGMENT_NAME_LEN + 1])
{
    snprintf(out, SEGMENT_NAME_LEN + 1, "%016llx.seg", (unsigned long long)generation);
    return out;
}

int segment_parse_name(struct str name, uint64_t *out_generation)
{
    char again[SEGMENT_NAME_LEN + 1];
    uint64_t generation;

    if (name.n != SEGMENT_NAME_LEN || str_to_hex(str_sub(name, 0, 16), &generation) < 0)
        return ERR_SYNTAX;
    /* One spelling only: no upper-case digits. */
    if (!str_eq(name, str_of(segment_name(generation, again))))
        return ERR_SYNTAX;
    *out_generation = generation;
    return 0;
}

void segment_scan_init(struct segment_scan *s, const struct segment_id *id, uint64_t first_seq)
{
    *s = (struct segment_scan){ 0 };
    names_init(&s->names);
    s->seed = segment_seed(id);
    s->journal = id->journal;
    s->at = s->valid_end = s->committed_at = SEGMENT_HEADER_SIZE;
    s->next_seq = first_seq;
}

void segment_scan_fini(struct segment_scan *s)
{
    names_fini(&s->names);
}

/* A whole frame of this segment at the start of in, as frame_read() says. */
static int whole_frame(struct segment_scan *s, struct str in, struct frame *out, size_t *out_used)
{
    int rc = frame_read(in, s->seed, out, out_used, NULL);

    /* Behind the largest number there is none: a frame that claims it is not ours, and counting on
     * from it would begin anew at 0. */
    if (rc == 0 && (out->seq < s->next_seq || out->seq == UINT64_MAX))
        return ERR_PROTO;
    return rc;
}

/* The length that the head at `in` claims, head included. */
static size_t claimed(struct str in)
{
    struct rd r = rd_init(str_skip(in, 4));

    return FRAME_HEAD_SIZE + rd_le32(&r);
}

/* Is there a whole frame at `in`, while searching? ERR_MORE: cannot be said with so few bytes. */
static int candidate(struct segment_scan *s, struct str in, bool whole)
{
    struct frame f;
    size_t used = 0, n;
    int rc;

    if (in.n < FRAME_HEAD_SIZE)
        return whole ? ERR_PROTO : ERR_MORE;
    if (!frame_plausible(in))
        return ERR_PROTO;
    n = claimed(in);
    if (s->search_bytes > SEARCH_BYTES && n > SEARCH_SHORT)
        return ERR_PROTO;
    rc = whole_frame(s, in, &f, &used);
    if (rc == ERR_MORE)
        return whole ? ERR_PROTO : ERR_MORE;
    s->search_bytes += n;
    return rc;
}

/* Moves s->at to the next whole frame in the bytes `in` (from s->at on). 0; ERR_MORE: none is in
 * them. */
static int search(struct segment_scan *s, struct str in, bool whole)
{
    size_t at = 0;

    for (;;) {
        int rc;

        at = frame_search(in, at);
        if (at == in.n)
            break;
        rc = candidate(s, str_skip(in, at), whole);
        if (rc == 0 || rc == ERR_MORE) {
            s->at += at;
            return rc;
        }
        at++;
    }
    /* The last three bytes may be the beginning of a magic. */
    s->at += whole ? in.n : in.n - (in.n < 3 ? in.n : 3);
    return ERR_MORE;
}

/* Damage starts at s->at. */
static int search_from_damage(struct segment_scan *s, struct str in, bool whole)
{
    s->searching = true;
    s->damage_at = s->at;
    if (in.n == 0)
        return ERR_MORE;
    s->at++;
    return search(s, str_skip(in, 1), whole);
}

/* A whole frame is at s->at: damage before it, if any, is over. */
static void found(struct segment_scan *s)
{
    if (!s->searching)
        return;
    s->searching = false;
    s->damages++;
    s->damaged_bytes += s->at - s->damage_at;
    s->unsure++;
}

/* Turns a frame into a record. ERR_UNKNOWN: its name or origin was not seen. */
static int resolve(const struct segment_scan *s, const struct frame *f, struct record *out)
{
    struct record r;

    frame_to_record(f, &r);
    r.origin = s->journal;
    r.origin_epoch = s->epoch;
    if ((f->flags & FRAME_ORIGIN) &&
        names_get_uuid(&s->names, f->origin, &r.origin, &r.origin_epoch) < 0)
        return ERR_UNKNOWN;
    if (!(f->flags & FRAME_ORIGIN) && s->epoch == 0)
        return ERR_UNKNOWN;
    if (f->type == FRAME_RECORD) {
        const struct name *name = names_get(&s->names, f->ref);

        if (!name || !name->is.kind)
            return ERR_UNKNOWN;
        r.kind = name->is.kind;
        r.device = name->is.device;
        r.stream = name->is.stream;
        r.content_type = name->is.content_type;
        r.boot = name->is.boot;
    }
    *out = r;
    return 0;
}

/* A name or an origin; the origin of this journal itself is that of all records without one. */
static void learn(struct segment_scan *s, const struct frame *f)
{
    struct uuid u;
    uint64_t epoch;

    if (names_learn(&s->names, f, NULL) < 0) {
        s->damages++;
        return;
    }
    if (f->type == FRAME_UUID && frame_read_uuid(f->payload, &u, &epoch) == 0 &&
        uuid_eq(&u, &s->journal) && epoch != 0)
        s->epoch = epoch;
}

static void count(struct segment_scan *s, const struct record *r)
{
    if (s->first_seq == 0)
        s->first_seq = r->seq;
    s->last_seq = r->seq;
    s->next_seq = r->seq + 1;
    s->kinds |= 1u << r->kind;
    s->payload_bytes += r->payload.n;
    if (r->kind == RECORD_GAP)
        s->gaps++;
    if (record_is_data(r))
        s->records++;
}

int segment_scan_next(struct segment_scan *s, struct str in, bool whole, struct record *out)
{
    const uint64_t start = s->at;
    struct frame f;
    size_t used = 0;
    int rc;

    for (;;) {
        struct str left = str_skip(in, (size_t)(s->at - start));

        if (s->searching) {
            rc = search(s, left, whole);
            if (rc < 0)
                return rc;
            left = str_skip(in, (size_t)(s->at - start));
        }
        rc = whole_frame(s, left, &f, &used);
        if (rc == ERR_MORE && !whole)
            return rc;
        if (rc < 0) {
            rc = search_from_damage(s, left, whole);
            if (rc < 0)
                return rc;
            continue;
        }
        found(s);
        if (f.flags & FRAME_COMMITTED) {
            s->committed_at = s->at;
            s->unsure = 0;
        }
        if (frame_is_record(f.type)) {
            rc = resolve(s, &f, out);
            if (rc < 0)
                return rc;
            count(s, out);
        } else {
            learn(s, &f);
        }
        s->at += used;
        s->valid_end = s->at;
        if (frame_is_record(f.type))
            return 0;
    }
}

void segment_scan_pass(struct segment_scan *s, struct str in)
{
    struct frame f;
    size_t used = 0;

    if (whole_frame(s, in, &f, &used) < 0)
        return;
    s->unnamed++;
    s->next_seq = f.seq + 1;
    s->last_seq = f.seq;
    s->at += used;
    s->valid_end = s->at;
}

size_t segment_learn(struct segment_scan *s, struct str in, bool whole)
{
    size_t at = 0;

    for (;;) {
        struct str left = str_skip(in, at);
        struct frame f;
        size_t used = 0;
        int rc = frame_read(left, s->seed, &f, &used, NULL);

        if (rc == 0) {
            if (f.type == FRAME_NAME || f.type == FRAME_UUID)
                learn(s, &f);
            at += used;
            continue;
        }
        if (rc == ERR_MORE && !whole)
            return at;
        if (left.n == 0)
            return in.n;
        at = frame_search(in, at + 1);
        if (at == in.n)
            return in.n;
    }
}
