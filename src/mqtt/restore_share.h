#ifndef MQTT_RESTORE_SHARE_H
#define MQTT_RESTORE_SHARE_H
/*
 * The shared subscriptions of what is being restored: who is there, and what their groups owe. A group may
 * be told of before its members are; what it owes goes with the last of them. Messages that it is not told to
 * owe, but that its filter matches, are its own only while it has a member: a group of members that are not
 * written down says of its messages, too, that they are done with, and owes none. Pure; one thread.
 */
#include "base/map.h"
#include "mqtt/owed.h"
#include "mqtt/tree.h"

struct restore_share {
    struct str key; /* the whole filter as subscribed, heap */
    uint32_t members;
    struct owed owed;
};
struct restore_shares {
    struct map by_key;
    struct tree *tree; /* their filters are in it; borrowed */
};
void restore_shares_init(struct restore_shares *all, struct tree *tree);
void restore_shares_fini(struct restore_shares *all);

/* One member more, or less. key: as mqtt_share_split() takes it. */
void restore_shares_join(struct restore_shares *all, struct str key);
/* By a subscription of this place of the log: the first member gets nothing from before. */
void restore_shares_subscribe(struct restore_shares *all, struct str key);
void restore_shares_leave(struct restore_shares *all, struct str key);
/* Made where it is not there yet. */
struct restore_share *restore_shares_get(struct restore_shares *all, struct str key);
/* A message that those filters match. */
void restore_shares_owe(const struct tree_span *spans, size_t n, struct message *m);

#endif
