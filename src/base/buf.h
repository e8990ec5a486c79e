#ifndef BASE_BUF_H
#define BASE_BUF_H
/*
 * Bytes that we own and that grow up to a cap fixed at creation. Passing the cap does not fail
 * at each call: it marks the buffer `over`, adds nothing more, and is checked once at the end
 * (as rd does for reading). Not thread-safe.
 */
#include "base/str.h"

struct buf {
    char *p;
    size_t n, cap, max;
    bool over; /* something did not fit below max; the content is then incomplete */
};

/* An empty buffer that may grow to max bytes. Nothing is allocated yet. */
static inline struct buf buf_init(size_t max)
{
    return (struct buf){ NULL, 0, 0, max, false };
}
/* Frees the bytes; the buffer is empty and usable again with the same max. */
void buf_fini(struct buf *b);
/* Empties, keeps the memory, clears `over`. */
void buf_clear(struct buf *b);
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){ b->p, b->n };
}
/* 0, or ERR_LIMIT when something did not fit. */
static inline int buf_check(const struct buf *b)
{
    return b->over ? ERR_LIMIT : 0;
}

/* Room for n more bytes at the end: their address, or NULL (and over) beyond max. The length
 * does not change until buf_commit(b, n). */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
/* Drops n bytes (n <= b->n) from the front; moves the rest. */
void buf_consume(struct buf *b, size_t n);

void buf_put(struct buf *b, struct str s);
void buf_put_bytes(struct buf *b, const void *p, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_u8(struct buf *b, uint8_t v);
/* Network byte order. */
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
/* Little-endian (the journal's order). */
void buf_le16(struct buf *b, uint16_t v);
void buf_le32(struct buf *b, uint32_t v);
void buf_le64(struct buf *b, uint64_t v);
/* A terminating zero behind the content, not counted in n. Returns p ("" when over or empty). */
const char *buf_cstr(struct buf *b);

#endif
