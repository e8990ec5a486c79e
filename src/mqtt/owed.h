#ifndef MQTT_OWED_H
#define MQTT_OWED_H
/*
 * The messages that a shared subscription owes to whichever of its members, in the order of their numbers
 * in what the broker writes down. Pure; not thread-safe.
 *
 * What is done with stays in its place as a number without a message, so that it does not come again when it
 * is told again; owed_forget() takes those away.
 */
#include "mqtt/message.h"

struct owed_item {
    uint64_t seq;
    struct message *m; /* NULL: done with, or not found yet */
    bool done;
};
/* Zeroed at first. */
struct owed {
    struct owed_item *items; /* ascending */
    size_t count, cap, live; /* live: those that are not done */
};
/* With a reference to each message. */
void owed_fini(struct owed *o);
/* m's number is not 0. It takes a reference; not of one that is there already, done or not. */
void owed_add(struct owed *o, struct message *m);
/* NULL: not there, or done. Valid until the next call that changes o. */
struct owed_item *owed_find(const struct owed *o, uint64_t seq);
/* False: it was not there, or done. */
bool owed_done(struct owed *o, uint64_t seq);
/* The same, and if it was not there it will not come. */
void owed_void(struct owed *o, uint64_t seq);
/* The first at `seq` or above that is not done, or NULL; valid as above. */
const struct owed_item *owed_from(const struct owed *o, uint64_t seq);
/* Of the numbers above low and up to high, which is not 0, exactly those are owed (ascending, within that
 * range), but for those that are done. New ones have no message yet. */
void owed_tell(struct owed *o, uint64_t low, uint64_t high, const uint64_t *seqs, size_t n);
/* Nothing is owed now; what is done stays done. */
void owed_drop(struct owed *o);
/* Takes away what is done, if it is more than what is not. */
void owed_forget(struct owed *o);

#endif
