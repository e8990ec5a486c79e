#ifndef NODE_STATE_H
#define NODE_STATE_H
/*
 * Whether a node is able to take work, and why not. Any thread may raise or clear a reason; any
 * thread may ask. Pure.
 */
#include "base/buf.h"
#include "base/cell.h"

#define NOT_READY_LIST(X)                                                                          \
    X(STARTING, "starting")                                                                        \
    X(STOPPING, "shutting down")                                                                   \
    X(STORE, "the store takes no records; the journal keeps them meanwhile")                       \
    X(JOURNAL_FULL, "the journal is full until its sink has taken some of it")                     \
    X(JOURNAL, "the journal refuses records")                                                      \
    X(MQTT_LOG_FULL, "the broker's log is full: mqtt.log_quota")                                   \
    X(MQTT_DISK,                                                                                   \
      "the disk has no space for the broker's log: free some of it, or let clients take "          \
      "what waits; journal.free_floor is left free")                                               \
    X(MQTT_MEMORY, "memory for messages is short: limits.mqtt_memory_max")                         \
    X(MQTT_LOG, "the broker's log cannot be written")

enum not_ready {
#define NOT_READY_ENUM(name, text) NOT_READY_##name,
    NOT_READY_LIST(NOT_READY_ENUM)
#undef NOT_READY_ENUM
        NOT_READY_COUNT
};

struct node_state {
    struct cell reasons[NOT_READY_COUNT]; /* 1: it holds */
    /* Brings the reasons up to date before they are read, on any thread. May be NULL. */
    void (*refresh)(void *ctx, struct node_state *s);
    void *ctx;
};

static inline void state_set(struct node_state *s, enum not_ready why, bool holds)
{
    cell_set(&s->reasons[why], holds);
}
/* To be called before the reasons are read. */
static inline void state_refresh(struct node_state *s)
{
    if (s->refresh)
        s->refresh(s->ctx, s);
}
bool state_is_ready(const struct node_state *s);
/* The reasons that hold, separated by "; ". Empty when ready. */
void state_reasons(const struct node_state *s, struct buf *out);
/* "READY\n", or "NOT_READY\n" and the reasons in the second line. */
void state_text(const struct node_state *s, struct buf *out);

#endif
