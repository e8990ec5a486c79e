#ifndef MQTT_SHARE_H
#define MQTT_SHARE_H
/*
 * The members of one shared subscription ($share/NAME/FILTER) and whose turn it is (MQTT 5, 4.8.2).
 * Each message goes to one member; members that have room take turns. What comes while none has
 * room waits here, QoS 1 and 2 only, within the limits of a session's queue.
 *
 * A member's credit is how many messages of QoS 1 and 2 may still be handed to it before it has said
 * again how much room it has; 0: it is stalled, or absent.
 *
 * While a member's session is written down, what the group owes is too: it is known here until a member has
 * acknowledged it, or has taken it for good. Pure; belongs to one worker.
 */
#include "base/list.h"
#include "mqtt/owed.h"
#include "mqtt/session.h"

struct share_member {
    uint64_t serial; /* of its session */
    uint32_t turn;   /* of what it said last */
    uint32_t credit;
    uint32_t sub_id;
    uint32_t since;  /* names its membership */
    uint32_t joins;  /* those that have not failed */
    unsigned part;   /* the worker that has its session */
    uint8_t options; /* enum tree_options */
    bool lasting;    /* its session is written down */
    bool here;       /* connected: it has told of room since it came */
};
struct share_waiting {
    struct message *m;
    uint8_t qos; /* never above what it was published with */
};
struct share {
    char *key; /* the whole filter as subscribed, heap */
    uint32_t key_n, filter_at;
    uint64_t id; /* names it among all workers; never comes again */
    const struct session_limits *limits;
    struct share_member *members;
    uint32_t count, cap;
    uint32_t memberships;       /* so far */
    uint32_t lasting;           /* so many of them are */
    uint32_t next;              /* whose turn it is */
    struct share_waiting *ring; /* cap: a power of two, or 0 */
    uint32_t ring_cap, head, waiting;
    size_t waiting_bytes;
    struct owed owed;
    struct list link;  /* its worker's */
    uint32_t round;    /* in which it was told, or made */
    uint64_t told_seq; /* in the round under way: up to here */
};

/* key: "$share/NAME/FILTER"; filter: the view of its last part. limits outlive it. */
struct share *share_new(struct str key, struct str filter, uint64_t id,
                        const struct session_limits *limits);
void share_free(struct share *sh);
static inline struct str share_key(const struct share *sh)
{
    return (struct str){ sh->key, sh->key_n };
}
static inline struct str share_filter(const struct share *sh)
{
    return str_skip(share_key(sh), sh->filter_at);
}

struct share_joining {
    uint64_t serial;
    uint32_t sub_id;
    uint8_t options;        /* enum tree_options */
    bool lasting;           /* its session is written down */
    uint32_t since;         /* out: names its membership */
    uint32_t sub_id_before; /* out: what the member had, if it was one */
    uint8_t options_before;
};
/* A session becomes a member, without credit (true), or has subscribed again with other options. */
bool share_join(struct share *sh, struct share_joining *j);
/* A join, as share_join() left it, was not told to its session: true if it was the last of its membership, and that
 * is over. Else the member has what it had before, unless another join has changed that. */
bool share_unjoin(struct share *sh, const struct share_joining *j);
/* False: it was none. With the last that lasts, nothing is owed any more. */
bool share_leave(struct share *sh, uint64_t serial);
/* What a member's worker says of it; what it said earlier (a lower turn) and comes later is ignored,
 * as is what is said of no member. */
struct share_told {
    uint64_t serial;
    uint32_t turn, credit; /* no credit: it is away */
    unsigned part;
};
void share_tell(struct share *sh, const struct share_told *t);
/* The member had no room after all, when it had last told what it told in that turn. */
void share_stall(struct share *sh, uint64_t serial, uint32_t turn);
/* The member whose turn it is among those with credit, or NULL when none has. Valid until the next
 * call; the caller takes from its credit what it gives it. */
struct share_member *share_pick(struct share *sh);
/* Some member is connected, though it may have no room. */
bool share_is_attended(const struct share *sh);

/* m is a message of the group's with a number: it is owed from now on, or was already. */
void share_owe(struct share *sh, struct message *m);
/* Its number is done with, or taken by a session for good. */
void share_settle(struct share *sh, uint64_t seq);
/* After a restart: it is owed, and waits, whatever the limits. */
void share_restore(struct share *sh, struct message *m);

/* Keeps m (taking a reference) until a member has room. ERR_FULL: over a limit. */
MUST_USE int share_wait(struct share *sh, struct message *m, unsigned qos);
/* The oldest that waits, or NULL; valid until the next call. Those whose time is over are dropped on the
 * way and counted in *expired. */
const struct share_waiting *share_first(struct share *sh, uint64_t now_ms, uint64_t *expired);
/* Drops the oldest. */
void share_pop(struct share *sh);

#endif
