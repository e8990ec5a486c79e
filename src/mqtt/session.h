#ifndef MQTT_SESSION_H
#define MQTT_SESSION_H
/*
 * The state of one client that outlives its connection (MQTT 5, 4.1): subscriptions, messages on
 * their way to it, packet ids in use both ways, its will, and when all that ends. Pure: time comes
 * in, what to send comes out. Belongs to one worker; handed over whole when the client comes back
 * on another.
 */
#include "base/cell.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "mqtt/message.h"
#include "mqtt/sub_ids.h"

#include <assert.h>

#define SESSION_NEVER      UINT32_MAX /* expiry_s: does not expire */
#define SESSION_NEVER_AWAY INT64_MIN  /* away_ms: nobody was ever connected */

struct identity;

struct session_sub {
    char *filter; /* heap */
    uint32_t filter_n;
    uint32_t sub_id; /* 0: none */
    uint8_t options; /* the byte of SUBSCRIBE */
};

/* A shared subscription that this session is a member of (mqtt/share.h). */
struct session_share {
    uint64_t id;
    struct str key;  /* its filter as subscribed; heap */
    uint32_t credit; /* what its group may still hand us before we tell it more */
    unsigned home;   /* the worker that keeps the group */
};

enum session_item_state { SESSION_WAITING, SESSION_SENT, SESSION_RELEASED, SESSION_DONE };
struct session_item {
    union {
        struct message *m; /* WAITING and SENT: a reference */
        uint64_t seq;      /* then: what session_item_seq() says */
    };
    uint32_t
        sub_ids; /* as of sub_id_sets_put(); if shared, with the shared subscription that it came by */
    uint16_t packet_id;
    uint8_t qos : 2, retain : 1, state : 2;
    uint8_t maybe : 1;   /* it may have been sent before the broker was started again */
    uint8_t written : 1; /* its packet id is written down, and once RELEASED its PUBREC (QoS 2) */
    uint8_t shared : 1;  /* it is its group's still, or, if it lasts, being taken from it */
    uint8_t lasts : 1;   /* its message, if that has a number, is written down for this session */
};
static_assert(sizeof(struct session_item) == 16, "a queue of millions is made of them");

/* NULL once it is no longer needed. */
static inline struct message *session_item_message(const struct session_item *it)
{
    return it->state < SESSION_RELEASED ? it->m : NULL;
}
/* The number of its message, also when that is gone; 0: it is not written down for this session. */
static inline uint64_t session_item_seq(const struct session_item *it)
{
    if (it->state >= SESSION_RELEASED)
        return it->seq;
    return it->lasts ? message_seq(it->m) : 0;
}

/* What happens at the end of a queue's room. */
enum session_full {
    SESSION_DROP_NEWEST,
    SESSION_DROP_OLDEST_QOS0, /* waiting ones of QoS 0 make room; without any, the newest is dropped */
    SESSION_DISCONNECT,       /* as DROP_NEWEST, and the caller ends the connection */
};
/* Bytes that a queue may have also when memory is short. */
#define SESSION_QUEUE_LEAST KIB(16)
struct session_limits {
    uint32_t subscriptions_max, shares_max; /* the shared ones count as both */
    enum session_full full;
    bool queue_qos0;       /* for clients that are away */
    uint32_t inflight_max; /* ours, both ways */
    size_t queue_max_messages, queue_max_bytes;
    /* Not 0: memory is short, and a queue may have SESSION_QUEUE_LEAST. May be NULL. */
    const struct cell *low;
    /* They are for whoever fills the queue without asking: see session_admit(). */
    bool elastic;
    struct metric *queued, *queued_bytes; /* gauges of all queues together; may be NULL */
    uint16_t packet_id_max;               /* ids are 1 … packet_id_max; 0: 65535 */
};

static inline size_t session_queue_max(const struct session_limits *l)
{
    bool low = l->low && cell_get(l->low) != 0;

    return low && l->queue_max_bytes > SESSION_QUEUE_LEAST ? SESSION_QUEUE_LEAST
                                                           : l->queue_max_bytes;
}

struct session {
    uint64_t serial;       /* names this session in messages (no-local); never 0 */
    uint32_t generation;   /* of its registry entry */
    bool written : 1;      /* its state is written down (mqtt/persist.h) */
    bool no_offline : 1;   /* nothing is kept for its client while it is away */
    bool will_written : 1; /* a will of it is written down, this one or another */
    bool stand_in : 1;     /* in the place of one that is on its way to this worker */
    bool begins : 1;       /* it is not yet sure to be written down as a whole, once */
    uint16_t last_packet_id;
    uint32_t round; /* the last in which it was written down as a whole */
    uint32_t sub_count;
    struct identity *who; /* a reference; of the last login */
    void *conn;           /* the connection that has it, or NULL */
    const struct session_limits *limits;

    struct session_sub *subs;
    struct session_share *shares;
    uint32_t share_count;
    uint32_t share_turn; /* of what its groups are told */

    struct session_item *ring; /* in flight, then waiting */
    uint32_t cap, head, count;
    /* As many as there are packet ids, at most. */
    uint16_t sent;      /* of those from the head: have a packet id */
    uint16_t open;      /* sent on this connection and not done */
    uint16_t resend_at; /* of those sent: from here on they go out again; == sent: nothing to do */
    uint16_t unwritten; /* QoS 2 whose packet ids go to the disk now: QoS 1 waits behind */
    uint16_t window;    /* how many may be open (the client's Receive Maximum and ours) */
    uint16_t received_count;
    uint32_t told;       /* of those from the head: written down in the round under way */
    uint32_t told_parts; /* the records that took; 0: it has not begun */
    uint32_t waiting0;   /* of those that wait, of QoS 0 */
    uint32_t queued_messages;
    size_t queued_bytes;
    struct sub_id_sets *id_sets; /* NULL while no message has several identifiers */
    uint16_t *received;          /* packet ids of QoS 2 publications not yet released, in order */

    struct message *will;
    uint32_t will_delay_s;
    uint32_t expiry_s;      /* 0: ends with the connection */
    uint64_t will_at_ms;    /* while disconnected; UINT64_MAX: none */
    uint64_t expires_at_ms; /* while disconnected */
    int64_t away_ms; /* while disconnected: since when, by the uptime; < 0: before the boot */
    uint64_t mark;   /* scratch of the router: the publication that met it last */
    uint32_t mark_at;
    uint32_t dropped; /* for whatever reason; wraps */
    uint32_t expired; /* of those: their time was over */
    uint32_t client_id_n;
    char client_id[]; /* zero-terminated */
};

struct session *session_new(struct str client_id, uint64_t serial, const struct session_limits *l);
void session_free(struct session *s);
static inline struct str session_id(const struct session *s)
{
    return (struct str){ s->client_id, s->client_id_n };
}
/* The at-th of its queue, from those in flight on; at < count. */
static inline struct session_item *session_item_at(const struct session *s, uint32_t at)
{
    uint32_t place = s->head + at;

    return &s->ring[place < s->cap ? place : place - s->cap];
}

/* ---- subscriptions: the list only; the tree is the worker's ---- */
/* added: what tree_add() said. Keeps the list in step with it. */
void session_subscribe(struct session *s, struct str filter, uint32_t sub_id, uint8_t options,
                       bool added);
void session_unsubscribe(struct session *s, struct str filter);
bool session_has_subscription(const struct session *s, struct str filter);

/* ---- outgoing: QoS 1 and 2, and QoS 0 that came while the client was away ---- */
/* Queues m (taking a reference). Else how many of QoS 0 made room for it, counted in s->dropped; ERR_FULL:
 * over a limit, dropped and counted in s->dropped. */
MUST_USE int session_push(struct session *s, struct message *m, unsigned qos, bool retain,
                          struct sub_ids ids);
/* The same whatever the limits say: there was room when its publisher asked, and it was told so. Always 0. */
int session_admit(struct session *s, struct message *m, unsigned qos, bool retain,
                  struct sub_ids ids);
/* What was pushed last does not outlive the broker: what is written down of its message is for another
 * copy of it. */
void session_mark_unwritten(struct session *s);
/* The same: it came by this shared subscription. */
void session_mark_shared(struct session *s, uint64_t share);
/* How many more messages of QoS 1 and 2 would be sent at once. */
uint32_t session_room(const struct session *s);
/* The end of a queue that nothing is sent from, to be found again. */
struct session_mark {
    uint32_t count, dropped;
};
static inline struct session_mark session_mark_end(const struct session *s)
{
    return (struct session_mark){ s->count, s->dropped };
}
/* What `other` has queued and s has not goes behind what s has: other took messages in the place
 * of s while s was on its way, and may have some that s got as well (message_is_same(), among
 * those that came to s behind the mark). other keeps its references. With
 * elastic limits nothing is over them: it was let in already. */
void session_absorb(struct session *s, const struct session *other, struct session_mark mark);
enum session_send {
    SESSION_NOTHING,
    SESSION_PUBLISH,
    SESSION_PUBREL,
    SESSION_OVER, /* its time was over before it could be sent, and is gone; its packet id may be written down */
};
struct session_out {
    struct message *m; /* PUBLISH: borrowed, valid until the next call on s; OVER: NULL */
    uint64_t seq;      /* of the item; of one that is its group's still, the message's */
    /* The shared subscription whose it is still, or is being taken from; 0: it is the session's own. */
    uint64_t share;
    uint32_t sub_ids; /* for session_sub_ids() */
    uint32_t sub_key; /* of messages with the same seq, which one: its first identifier */
    uint16_t packet_id;
    uint8_t qos;
    bool retain, dup;
    bool written; /* as in the item */
};
/* Drops what keep() says no to of the messages that were not sent yet; counted in s->dropped. Returns
 * how many. */
size_t session_drop_waiting(struct session *s, bool (*keep)(void *ctx, const struct session_out *o),
                            void *ctx);
/* What is to be sent next, as far as the window allows; call until SESSION_NOTHING. Messages whose
 * time is over are dropped on the way. */
enum session_send session_next(struct session *s, uint64_t now_ms, struct session_out *out);
/* The identifiers of what is to be sent; good until the next call on s. */
struct sub_ids session_sub_ids(const struct session *s, const uint32_t *ref);
/* The 32 bits for ids in a session_item of s; and that they are not needed any more. */
uint32_t session_put_sub_ids(struct session *s, struct sub_ids ids);
void session_drop_sub_ids(struct session *s, uint32_t ref);
/* The last PUBLISH of session_next() was of QoS 0, and is sent or dropped now. Before anything else is
 * asked of s. */
void session_passed(struct session *s);
/* The last PUBLISH of session_next() must not be sent after all (too large): it is done with. */
void session_skip(struct session *s, uint16_t packet_id);
/* The packet id of what was to be sent is written down now: *out is what to send, again. False: it is not
 * in flight any more. */
bool session_written(struct session *s, uint16_t packet_id, uint64_t seq, struct session_out *out);
/* The PUBREC of what is in flight with that id is written down now. False: it is not in flight any more. */
bool session_released_written(struct session *s, uint16_t packet_id, uint64_t seq);
/* What is in flight with that id; false: nothing. */
bool session_in_flight(const struct session *s, uint16_t packet_id, struct session_out *out);
/* Answers of the client. ERR_UNKNOWN: nothing with that id is in flight; ERR_PROTO: not an answer
 * to what is. refused: the reason code was 0x80 or more. */
MUST_USE int session_puback(struct session *s, uint16_t packet_id);
MUST_USE int session_pubrec(struct session *s, uint16_t packet_id, bool refused);
MUST_USE int session_pubcomp(struct session *s, uint16_t packet_id);

/* ---- incoming QoS 2 ---- */
/* True: new, to be processed. False: it was received before and only needs its PUBREC again. */
bool session_receive(struct session *s, uint16_t packet_id);
bool session_is_received(const struct session *s, uint16_t packet_id);
/* False: unknown (PUBREL is answered all the same). */
bool session_release(struct session *s, uint16_t packet_id);

/* ---- after a restart ---- */
/* Fills a new session's queue: each item with its reference to m, its packet id where it has one, and the
 * state SENT, RELEASED or WAITING. Those with an id are sent again under it, first. The heap array is taken. */
void session_restore_take(struct session *s, struct session_item *items, uint32_t count,
                          uint16_t last_packet_id);

/* ---- shared subscriptions ---- */
/* The membership, or NULL. Valid until the next call of these. */
struct session_share *session_find_share(const struct session *s, uint64_t id);
struct session_share *session_share_of(const struct session *s, struct str key);
void session_add_share(struct session *s, struct str key, uint64_t id, unsigned home);
/* What is on its way through it stays with the session, as its own: taken() is told of each that has a number. */
void session_remove_share(struct session *s, uint64_t id,
                          void (*taken)(void *ctx, const struct session_out *o), void *ctx);
/* What is in flight with that id is the session's own, and rounds tell it, once that is written down: until
 * session_written() it is known whose it was, so that it is written down again where that failed. */
void session_take(struct session *s, uint16_t packet_id);
/* The client is gone: give() gets each message that another member may have in its place, with a
 * reference that it takes over. What waits, and QoS 1 without its PUBACK; a QoS 2 message that was sent
 * stays (MQTT 5, 4.8.2). */
void session_give_back(struct session *s,
                       void (*give)(void *ctx, uint64_t share, struct message *m), void *ctx);

/* ---- connection comes and goes ---- */
/* What is in flight will go out again, in order. window: how many may be open. */
void session_attach(struct session *s, void *conn, uint32_t window);
/* send_will: the connection ended without a DISCONNECT that forbids it. Afterwards session_wake_at()
 * tells when to call session_tick(). */
void session_detach(struct session *s, uint64_t now_ms, bool send_will);
uint64_t session_wake_at(const struct session *s);
enum session_due { SESSION_DUE_NOTHING = 0, SESSION_DUE_WILL = 1, SESSION_DUE_END = 2 };
/* Bits of enum session_due: the will is to be published (and taken off with session_take_will),
 * the session is over (with its will first, MQTT 5, 3.1.3.2.2). */
unsigned session_tick(const struct session *s, uint64_t now_ms);
/* The will, now the caller's, or NULL. */
struct message *session_take_will(struct session *s);

#endif
