#ifndef MQTT_BRIDGE_MAP_H
#define MQTT_BRIDGE_MAP_H
/*
 * Which topics cross a bridge and what they are called on the other side. Pure.
 *
 * A rule is a filter with a prefix for each side: what is LOCAL_PREFIX + rest here is REMOTE_PREFIX + rest
 * there, for each rest that the filter matches. An empty filter maps one topic: the prefixes are the two
 * names then. Prefixes are put in front as they are, no '/' is added.
 */
#include "base/str.h"

struct buf;

enum bridge_direction { BRIDGE_OUT = 1, BRIDGE_IN = 2, BRIDGE_BOTH = 3 };
struct bridge_rule {
    struct str filter, local_prefix, remote_prefix; /* each may be empty */
    unsigned char direction;                        /* enum bridge_direction */
    unsigned char qos;                              /* at most */
};
/* NULL: the rule can be used; else what is wrong with it, for people. */
const char *bridge_rule_check(const struct bridge_rule *r);

/* What a rule subscribes to on either side. */
struct bridge_map_entry {
    struct bridge_rule rule; /* its texts are the map's */
    struct str local_filter, remote_filter;
};
struct bridge_map {
    struct bridge_map_entry *entries;
    size_t count;
};
/* The rules are copied; each must be usable. */
void bridge_map_init(struct bridge_map *m, const struct bridge_rule *rules, size_t count);
void bridge_map_fini(struct bridge_map *m);

/* The name on the other side by the first rule of that direction that matches, appended to out. False: no
 * rule does, or the name would be no topic. */
bool bridge_map_out(const struct bridge_map *m, struct str local_topic, struct buf *out);
bool bridge_map_in(const struct bridge_map *m, struct str remote_topic, struct buf *out);
/* Where an answer has to be sent so that it comes back: the name there of a local topic that is brought in,
 * and the name here of a remote one that is brought out. False: none, it is the same. */
bool bridge_map_reply_out(const struct bridge_map *m, struct str local_topic, struct buf *out);
bool bridge_map_reply_in(const struct bridge_map *m, struct str remote_topic, struct buf *out);

/* Whether any rule of that direction has so high a QoS. */
bool bridge_map_has(const struct bridge_map *m, enum bridge_direction d, unsigned qos);

#endif
