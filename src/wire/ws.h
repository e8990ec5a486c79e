#ifndef WIRE_WS_H
#define WIRE_WS_H
/*
 * WebSocket frames (RFC 6455). Pure. The decoder gives payload as it comes, so that a large
 * message needs no memory here. wire_why.code is the close code to send (1002, 1007, 1009).
 */
#include "base/str.h"
#include "wire/why.h"

struct buf;

enum ws_opcode { WS_CONT = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };
enum ws_side { WS_SERVER, WS_CLIENT };

#define WS_CONTROL_MAX 125
#define WS_HEAD_MAX    14

enum ws_event_kind {
    WS_EV_NONE, /* only progress was made */
    WS_EV_DATA, /* a piece of a text or binary message (may be empty at its end) */
    WS_EV_PING, /* bytes are to be sent back in a pong */
    WS_EV_PONG,
    WS_EV_CLOSE, /* nothing may follow */
};
struct ws_event {
    enum ws_event_kind kind;
    struct str bytes; /* close: the reason */
    bool text;        /* data */
    bool first, last; /* data: begins, ends a message */
    unsigned code;    /* close: 1005 when the frame had none */
};

struct ws_decoder {
    enum ws_side side;    /* which side we are: a server demands masks, a client refuses them */
    uint64_t message_max; /* 0: no limit */
    uint64_t frame_max;   /* of one data frame; set at any time; 0: no limit of its own */
    unsigned char head[WS_HEAD_MAX], head_n;
    bool in_payload, closed;
    unsigned char opcode;  /* of the frame */
    unsigned char message; /* opcode of the message in progress, 0: none */
    bool fin, message_begun;
    unsigned char mask[4];
    unsigned mask_at;
    uint64_t left;      /* of the frame's payload */
    uint64_t message_n; /* of the message so far, with this frame */
    unsigned char utf8_need, utf8_low, utf8_high;
    unsigned char control_n;
    char control[WS_CONTROL_MAX];
};

void ws_decoder_init(struct ws_decoder *d, enum ws_side side, uint64_t message_max);
/* Takes some of `in` (*out_used bytes) and gives at most one event. Payload is unmasked into room
 * (room_n >= 1 bytes), where out->bytes of data points; of control frames it points into *d.
 * 0: call again with the rest while there is any. ERR_PROTO: refused. */
MUST_USE int ws_decode(struct ws_decoder *d, struct str in, char *room, size_t room_n,
                       struct ws_event *out, size_t *out_used, struct wire_why *why);

/* The head of an unmasked frame of n payload bytes into out; returns its length. */
size_t ws_head(enum ws_opcode op, bool fin, uint64_t n, unsigned char out[WS_HEAD_MAX]);
/* A whole frame; mask NULL: unmasked (servers), else 4 random bytes (clients). */
void ws_encode(struct buf *out, enum ws_opcode op, bool fin, struct str payload,
               const unsigned char mask[4]);
/* A close frame; code 0: without a body. The reason is cut at 123 bytes. */
void ws_encode_close(struct buf *out, unsigned code, struct str reason,
                     const unsigned char mask[4]);
/* May this code be in a close frame? (7.4) */
bool ws_close_code_ok(unsigned code);

/* Sec-WebSocket-Key: 16 bytes in base64. */
bool ws_key_ok(struct str key);
#define WS_ACCEPT_LEN 28
/* Sec-WebSocket-Accept for a key. Always terminated. */
void ws_accept(struct str key, char out[WS_ACCEPT_LEN + 1]);

#endif
