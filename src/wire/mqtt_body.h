#ifndef WIRE_MQTT_BODY_H
#define WIRE_MQTT_BODY_H
/*
 * Inside the MQTT codec: what stands behind the fixed header of each packet, reader beside writer.
 * Readers get exactly the body; offsets in *why count from its start. Writers append the body.
 * Nobody but src/wire/mqtt*.c includes this.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "base/rd.h"
#include "wire/mqtt.h"

#include <assert.h>

/* mqtt_connect.c */
MUST_USE int mqtt_read_connect(struct str body, struct mqtt_connect *out, struct wire_why *why);
void mqtt_write_connect(struct buf *out, const struct mqtt_connect *c);
MUST_USE int mqtt_read_connack(struct str body, enum mqtt_version v, struct mqtt_connack *out,
                               struct wire_why *why);
void mqtt_write_connack(struct buf *out, enum mqtt_version v, const struct mqtt_connack *c);
/* DISCONNECT and AUTH. */
MUST_USE int mqtt_read_reasoned(struct str body, enum mqtt_version v, enum mqtt_type type,
                                struct mqtt_reasoned *out, struct wire_why *why);
void mqtt_write_reasoned(struct buf *out, enum mqtt_version v, const struct mqtt_reasoned *d);

/* mqtt_sub.c */
MUST_USE int mqtt_read_subscribe(struct str body, enum mqtt_version v, enum mqtt_type type,
                                 struct mqtt_subscribe *out, struct wire_why *why);
void mqtt_write_subscribe(struct buf *out, enum mqtt_version v, const struct mqtt_subscribe *s);
MUST_USE int mqtt_read_suback(struct str body, enum mqtt_version v, enum mqtt_type type,
                              struct mqtt_suback *out, struct wire_why *why);
void mqtt_write_suback(struct buf *out, enum mqtt_version v, enum mqtt_type type,
                       const struct mqtt_suback *s);

/* mqtt_reason.c: may this packet carry this reason code (MQTT 5, 2.4)? */
bool mqtt_reason_allowed(enum mqtt_type type, unsigned code);

/* A string with its two bytes of length (1.5.4). */
static inline struct str mqtt_text_read(struct rd *r)
{
    size_t n = rd_u16(r);

    return rd_bytes(r, n);
}
static inline void mqtt_text_write(struct buf *out, struct str s)
{
    assert(s.n <= UINT16_MAX);
    buf_u16(out, (uint16_t)s.n);
    buf_put(out, s);
}

static inline int mqtt_malformed(struct wire_why *why, size_t at, const char *text)
{
    return wire_refuse(why, MQTT_REASON_MALFORMED, at, text);
}

/* Properties at the cursor: none under 3.1.1. body is what the cursor was made of. */
MUST_USE static inline int mqtt_body_props(struct rd *r, struct str body, enum mqtt_version v,
                                           uint64_t allowed, struct mqtt_props *out,
                                           struct wire_why *why)
{
    if (r->bad)
        return mqtt_malformed(why, r->at, "packet ends early");
    out->has = 0;
    out->raw = STR_NONE;
    return v == MQTT_V5 ? mqtt_props_read(body, &r->at, allowed, false, out, why) : 0;
}

#endif
