/*
 * Topic maps of bridges, by mosquitto's rules: the first rule that matches decides. The prefixes have no
 * wildcards, so a topic that a whole filter matches begins with the prefix; but for the one exception that
 * "a/#" matches "a" (MQTT 5, 4.7.1.2), which has no rest and so no name on the other side.
 */
#include "mqtt/bridge_map.h"

#include "base/buf.h"
#include "base/mem.h"
#include "wire/mqtt_topic.h"

#include <assert.h>

static struct str joined(struct str a, struct str b)
{
    char *p = mem_new(a.n + b.n + 1);

    if (a.n > 0)
        memcpy(p, a.p, a.n);
    if (b.n > 0)
        memcpy(p + a.n, b.p, b.n);
    return str_from(p, a.n + b.n);
}

static void drop(struct str s)
{
    mem_free((void *)(uintptr_t)s.p);
}

static const char *check_side(struct str prefix, struct str filter, const char *bad)
{
    struct str whole = joined(prefix, filter), name, rest;
    bool ok = mqtt_filter_valid(whole) && mqtt_share_split(whole, &name, &rest) == MQTT_SHARE_NO &&
              (prefix.n == 0 || mqtt_topic_valid(prefix));

    drop(whole);
    return ok ? NULL : bad;
}

const char *bridge_rule_check(const struct bridge_rule *r)
{
    const char *bad;

    if (r->filter.n == 0 && (r->local_prefix.n == 0 || r->remote_prefix.n == 0))
        return "without a filter it maps one topic: local_prefix and remote_prefix are its two names then";
    if (r->filter.n > 0 && !mqtt_filter_valid(r->filter))
        return "'filter' is no topic filter: '+' stands for a whole level, '#' for the whole rest";
    bad = check_side(
        r->local_prefix, r->filter,
        "'local_prefix' may have no wildcards, and must make a topic filter with 'filter' "
        "behind it (not one of $share/)");
    if (bad)
        return bad;
    return check_side(
        r->remote_prefix, r->filter,
        "'remote_prefix' may have no wildcards, and must make a topic filter with 'filter' "
        "behind it (not one of $share/)");
}

void bridge_map_init(struct bridge_map *m, const struct bridge_rule *rules, size_t count)
{
    *m = (struct bridge_map){ .entries = mem_new_array(count + 1, sizeof(*m->entries)),
                              .count = count };
    for (size_t i = 0; i < count; i++) {
        struct bridge_map_entry *e = &m->entries[i];

        assert(!bridge_rule_check(&rules[i]));
        e->rule = rules[i];
        e->rule.filter = joined(rules[i].filter, STR_NONE);
        e->rule.local_prefix = joined(rules[i].local_prefix, STR_NONE);
        e->rule.remote_prefix = joined(rules[i].remote_prefix, STR_NONE);
        e->local_filter = joined(rules[i].local_prefix, rules[i].filter);
        e->remote_filter = joined(rules[i].remote_prefix, rules[i].filter);
    }
}

void bridge_map_fini(struct bridge_map *m)
{
    for (size_t i = 0; i < m->count; i++) {
        struct bridge_map_entry *e = &m->entries[i];

        drop(e->rule.filter);
        drop(e->rule.local_prefix);
        drop(e->rule.remote_prefix);
        drop(e->local_filter);
        drop(e->remote_filter);
    }
    mem_free(m->entries);
    *m = (struct bridge_map){ 0 };
}

/* from and to: what is in front on the side that the topic comes from, and on the other. */
static bool rename_topic(struct str topic, struct str from, struct str to, struct buf *out)
{
    if (!str_starts(topic, from) || to.n + topic.n - from.n > UINT16_MAX)
        return false;
    topic = str_skip(topic, from.n);
    if (to.n + topic.n == 0)
        return false;
    buf_put(out, to);
    buf_put(out, topic);
    return true;
}

static bool map_local(const struct bridge_map *m, enum bridge_direction d, struct str topic,
                      struct buf *out)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct bridge_map_entry *e = &m->entries[i];

        if ((e->rule.direction & d) && mqtt_filter_matches(e->local_filter, topic))
            return rename_topic(topic, e->rule.local_prefix, e->rule.remote_prefix, out);
    }
    return false;
}

static bool map_remote(const struct bridge_map *m, enum bridge_direction d, struct str topic,
                       struct buf *out)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct bridge_map_entry *e = &m->entries[i];

        if ((e->rule.direction & d) && mqtt_filter_matches(e->remote_filter, topic))
            return rename_topic(topic, e->rule.remote_prefix, e->rule.local_prefix, out);
    }
    return false;
}

bool bridge_map_out(const struct bridge_map *m, struct str local_topic, struct buf *out)
{
    return map_local(m, BRIDGE_OUT, local_topic, out);
}

bool bridge_map_in(const struct bridge_map *m, struct str remote_topic, struct buf *out)
{
    return map_remote(m, BRIDGE_IN, remote_topic, out);
}

bool bridge_map_reply_out(const struct bridge_map *m, struct str local_topic, struct buf *out)
{
    return map_local(m, BRIDGE_IN, local_topic, out);
}

bool bridge_map_reply_in(const struct bridge_map *m, struct str remote_topic, struct buf *out)
{
    return map_remote(m, BRIDGE_OUT, remote_topic, out);
}

bool bridge_map_has(const struct bridge_map *m, enum bridge_direction d, unsigned qos)
{
    for (size_t i = 0; i < m->count; i++)
        if ((m->entries[i].rule.direction & d) && m->entries[i].rule.qos >= qos)
            return true;
    return false;
}
