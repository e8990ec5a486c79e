/*
 * Messages are blobs whose bytes begin with a struct message: one allocation, counted by base/blob,
 * and its payload can be queued on a stream by reference. They never change once shared.
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

struct message *message_new(const struct message_source *src)
{
    size_t n = src->topic.n + src->props.n + src->payload.n;
    struct blob *b = blob_alloc(offsetof(struct message, bytes) + n);
    struct message *m = (struct message *)(void *)b->bytes;

    assert(src->topic.n <= UINT16_MAX && n < UINT32_MAX);
    m->stamp = src->stamp;
    m->expires_ms = src->expires_ms;
    m->publisher = src->publisher;
    m->seq = src->seq;
    m->copied = (struct mark){ 0 };
    m->topic_n = (uint16_t)src->topic.n;
    m->props_n = (uint32_t)src->props.n;
    m->payload_n = (uint32_t)src->payload.n;
    m->qos = src->qos;
    m->retain = src->retain;
    put(put(put(m->bytes, src->topic), src->props), src->payload);
    return m;
}

struct message_source message_source_of(const struct message *m)
{
    return (struct message_source){
        .topic = message_topic(m),
        .payload = message_payload(m),
        .props = message_props(m),
        .stamp = m->stamp,
        .expires_ms = m->expires_ms,
        .publisher = m->publisher,
        .seq = m->seq,
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
