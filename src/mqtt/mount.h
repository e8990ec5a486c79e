#ifndef MQTT_MOUNT_H
#define MQTT_MOUNT_H
/*
 * The mount point of a listener: its clients live below one prefix and do not know it. What they
 * name gets the prefix, what is delivered to them loses it. "$SYS" is the same for everybody. Pure.
 */
#include "base/buf.h"

/* The prefixed topic name; a view of room, or of topic when nothing is to be done. mount.n 0: none. */
struct str mount_topic(struct str mount, struct str topic, struct buf *room);
/* The prefixed filter. "$share/NAME/" stays in front. */
struct str mount_filter(struct str mount, struct str filter, struct buf *room);
/* The name as the client knows it. False: it lies outside, so the client must not see it. */
bool mount_strip(struct str mount, struct str *topic);

#endif
