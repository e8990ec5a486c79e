#ifndef WIRE_MQTT_TOPIC_H
#define WIRE_MQTT_TOPIC_H
/*
 * Topic names and topic filters (MQTT 5 section 4.7, the same in 3.1.1; shared subscriptions 4.8).
 * Pure. A name or filter is at least one byte of UTF-8 without U+0000; levels are separated by
 * '/', and an empty level is a level. The decoder in mqtt.h has applied these rules already; what
 * it cannot know are the limits of a broker.
 */
#include "base/str.h"

/* A topic name: well-formed, not empty, at most 65535 bytes, no '+' or '#'. */
bool mqtt_topic_valid(struct str topic);
/* A topic filter: as a name, with '+' only as a whole level and '#' only as the whole last one. */
bool mqtt_filter_valid(struct str filter);
/* True when the filter has no wildcard, so that it matches one name only. */
bool mqtt_filter_is_plain(struct str filter);
/* The number of levels: one more than there are '/'. */
size_t mqtt_levels(struct str topic_or_filter);
/* True when it fits both limits (limits.h: mqtt_topic_max_bytes, mqtt_topic_levels_max). */
bool mqtt_topic_fits(struct str topic_or_filter, uint64_t max_bytes, uint64_t max_levels);

/* Does the valid filter match the valid name? A wildcard in the first level does not match a name
 * that starts with '$' (4.7.2). Without shared subscriptions: split those first. Recursive in
 * nothing, linear in the longer one. */
bool mqtt_filter_matches(struct str filter, struct str topic);

/* The form `$share/NAME/FILTER` (MQTT 5, 4.8.2). MQTT_SHARE_NO: an ordinary filter, outputs are
 * untouched. MQTT_SHARE_YES: *out_name and *out_filter are the two parts, both not empty and
 * valid. MQTT_SHARE_BAD: starts with "$share/" and breaks the rules. */
enum mqtt_share { MQTT_SHARE_NO, MQTT_SHARE_YES, MQTT_SHARE_BAD };
enum mqtt_share mqtt_share_split(struct str filter, struct str *out_name, struct str *out_filter);

#endif
