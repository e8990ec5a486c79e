#ifndef MQTT_RESTORED_H
#define MQTT_RESTORED_H
/*
 * One session that is being restored (mqtt/restore.h), with what was told of it so far. Pure; one thread.
 * What is said of it and names what it has not (any more) says nothing.
 */
#include "mqtt/persist.h"
#include "mqtt/restore_queue.h"
#include "mqtt/seq_map.h"
#include "mqtt/tree.h"

struct restored {
    struct session *s; /* its conn names this, so that what the tree leads to is found */
    uint64_t away_seq; /* what came before may have been sent; 0: all, its client is there */
    int64_t away_ms;   /* else since when, by the log's time; set by whoever knows that */
    uint64_t base;     /* what the record of the whole said */
    uint32_t parts;    /* of the whole, so far */
    bool in_tree;      /* told to its end */
    struct restore_queue queue;
};

/* p: PERSIST_SESSION or _BEGIN; what it holds comes with restored_add(). limits outlive the session. */
struct restored *restored_new(const struct persist *p, const struct session_limits *limits);
void restored_free(void *value);
/* What one record of a whole holds. */
void restored_add(struct restored *d, const struct persist *p);
/* d is told to its end, and before was what was told of it so far: what has come since goes along. */
void restored_replaces(struct restored *d, struct restored *before);
/* The options of a subscription as the tree has them; false: they are none. */
bool restored_options(const struct persist_sub *sub, uint8_t *out);
static inline struct str restored_filter(const struct session_sub *sub)
{
    return (struct str){ sub->filter, sub->filter_n };
}
/* Messages above seq came when a subscription had ended: what no other one wants the session never had. */
void restored_unwanted(struct restored *d, uint64_t seq);

/* PERSIST_WILL, _DONE, _SENT, _RELEASED. */
void restored_will(struct restored *d, const struct persist *p);
void restored_no_will(struct restored *d);
void restored_done(struct restored *d, const struct persist *p);
void restored_sent(struct restored *d, const struct persist *p);
void restored_released(struct restored *d, uint16_t packet_id);
/* PERSIST_TAKEN. m may be NULL: it is looked for at the end. */
void restored_taken(struct restored *d, const struct persist_item *it, struct message *m);
/* All was told: the session has its queue, with its messages or their copies. How many are in neither, and so are
 * lost. */
uint64_t restored_finish(struct restored *d, const struct seq_map *copies);

#endif
