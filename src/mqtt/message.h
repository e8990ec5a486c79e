#ifndef MQTT_MESSAGE_H
#define MQTT_MESSAGE_H
/*
 * A published message on its way to subscribers: immutable and counted, shared by the sessions and
 * workers that hold it (but for the mark of who has copied it). Topic, passed-on properties and payload lie
 * behind it in one block, which is a blob, so that a payload can be sent by reference.
 */
#include "base/blob.h"

#include <assert.h>
#include <string.h>

/* The fields that a message may have or not: of 64 bits, those of SEQ and EXPIRES of 48, that of PROPS of 32,
 * their length. What it has not is 0. */
enum message_field {
    /* Its number in what the broker writes down, which counts by ones; 0: it is not there. */
    MESSAGE_SEQ = 1,
    /* Names a publication that has no number, orders the retained of a topic (ns); 0: none yet. */
    MESSAGE_STAMP = 2,
    MESSAGE_EXPIRES = 4, /* monotonic ms, the first at which it is over; 0: never (5, 3.3.2.3.3) */
    /* Serial of the publishing session, for no-local; 0: from inside, or whoever has it does not need that. */
    MESSAGE_PUBLISHER = 8,
    MESSAGE_PROPS = 16,
};
struct message {
    uint16_t topic_n;
    struct mark copied; /* the round that has written a copy of it */
    uint8_t has : 5;    /* enum message_field */
    uint8_t qos : 2;
    uint8_t retain : 1;
    char bytes[]; /* those fields in their order, topic, properties, payload */
};

/* Where a message is made from; views are copied. */
struct message_source {
    struct str topic, payload;
    struct str props; /* MQTT 5 properties for the receiver, encoded, without their length */
    uint64_t stamp, expires_ms, publisher, seq;
    uint8_t qos;
    bool retain;
    uint8_t room; /* fields that will be set, besides those that are */
};
/* The room of a will: it is published later. */
#define MESSAGE_WILL_ROOM (MESSAGE_PUBLISHER | MESSAGE_STAMP | MESSAGE_SEQ)
/* One reference. topic.n < 64 KiB and the whole < 4 GiB, both capped by the caller. */
struct message *message_new(const struct message_source *src);

static inline struct blob *message_blob(const struct message *m)
{
    return (struct blob *)(void *)((char *)(uintptr_t)m - offsetof(struct blob, bytes));
}
static inline struct message *message_ref(const struct message *m)
{
    blob_ref(message_blob(m));
    return (struct message *)(uintptr_t)m;
}
static inline void message_unref(struct message *m)
{
    if (m)
        blob_unref(message_blob(m));
}
/* Of the fields that lie before one; of all for 32. */
static inline size_t message_fields_n(const struct message *m, unsigned before)
{
    unsigned has = m->has & (before - 1);

    return ((has & 1) + (has >> 2 & 1)) * 6 + ((has >> 1 & 1) + (has >> 3 & 1)) * 8 +
           (has >> 4 & 1) * 4;
}
static inline bool message_field_is_48(enum message_field f)
{
    return f & (MESSAGE_SEQ | MESSAGE_EXPIRES);
}
static inline uint64_t message_get(const struct message *m, enum message_field f)
{
    const char *at = m->bytes + message_fields_n(m, f);
    uint64_t v = 0;
    uint32_t low;
    uint16_t high;

    if (!(m->has & f))
        return 0;
    if (!message_field_is_48(f)) {
        memcpy(&v, at, sizeof(v));
        return v;
    }
    memcpy(&low, at, sizeof(low));
    memcpy(&high, at + sizeof(low), sizeof(high));
    return (uint64_t)high << 32 | low;
}
/* It has that field; nobody else has the message yet, or nobody reads it there. */
static inline void message_set(struct message *m, enum message_field f, uint64_t v)
{
    char *at = m->bytes + message_fields_n(m, f);
    uint32_t low = (uint32_t)v;
    uint16_t high = (uint16_t)(v >> 32);

    assert(m->has & f);
    if (!message_field_is_48(f)) {
        memcpy(at, &v, sizeof(v));
        return;
    }
    assert(v >> 48 == 0);
    memcpy(at, &low, sizeof(low));
    memcpy(at + sizeof(low), &high, sizeof(high));
}
static inline uint64_t message_seq(const struct message *m)
{
    return message_get(m, MESSAGE_SEQ);
}
static inline uint64_t message_stamp(const struct message *m)
{
    return message_get(m, MESSAGE_STAMP);
}
static inline uint64_t message_expires_ms(const struct message *m)
{
    return message_get(m, MESSAGE_EXPIRES);
}
static inline uint64_t message_publisher(const struct message *m)
{
    return message_get(m, MESSAGE_PUBLISHER);
}
static inline size_t message_topic_at(const struct message *m)
{
    return offsetof(struct message, bytes) + message_fields_n(m, 32);
}
static inline uint32_t message_props_n(const struct message *m)
{
    uint32_t n = 0;

    if (m->has & MESSAGE_PROPS)
        memcpy(&n, m->bytes + message_fields_n(m, MESSAGE_PROPS), sizeof(n));
    return n;
}
static inline struct str message_topic(const struct message *m)
{
    return (struct str){ (const char *)m + message_topic_at(m), m->topic_n };
}
static inline struct str message_props(const struct message *m)
{
    return (struct str){ message_topic(m).p + m->topic_n, message_props_n(m) };
}
static inline struct str message_payload(const struct message *m)
{
    size_t at = message_topic_at(m) + m->topic_n + message_props_n(m);

    return (struct str){ (const char *)m + at, message_blob(m)->n - at };
}
/* Place of the payload within message_blob(). */
static inline size_t message_payload_at(const struct message *m)
{
    return (size_t)(message_payload(m).p - message_blob(m)->bytes);
}
/* Memory that it holds, for queue limits. */
static inline size_t message_size(const struct message *m)
{
    return sizeof(struct blob) + message_blob(m)->n;
}
/* The same publication; each worker may have a copy of its own. One that is written down has a number, another
 * one a stamp, where there are several workers. */
static inline bool message_is_same(const struct message *a, const struct message *b)
{
    return a == b || (message_seq(a) != 0 && message_seq(a) == message_seq(b)) ||
           (message_stamp(a) != 0 && message_stamp(a) == message_stamp(b));
}
/* The Message Expiry Interval that is left (MQTT 5, 3.3.2-6), in seconds rounded up, so that what has hardly
 * waited says what it was given; and not more where our turn began before that of the publisher's
 * worker. */
uint32_t message_expiry_left_s(uint64_t expires_ms, uint64_t now_ms);
/* As a source again, to publish it once more or to change a flag. */
struct message_source message_source_of(const struct message *m);

#endif
