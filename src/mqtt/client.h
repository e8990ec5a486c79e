#ifndef MQTT_CLIENT_H
#define MQTT_CLIENT_H
/*
 * What an MQTT client decides, without a socket or a clock: when to dial, what to say, which
 * publications are on their way, when the path is dead. client_io.c carries it out; everybody else
 * uses client_io.h. Bytes and time come in, bytes (in `out`) and events come out.
 */
#include "base/blob.h"
#include "base/buf.h"
#include "resil/backoff.h"
#include "wire/mqtt.h"

struct client_config {
    struct mqtt_connect connect; /* views that outlive the client */
    bool resend;                 /* keep unacknowledged publications over a reconnect */
    bool
        relay; /* publications and their answers are the owner's, both ways; under 3.1.1, where a server
                 * cannot be told packet_max_bytes, a longer one is read past */
    uint64_t connect_timeout_ms, ping_after_ms, ping_timeout_ms;
    unsigned inflight_max; /* 1..CLIENT_INFLIGHT_MOST */
    size_t packet_max_bytes, subscriptions_max;
    struct backoff_rules backoff;
};
/* Packet ids of publications are below CLIENT_SUB_ID, those of subscriptions from there on. The
 * window is so much smaller that an id is free again long before its turn comes. */
#define CLIENT_INFLIGHT_MOST 16384
#define CLIENT_SUB_ID        0xf000u

enum client_state {
    CLIENT_WAITING,  /* until retry_at_ms */
    CLIENT_DIALING,  /* somebody connects for us */
    CLIENT_GREETING, /* CONNECT is sent */
    CLIENT_OPEN,
    CLIENT_ENDING, /* broken; waits for client_down() */
};

/* Whom to tell about a publication of QoS 1 or 2. */
struct client_done {
    void (*done)(void *ctx, int code, unsigned reason, struct str text);
    void *ctx;
};

struct client_slot {
    struct client_done done;
    char *head;           /* when it may be sent again: everything in front of the payload */
    size_t head_n;        /* 0: nothing is kept */
    struct blob *payload; /* with head */
    uint16_t id;
    uint8_t qos;
    bool acked;    /* out of its turn; the slot waits for those before it */
    bool unsent;   /* after a reconnect, until the window lets it go */
    bool released; /* QoS 2: PUBREC came and PUBREL went; PUBCOMP ends it */
};

struct client_sub {
    char *filter;
    uint16_t filter_n;
    uint16_t pending_id; /* of the SUBSCRIBE without an answer; 0: none */
    uint8_t qos, retain_handling;
    bool no_local, retain_as_published;
};

struct client {
    struct client_config cfg;
    unsigned char state;
    struct buf out; /* to be sent; whoever sends it clears it */

    struct client_slot *slots; /* a ring of inflight_max, oldest at first_slot */
    unsigned first_slot, slot_count;
    unsigned unacked; /* slots without an acknowledgement */
    unsigned unsent;
    uint16_t last_id, last_sub_id;

    struct client_sub *subs;
    size_t sub_count, sub_cap;

    /* A bit per packet id: taken with QoS 2, its PUBREL is to come. NULL until the first one. */
    uint8_t *received;
    bool qos2_wanted; /* a subscription asked for it */

    /* A PUBLISH that is too long for us: what is known of it, and its bytes that are to come. */
    struct mqtt_publish skipped;
    size_t skip_n;

    /* What the server of this session said in its CONNACK. */
    unsigned receive_max;
    size_t server_packet_max;
    uint8_t server_qos_max;
    bool server_retains;
    uint64_t keep_alive_ms; /* 0: none */

    struct backoff backoff;
    uint64_t retry_at_ms, greeted_at_ms, open_at_ms;
    uint64_t rx_at_ms, tx_at_ms, ping_at_ms;
    bool ping_out;
    bool worked; /* this session: a message came, or an answer to one */
    unsigned pings,
        answer_in; /* PINGREQs without an answer; how many answers until client_ping's */

    /* Why the last session or attempt ended. */
    int end_code;
    unsigned end_reason;
    char end_text[128];
};

void client_init(struct client *c, const struct client_config *cfg);
/* Frees what is kept; nobody is told. */
void client_fini(struct client *c);

/* When client_tick wants to be called; UINT64_MAX: it waits for something else. */
uint64_t client_wake_at(const struct client *c);
enum client_todo {
    CLIENT_TODO_NOTHING, /* but look at out */
    CLIENT_TODO_DIAL,    /* connect, then client_dialed() or client_down() */
    CLIENT_TODO_DROP,    /* the peer is dead: close, then client_down() */
};
enum client_todo client_tick(struct client *c, uint64_t now_ms);
/* The connection stands: CONNECT goes to out. */
void client_dialed(struct client *c, uint64_t now_ms);
/* The connection ended or did not come about; code is why, unless the client knows better (then
 * end_code tells). Returns the wait in ms before the next attempt. Those whom client_lost() names
 * are to be told. */
uint32_t client_down(struct client *c, uint64_t now_ms, int code, uint32_t random);
/* After client_down: the next publication that is given up, oldest first; false: no more. */
bool client_lost(struct client *c, struct client_done *out);
/* Gives up all publications, the kept ones too: client_lost() names them. */
void client_give_up(struct client *c);
/* Ends a session or an attempt to begin one from our side: close, then client_down(). */
void client_break(struct client *c, int code, struct str text);
/* Try again at once instead of waiting. */
void client_hurry(struct client *c, uint64_t now_ms);

struct client_event {
    enum client_event_kind {
        CLIENT_EV_MORE,       /* nothing more in these bytes */
        CLIENT_EV_UP,         /* session_present */
        CLIENT_EV_MESSAGE,    /* publish; then client_took() */
        CLIENT_EV_DONE,       /* done, code, reason */
        CLIENT_EV_SUBSCRIBED, /* filter, reason */
        CLIENT_EV_PONG,       /* the answer to client_ping() */
        CLIENT_EV_RELAY,      /* packet; with cfg.relay in the place of MESSAGE and DONE */
        CLIENT_EV_SKIPPED, /* packet.publish: QoS and id of one that was read past; with cfg.relay */
        CLIENT_EV_BROKEN,  /* out has a farewell: send it, close, then client_down() */
    } kind;
    bool session_present;
    int code;
    unsigned reason;
    struct client_done done;
    struct str filter; /* of the client; until it is unsubscribed */
    struct mqtt_packet packet;
};
/* The next event out of `in`; *out_used bytes of it are consumed (also with CLIENT_EV_MORE). Call
 * with the rest until CLIENT_EV_MORE or CLIENT_EV_BROKEN. */
void client_input(struct client *c, struct str in, uint64_t now_ms, size_t *out_used,
                  struct client_event *out);
/* The message was taken: QoS 1 and 2 are acknowledged. */
void client_took(struct client *c, const struct mqtt_publish *m, uint64_t now_ms);

struct client_publish {
    struct str topic, props;
    size_t payload_n;
    struct blob *payload; /* needed with resend and QoS > 0, where a reference is taken */
    uint8_t qos;
    bool retain;
    struct client_done done;
};
/* The header goes to out, the payload is to follow it. Errors as mqtt_client_publish. */
MUST_USE int client_publish(struct client *c, const struct client_publish *p, uint64_t now_ms);
unsigned client_room(const struct client *c);
/* After CLIENT_EV_UP and each CLIENT_EV_DONE: the next kept publication that may be sent again:
 * head, then payload. The view of head lives until it is acknowledged. */
bool client_resend_next(struct client *c, uint64_t now_ms, struct str *out_head,
                        struct blob **out_payload);

/* s->filter is copied. What 3.1.1 does not know of it is left out there. */
MUST_USE int client_subscribe(struct client *c, const struct mqtt_sub *s, uint64_t now_ms);
int client_unsubscribe(struct client *c, struct str filter, uint64_t now_ms);
/* PINGREQ goes to out when a session stands; CLIENT_EV_PONG is its answer, and then the server has read
 * everything that went before. */
void client_ping(struct client *c, uint64_t now_ms);
/* Nobody looks at what the server sends for now: its silence says nothing. */
void client_deaf(struct client *c, uint64_t now_ms);
/* DISCONNECT goes to out when a session stands. */
void client_farewell(struct client *c);

#endif
