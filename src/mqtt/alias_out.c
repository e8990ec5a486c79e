/*
 * First come, first served: topics get the aliases 1 … max in turn and keep them. Giving an alias
 * to a newer topic would cost its whole name again whenever topics take turns, and which topics a
 * client gets often is mostly seen at once.
 */
#include "mqtt/alias_out.h"

#include "base/map.h"
#include "base/mem.h"

#include <assert.h>

struct known_topic {
    uint16_t alias;
    char topic[];
};

struct alias_out {
    struct map topics; /* -> struct known_topic, which holds the key */
    uint16_t max;
};

struct alias_out *alias_out_new(uint16_t max)
{
    struct alias_out *a = NEW(struct alias_out);

    assert(max > 0);
    map_init(&a->topics);
    a->max = max;
    return a;
}

void alias_out_free(struct alias_out *a)
{
    if (!a)
        return;
    map_empty(&a->topics, mem_free);
    map_fini(&a->topics);
    mem_free(a);
}

struct alias_use alias_out_find(const struct alias_out *a, struct str topic)
{
    const struct known_topic *k;

    if (topic.n < ALIAS_OUT_TOPIC_MIN)
        return (struct alias_use){ 0 };
    k = map_get(&a->topics, topic);
    if (k)
        return (struct alias_use){ k->alias, true };
    if (a->topics.count >= a->max)
        return (struct alias_use){ 0 };
    return (struct alias_use){ (uint16_t)(a->topics.count + 1), false };
}

void alias_out_told(struct alias_out *a, struct str topic, uint16_t alias)
{
    struct known_topic *k = mem_new(sizeof(*k) + topic.n);

    assert(alias == a->topics.count + 1 && alias <= a->max);
    k->alias = alias;
    memcpy(k->topic, topic.p, topic.n);
    if (map_put(&a->topics, str_from(k->topic, topic.n), k))
        assert(false && "a topic is told once");
}
