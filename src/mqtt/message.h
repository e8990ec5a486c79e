#ifndef MQTT_MESSAGE_H
#define MQTT_MESSAGE_H
/*
 * A published message on its way to subscribers: immutable and counted, shared by the sessions and
 * workers that hold it (but for `copied`). Topic, passed-on properties and payload lie behind it in one block, which
 * is a blob, so that a payload can be sent by reference.
 */
#include "base/blob.h"

struct message {
    uint64_t stamp; /* names the publication, orders the retained of a topic (ns); 0: none yet */
    uint64_t expires_ms; /* monotonic, the first at which it is over; 0: never (5, 3.3.2.3.3) */
    uint64_t publisher;  /* serial of the publishing session, for no-local; 0: from inside */
    uint64_t seq;        /* its number in what the broker writes down; 0: it is not there */
    struct mark copied;  /* the round that has written a copy of it */
    uint32_t payload_n;
    uint32_t props_n;
    uint16_t topic_n;
    uint8_t qos;
    bool retain;
    char bytes[]; /* topic, properties, payload */
};

/* Where a message is made from; views are copied. */
struct message_source {
    struct str topic, payload;
    struct str props; /* MQTT 5 properties for the receiver, encoded, without their length */
    uint64_t stamp, expires_ms, publisher, seq;
    uint8_t qos;
    bool retain;
};
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
static inline struct str message_topic(const struct message *m)
{
    return (struct str){ m->bytes, m->topic_n };
}
static inline struct str message_props(const struct message *m)
{
    return (struct str){ m->bytes + m->topic_n, m->props_n };
}
static inline struct str message_payload(const struct message *m)
{
    return (struct str){ m->bytes + m->topic_n + m->props_n, m->payload_n };
}
/* Place of the payload within message_blob(). */
static inline size_t message_payload_at(const struct message *m)
{
    return (size_t)(message_payload(m).p - message_blob(m)->bytes);
}
/* Memory that it holds, for queue limits. */
static inline size_t message_size(const struct message *m)
{
    return sizeof(struct blob) + sizeof(*m) + m->topic_n + m->props_n + m->payload_n;
}
/* The same publication; each worker may have a copy of its own. */
static inline bool message_is_same(const struct message *a, const struct message *b)
{
    return a == b || (a->stamp != 0 && a->stamp == b->stamp);
}
/* The Message Expiry Interval that is left (MQTT 5, 3.3.2-6), in seconds rounded up, so that what has hardly
 * waited says what it was given; and not more where our turn began before that of the publisher's
 * worker. */
uint32_t message_expiry_left_s(uint64_t expires_ms, uint64_t now_ms);
/* As a source again, to publish it once more or to change a flag. */
struct message_source message_source_of(const struct message *m);

#endif
