#ifndef MQTT_BRIDGE_TALLY_H
#define MQTT_BRIDGE_TALLY_H
/*
 * What a bridge has done, for people: in the metrics, the log and `wayside status`.
 */
#include "base/cell.h"
#include "base/metrics.h"
#include "mqtt/bridge_relay.h"

struct bridge_tally {
    const char *name;
    struct metric *open, *m_sent, *m_taken, *m_refused[2], *m_unmapped, *m_unfit, *overdue;
    struct bridge_counts told;
    /* From any thread. */
    struct cell connected, connects, sent, taken, refused, dropped;
    struct cell closed; /* filters that the far server refuses */
};

/* name outlives it; m may be NULL. */
void bridge_tally_init(struct bridge_tally *t, struct metrics *m, const char *name);
void bridge_tally_open(struct bridge_tally *t, bool open);
/* What was counted since the last time is told; what was lost, in the log too. */
void bridge_tally_take(struct bridge_tally *t, const struct bridge_counts *now);

#endif
