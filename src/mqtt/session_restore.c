/*
 * A session's queue out of what was written down. Packet ids that were given out are given out already: those
 * in flight lie in the ring as if this broker had sent them, with places for what was done between them
 * (mqtt/session.c).
 */
#include "mqtt/session_impl.h"

#include "base/mem.h"

/* Ids lie in turn in the ring, so what was done between two that are not leaves its place. False: they
 * lie too far apart. */
static bool ring_fill(struct session *s, uint16_t packet_id)
{
    uint32_t at = s->count == 0
                      ? 0
                      : (packet_id + session_id_count(s) - session_item_at(s, 0)->packet_id) %
                            session_id_count(s);

    if (s->count > 0 && at < s->count)
        return false;
    while (s->count < at) {
        uint16_t before = session_item_at(s, s->count - 1)->packet_id;

        session_ring_put(
            s, &(struct session_item){ .packet_id = (uint16_t)(before % session_id_count(s) + 1),
                                       .state = SESSION_DONE });
    }
    return true;
}

/* Those with an id in the order in which ids were given out, which is not always that of the messages'
 * numbers. They are as many as may be in flight. */
static void sort_by_id(struct session_item *items, size_t count, uint16_t last_packet_id,
                       uint32_t ids)
{
    size_t sorted = 0;

    for (size_t i = 0; i < count; i++) {
        struct session_item it = items[i];
        uint32_t age = (it.packet_id + 2 * ids - last_packet_id - 1) % ids;
        size_t at = sorted;

        if (it.packet_id == 0)
            continue;
        memmove(&items[sorted + 1], &items[sorted], (i - sorted) * sizeof(*items));
        while (at > 0 && (items[at - 1].packet_id + 2 * ids - last_packet_id - 1) % ids > age) {
            items[at] = items[at - 1];
            at--;
        }
        items[at] = it;
        sorted++;
    }
}

/* They become the ring as they are. */
static void ring_adopt(struct session *s, struct session_item *items, uint32_t count)
{
    if (count == 0) {
        mem_free(items);
        return;
    }
    s->ring = mem_resize(items, count * sizeof(*items));
    items = s->ring;
    s->cap = s->count = count;
    for (uint32_t i = 0; i < count; i++)
        s->queued_bytes += session_queued_size(items[i].m, session_sub_ids(s, &items[i].sub_ids));
    s->queued_messages = count;
    metric_gauge_add(s->limits->queued, count);
    metric_gauge_add(s->limits->queued_bytes, (int64_t)s->queued_bytes);
}

static void ring_put_all(struct session *s, struct session_item *items, uint32_t count)
{
    uint16_t last = s->last_packet_id;

    for (uint32_t i = 0; i < count; i++) {
        struct session_item *it = &items[i];

        if (it->packet_id == 0)
            continue;
        if (!ring_fill(s, it->packet_id)) {
            it->packet_id = 0;
            continue;
        }
        session_ring_put(s, it);
        s->last_packet_id = it->packet_id;
    }
    /* What had later ids is not there any more, but the client may still hold those of QoS 2. */
    if (s->count > 0 && ring_fill(s, (uint16_t)(last % session_id_count(s) + 1)))
        s->last_packet_id = last;
    assert(s->count <= session_id_count(s));
    s->sent = s->resend_at = (uint16_t)s->count;
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].packet_id == 0 && session_item_message(&items[i])) {
            items[i].state = SESSION_WAITING;
            session_ring_put(s, &items[i]);
        }
    }
}

void session_restore_take(struct session *s, struct session_item *items, uint32_t count,
                          uint16_t last_packet_id)
{
    bool waiting = true;

    assert(s->count == 0 && !s->ring);
    s->last_packet_id = last_packet_id;
    for (uint32_t i = 0; i < count; i++)
        waiting &= items[i].packet_id == 0 && items[i].state == SESSION_WAITING;
    if (waiting) {
        ring_adopt(s, items, count);
        return;
    }
    sort_by_id(items, count, last_packet_id, session_id_count(s));
    ring_put_all(s, items, count);
    mem_free(items);
}
