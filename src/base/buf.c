/*
 * A growing buffer with a cap. Growth doubles, so that n bytes cost O(n) however they arrive. The
 * `over` mark is sticky: an encoder writes all of a message and checks once.
 */
#include "base/buf.h"

#include "base/mem.h"

#include <assert.h>
#include <endian.h>
#include <stdarg.h>
#include <stdio.h>

void buf_fini(struct buf *b)
{
    mem_free(b->p);
    *b = buf_init(b->max);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->over = false;
}

char *buf_reserve(struct buf *b, size_t n)
{
    size_t want, cap;

    if (b->over || n > b->max - b->n) {
        b->over = true;
        return NULL;
    }
    want = b->n + n;
    if (want > b->cap) {
        cap = b->cap ? b->cap : 64;
        while (cap < want)
            cap = cap > b->max / 2 ? b->max : cap * 2;
        b->p = mem_resize(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

void buf_commit(struct buf *b, size_t n)
{
    assert(n <= b->cap - b->n);
    b->n += n;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->n);
    b->n -= n;
    if (n > 0 && b->n > 0)
        memmove(b->p, b->p + n, b->n);
}

void buf_put_bytes(struct buf *b, const void *p, size_t n)
{
    char *to;

    if (n == 0)
        return;
    to = buf_reserve(b, n);
    if (!to)
        return;
    memcpy(to, p, n);
    b->n += n;
}

void buf_put(struct buf *b, struct str s)
{
    buf_put_bytes(b, s.p, s.n);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    char small[256], *text = small;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    assert(n >= 0);
    if ((size_t)n >= sizeof(small)) {
        /* Formatted apart, since vsnprintf needs room for a zero that the cap is not for. */
        text = mem_new((size_t)n + 1);
        va_start(ap, fmt);
        vsnprintf(text, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    buf_put_bytes(b, text, (size_t)n);
    if (text != small)
        mem_free(text);
}

void buf_u8(struct buf *b, uint8_t v)
{
    buf_put_bytes(b, &v, 1);
}

void buf_u16(struct buf *b, uint16_t v)
{
    v = htobe16(v);
    buf_put_bytes(b, &v, sizeof(v));
}

void buf_u32(struct buf *b, uint32_t v)
{
    v = htobe32(v);
    buf_put_bytes(b, &v, sizeof(v));
}

void buf_u64(struct buf *b, uint64_t v)
{
    v = htobe64(v);
    buf_put_bytes(b, &v, sizeof(v));
}

void buf_le16(struct buf *b, uint16_t v)
{
    v = htole16(v);
    buf_put_bytes(b, &v, sizeof(v));
}

void buf_le32(struct buf *b, uint32_t v)
{
    v = htole32(v);
    buf_put_bytes(b, &v, sizeof(v));
}

void buf_le64(struct buf *b, uint64_t v)
{
    v = htole64(v);
    buf_put_bytes(b, &v, sizeof(v));
}

const char *buf_cstr(struct buf *b)
{
    if (b->over || b->n == 0)
        return "";
    if (b->n == b->cap) {
        b->p = mem_resize(b->p, b->cap + 1);
        b->cap += 1;
    }
    b->p[b->n] = '\0';
    return b->p;
}
