/*
 * Messages are blobs whose bytes begin with a struct message: one allocation, counted by base/blob,
 * and its payload can be queued on a stream by reference. They never change once shared. Most have few of
 * the fields that one may have, and millions wait in queues, so each has only what it needs.
 */
#include "mqtt/message.h"

#include "base/mem.h"

#include <assert.h>

static_assert(offsetof(struct blob, bytes) % _Alignof(struct message) == 0,
              "a message lies at the beginning of a blob's bytes");

static char *put(char *at, struct str s)
{
    if (s.n > 0)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

static unsigned fields_of(const struct message_source *src)
{
    return src->room | (src->seq ? MESSAGE_SEQ : 0u) | (src->stamp ? MESSAGE_STAMP : 0u) |
           (src->expires_ms ? MESSAGE_EXPIRES : 0u) | (src->publisher ? MESSAGE_PUBLISHER : 0u) |
           (src->props.n ? MESSAGE_PROPS : 0u);
}

static void set_fields(struct message *m, const struct message_source *src)
{
    uint32_t props_n = (uint32_t)src->props.n;

    if (m->has & MESSAGE_SEQ)
        message_set(m, MESSAGE_SEQ, src->seq);
    if (m->has & MESSAGE_STAMP)
        message_set(m, MESSAGE_STAMP, src->stamp);
    if (m->has & MESSAGE_EXPIRES)
        message_set(m, MESSAGE_EXPIRES, src->expires_ms);
    if (m->has & MESSAGE_PUBLISHER)
        message_set(m, MESSAGE_PUBLISHER, src->publisher);
    if (m->has & MESSAGE_PROPS)
        memcpy(m->bytes + message_fields_n(m, MESSAGE_PROPS), &props_n, sizeof(props_n));
}

struct message *message_new(const struct message_source *src)
{
    size_t n = src->topic.n + src->props.n + src->payload.n;
    struct message head = {
        .topic_n = (uint16_t)src->topic.n,
        .has = fields_of(src) & 31u,
        .qos = src->qos & 3u,
        .retain = src->retain,
    };
    struct blob *b = blob_alloc(message_topic_at(&head) + n);
    struct message *m = (struct message *)(void *)b->bytes;

    assert(src->topic.n <= UINT16_MAX && n < UINT32_MAX);
    memcpy(m, &head, offsetof(struct message, bytes));
    set_fields(m, src);
    put(put(put(b->bytes + message_topic_at(m), src->topic), src->props), src->payload);
    return m;
}

struct message_source message_source_of(const struct message *m)
{
    return (struct message_source){
        .topic = message_topic(m),
        .payload = message_payload(m),
        .props = message_props(m),
        .stamp = message_stamp(m),
        .expires_ms = message_expires_ms(m),
        .publisher = message_publisher(m),
        .seq = message_seq(m),
        .qos = m->qos,
        .retain = m->retain,
    };
}

/* By how much the clock of a turn may be behind that of another worker's. */
#define TURN_MS 50u

uint32_t message_expiry_left_s(uint64_t expires_ms, uint64_t now_ms)
{
    uint64_t left_s = expires_ms > now_ms ? (expires_ms - 1 - now_ms + 999 - TURN_MS) / 1000 : 0;

    return left_s < UINT32_MAX ? (uint32_t)left_s : UINT32_MAX;
}
