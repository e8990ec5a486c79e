#ifndef HTTP_WS_SERVER_H
#define HTTP_WS_SERVER_H
/*
 * A WebSocket connection after its upgrade (RFC 6455). Its functions mirror those of
 * net/stream.h, so that a protocol can run over either. All on the connection's loop.
 */
#include "base/blob.h"
#include "base/str.h"
#include "net/stream.h"

struct ws;
struct loop;
struct addr;
struct identity;
struct http_request;

struct ws_handler {
    /* Routes with WS_STREAM: payload bytes of data frames as they come, frame borders ignored.
     * Returns how many were used; the rest is kept (up to read_max, beyond that the connection
     * closes with 1009) and comes again in front of what arrives next, or by ws_again(). One frame may
     * be as long as limits.ws_message_max_bytes and read_max together. */
    size_t (*data)(void *ctx, struct ws *w, struct str bytes);
    /* Other routes: one whole message, up to limits.ws_message_max_bytes. Text is valid UTF-8. */
    void (*message)(void *ctx, struct ws *w, bool text, struct str bytes);
    /* What waits fell below the low-water mark after ws_send had returned false. May be NULL. */
    void (*drained)(void *ctx, struct ws *w);
    /* The last call; w is freed when it returns. code: 0 closed by us, ERR_CLOSED by the peer,
     * else why. Never called from inside another ws_ function. */
    void (*closed)(void *ctx, struct ws *w, int code);
};

enum ws_route_flags {
    WS_STREAM = 1,            /* handler.data instead of handler.message; binary frames only */
    WS_PROTOCOL_REQUIRED = 2, /* a client that offers none of the protocols gets 400 */
};
struct ws_route {
    const char *protocols; /* "mqtt, mqttv3.1": ours, best first; NULL: none is negotiated */
    unsigned flags;
    unsigned ping_ms; /* a ping after that long without a byte, the end after twice; 0: none */
    /* The upgrade was answered. Must ws_set() or ws_close(). r lives during the call only; ctx is
     * the mount's. */
    void (*opened)(void *ctx, struct ws *w, struct http_request *r);
};

void ws_set(struct ws *w, const struct ws_handler *h, void *ctx, size_t read_max);
void ws_set_read_max(struct ws *w, size_t read_max);
void ws_set_marks(struct ws *w, size_t high, size_t low, size_t send_max);
/* One message in one frame. False when more waits than the high-water mark (it is queued all the
 * same): stop until drained(). */
bool ws_send_binary(struct ws *w, struct str bytes);
bool ws_send_text(struct ws *w, struct str utf8);
/* A binary message of a head (copied; may be empty) and bytes [from, from + n) of a payload by
 * reference. */
bool ws_send_blob(struct ws *w, struct str head, struct blob *b, size_t from, size_t n);
size_t ws_pending(const struct ws *w);
void ws_pause(struct ws *w);
void ws_resume(struct ws *w);
void ws_again(struct ws *w);
/* Close handshake with an RFC 6455 7.4 code (1000, 1001, 1008 …) after what waits was sent; waits
 * for the peer's close for at most 2 s. err is given to closed(). Idempotent. */
void ws_close(struct ws *w, unsigned ws_code, int err);
/* Drops what waits and cuts the connection. */
void ws_abort(struct ws *w, int err);
bool ws_is_closing(const struct ws *w);

/* The negotiated subprotocol, or empty. */
struct str ws_protocol(const struct ws *w);
struct loop *ws_loop(const struct ws *w);
const struct addr *ws_peer(const struct ws *w);
const struct addr *ws_local(const struct ws *w);
bool ws_is_tls(const struct ws *w);
/* As stream_cert_name(). */
MUST_USE int ws_cert_name(const struct ws *w, enum cert_name which, struct buf *out);
const struct identity *ws_identity(const struct ws *w);
void ws_set_user_timeout(struct ws *w, unsigned ms);

#endif
