#ifndef MQTT_SEQ_MAP_H
#define MQTT_SEQ_MAP_H
/*
 * From the number of a message in the broker's log to the message; for many, in little memory. The
 * numbers are the log's own, so nobody chooses who collides. Nothing is taken out. Not thread-safe.
 */
#include "mqtt/message.h"

struct seq_slot {
    uint64_t seq; /* 0: free */
    struct message *m;
};
/* Zeroed at first. */
struct seq_map {
    struct seq_slot *slots;
    size_t count, cap; /* cap: a power of two, or 0 */
};
/* With a reference to each message. */
void seq_map_fini(struct seq_map *s);
/* Borrowed, or NULL. */
struct message *seq_map_get(const struct seq_map *s, uint64_t seq);
/* m's number is not there yet and not 0. The reference is taken. */
void seq_map_add_take(struct seq_map *s, struct message *m);

#endif
