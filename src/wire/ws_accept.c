/*
 * The handshake key of RFC 6455, 4.2.2: base64(SHA-1(key + GUID)). SHA-1 (RFC 3174) proves only
 * that the other side speaks WebSocket and protects nothing, so forty lines of it here are better
 * than a cryptographic library below wire/.
 */
#include "wire/ws.h"

static uint32_t rotate(uint32_t v, unsigned by)
{
    return v << by | v >> (32 - by);
}

static void sha1_block(uint32_t h[5], const unsigned char block[64])
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

    for (unsigned i = 0; i < 16; i++)
        w[i] = (uint32_t)block[i * 4] << 24 | (uint32_t)block[i * 4 + 1] << 16 |
               (uint32_t)block[i * 4 + 2] << 8 | block[i * 4 + 3];
    for (unsigned i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t f, k, t;

        if (i < 20) {
            f = (b & c) | (~b & d);
            k = 0x5a827999;
        } else if (i < 40) {
            f = b ^ c ^ d;
            k = 0x6ed9eba1;
        } else if (i < 60) {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        } else {
            f = b ^ c ^ d;
            k = 0xca62c1d6;
        }
        t = rotate(a, 5) + f + e + k + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = t;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

/* Of at most 119 bytes: two blocks, which a 24-byte key and the GUID fill. */
static void sha1(struct str s, unsigned char out[20])
{
    uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
    unsigned char blocks[128] = { 0 };
    size_t end = s.n < 56 ? 64 : 128;

    memcpy(blocks, s.p, s.n);
    blocks[s.n] = 0x80;
    blocks[end - 2] = (unsigned char)(s.n * 8 >> 8);
    blocks[end - 1] = (unsigned char)(s.n * 8);
    for (size_t at = 0; at < end; at += 64)
        sha1_block(h, blocks + at);
    for (unsigned i = 0; i < 20; i++)
        out[i] = (unsigned char)(h[i / 4] >> (24 - i % 4 * 8));
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool ws_key_ok(struct str key)
{
    if (key.n != 24 || !str_ends(key, STR("==")))
        return false;
    for (size_t i = 0; i < 22; i++)
        if (key.p[i] == '\0' || !strchr(base64, key.p[i]))
            return false;
    /* The last character carries 2 bits; others set would be a second spelling of the key. */
    return strchr("AQgw", key.p[21]) != NULL;
}

void ws_accept(struct str key, char out[WS_ACCEPT_LEN + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[24 + 36];
    unsigned char digest[21] = { 0 };
    size_t n = key.n < 24 ? key.n : 24;

    memcpy(text, key.p, n);
    memcpy(text + n, guid, 36);
    sha1((struct str){ text, n + 36 }, digest);
    for (unsigned i = 0; i < 7; i++) {
        uint32_t v =
            (uint32_t)digest[i * 3] << 16 | (uint32_t)digest[i * 3 + 1] << 8 | digest[i * 3 + 2];

        for (unsigned k = 0; k < 4; k++)
            out[i * 4 + k] = base64[v >> (18 - 6 * k) & 63];
    }
    out[27] = '='; /* 20 bytes: the last group has two */
    out[28] = '\0';
}
