/*
 * A ring of answers owed. Numbers count upwards without end, so a number names its place as long
 * as it waits; whoever settles an answer that is gone made a mistake of ours. The ring is as long
 * as the packets that a client may have unanswered, which its connection limits.
 */
#include "mqtt/acks.h"

#include "base/mem.h"
#include "wire/mqtt.h"

#include <assert.h>

#define RING_LENGTH 32u  /* of a ring at first; a power of two */
#define SPARE_MAX   256u /* rings that are kept */

static struct ack *ring_take(struct acks_spare *spare, uint32_t cap)
{
    struct ack *ring = spare->first;

    if (!ring || cap != RING_LENGTH)
        return mem_new_array(cap, sizeof(*ring));
    spare->first = ring->next;
    spare->count--;
    return ring;
}

static void ring_give(struct acks_spare *spare, struct ack *ring, uint32_t cap)
{
    if (cap != RING_LENGTH || spare->count == SPARE_MAX) {
        mem_free(ring);
        return;
    }
    ring->next = spare->first;
    spare->first = ring;
    spare->count++;
}

void acks_spare_fini(struct acks_spare *spare)
{
    while (spare->count > 0)
        mem_free(ring_take(spare, RING_LENGTH));
}

void acks_fini(struct acks *a, struct acks_spare *spare)
{
    while (a->count > 0) {
        a->ring[a->first & (a->cap - 1)].ready = true;
        acks_pop(a, spare);
    }
    *a = acks_init();
}

static void grow(struct acks *a, struct acks_spare *spare)
{
    uint32_t cap = a->cap ? a->cap * 2 : RING_LENGTH;
    struct ack *ring = ring_take(spare, cap);

    for (uint32_t i = 0; i < a->count; i++)
        ring[(a->first + i) & (cap - 1)] = a->ring[(a->first + i) & (a->cap - 1)];
    if (a->ring)
        ring_give(spare, a->ring, a->cap);
    a->ring = ring;
    a->cap = cap;
}

static bool is_of_publication(uint8_t kind)
{
    return kind == MQTT_PUBACK || kind == MQTT_PUBREC;
}

static uint32_t put(struct acks *a, struct acks_spare *spare, const struct ack *k)
{
    uint32_t number;

    if (a->count == a->cap)
        grow(a, spare);
    number = a->first + a->count++;
    a->publications += !k->again && is_of_publication(k->kind);
    a->ring[number & (a->cap - 1)] = *k;
    return number;
}

uint32_t acks_open(struct acks *a, struct acks_spare *spare, uint8_t kind, uint16_t packet_id)
{
    return put(a, spare, &(struct ack){ .packet_id = packet_id, .kind = kind });
}

uint32_t acks_open_again(struct acks *a, struct acks_spare *spare, uint8_t kind, uint16_t packet_id)
{
    return put(a, spare, &(struct ack){ .packet_id = packet_id, .kind = kind, .again = true });
}

void acks_settle_take(struct acks *a, uint32_t number, uint8_t code, const char *reason,
                      struct blob *packet)
{
    struct ack *k;

    assert(number - a->first < a->count);
    k = &a->ring[number & (a->cap - 1)];
    assert(!k->ready);
    k->ready = true;
    k->code = code;
    k->reason = reason;
    k->packet = packet;
}

const struct ack *acks_front(const struct acks *a)
{
    const struct ack *k = a->count ? &a->ring[a->first & (a->cap - 1)] : NULL;

    return k && k->ready ? k : NULL;
}

bool acks_waits(const struct acks *a, uint8_t kind, uint16_t packet_id)
{
    for (uint32_t i = 0; i < a->count; i++) {
        const struct ack *k = &a->ring[(a->first + i) & (a->cap - 1)];

        if (k->kind == kind && (packet_id == 0 || k->packet_id == packet_id))
            return true;
    }
    return false;
}

void acks_pop(struct acks *a, struct acks_spare *spare)
{
    struct ack *k = &a->ring[a->first & (a->cap - 1)];

    assert(a->count > 0 && k->ready);
    blob_unref(k->packet);
    k->packet = NULL;
    a->publications -= !k->again && is_of_publication(k->kind);
    a->first++;
    a->count--;
    if (a->count == 0) { /* most connections owe nothing most of the time */
        ring_give(spare, a->ring, a->cap);
        a->ring = NULL;
        a->cap = 0;
    }
}
