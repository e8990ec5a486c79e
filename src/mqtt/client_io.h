#ifndef MQTT_CLIENT_IO_H
#define MQTT_CLIENT_IO_H
/*
 * An MQTT client (3.1.1 and 5) on one loop: connects, stays connected, subscribes again after
 * each connection, publishes QoS 0, 1 and 2 within a window, and notices a dead path. Everything is
 * called on the loop's thread, and every callback comes there.
 *
 *     struct mqtt_client_options o = { .host = "hub", .port = 1883, .client_id = STR("edge-1"),
 *                                      .handler = &handler, .ctx = me };
 *     struct mqtt_client *c = mqtt_client_open(loop, &o);
 *     mqtt_client_subscribe(c, STR("wayside/edge-1/command/#"), 1);
 *     rc = mqtt_client_publish(c, &(struct mqtt_client_message){ .topic = …, .qos = 1,
 *                                   .payload = …, .done = acked, .done_ctx = batch });
 */
#include "base/blob.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "net/loop.h"
#include "resil/backoff.h"
#include "wire/mqtt.h"

struct mqtt_client;
struct stream;
struct tls_context;

/* What arrives. Views are valid during the call. */
struct mqtt_client_delivery {
    struct str topic, payload;
    uint8_t qos;
    bool retain, dup;
    const struct mqtt_props *props; /* never NULL; empty under 3.1.1 */
};

struct mqtt_client_handler {
    /* A session with the server stands; session_present: the server kept the old one. Whoever
     * publishes may do so from here. May be NULL. */
    void (*connected)(void *ctx, bool session_present);
    /* A session or an attempt ended; the next attempt is under way after retry_ms. code: -errno,
     * ERR_CLOSED, ERR_REFUSED (CONNACK or DISCONNECT refused us: reason says how), ERR_PROTO,
     * ERR_VERSION, -ETIMEDOUT … reason: MQTT 5 reason code or 3.1.1 return code, or 0. text: for
     * logs, valid during the call. May be NULL. */
    void (*disconnected)(void *ctx, int code, unsigned reason, struct str text, unsigned retry_ms);
    /* A message. QoS 1 and 2 are acknowledged when this returns; one of QoS 2 comes once. May be NULL. */
    void (*message)(void *ctx, const struct mqtt_client_delivery *m);
    /* There is room again after a publish had got ERR_FULL. May be NULL. */
    void (*ready)(void *ctx);
    /* The server has answered a subscription: code is the granted QoS, or >= 0x80. May be NULL. */
    void (*subscribed)(void *ctx, struct str filter, unsigned code);
    /* The answer to mqtt_client_ping(). May be NULL. */
    void (*ponged)(void *ctx);
    /* Set by whoever hands on between two servers and leaves the state to them: PUBLISH, PUBACK, PUBREC,
     * PUBREL and PUBCOMP come here as they are, nothing of them is answered or remembered, and what goes
     * out goes by mqtt_client_relay(); message() does not come. Packet ids from CLIENT_SUB_ID on
     * (mqtt/client.h) are the client's. */
    void (*relayed)(void *ctx, const struct mqtt_packet *p);
    /* With relayed, under 3.1.1: a PUBLISH was longer than packet_max_bytes and is gone. p has its QoS and
     * packet id, and nothing else; whoever sent it waits for the answer. */
    void (*skipped)(void *ctx, const struct mqtt_publish *p);
};

struct mqtt_client_options {
    const char *host; /* name, address or "unix:/path"; copied, as all strings here */
    uint16_t port;
    struct tls_context *tls;   /* NULL: plain; borrowed */
    const char *server_name;   /* for TLS; NULL: host */
    enum mqtt_version version; /* 0: MQTT_V5. There is no falling back by itself */
    struct str client_id; /* may be empty: the server picks one (under 3.1.1 with clean start) */
    struct str username;  /* n 0: none */
    struct str password;  /* n 0: none; never logged */
    bool has_will;
    struct mqtt_will will; /* of its properties only will delay is sent */
    bool keep_session;     /* clean start is false and the server keeps the session when we go */
    uint32_t session_expiry_s; /* MQTT 5, with keep_session; 0: a day */
    bool bridge;               /* 3.1.1: says so, see struct mqtt_connect */
    uint16_t
        receive_max; /* MQTT 5: how many unacknowledged messages the server may send; 0: the most */
    const char *alpn; /* for TLS; NULL: none */
    /* Connects by itself: an open stream without a protocol, or NULL with *out_code set. NULL: host and port. */
    struct stream *(*dial)(void *ctx, struct loop *l, int *out_code);
    bool quiet; /* nothing of its sessions is logged */
    /* Publications of QoS 1 and 2 without an acknowledgement when the connection ends are normally
     * reported as failed (ERR_CLOSED); with this they are kept and sent again. */
    bool resend;
    unsigned connect_timeout_ms; /* for connection, TLS and CONNACK each; 0: 10 s */
    unsigned keep_alive_s;       /* what the server is told; 0: 60 */
    /* The path is taken for dead when nothing arrives for ping_after_ms and then, PINGREQ sent,
     * for ping_timeout_ms either. 0: half the keep-alive, and 10 s. */
    unsigned ping_after_ms, ping_timeout_ms;
    unsigned user_timeout_ms; /* TCP_USER_TIMEOUT; 0: the system's */
    unsigned inflight_max;    /* QoS 1 and 2 publications on their way at most; 0: 100. The server's
                                     Receive Maximum may make it less */
    size_t packet_max_bytes;  /* largest packet from the server; 0: 1 MiB. What is longer ends the
                               * connection, but see handler.skipped */
    struct backoff_rules backoff; /* first_ms 0: BACKOFF_UPLINK */
    struct metrics *metrics;      /* may be NULL */
    const char *metrics_name;     /* label client="…" of the metrics; constant; NULL: "client" */
    const struct mqtt_client_handler *handler;
    void *ctx;
};

/* Starts connecting at once, and again for ever. Callbacks come later, never from inside. */
struct mqtt_client *mqtt_client_open(struct loop *l, const struct mqtt_client_options *o);
/* Sends DISCONNECT and what waits, closes and frees. Publications that are not acknowledged get
 * done(ERR_STOPPED) before closed() comes; no other callback does. closed may be NULL. */
void mqtt_client_close(struct mqtt_client *m, void (*closed)(void *ctx), void *ctx);

bool mqtt_client_is_connected(const struct mqtt_client *m);
/* Of QoS 1 and 2, without an acknowledgement. */
unsigned mqtt_client_inflight(const struct mqtt_client *m);
/* How many more publications of QoS 1 or 2 would be taken now; 0 when not connected. */
unsigned mqtt_client_room(const struct mqtt_client *m);
/* Ends the present connection, as if the path had died, and tries again. For a changed network. */
void mqtt_client_reconnect(struct mqtt_client *m);

struct mqtt_client_message {
    struct str topic;   /* a topic name */
    struct str payload; /* copied; ignored when blob is set */
    struct blob *blob;  /* by reference instead; borrowed, a reference is taken when needed */
    uint8_t qos;        /* 0 to 2 */
    bool retain;
    struct str props; /* MQTT 5: encoded properties (mqtt_props_put_…); ignored under 3.1.1 */
    /* QoS 1 and 2 only. Once, never from inside publish: code 0 the server has it; ERR_CLOSED the
     * connection ended before; ERR_STOPPED; or refused with `reason` (MQTT 5): ERR_REFUSED 0x87,
     * ERR_VALUE 0x90 and 0x99, ERR_FULL 0x97, ERR_PROTO any other. In the order of the
     * publications as long as the server acknowledges in order (MQTT-4.6.0). */
    void (*done)(void *ctx, int code, unsigned reason, struct str text);
    void *done_ctx;
};
/* 0: taken. ERR_CLOSED: not connected. ERR_FULL: the window is full, or (QoS 0) more waits to be
 * sent than 256 KiB; ready() comes. ERR_VALUE: not a topic name, or a QoS or retain flag that the
 * server said it does not know. ERR_LIMIT: larger than the server takes. When it is not 0, done()
 * does not come. */
MUST_USE int mqtt_client_publish(struct mqtt_client *m, const struct mqtt_client_message *msg);

/* Sends whole packets as they are, with handler.relayed only. False: more waits to be sent than is good
 * (they are queued all the same), stop until ready(). Nothing when not connected. */
bool mqtt_client_relay(struct mqtt_client *m, struct str packets);
/* Reads no more, or goes on: what the server sent stays with it or in the stream. */
void mqtt_client_pause(struct mqtt_client *m, bool paused);
/* What the server of the present session said of itself. */
struct mqtt_client_server {
    unsigned receive_max; /* 65535 when it said nothing */
    size_t packet_max;    /* SIZE_MAX: the same */
    uint8_t qos_max;
    bool retains;
};
struct mqtt_client_server mqtt_client_server(const struct mqtt_client *m);

/* Subscribes now, or when the connection stands, and again after each loss of the session. qos: 0
 * to 2. The same filter again replaces the QoS. ERR_VALUE: not a filter. ERR_FULL: too many. */
MUST_USE int mqtt_client_subscribe(struct mqtt_client *m, struct str filter, unsigned qos);
/* With the options of MQTT 5; 3.1.1 knows none of them and they are left out there. */
MUST_USE int mqtt_client_subscribe_as(struct mqtt_client *m, const struct mqtt_sub *s);
/* Forgets it, and tells the server. ERR_UNKNOWN: there was none. */
int mqtt_client_unsubscribe(struct mqtt_client *m, struct str filter);
/* Asks the server for an answer: ponged() comes when it has read everything that went before. Nothing
 * when not connected. Asked twice, the later one is answered. */
void mqtt_client_ping(struct mqtt_client *m);

#endif
