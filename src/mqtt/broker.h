#ifndef MQTT_BROKER_H
#define MQTT_BROKER_H
/*
 * The MQTT broker: 3.1.1 and 5 over TCP, TLS and WebSocket, on all workers. Workers share nothing
 * but messages: each keeps the sessions of its own connections and the tree of their
 * subscriptions; a publication is matched where it arrived and posted once to each other worker
 * that has a subscriber who may want it. Ownership of sessions and retained topics are sharded.
 *
 * The broker knows nothing of records. Whoever ingests sets on_publish and decides, for each
 * PUBLISH of a client, whether it is routed, when it is acknowledged and with what.
 */
#include "base/addr.h"
#include "base/blob.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "net/listener.h"
#include "net/loop.h"
#include "mqtt/session.h"
#include "net/workers.h"
#include "trust/authz.h"
#include "trust/cert_name.h"

struct broker;
struct broker_token;
struct journal;
struct tls_context;
struct ws;

/* ---- what a client published ---- */
struct broker_message {
    struct str topic, payload; /* views, valid during on_publish only */
    uint8_t qos;
    bool retain;
    bool will;               /* published for a client that is gone; nobody gets the answer */
    uint8_t version;         /* 4: MQTT 3.1.1, 5: MQTT 5 */
    struct str content_type; /* MQTT 5; n 0: none */
    struct str props;        /* the properties as they came, for broker_message_user() */
    struct str client_id;
    const struct identity *who; /* never NULL */
    /* clock_uptime_ns() when the client was told that its connection stands (CONNACK). What a client
     * makes only then is not older. 0 for a will. */
    uint64_t since_uptime_ns;
    struct blob **copy; /* private to broker_message_blob() */
};
/* Steps through the user properties: *at starts at 0; false at the end. */
bool broker_message_user(const struct broker_message *m, size_t *at, struct str *out_name,
                         struct str *out_value);
/* The payload as a counted copy, made at the first call and shared by later ones. A new reference:
 * the caller drops it. */
struct blob *broker_message_blob(const struct broker_message *m);

/* What on_publish decides. Besides these it may return a refusal, which is acknowledged with its
 * MQTT 5 reason code and never routed: ERR_VALUE 0x99 payload format invalid, ERR_REFUSED 0x87 not
 * authorized, ERR_FULL 0x97 quota exceeded, ERR_LIMIT and ERR_EXISTS 0x83, any other 0x80 (not now). A 3.1.1 client gets its PUBACK, except
 * for ERR_FULL at QoS >= 1: then its connection is not read for a while and the same PUBLISH is
 * offered again. */
enum broker_verdict {
    BROKER_ROUTE,   /* to the subscribers, and acknowledged, now */
    BROKER_CONSUME, /* acknowledged, not routed */
    /* The token is kept: acknowledged and perhaps routed by broker_publish_done(). */
    BROKER_LATER,
    /* As BROKER_LATER, and surely not routed: the broker keeps no copy. */
    BROKER_LATER_CONSUME,
    /* Not taken: the connection is not read until broker_publish_retry(), which must come, and
     * then the same PUBLISH is offered again. A will is not: it is routed without the hook. */
    BROKER_WAIT,
};
/* On the publisher's worker, for each PUBLISH of a client that may publish there, before routing.
 * token: kept only when BROKER_LATER, BROKER_LATER_CONSUME or BROKER_WAIT is returned.
 * reason: may be set to a constant text that MQTT 5 clients see with a refusal. */
typedef int broker_on_publish(void *ctx, struct loop *l, const struct broker_message *m,
                              struct broker_token *token, const char **reason);

/* Ends a BROKER_LATER: code 0 or a refusal as above (ERR_FULL is then final for everybody);
 * reason: constant text or NULL. On the same worker's thread, once, also when the client has gone
 * meanwhile: then only the routing is left to do. Never from inside on_publish. Acknowledgements
 * leave in the order in which the publications came, whatever the order of these calls. */
void broker_publish_done(struct broker_token *token, int code, bool route, const char *reason);
/* Ends a BROKER_WAIT. On the same worker's thread, once. Never from inside on_publish. */
void broker_publish_retry(struct broker_token *token);

/* ---- a broker ---- */
/* What an acknowledgement says of a message or a session. */
enum broker_durability {
    BROKER_COMMIT,   /* it is on the disk, flushed */
    BROKER_INTERVAL, /* it is written: it survives this process; it is flushed within the journal's
                        lazy_flush_ms */
    BROKER_MEMORY,   /* it lasts as long as this broker */
};
struct broker_topic {
    struct str filter; /* as it is below the mount points */
    enum broker_durability durability;
};
struct broker_options {
    const struct limits *limits;   /* copied */
    struct metrics *metrics;       /* may be NULL */
    const struct authz *authz;     /* NULL: everybody may do everything */
    broker_on_publish *on_publish; /* NULL: everything is routed */
    void *publish_ctx;
    /* Where sessions that last, what is acknowledged to their senders, and retained messages are written
     * down; NULL: they end with the broker. Borrowed, outlives it; broker_restore() must follow. */
    struct journal *journal;
    /* Of what is published from inside, and wills; and of topics, whoever publishes: the first that matches
     * holds. Copied. */
    enum broker_durability durability;
    const struct broker_topic *topics;
    size_t topic_count;
    struct listener_places *places; /* of its listeners; may be NULL; borrowed, outlives it */
    const char *version;            /* what $SYS/broker/version says; NULL: no $SYS topics */
    uint64_t sys_interval_ms;       /* 0: 10 s */
    enum session_full queue_full;   /* when a client's queue is full */
    bool queue_qos0;                /* QoS 0 is kept, too, for clients that are away */
};

/* The broker on all workers. Not from a worker's thread. authz, metrics and ctx outlive it. */
struct broker *broker_new(struct workers *w, const struct broker_options *o);

/* What an earlier broker wrote down into options.journal is there again. Once, before broker_listen();
 * may read the disk for a while. Not from a worker's thread. An error is the disk's: the broker must not
 * be used. */
MUST_USE int broker_restore(struct broker *b, struct fault *f);

/* ---- clients inside of the program ---- */
/*
 * A client of the broker that is a part of this program (a bridge): it connects by a stream of its own and
 * speaks MQTT like everybody, but nobody asks who it is, it may do everything that a client can, its
 * session never expires, and its queue has limits of its own. Its client id begins with
 * BROKER_INSIDE_PREFIX, which no client of a listener may have.
 */
#define BROKER_INSIDE_PREFIX "$bridge/"
/* Its messages have packet ids up to this, so that whoever hands them on under the same id has others for
 * itself. */
#define BROKER_INSIDE_ID_MAX 0xefffu
struct broker_inside;
struct broker_inside_options {
    struct str client_id;
    const struct str *filters; /* all that it subscribes; what its session had besides ends */
    size_t filter_count;
    /* One more, to which nobody publishes: the QoS with which it is subscribed is something that the client
     * wants to find again after a restart. n 0: none. */
    struct str mark;
    size_t queue_max_messages, queue_max_bytes;
    /* While its queue is full, publications of clients that would go into it are refused (QoS 1 and 2:
     * ERR_FULL as of on_publish), and none that was taken is dropped: what was on its way to the disk comes
     * in beyond the limit. Wills and what the program itself publishes are dropped at twice as much. Else
     * what does not fit is dropped and counted. */
    bool refuse;
};
/* Before broker_restore() and broker_listen(); everything is copied. The broker's until it is freed. Not from a
 * worker's thread. Sessions that are restored for clients inside that are not there any more end. */
struct broker_inside *broker_inside_add(struct broker *b, const struct broker_inside_options *o);
struct stream;
/* Connects it on l: the client's end of the stream, which is open already, or NULL (no descriptors are
 * left, *out_code says). On l's thread. */
struct stream *broker_inside_connect(struct broker_inside *i, struct loop *l, int *out_code);
/* Its queue as it was a moment ago. From any thread. */
struct broker_inside_queue {
    uint64_t messages, bytes;
    bool full;
};
struct broker_inside_queue broker_inside_look(const struct broker_inside *i);
/* The QoS with which the session that was restored was subscribed to the mark; -1: it was not, or there was
 * none. From any thread, after broker_restore(). */
int broker_inside_mark(const struct broker_inside *i);

/* What holds for the clients of one listener. */
struct broker_rules {
    enum authz_anonymous anonymous; /* handed to authz with each login */
    /* The client is whom its verified certificate names; one that it does not name is refused. */
    enum cert_name identity_from;
    struct str mount_point; /* what its clients name lies below it (mqtt/mount.h); n 0: none */
    /* Of what they publish, where no topic says otherwise, and of sessions that begin through it. */
    enum broker_durability durability;
    size_t packet_max_bytes;
    uint32_t inflight_max;
    uint16_t keepalive_max_s; /* 3.1.1 that asks for more is refused; 0: as the client asks */
    uint16_t topic_alias_max;
    uint8_t qos_max;
    bool retain_available;
    bool offline_messages;         /* QoS 1 and 2 are kept while a client is away */
    uint64_t message_rate_max;     /* of one client, a second; 0: no limit */
    uint64_t byte_rate_max;        /* the same */
    uint32_t session_expiry_max_s; /* UINT32_MAX: as the client asks */
    uint32_t will_delay_max_s;
    /* Its clients are sent to another server: 0 no, else MQTT_REASON_USE_ANOTHER (for now) or
     * MQTT_REASON_MOVED (for good). MQTT 5 is told to which; 3.1.1 that this one is unavailable. */
    uint8_t redirect;
    struct str server_reference;
    struct broker_inside *inside; /* private to the broker: no listener's */
};
/* As the limits say, for local clients without a name. */
struct broker_rules broker_rules_default(const struct limits *l);

struct broker_listen {
    const char *name; /* for logs and metrics; constant; NULL: "mqtt" */
    struct addr addr;
    struct listener_proxy proxy; /* `refused` is set by the broker */
    struct tls_context *tls;     /* NULL: plain; borrowed */
    unsigned unix_mode;
    uint64_t connections_max;         /* 0: limits.connections_max */
    const struct broker_rules *rules; /* copied; NULL: the default */
};
/* Accepts from now on. *out_addr (may be NULL): the bound address. Not from a worker's thread. */
MUST_USE int broker_listen(struct broker *b, const struct broker_listen *o, struct addr *out_addr,
                           struct fault *f);

/* The rules as broker_ws_accept() takes them; the broker's, until it is freed. given: copied; NULL:
 * the default. Not from a worker's thread. */
const struct broker_rules *broker_rules_keep(struct broker *b, const struct broker_rules *given);
/* Takes over a WebSocket whose upgrade to subprotocol "mqtt" is complete. On its worker's thread;
 * the broker sets its handler and closes it. rules: of its listener. */
void broker_ws_accept(struct broker *b, struct ws *ws, const struct broker_rules *rules);

/* The answers of authz have changed. On a worker's thread, for what is on its loop: connections whose
 * login is no longer good are ended (MQTT 5: 0x87) and so are their sessions; subscriptions that
 * would not be granted any more end, and what waits for their clients and may not be received is
 * dropped; wills that may not be published go. Publications are asked for one by one anyway. */
void broker_recheck(struct broker *b, struct loop *l);

/* Stops accepting, tells MQTT 5 clients 0x8B (server shutting down), sends what waits, closes, and
 * waits for all that, at most deadline_ms; what is still open then is cut. Wills are not sent: the
 * server's end says nothing about the client. Publications of on_publish that are still undecided
 * must be ended by their owner as usual. Not from a worker's thread. */
void broker_stop(struct broker *b, unsigned deadline_ms);
/* After broker_stop, while the workers still run; every token was ended. Not from a worker. */
void broker_free(struct broker *b);

/* ---- publishing from inside; on_publish is not asked, authz neither ---- */
enum broker_publish_flags { BROKER_RETAIN = 1 };
/* From a worker's thread, on its loop. payload NULL: empty. Takes a reference when it needs one.
 * ERR_VALUE when topic is not a topic name. */
int broker_publish(struct broker *b, struct loop *l, struct str topic, struct blob *payload,
                   unsigned qos, unsigned flags);
/* As broker_publish, with bytes that are copied when needed (nothing is when nobody subscribes). */
int broker_publish_bytes(struct broker *b, struct loop *l, struct str topic, struct str payload,
                         unsigned qos, unsigned flags);
/* As broker_publish_bytes, with MQTT 5 properties for the receivers, encoded without their length
 * (mqtt_props_put_user() and the like). */
int broker_publish_props(struct broker *b, struct loop *l, struct str topic, struct str payload,
                         struct str props, unsigned qos, unsigned flags);
/* From any thread; topic is copied. Routed on worker 0 in the order of the calls of one thread. */
int broker_post(struct broker *b, struct str topic, struct blob *payload, unsigned qos,
                unsigned flags);

/* ---- looking at it ---- */
struct broker_session_info {
    struct str client_id, user; /* user: p NULL without a name */
    char peer[ADDR_TEXT_SIZE];  /* "" when not connected */
    bool connected, websocket, tls, will;
    uint8_t version;
    unsigned worker;
    uint16_t keep_alive_s;
    uint32_t expiry_s; /* UINT32_MAX: never */
    /* Publications from and to it since it connected; they wrap, and differences tell rates. */
    uint32_t received, sent;
    size_t subscriptions, queued, queued_bytes, inflight;
    uint64_t dropped;      /* on their way to it, since its session began here */
    uint64_t throttled;    /* pauses of the connection */
    int64_t since_wall_ns; /* of the connection, or of the disconnection */
};
struct broker_subscription_info {
    struct str client_id, filter;
    uint32_t at;     /* its place among those of the client */
    uint32_t sub_id; /* 0: none */
    uint8_t options; /* the byte of SUBSCRIBE (MQTT 5, 3.8.3.1) */
};
enum broker_presence { BROKER_ANY, BROKER_CONNECTED, BROKER_AWAY };
/* What to look for. Texts that are not asked for have p NULL. */
struct broker_look {
    struct str client; /* exactly this one */
    struct str
        search; /* in the client id, the user or the peer; in filters too when those are asked for */
    struct str topic; /* subscriptions that match this name */
    enum broker_presence presence;
    bool subscriptions; /* they are asked for, not the sessions; with `client` both */
    /* A page, in the order of client ids: behind this one (and, of its subscriptions, behind this place),
     * so many; 0: all, in no order. */
    struct str after;
    uint32_t after_at;
    size_t limit;
};
struct broker_looked {
    const struct broker_session_info *sessions;
    size_t session_count;
    const struct broker_subscription_info *subscriptions;
    size_t subscription_count;
    size_t total; /* that there are on all pages */
    bool more;    /* there are some behind this page */
};
/* Asks every worker; done() is called once on l's thread with what was found (valid during the call),
 * later and never from inside. what: copied. */
void broker_look(struct broker *b, struct loop *l, const struct broker_look *what,
                 void (*done)(void *ctx, const struct broker_looked *found), void *ctx);

/* Counts since the start, and what there is now. From any thread. */
struct broker_stats {
    uint64_t connected, sessions, subscriptions, shared, retained;
    uint64_t received[3], sent[3]; /* publications by QoS */
    uint64_t received_bytes;
    uint64_t dropped_slow, dropped_queue, dropped_size, dropped_expired, dropped_retained,
        dropped_mount, dropped_oldest, dropped_offline;
    uint64_t denied_publish, denied_subscribe, refused_ingest, connects, connects_refused,
        keep_alive_timeouts, taken_over, protocol_errors;
};
void broker_stats(const struct broker *b, struct broker_stats *out);

enum broker_kick {
    BROKER_KICK_DONE,
    BROKER_KICK_AWAY,    /* there is a session, and nobody connected to it */
    BROKER_KICK_UNKNOWN, /* there is no such client */
};
/* Ends the connection of a client: MQTT 5 is told 0x98 (administrative action), its will is sent, its
 * session lives on as long as it would after any broken connection; end_session: not at all, whether it
 * was connected or not. client_id is copied. done() is called once on l's thread, later and never from
 * inside. */
void broker_kick(struct broker *b, struct loop *l, struct str client_id, bool end_session,
                 void (*done)(void *ctx, enum broker_kick result), void *ctx);
/* The log is so full that publications that would have to be written are refused. From any thread. */
bool broker_log_is_low(const struct broker *b);
/* It is, and its quota would have room: the disk has none. */
bool broker_disk_is_low(const struct broker *b);
/* limits.mqtt_memory_max is passed: queues hold little, nothing more is retained. From any thread. */
bool broker_memory_is_low(const struct broker *b);
/* Connected clients now. From any thread. */
uint64_t broker_connected(const struct broker *b);

#endif
