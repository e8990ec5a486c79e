#ifndef MQTT_ACKS_H
#define MQTT_ACKS_H
/*
 * Acknowledgements that a connection owes its client, in the order in which the packets came
 * (MQTT-4.6.0-2 and -3): one that is decided early waits for those before it. Pure.
 *
 * A ring is there only while something is owed, and those of the usual length are kept for the next connection
 * that owes something: given back to the heap, each would be cut up for messages that stay, and leave a hole.
 */
#include "base/blob.h"

struct ack {
    uint16_t packet_id;
    uint8_t kind; /* packet type of the answer: PUBACK, PUBREC, SUBACK … */
    bool ready, again;
    uint8_t code;       /* reason code */
    const char *reason; /* constant text or NULL */
    union {
        struct blob *packet; /* the encoded answer, where it is more than id and code; owned */
        struct ack *next;    /* of a ring that is spare */
    };
};
struct acks {
    struct ack *ring; /* cap: a power of two, or 0 */
    uint32_t cap, first, count;
    uint32_t publications; /* PUBACK and PUBREC among them, but those of acks_open_again() */
};

/* Rings that are kept, of one thread; zeroed at first. */
struct acks_spare {
    struct ack *first;
    unsigned count;
};
void acks_spare_fini(struct acks_spare *spare);

static inline struct acks acks_init(void)
{
    return (struct acks){ 0 };
}
void acks_fini(struct acks *a, struct acks_spare *spare);
/* A packet came that is to be answered. Returns its number for acks_settle_take(). */
uint32_t acks_open(struct acks *a, struct acks_spare *spare, uint8_t kind, uint16_t packet_id);
/* The same for a publication that came again and whose id counts where it was noted the first time. */
uint32_t acks_open_again(struct acks *a, struct acks_spare *spare, uint8_t kind,
                         uint16_t packet_id);
/* The answer is known. packet may be NULL; taken. */
void acks_settle_take(struct acks *a, uint32_t number, uint8_t code, const char *reason,
                      struct blob *packet);
/* The oldest, when its answer is known; else NULL. Valid until the next call. */
const struct ack *acks_front(const struct acks *a);
/* True when an answer of that kind to that packet (0: to any) has not left yet. */
bool acks_waits(const struct acks *a, uint8_t kind, uint16_t packet_id);
/* Drops the oldest, which is ready. */
void acks_pop(struct acks *a, struct acks_spare *spare);

#endif
