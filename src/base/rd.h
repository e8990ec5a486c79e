#ifndef BASE_RD_H
#define BASE_RD_H
/*
 * The reading cursor: a read past the end gives zeros and marks the cursor bad for good, so the
 * fields of a message follow one another and the check is made once. Never reads outside.
 */
#include "base/str.h"

struct rd {
    const uint8_t *p;
    size_t n, at;
    bool bad;
};

static inline struct rd rd_init(struct str s)
{
    return (struct rd){ (const uint8_t *)s.p, s.n, 0, false };
}
static inline size_t rd_left(const struct rd *r)
{
    return r->bad ? 0 : r->n - r->at;
}
uint8_t rd_u8(struct rd *r);
/* Network byte order. */
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
/* Little-endian. */
uint16_t rd_le16(struct rd *r);
uint32_t rd_le32(struct rd *r);
uint64_t rd_le64(struct rd *r);
/* The next n bytes as a view; {NULL, 0} and bad when there are fewer. */
struct str rd_bytes(struct rd *r, size_t n);
/* All that is left (may be empty). */
struct str rd_rest(struct rd *r);
void rd_skip(struct rd *r, size_t n);

#endif
