/*
 * Nearly all items come behind all others and are done at the front, so both cost nothing; what comes
 * out of order (two workers' messages in the order in which they reached the session) is put in its
 * place. A number is looked for by halving, a packet id among the few in flight.
 */
#include "mqtt/restore_queue.h"

#include "base/mem.h"

#include <assert.h>

#define PACK_LEAST 32u /* done items for which nothing is moved */

void restore_queue_init(struct restore_queue *q, struct session *s)
{
    *q = (struct restore_queue){ .s = s };
}

void restore_queue_fini(struct restore_queue *q)
{
    for (uint32_t i = q->from; i < q->count; i++)
        message_unref(q->items[i].m);
    mem_free(q->items);
    mem_free(q->ids);
    restore_queue_init(q, q->s);
}

void restore_queue_pack(struct restore_queue *q)
{
    uint32_t to = 0;

    if (q->from == 0 && q->live == q->count)
        return;
    for (uint32_t i = q->from; i < q->count; i++)
        if (q->items[i].state != SESSION_DONE)
            q->items[to++] = q->items[i];
    q->from = 0;
    q->count = to;
}

/* ---- finding ---- */

/* The first place whose number is not below seq. */
static uint32_t place_of(const struct restore_queue *q, uint64_t seq)
{
    uint32_t low = q->from, high = q->count;

    if (low < high && q->items[low].seq >= seq)
        return low;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (q->items[mid].seq < seq)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static uint32_t key_of(const struct restore_queue *q, const struct restore_item *it)
{
    struct sub_ids ids = session_sub_ids(q->s, &it->sub_ids);

    return ids.n ? ids.at[0] : 0;
}

struct restore_item *restore_queue_find(const struct restore_queue *q, uint64_t seq,
                                        uint32_t sub_key)
{
    for (uint32_t i = place_of(q, seq); i < q->count && q->items[i].seq == seq; i++)
        if (q->items[i].state != SESSION_DONE && key_of(q, &q->items[i]) == sub_key)
            return &q->items[i];
    return NULL;
}

struct restore_item *restore_queue_find_waiting(const struct restore_queue *q, uint64_t seq,
                                                uint32_t sub_key)
{
    for (uint32_t i = place_of(q, seq); i < q->count && q->items[i].seq == seq; i++)
        if (q->items[i].state == SESSION_WAITING && key_of(q, &q->items[i]) == sub_key)
            return &q->items[i];
    return NULL;
}

struct restore_item *restore_queue_find_any(const struct restore_queue *q, uint64_t seq)
{
    for (uint32_t i = place_of(q, seq); i < q->count && q->items[i].seq == seq; i++)
        if (q->items[i].state != SESSION_DONE)
            return &q->items[i];
    return NULL;
}

struct restore_item *restore_queue_after(const struct restore_queue *q, uint64_t seq)
{
    for (uint32_t i = seq == UINT64_MAX ? q->count : place_of(q, seq + 1); i < q->count; i++)
        if (q->items[i].state != SESSION_DONE)
            return &q->items[i];
    return NULL;
}

struct restore_item *restore_queue_find_id(const struct restore_queue *q, uint16_t packet_id)
{
    for (uint32_t k = 0; packet_id != 0 && k < q->id_count; k++) {
        if (q->ids[k].packet_id != packet_id)
            continue;
        for (uint32_t i = place_of(q, q->ids[k].seq);
             i < q->count && q->items[i].seq == q->ids[k].seq; i++)
            if (q->items[i].packet_id == packet_id && q->items[i].state != SESSION_DONE)
                return &q->items[i];
    }
    return NULL;
}

/* ---- changing ---- */

static void id_add(struct restore_queue *q, uint64_t seq, uint16_t packet_id)
{
    if (q->id_count == q->id_cap) {
        q->id_cap = q->id_cap ? q->id_cap * 2 : 8;
        q->ids = mem_resize(q->ids, q->id_cap * sizeof(*q->ids));
    }
    q->ids[q->id_count++] = (struct restore_id){ seq, packet_id };
}

static void id_remove(struct restore_queue *q, uint16_t packet_id)
{
    for (uint32_t k = 0; k < q->id_count; k++) {
        if (q->ids[k].packet_id == packet_id) {
            q->ids[k] = q->ids[--q->id_count];
            return;
        }
    }
    assert(false && "what has an id is among them");
}

void restore_queue_reserve(struct restore_queue *q, uint32_t count)
{
    uint32_t cap = q->cap ? q->cap : 4;

    while (cap - q->count < count)
        cap *= 2;
    if (count == 0 || cap == q->cap)
        return;
    q->items = mem_resize(q->items, cap * sizeof(*q->items));
    q->cap = cap;
}

static void make_room(struct restore_queue *q)
{
    if (q->count == q->cap) {
        if (q->live <= q->cap / 2)
            restore_queue_pack(q);
        restore_queue_reserve(q, 1);
    }
}

void restore_queue_add_take(struct restore_queue *q, const struct restore_item *it)
{
    bool known = restore_queue_find_id(q, it->packet_id) != NULL;
    uint32_t at;

    if (known && it->state == SESSION_RELEASED)
        return; /* it is the other one that is released */
    make_room(q);
    at = q->count;
    if (at > q->from && q->items[at - 1].seq > it->seq) {
        at = place_of(q, it->seq + 1);
        memmove(&q->items[at + 1], &q->items[at], (q->count - at) * sizeof(*q->items));
    }
    q->items[at] = *it;
    q->count++;
    q->live++;
    if (known) {
        q->items[at].packet_id = 0;
        q->items[at].state = SESSION_WAITING;
    } else if (it->packet_id != 0) {
        id_add(q, it->seq, it->packet_id);
    }
}

void restore_queue_set_id(struct restore_queue *q, struct restore_item *it, uint16_t packet_id)
{
    assert(it->packet_id == 0 && packet_id != 0);
    it->packet_id = packet_id;
    it->state = SESSION_SENT;
    id_add(q, it->seq, packet_id);
}

void restore_queue_drop_message(struct restore_queue *q, struct restore_item *it)
{
    uint32_t ref = it->sub_ids;

    message_unref(it->m);
    it->m = NULL;
    it->sub_ids = key_of(q, it);
    session_drop_sub_ids(q->s, ref);
}

void restore_queue_done(struct restore_queue *q, struct restore_item *it)
{
    restore_queue_drop_message(q, it);
    if (it->packet_id != 0)
        id_remove(q, it->packet_id);
    it->state = SESSION_DONE;
    q->live--;
    while (q->from < q->count && q->items[q->from].state == SESSION_DONE)
        q->from++;
    if (q->from == q->count)
        q->from = q->count = 0;
    else if (q->count - q->from > 2 * q->live + PACK_LEAST)
        restore_queue_pack(q);
}

void restore_queue_carry_over(struct restore_queue *q, struct restore_queue *before, uint64_t base)
{
    for (uint32_t i = base == UINT64_MAX ? before->count : place_of(before, base + 1);
         i < before->count; i++) {
        struct restore_item *it = &before->items[i], moved = *it;

        if (it->state == SESSION_DONE || restore_queue_find(q, it->seq, key_of(before, it)))
            continue;
        moved.sub_ids = session_put_sub_ids(q->s, session_sub_ids(before->s, &it->sub_ids));
        restore_queue_add_take(q, &moved);
        it->m = NULL;
    }
}
