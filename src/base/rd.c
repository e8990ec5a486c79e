/* The sticky reading cursor; see rd.h. Byte order is made with memcpy and beNtoh only here. */
#include "base/rd.h"

#include <endian.h>

static const uint8_t *take(struct rd *r, size_t n)
{
    const uint8_t *p;

    if (r->bad || n > r->n - r->at) {
        r->bad = true;
        return NULL;
    }
    p = r->p + r->at;
    r->at += n;
    return p;
}

uint8_t rd_u8(struct rd *r)
{
    const uint8_t *p = take(r, 1);

    return p ? *p : 0;
}

#define RD_NUMBER(name, type, convert)                                                             \
    type name(struct rd *r)                                                                        \
    {                                                                                              \
        const uint8_t *p = take(r, sizeof(type));                                                  \
        type v = 0;                                                                                \
                                                                                                   \
        if (p)                                                                                     \
            memcpy(&v, p, sizeof(v));                                                              \
        return convert(v);                                                                         \
    }

RD_NUMBER(rd_u16, uint16_t, be16toh)
RD_NUMBER(rd_u32, uint32_t, be32toh)
RD_NUMBER(rd_u64, uint64_t, be64toh)
RD_NUMBER(rd_le16, uint16_t, le16toh)
RD_NUMBER(rd_le32, uint32_t, le32toh)
RD_NUMBER(rd_le64, uint64_t, le64toh)

struct str rd_bytes(struct rd *r, size_t n)
{
    const uint8_t *p;

    if (n == 0 && !r->bad)
        return (struct str){ (const char *)r->p + (r->p ? r->at : 0), 0 };
    p = take(r, n);
    return p ? (struct str){ (const char *)p, n } : STR_NONE;
}

struct str rd_rest(struct rd *r)
{
    return rd_bytes(r, rd_left(r));
}

void rd_skip(struct rd *r, size_t n)
{
    (void)take(r, n);
}
