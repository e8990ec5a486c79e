/*
 * WebSocket frames (RFC 6455), both sides, for the server's connections and for clients.
 *
 * The decoder gathers a head (2 to 14 bytes), then passes the payload on piece by piece, unmasked
 * into the caller's room. Control frames (at most 125 bytes) are gathered whole. Refused with 1002:
 * reserved bits and opcodes, lengths that are not minimal or beyond 63 bits, fragmented or long
 * control frames, a continuation of nothing, a new message inside another, a missing or forbidden
 * mask, close codes that may not be sent, anything after a close. With 1007: text that is not
 * UTF-8, found at its first bad byte. With 1009: a message or a frame beyond its limit, before its payload.
 */
#include "wire/ws.h"

#include "base/buf.h"

#include <assert.h>

void ws_decoder_init(struct ws_decoder *d, enum ws_side side, uint64_t message_max)
{
    *d = (struct ws_decoder){ .side = side, .message_max = message_max };
}

/* ---- UTF-8 across pieces: how many bytes are missing, and what the next may be ---- */
static bool utf8_byte(struct ws_decoder *d, unsigned char c)
{
    if (d->utf8_need > 0) {
        if (c < d->utf8_low || c > d->utf8_high)
            return false;
        d->utf8_low = 0x80;
        d->utf8_high = 0xbf;
        d->utf8_need--;
        return true;
    }
    d->utf8_low = 0x80;
    d->utf8_high = 0xbf;
    if (c < 0x80)
        return true;
    if (c >= 0xc2 && c <= 0xdf)
        d->utf8_need = 1;
    else if (c >= 0xe0 && c <= 0xef)
        d->utf8_need = 2;
    else if (c >= 0xf0 && c <= 0xf4)
        d->utf8_need = 3;
    else
        return false;
    if (c == 0xe0)
        d->utf8_low = 0xa0; /* overlong */
    else if (c == 0xed)
        d->utf8_high = 0x9f; /* surrogates */
    else if (c == 0xf0)
        d->utf8_low = 0x90;
    else if (c == 0xf4)
        d->utf8_high = 0x8f; /* beyond U+10FFFF */
    return true;
}

static bool utf8_piece(struct ws_decoder *d, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint64_t eight;

        while (d->utf8_need == 0 && s.n - i >= 8 &&
               (memcpy(&eight, s.p + i, 8), (eight & 0x8080808080808080u) == 0))
            i += 8;
        if (i < s.n && !utf8_byte(d, (unsigned char)s.p[i]))
            return false;
    }
    return true;
}

/* ---- heads ---- */
static size_t head_size(const struct ws_decoder *d)
{
    size_t n = 2;
    unsigned len = d->head_n > 1 ? d->head[1] & 0x7fu : 0;

    if (d->head_n > 1)
        n += (len == 126 ? 2u : len == 127 ? 8u : 0u) + (d->head[1] & 0x80 ? 4u : 0u);
    return n;
}

/* The payload length, RFC 6455 5.2: in the shortest of its three forms, top bit clear. */
static int read_length(struct ws_decoder *d, struct wire_why *why)
{
    unsigned len = d->head[1] & 0x7fu;
    size_t bytes = len == 126 ? 2 : len == 127 ? 8 : 0;

    d->left = len;
    if (bytes > 0)
        d->left = 0;
    for (size_t i = 0; i < bytes; i++)
        d->left = d->left << 8 | d->head[2 + i];
    if ((bytes == 2 && d->left < 126) || (bytes == 8 && d->left <= UINT16_MAX))
        return wire_refuse(why, 1002, 1, "a frame length that is not in its shortest form");
    if (d->left > INT64_MAX)
        return wire_refuse(why, 1002, 1, "a frame length beyond 63 bits");
    memcpy(d->mask, d->head + 2 + bytes, d->head[1] & 0x80 ? 4 : 0);
    d->mask_at = 0;
    return 0;
}

/* RFC 6455, 5.4 and 5.5. */
static int check_order(struct ws_decoder *d, struct wire_why *why)
{
    bool control = d->opcode >= 8;

    if (control) {
        if (!d->fin)
            return wire_refuse(why, 1002, 0, "a control frame in fragments");
        if (d->left > WS_CONTROL_MAX)
            return wire_refuse(why, 1002, 1, "a control frame of more than 125 bytes");
        d->control_n = 0;
        return 0;
    }
    if (d->opcode == WS_CONT && d->message == 0)
        return wire_refuse(why, 1002, 0, "a continuation of nothing");
    if (d->opcode != WS_CONT && d->message != 0)
        return wire_refuse(why, 1002, 0, "a new message inside another");
    if (d->opcode != WS_CONT) {
        d->message = d->opcode;
        d->message_n = 0;
        d->message_begun = false;
        d->utf8_need = 0;
    }
    if (d->frame_max > 0 && d->left > d->frame_max)
        return wire_refuse(why, 1009, 1, "a frame beyond the limit");
    if (d->message_max > 0 && d->left > d->message_max - d->message_n)
        return wire_refuse(why, 1009, 1, "a message beyond the limit");
    if (__builtin_add_overflow(d->message_n, d->left, &d->message_n))
        return wire_refuse(why, 1009, 1, "a message beyond all limits");
    return 0;
}

static int read_head(struct ws_decoder *d, struct wire_why *why)
{
    bool masked = (d->head[1] & 0x80) != 0;
    int rc;

    if (d->closed)
        return wire_refuse(why, 1002, 0, "a frame after the close frame");
    if (d->head[0] & 0x70)
        return wire_refuse(why, 1002, 0, "a reserved bit is set");
    d->fin = (d->head[0] & 0x80) != 0;
    d->opcode = d->head[0] & 0x0f;
    if (d->opcode > WS_PONG || (d->opcode > WS_BINARY && d->opcode < WS_CLOSE))
        return wire_refuse(why, 1002, 0, "an opcode that does not exist");
    if (masked != (d->side == WS_SERVER))
        return wire_refuse(why, 1002, 1,
                           masked ? "a masked frame from a server"
                                  : "an unmasked frame from a client");
    rc = read_length(d, why);
    if (rc == 0)
        rc = check_order(d, why);
    if (rc == 0) {
        d->in_payload = true;
        d->head_n = 0;
    }
    return rc;
}

/* ---- payload ---- */
static void unmask(struct ws_decoder *d, const char *from, char *to, size_t n)
{
    unsigned char mask[8];
    uint64_t wide, v;
    size_t i = 0;

    for (unsigned k = 0; k < 8; k++)
        mask[k] = d->mask[(d->mask_at + k) & 3];
    memcpy(&wide, mask, 8);
    for (; n - i >= 8; i += 8) {
        memcpy(&v, from + i, 8);
        v ^= wide;
        memcpy(to + i, &v, 8);
    }
    for (size_t k = 0; i < n; i++, k++)
        to[i] = (char)(from[i] ^ mask[k]);
    d->mask_at = (unsigned)((d->mask_at + n) & 3);
}

/* RFC 6455, 5.5.1 and 7.4. */
static int read_close(struct ws_decoder *d, struct ws_event *ev, struct wire_why *why)
{
    ev->kind = WS_EV_CLOSE;
    ev->code = 1005;
    d->closed = true;
    if (d->control_n == 0)
        return 0;
    if (d->control_n == 1)
        return wire_refuse(why, 1002, 0, "a close frame with half a code");
    ev->code = (unsigned)(unsigned char)d->control[0] << 8 | (unsigned char)d->control[1];
    ev->bytes = (struct str){ d->control + 2, d->control_n - 2u };
    if (!ws_close_code_ok(ev->code))
        return wire_refuse(why, 1002, 0, "a close code that may not be sent");
    if (!utf8_valid(ev->bytes))
        return wire_refuse(why, 1007, 0, "a close reason that is not UTF-8");
    return 0;
}

static int end_control(struct ws_decoder *d, struct ws_event *ev, struct wire_why *why)
{
    d->in_payload = false;
    if (d->opcode == WS_CLOSE)
        return read_close(d, ev, why);
    ev->kind = d->opcode == WS_PING ? WS_EV_PING : WS_EV_PONG;
    ev->bytes = (struct str){ d->control, d->control_n };
    return 0;
}

static int end_piece(struct ws_decoder *d, struct str piece, struct ws_event *ev,
                     struct wire_why *why)
{
    ev->kind = WS_EV_DATA;
    ev->bytes = piece;
    ev->text = d->message == WS_TEXT;
    ev->first = !d->message_begun;
    ev->last = d->left == 0 && d->fin;
    if (ev->text && !utf8_piece(d, piece))
        return wire_refuse(why, 1007, 0, "text that is not UTF-8");
    if (ev->text && ev->last && d->utf8_need > 0)
        return wire_refuse(why, 1007, 0, "text that ends inside a character");
    d->message_begun = true;
    if (d->left == 0)
        d->in_payload = false;
    if (ev->last)
        d->message = 0;
    return 0;
}

int ws_decode(struct ws_decoder *d, struct str in, char *room, size_t room_n, struct ws_event *out,
              size_t *out_used, struct wire_why *why)
{
    struct ws_event ev = { 0 };
    size_t at = 0, n;
    int rc = 0;

    assert(room_n > 0);
    while (!d->in_payload && at < in.n) {
        d->head[d->head_n++] = (unsigned char)in.p[at++];
        if (d->head_n >= 2 && d->head_n == head_size(d))
            rc = read_head(d, why);
        if (rc)
            return rc;
    }
    if (!d->in_payload)
        goto out;
    n = in.n - at < d->left ? in.n - at : (size_t)d->left;
    if (d->opcode >= 8) {
        unmask(d, in.p + at, d->control + d->control_n, n);
        d->control_n = (unsigned char)(d->control_n + n);
        d->left -= n;
        at += n;
        if (d->left == 0)
            rc = end_control(d, &ev, why);
        goto out;
    }
    n = n < room_n ? n : room_n;
    unmask(d, in.p + at, room, n);
    d->left -= n;
    at += n;
    if (n > 0 || d->left == 0)
        rc = end_piece(d, (struct str){ room, n }, &ev, why);
out:
    if (rc)
        return rc;
    *out = ev;
    *out_used = at;
    return 0;
}

/* ---- writing ---- */
size_t ws_head(enum ws_opcode op, bool fin, uint64_t n, unsigned char out[WS_HEAD_MAX])
{
    size_t bytes = n < 126 ? 0 : n <= UINT16_MAX ? 2 : 8;

    out[0] = (unsigned char)((fin ? 0x80 : 0) | op);
    out[1] = (unsigned char)(bytes == 0 ? n : bytes == 2 ? 126 : 127);
    for (size_t i = 0; i < bytes; i++)
        out[2 + i] = (unsigned char)(n >> 8 * (bytes - 1 - i));
    return 2 + bytes;
}

void ws_encode(struct buf *out, enum ws_opcode op, bool fin, struct str payload,
               const unsigned char mask[4])
{
    unsigned char head[WS_HEAD_MAX];
    size_t n = ws_head(op, fin, payload.n, head);
    char *to;

    if (!mask) {
        buf_put_bytes(out, head, n);
        buf_put(out, payload);
        return;
    }
    head[1] |= 0x80;
    memcpy(head + n, mask, 4);
    buf_put_bytes(out, head, n + 4);
    to = buf_reserve(out, payload.n);
    if (!to)
        return;
    for (size_t i = 0; i < payload.n; i++)
        to[i] = (char)(payload.p[i] ^ mask[i & 3]);
    buf_commit(out, payload.n);
}

void ws_encode_close(struct buf *out, unsigned code, struct str reason, const unsigned char mask[4])
{
    char body[WS_CONTROL_MAX];
    size_t n = utf8_clip(reason, WS_CONTROL_MAX - 2).n;

    if (code == 0) {
        ws_encode(out, WS_CLOSE, true, STR_NONE, mask);
        return;
    }
    body[0] = (char)(code >> 8);
    body[1] = (char)code;
    if (n > 0)
        memcpy(body + 2, reason.p, n);
    ws_encode(out, WS_CLOSE, true, (struct str){ body, n + 2 }, mask);
}

bool ws_close_code_ok(unsigned code)
{
    /* 1004 is reserved; 1005, 1006 and 1015 are for local use (7.4.1); 1012 to 1014 are
     * registered with IANA. */
    if (code >= 1000 && code <= 1014)
        return code < 1004 || code > 1006;
    return code >= 3000 && code <= 4999;
}
