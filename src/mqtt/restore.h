#ifndef MQTT_RESTORE_H
#define MQTT_RESTORE_H
/*
 * The state that the operations of mqtt/persist.h describe, read in their order: sessions with their
 * queues, what shared subscriptions owe, and retained messages. Pure; one thread.
 *
 * Every operation may come twice or name what is not there (any more): it then says nothing. So a log
 * whose beginning is gone, or that was cut anywhere, gives the state as far as it is told.
 */
#include "mqtt/persist.h"
#include "mqtt/timeline.h"

struct restore;

struct restore_options {
    const struct session_limits *limits; /* outlives the sessions */
    /* Those of one client where they are others; NULL: of none. */
    const struct session_limits *(*limits_of)(void *ctx, struct str client_id);
    void *ctx;
    struct timeline_clocks clocks; /* now, both */
    uint64_t now_ms;
};
struct restore *restore_new(const struct restore_options *o);
void restore_free(struct restore *r);

/* The clocks by which the next operations were told; without it: by those of now. */
void restore_clocks(struct restore *r, const struct timeline_clocks *then);
/* The next operation; seq: the number of its record, rising. ERR_VALUE: it cannot be understood and
 * is left out. */
MUST_USE int restore_apply(struct restore *r, uint64_t seq, struct str record);
/* All were applied: what follows may be called. */
void restore_finish(struct restore *r);

/* Each session that has not expired, or has and its will is still to be published, once; now the caller's.
 * NULL: no more. A session whose client was connected counts as left just now, and not by DISCONNECT; its
 * away_ms, expires_at_ms and will_at_ms are set. */
struct session *restore_take_session(struct restore *r);
/* Each retained message, once; a reference that is the caller's. NULL: no more. */
struct message *restore_take_retained(struct restore *r);
/* Each message that a shared subscription owes, once, group by group and in their order; a reference that is
 * the caller's. NULL: no more. The key is good until restore_free(). */
struct message *restore_take_owed(struct restore *r, struct str *out_key);
/* How many messages were named, but not found; once all were taken. Of a log without damage: none. */
uint64_t restore_lost(const struct restore *r);
/* Above every serial that was ever used. */
uint64_t restore_last_serial(const struct restore *r);

#endif
