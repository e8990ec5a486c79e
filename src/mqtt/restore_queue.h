#ifndef MQTT_RESTORE_QUEUE_H
#define MQTT_RESTORE_QUEUE_H
/*
 * The queue of a session that is being restored: items in the order of their messages' numbers, found by
 * that number, or by packet id. Pure; one thread.
 *
 * An item without a message is RELEASED, or its message is looked for at the end. What is done stays in
 * its place (SESSION_DONE) until so much is that they are moved together.
 */
#include "mqtt/session.h"

/* As a struct session_item, with what is known of it only here. */
struct restore_item {
    struct message *m; /* a reference; NULL: it needs none any more, or is looked for at the end */
    uint64_t seq;      /* of its message */
    uint32_t sub_ids;
    uint16_t packet_id;
    uint8_t qos : 2, retain : 1, state : 2, maybe : 1;
};
/* One item that has a packet id. */
struct restore_id {
    uint64_t seq;
    uint16_t packet_id;
};
struct restore_queue {
    struct session *s; /* its sets of identifiers are used */
    struct restore_item *items;
    uint32_t from, count, cap; /* from: all before are done */
    uint32_t live;
    struct restore_id *ids; /* in no order; as many as are in flight */
    uint32_t id_count, id_cap;
};
void restore_queue_init(struct restore_queue *q, struct session *s);
/* Before its session goes. */
void restore_queue_fini(struct restore_queue *q);
/* Room for so many more. */
void restore_queue_reserve(struct restore_queue *q, uint32_t count);
/* Behind those with its number. Its reference to a message is taken. An id that another has already stays
 * with that one. */
void restore_queue_add_take(struct restore_queue *q, const struct restore_item *it);
/* A message may be there twice, once of them retained; its first identifier (0: none) tells which. NULL:
 * not there. Items are valid until the next add or done. */
struct restore_item *restore_queue_find(const struct restore_queue *q, uint64_t seq,
                                        uint32_t sub_key);
/* The same, but one without a packet id. */
struct restore_item *restore_queue_find_waiting(const struct restore_queue *q, uint64_t seq,
                                                uint32_t sub_key);
/* The item of that message, for whichever subscription. */
struct restore_item *restore_queue_find_any(const struct restore_queue *q, uint64_t seq);
/* The first with a higher number, or NULL. */
struct restore_item *restore_queue_after(const struct restore_queue *q, uint64_t seq);
struct restore_item *restore_queue_find_id(const struct restore_queue *q, uint16_t packet_id);
/* It is in flight under that id, which no other has. */
void restore_queue_set_id(struct restore_queue *q, struct restore_item *it, uint16_t packet_id);
/* It needs no message any more, nor more identifiers than tell which it was. */
void restore_queue_drop_message(struct restore_queue *q, struct restore_item *it);
void restore_queue_done(struct restore_queue *q, struct restore_item *it);
/* What `before` has of numbers above base, and q has not, goes into q. */
void restore_queue_carry_over(struct restore_queue *q, struct restore_queue *before, uint64_t base);
/* Only what lives, from the beginning of the array on. */
void restore_queue_pack(struct restore_queue *q);

#endif
