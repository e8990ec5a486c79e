#ifndef MQTT_PERSIST_H
#define MQTT_PERSIST_H
/*
 * What the broker writes down so that sessions, retained messages and what was acknowledged outlive
 * it. One operation is one record of a journal of its own; its number there names the message that it
 * holds. Pure: encoding and decoding. Nothing is reserved, all integers are little-endian.
 *
 * A message is written once, before its publisher is answered, and not the queues that it goes to:
 * whoever reads the operations in order matches it again with the subscriptions of that place
 * (mqtt/restore.h). A round that writes each session down as a whole (PERSIST_SESSION), with copies of
 * what it has queued and of what is retained, lets everything be forgotten that was written before the
 * round before it began. Not before this one: a message written since it began, which had not come to a
 * session when that was told, is matched with what was told of the session before.
 */
#include "base/buf.h"
#include "mqtt/session.h"

enum persist_op {
    PERSIST_MESSAGE = 1, /* to be routed to those who subscribe here, and retained if it says so */
    PERSIST_COPY = 2,    /* the message `seq` again, only for the queues that name it */
    /* The message `seq` again, still retained for its topic; without payload: not any more. */
    PERSIST_RETAINED = 3,
    PERSIST_SESSION = 4,     /* a session as a whole; earlier words about it are void */
    PERSIST_END = 5,         /* it is over */
    PERSIST_AWAY = 6,        /* its client has gone, at wall_ms; expiry_s as it said then */
    PERSIST_SUBSCRIBE = 7,   /* a subscription more, or with other options */
    PERSIST_UNSUBSCRIBE = 8, /* messages above `seq` had not come to its worker yet */
    PERSIST_DONE = 9,        /* message `seq` is done with, in this session */
    PERSIST_SENT = 10,       /* message `seq` (QoS 2) has packet_id from now on */
    PERSIST_RELEASED = 11,   /* its PUBREC came */
    PERSIST_COMPLETE = 12,   /* the PUBREL of the incoming packet_id came */
    PERSIST_BACK = 13,       /* its client has come back, with this expiry_s */
    /* As PERSIST_SESSION, for one that is too large for a record: it holds once the last part is there. What
     * is not in its queue is told before what is; each part is of its own moment, and words about the session
     * come between. */
    PERSIST_SESSION_BEGIN = 14,
    PERSIST_SESSION_MORE = 15,
    PERSIST_ARRIVED = 16, /* the incoming packet_id was taken; its message goes to nobody here */
    PERSIST_WILL = 17,    /* this is to be published when its client has gone, will_delay_s later */
    PERSIST_NO_WILL = 18, /* nothing is, (any more) */
    /* Of a shared subscription, named by its whole filter: */
    /* The message of `item` is this session's from now on, and no other member's; with its packet_id, or
     * none yet. */
    PERSIST_TAKEN = 19,
    PERSIST_SHARE_DONE = 20, /* message `seq` is done with, by whichever member */
    PERSIST_SHARE = 21, /* of the numbers above low and up to high, these are owed to its members */
};

/* Of numbers and times: what has 48 bits where millions of it wait (mqtt/message.h). */
#define PERSIST_MOST ((UINT64_C(1) << 48) - 1)

/* A message with what its publisher needs. expires_wall_ms: UTC; 0: never. */
struct persist_message {
    struct str topic, props, payload;
    uint64_t seq;            /* PERSIST_COPY and _RETAINED: its number; else 0 */
    uint64_t publisher;      /* session; 0: none */
    int64_t expires_wall_ms; /* PERSIST_WILL: the length, from its publication on */
    uint16_t packet_id;      /* of a QoS 2 PUBLISH of a session that is written down; else 0 */
    uint8_t qos;
    bool retain;
};

/* A queued message of a session, in the order of its queue. */
struct persist_item {
    uint64_t seq;
    uint32_t sub_id;
    uint32_t more;            /* further identifiers */
    const uint32_t *more_ids; /* encoding */
    struct str more_bytes;    /* decoding: for persist_item_ids() */
    uint16_t packet_id;       /* 0: not sent yet, or of QoS 1 */
    uint8_t qos;
    bool retain, released;
    bool sent; /* perhaps, at least once */
};
struct persist_sub {
    struct str filter;
    uint32_t sub_id;
    uint8_t options;
};
/* Header of PERSIST_SESSION and _BEGIN; what it holds is stepped through. _MORE has the three counts
 * only. */
struct persist_session {
    struct str client_id, user;
    uint64_t
        base; /* messages with a higher number may be in its queue though it does not name them */
    int64_t away_wall_ms; /* when its client had gone; 0: it is there */
    uint32_t expiry_s;
    uint32_t subs, received, items;
    uint16_t last_packet_id;
    uint8_t role; /* enum authz_role */
};

struct persist_share {
    struct str key; /* "$share/NAME/FILTER" */
    uint64_t low, high;
    uint32_t count; /* of the numbers that are stepped through */
};

struct persist {
    enum persist_op op;
    uint64_t session; /* its serial */
    struct persist_message message;
    struct persist_session whole;
    struct persist_sub sub;
    struct persist_share share; /* its key, also with _TAKEN and _SHARE_DONE */
    struct persist_item item;   /* PERSIST_TAKEN */
    int64_t wall_ms;
    uint64_t seq;
    uint32_t expiry_s;
    uint32_t sub_id;
    uint32_t will_delay_s;
    uint32_t part; /* PERSIST_SESSION_MORE: 1, 2 … */
    bool last;     /* the same */
    uint16_t packet_id;
    /* PERSIST_SESSION…, _SHARE: what persist_next_…() step through, checked already. */
    struct str rest;
};

/* Views into record. ERR_VALUE: not an operation, or damaged. */
MUST_USE int persist_decode(struct str record, struct persist *out);
/* First all subscriptions, then all received packet ids, then all items; *at starts at 0. */
struct persist_sub persist_next_sub(const struct persist *p, size_t *at);
uint16_t persist_next_received(const struct persist *p, size_t *at);
struct persist_item persist_next_item(const struct persist *p, size_t *at);
/* PERSIST_SHARE: each number, share.count of them; *at starts at 0. */
uint64_t persist_next_owed(const struct persist *p, size_t *at);
/* All identifiers of an item, it->more + 1 of them, into out. */
void persist_item_ids(const struct persist_item *it, uint32_t *out);

void persist_put_message(struct buf *b, enum persist_op op, const struct persist_message *m);
/* persist_put_sub() whole->subs times, _received(), _item() follow. op: PERSIST_SESSION or _BEGIN. */
void persist_put_session(struct buf *b, enum persist_op op, uint64_t session,
                         const struct persist_session *whole);
void persist_put_session_more(struct buf *b, uint64_t session, const struct persist_session *whole,
                              uint32_t part, bool last);
void persist_put_sub(struct buf *b, const struct persist_sub *s);
void persist_put_received(struct buf *b, uint16_t packet_id);
void persist_put_item(struct buf *b, const struct persist_item *i);
void persist_put_end(struct buf *b, uint64_t session);
void persist_put_away(struct buf *b, uint64_t session, int64_t wall_ms, uint32_t expiry_s);
void persist_put_subscribe(struct buf *b, uint64_t session, const struct persist_sub *s);
void persist_put_unsubscribe(struct buf *b, uint64_t session, struct str filter, uint64_t seq);
/* The topic, properties, payload, expires_wall_ms, qos and retain of m. */
void persist_put_will(struct buf *b, uint64_t session, uint32_t delay_s,
                      const struct persist_message *m);
void persist_put_no_will(struct buf *b, uint64_t session);
void persist_put_back(struct buf *b, uint64_t session, uint32_t expiry_s);
/* A session may have a message several times: retained, or by a shared subscription as well. packet_id tells
 * which where it is written down, else (0) sub_id, the first identifier. */
void persist_put_done(struct buf *b, uint64_t session, uint64_t seq, uint32_t sub_id,
                      uint16_t packet_id);
void persist_put_sent(struct buf *b, uint64_t session, const struct persist_item *it);
void persist_put_released(struct buf *b, uint64_t session, uint16_t packet_id);
void persist_put_arrived(struct buf *b, uint64_t session, uint16_t packet_id);
void persist_put_complete(struct buf *b, uint64_t session, uint16_t packet_id);
/* The seq, sub_id, packet_id, qos, retain and sent of it. */
void persist_put_taken(struct buf *b, uint64_t session, struct str key,
                       const struct persist_item *it);
void persist_put_share_done(struct buf *b, struct str key, uint64_t seq);
/* persist_put_owed() sh->count times follows. */
void persist_put_share(struct buf *b, const struct persist_share *sh);
void persist_put_owed(struct buf *b, uint64_t seq);

#endif
