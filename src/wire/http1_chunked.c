/*
 * The chunked transfer coding (RFC 9112, 7.1), reading and the head of a chunk for writing.
 *
 * The reader is a machine over bytes, so that it can be given any pieces:
 *
 *     SIZE ─► EXT … ─► SIZE_LF ─► DATA ─► DATA_CR ─► DATA_LF ─► SIZE …
 *                         └(size 0)─► TRAILER ─► NAME ─► VALUE ─► VALUE_LF ─► TRAILER … END_LF ─► done
 *
 * Refused: sizes of more than 16 digits, bare LF or CR, white space in the size line, extensions
 * that are not ;name, ;name=token or ;name="quoted", anything behind a chunk's content but CRLF,
 * and extensions and trailers of more than OVERHEAD_MAX bytes in one body: they carry nothing that
 * is used here, so more of them is only a way to keep a server busy.
 */
#include "wire/http1.h"

#include "base/buf.h"

#define OVERHEAD_MAX 8192

enum state {
    SIZE,
    EXT_NAME_FIRST,
    EXT_NAME,
    EXT_VALUE_FIRST,
    EXT_TOKEN,
    EXT_QUOTED,
    EXT_QUOTED_PAIR,
    EXT_QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    NAME,
    VALUE,
    VALUE_LF,
    END_LF,
};

void http1_chunked_init(struct http1_chunked *c)
{
    *c = (struct http1_chunked){ 0 };
}

static bool is_tchar(unsigned char b)
{
    return http1_is_token((struct str){ (const char *)&b, 1 });
}

static int hex_digit(unsigned char b)
{
    if (b >= '0' && b <= '9')
        return b - '0';
    if (b >= 'a' && b <= 'f')
        return b - 'a' + 10;
    if (b >= 'A' && b <= 'F')
        return b - 'A' + 10;
    return -1;
}

/* After the size, a token or a quoted string: another extension or the end of the line. */
static int after_ext(unsigned char b)
{
    return b == ';' ? EXT_NAME_FIRST : b == '\r' ? SIZE_LF : -1;
}

/* One byte of the size line: the next state, or -1. */
static int size_line(struct http1_chunked *c, unsigned char b)
{
    int digit;

    switch ((enum state)c->state) {
    case SIZE:
        digit = hex_digit(b);
        if (digit < 0)
            return c->digits > 0 ? after_ext(b) : -1;
        if (c->digits == 16 || c->left > UINT64_MAX >> 4)
            return -1;
        c->digits++;
        c->left = c->left << 4 | (unsigned)digit;
        return SIZE;
    case EXT_NAME_FIRST:
        return is_tchar(b) ? EXT_NAME : -1;
    case EXT_NAME:
        return is_tchar(b) ? EXT_NAME : b == '=' ? EXT_VALUE_FIRST : after_ext(b);
    case EXT_VALUE_FIRST:
        return b == '"' ? EXT_QUOTED : is_tchar(b) ? EXT_TOKEN : -1;
    case EXT_TOKEN:
        return is_tchar(b) ? EXT_TOKEN : after_ext(b);
    case EXT_QUOTED:
        if (b == '"')
            return EXT_QUOTED_END;
        if (b == '\\')
            return EXT_QUOTED_PAIR;
        return b == '\t' || (b >= 0x20 && b != 0x7f) ? EXT_QUOTED : -1;
    case EXT_QUOTED_PAIR:
        return b == '\t' || (b >= 0x20 && b != 0x7f) ? EXT_QUOTED : -1;
    case EXT_QUOTED_END:
        return after_ext(b);
    case SIZE_LF:
        if (b != '\n')
            return -1;
        return c->left > 0 ? DATA : TRAILER;
    case DATA:
    case DATA_CR:
    case DATA_LF:
    case TRAILER:
    case NAME:
    case VALUE:
    case VALUE_LF:
    case END_LF:
        break;
    }
    return -1;
}

/* One byte behind a chunk's content, or of the trailers. */
static int other_line(struct http1_chunked *c, unsigned char b)
{
    switch ((enum state)c->state) {
    case DATA_CR:
        return b == '\r' ? DATA_LF : -1;
    case DATA_LF:
        c->digits = 0;
        return b == '\n' ? SIZE : -1;
    case TRAILER:
        return b == '\r' ? END_LF : is_tchar(b) ? NAME : -1;
    case NAME:
        return b == ':' ? VALUE : is_tchar(b) ? NAME : -1;
    case VALUE:
        return b == '\r' ? VALUE_LF : b == '\t' || (b >= 0x20 && b != 0x7f) ? VALUE : -1;
    case VALUE_LF:
        return b == '\n' ? TRAILER : -1;
    case END_LF:
        if (b != '\n')
            return -1;
        c->done = true;
        return END_LF;
    case SIZE:
    case EXT_NAME_FIRST:
    case EXT_NAME:
    case EXT_VALUE_FIRST:
    case EXT_TOKEN:
    case EXT_QUOTED:
    case EXT_QUOTED_PAIR:
    case EXT_QUOTED_END:
    case SIZE_LF:
    case DATA:
        break;
    }
    return -1;
}

int http1_chunked_next(struct http1_chunked *c, struct str in, struct str *out_data,
                       size_t *out_used, struct wire_why *why)
{
    size_t at = 0;

    while (at < in.n && !c->done) {
        int next;

        if (c->state == DATA) {
            struct str data = str_sub(in, at, c->left < in.n - at ? (size_t)c->left : in.n - at);

            c->left -= data.n;
            if (c->left == 0)
                c->state = DATA_CR;
            *out_data = data;
            *out_used = at + data.n;
            return 0;
        }
        next = c->state <= SIZE_LF ? size_line(c, (unsigned char)in.p[at])
                                   : other_line(c, (unsigned char)in.p[at]);
        if (next < 0)
            return wire_refuse(why, 400, at, "the chunked body is malformed");
        /* Digits and line ends of a chunk are counted by nobody: they come with content. */
        if ((c->state >= EXT_NAME_FIRST && c->state <= EXT_QUOTED_END) || c->state >= TRAILER)
            if (++c->overhead > OVERHEAD_MAX)
                return wire_refuse(why, 431, at, "chunk extensions and trailers are too long");
        c->state = (unsigned char)next;
        at++;
    }
    *out_data = STR_NONE;
    *out_used = at;
    return 0;
}

size_t http1_chunk_head(size_t n, char out[HTTP1_CHUNK_HEAD_MAX])
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 1;

    for (size_t v = n; v >= 16; v >>= 4)
        len++;
    for (size_t i = len; i-- > 0; n >>= 4)
        out[i] = digits[n & 15];
    out[len] = '\r';
    out[len + 1] = '\n';
    return len + 2;
}
