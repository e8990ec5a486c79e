#ifndef MQTT_BRIDGE_RELAY_H
#define MQTT_BRIDGE_RELAY_H
/*
 * What a bridge says to one server when it hears something from the other. Pure: packets come in, bytes
 * for either side come out.
 *
 * It keeps nothing that must not be lost. Each message has the same packet id on both sides, and each
 * answer is handed on as it comes, so the two servers' sessions are the state: what is not acknowledged
 * comes again from the server that has it, under the id that the other one knows.
 */
#include "base/buf.h"
#include "mqtt/bridge_map.h"
#include "wire/mqtt.h"

/* What the far server said of itself. */
struct bridge_far {
    enum mqtt_version version;
    size_t packet_max;
    uint8_t qos_max;
    bool retains;
};

enum bridge_side { BRIDGE_FAR, BRIDGE_LOCAL };

struct bridge_counts {
    uint64_t sent, taken; /* messages handed to the far server, and to the local one */
    uint64_t refused[2];  /* by that side for good, and so dropped */
    uint64_t unmapped,
        unfit; /* dropped: no rule has a name for it; larger than the other side takes */
};

struct bridge_relay {
    const struct bridge_map *map;
    size_t topic_max_bytes, topic_levels_max; /* of the local server */
    struct bridge_far far;
    struct buf to[2]; /* by enum bridge_side: to be sent; whoever sends it clears it */
    struct buf topic, reply, props;
    struct bridge_counts counts;
    uint8_t *waits,
        *waited;      /* bits per packet id: the far side owes an answer, for more than a period */
    uint8_t *lowered; /* sent with QoS 1 in the place of 2 */
    uint8_t *again;   /* sent with DUP */
    uint8_t *foreign; /* in use there when we used it first; over connections */
    unsigned owed;
    struct bridge_sweep {
        uint32_t next, open; /* ids to be released yet from `next` on; those without an answer */
        unsigned idle;       /* periods without an answer */
        bool done;           /* all were answered */
    } sweep[2];
    const char *why; /* of an error */
};

/* map outlives it. */
void bridge_relay_init(struct bridge_relay *r, const struct bridge_map *map, size_t topic_max_bytes,
                       size_t topic_levels_max);
void bridge_relay_fini(struct bridge_relay *r);
/* Both sessions stand. */
void bridge_relay_open(struct bridge_relay *r, const struct bridge_far *far);

/* A packet (PUBLISH or an answer to one) from that side. 0, or ERR_FULL: the other side cannot take it now; both
 * connections must end, and what is not acknowledged comes again. r->why says what it was. */
MUST_USE int bridge_relay_input(struct bridge_relay *r, enum bridge_side from,
                                const struct mqtt_packet *p);
/* The far side sent a PUBLISH that is too large for us: p has its QoS and packet id. */
void bridge_relay_skipped(struct bridge_relay *r, const struct mqtt_publish *p);
/* Called once a period: true when the far side has owed an answer for longer than that, or all of them while
 * ids are released there. */
bool bridge_relay_overdue(struct bridge_relay *r);

/* One of the sessions is new and the other is not: the ids of QoS 2 messages that the older server has from
 * times before the new one mean nothing any more, and would make it take new messages for repeats. All are
 * released there, before anything else is said. True while that is going on. */
void bridge_relay_sweep(struct bridge_relay *r, enum bridge_side side);
bool bridge_relay_sweeping(const struct bridge_relay *r);
/* All were released there since bridge_relay_open(). */
bool bridge_relay_swept(const struct bridge_relay *r, enum bridge_side side);

#endif
