#ifndef JOURNAL_NAMES_H
#define JOURNAL_NAMES_H
/*
 * What the refs of one segment or batch mean: names (kind, device, stream, content type, boot) and
 * origins (uuid and epoch). Pure. One table per segment or batch, for writing and reading alike.
 */
#include "base/map.h"
#include "journal/frame.h"

#define NAMES_MAX 65535u /* a ref is a u16, and 0 is none */

struct name {
    struct frame_name is; /* views into key */
    uint16_t ref;
    uint8_t copies; /* writer: how often it stands in this segment */
    uint64_t at;    /* writer: the end of its latest copy in this segment */
    size_t key_n;
    char key[]; /* for origins: the payload of the FRAME_UUID */
};
struct names {
    struct map by_key;
    struct name **by_ref; /* [ref - 1] */
    size_t count;         /* known refs */
    size_t cap;
    size_t next; /* writer: the highest ref so far */
};

void names_init(struct names *n);
void names_fini(struct names *n);
/* The name that a record needs, or NULL. */
struct name *names_find(const struct names *n, const struct record *r);
struct name *names_find_uuid(const struct names *n, const struct uuid *u, uint64_t epoch);
/* Gives it the next ref; NULL when the refs are used up. */
struct name *names_add(struct names *n, const struct record *r);
struct name *names_add_uuid(struct names *n, const struct uuid *u, uint64_t epoch);
/* Reading: what a FRAME_NAME or FRAME_UUID says (copied). ERR_EXISTS: the ref means something else
 * already. ERR_PROTO: not well-formed. */
MUST_USE int names_learn(struct names *n, const struct frame *f, struct wire_why *why);
/* What a ref means, or NULL. */
const struct name *names_get(const struct names *n, uint16_t ref);
/* What the ref of an origin means. ERR_UNKNOWN: nothing is known of it, or it is a name. */
MUST_USE int names_get_uuid(const struct names *n, uint16_t ref, struct uuid *out,
                            uint64_t *out_epoch);
/* The FRAME_NAME (for_uuid false) or FRAME_UUID that defines it, appended to out. */
void names_write(struct buf *out, uint32_t seed, const struct name *name, bool for_uuid,
                 uint64_t seq, uint8_t flags);

#endif
