/*
 * Prefixing and stripping. A mount point ends with '/', so what is below it begins a level of its
 * own: '#' becomes "site/#", which also matches the topic "site" one level up, and mount_strip()
 * keeps that one from the client.
 */
#include "mqtt/mount.h"

#include "wire/mqtt_topic.h"

static bool is_sys(struct str topic)
{
    return str_eq(topic, STR("$SYS")) || str_starts(topic, STR("$SYS/"));
}

struct str mount_topic(struct str mount, struct str topic, struct buf *room)
{
    if (mount.n == 0 || is_sys(topic))
        return topic;
    buf_clear(room);
    buf_put(room, mount);
    buf_put(room, topic);
    return buf_str(room);
}

struct str mount_filter(struct str mount, struct str filter, struct buf *room)
{
    struct str name, inner;

    if (mount.n == 0 || mqtt_share_split(filter, &name, &inner) != MQTT_SHARE_YES)
        return mount_topic(mount, filter, room);
    if (is_sys(inner))
        return filter;
    buf_clear(room);
    buf_put(room, str_sub(filter, 0, (size_t)(inner.p - filter.p)));
    buf_put(room, mount);
    buf_put(room, inner);
    return buf_str(room);
}

bool mount_strip(struct str mount, struct str *topic)
{
    if (mount.n == 0 || is_sys(*topic))
        return true;
    if (!str_starts(*topic, mount) || topic->n == mount.n)
        return false;
    *topic = str_skip(*topic, mount.n);
    return true;
}

void mount_forward(struct str mount, const struct mqtt_props *from, struct buf *raw)
{
    struct buf reply = buf_init(UINT16_MAX);
    struct mqtt_props p;

    if (mount.n == 0 || !(from->has & MQTT_HAS(RESPONSE_TOPIC))) {
        mqtt_props_forward(raw, from);
        return;
    }
    p = *from;
    p.response_topic = mount_topic(mount, p.response_topic, &reply);
    if (buf_check(&reply))
        p.has &= ~MQTT_HAS(RESPONSE_TOPIC);
    mqtt_props_forward(raw, &p);
    buf_fini(&reply);
}

struct str mount_strip_reply(struct str mount, struct str props, struct buf *room)
{
    struct str topic, whole;
    size_t at;

    if (mount.n == 0 || !mqtt_props_response_topic(props, &topic, &whole) || is_sys(topic))
        return props;
    at = (size_t)(whole.p - props.p);
    buf_clear(room);
    buf_put(room, str_sub(props, 0, at));
    if (mount_strip(mount, &topic))
        mqtt_props_put_text(room, MQTT_PROP_RESPONSE_TOPIC, topic);
    buf_put(room, str_skip(props, at + whole.n));
    return buf_str(room);
}
