#ifndef MQTT_MOUNT_H
#define MQTT_MOUNT_H
/*
 * The mount point of a listener: its clients live below one prefix and do not know it. What they
 * name gets the prefix, what is delivered to them loses it; so does the topic for answers. "$SYS" is the same for everybody. Pure.
 */
#include "base/buf.h"
#include "wire/mqtt_props.h"

/* The prefixed topic name; a view of room, or of topic when nothing is to be done. mount.n 0: none. */
struct str mount_topic(struct str mount, struct str topic, struct buf *room);
/* The prefixed filter. "$share/NAME/" stays in front. */
struct str mount_filter(struct str mount, struct str filter, struct buf *room);
/* The name as the client knows it. False: it lies outside, so the client must not see it. */
bool mount_strip(struct str mount, struct str *topic);

/* As mqtt_props_forward(), with the prefixed Response Topic; without it if it would be too long for MQTT. */
void mount_forward(struct str mount, const struct mqtt_props *from, struct buf *raw);
/* Properties as mount_forward() made them, with the Response Topic as the client knows it; without it
 * if it lies outside, where the client could not answer. A view of room, or of props when nothing is to
 * be done. room takes props.n bytes. */
struct str mount_strip_reply(struct str mount, struct str props, struct buf *room);

#endif
