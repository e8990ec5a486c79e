/*
 * The bodies of SUBSCRIBE, UNSUBSCRIBE, SUBACK and UNSUBACK (MQTT 5: 3.8 to 3.11), reader beside
 * writer. A list of entries is checked whole when it is decoded, so that stepping through it later
 * cannot fail, and no memory is needed that grows with what a peer sends.
 */
#include "wire/mqtt_body.h"

enum sub_option {
    OPTION_QOS = 0x03,
    OPTION_NO_LOCAL = 0x04,
    OPTION_AS_PUBLISHED = 0x08,
    OPTION_HANDLING = 0x30,
    OPTION_RESERVED = 0xc0,
    OPTION_RESERVED_V311 = 0xfc,
};

#define SUBSCRIBE_PROPS (MQTT_HAS(SUBSCRIPTION_ID) | MQTT_HAS(USER)) /* 3.8.2.1 */
#define SUBACK_PROPS    (MQTT_HAS(REASON_STRING) | MQTT_HAS(USER))   /* 3.9.2.1, 3.11.2.1 */

/* The options byte of one entry (3.8.3.1). */
static int check_options(unsigned options, struct str filter, enum mqtt_version v, size_t at,
                         struct wire_why *why)
{
    if (options & (v == MQTT_V5 ? OPTION_RESERVED : OPTION_RESERVED_V311))
        return mqtt_malformed(why, at, "reserved bit in subscription options");
    if ((options & OPTION_QOS) == 3)
        return wire_refuse(why, MQTT_REASON_PROTOCOL, at, "subscription with QoS 3");
    if ((options & OPTION_HANDLING) == OPTION_HANDLING)
        return wire_refuse(why, MQTT_REASON_PROTOCOL, at, "retain handling 3");
    if ((options & OPTION_NO_LOCAL) && str_starts(filter, STR("$share/"))) /* 3.8.3-4 */
        return wire_refuse(why, MQTT_REASON_PROTOCOL, at, "no local on a shared subscription");
    return 0;
}

static int check_filter(struct str filter, enum mqtt_version v, size_t at, struct wire_why *why)
{
    struct str name, rest;

    if (!utf8_valid_mqtt(filter))
        return mqtt_malformed(why, at, "topic filter is not UTF-8");
    if (!mqtt_filter_valid(filter))
        return wire_refuse(why, MQTT_REASON_BAD_FILTER, at, "not a topic filter");
    /* 4.8.2; before MQTT 5 "$share" is a level like any other. */
    if (v == MQTT_V5 && mqtt_share_split(filter, &name, &rest) == MQTT_SHARE_BAD)
        return wire_refuse(why, MQTT_REASON_BAD_FILTER, at, "not a shared subscription");
    return 0;
}

int mqtt_read_subscribe(struct str body, enum mqtt_version v, enum mqtt_type type,
                        struct mqtt_subscribe *out, struct wire_why *why)
{
    struct rd r = rd_init(body);
    size_t start;
    int rc;

    out->packet_id = rd_u16(&r);
    rc = mqtt_body_props(&r, body, v, type == MQTT_SUBSCRIBE ? SUBSCRIBE_PROPS : MQTT_HAS(USER),
                         &out->props, why);
    if (rc)
        return rc;
    if (out->packet_id == 0)
        return wire_refuse(why, MQTT_REASON_PROTOCOL, 0, "packet id 0");
    if (rd_left(&r) == 0) /* 3.8.3-2, 3.10.3-2 */
        return wire_refuse(why, MQTT_REASON_PROTOCOL, r.at, "no topic filter");
    start = r.at;
    out->count = 0;
    while (rd_left(&r) > 0) {
        size_t at = r.at;
        struct str filter = mqtt_text_read(&r);
        unsigned options = type == MQTT_SUBSCRIBE ? rd_u8(&r) : 0;

        if (r.bad)
            return mqtt_malformed(why, at, "topic filter runs out of packet");
        rc = check_filter(filter, v, at, why);
        if (rc == 0)
            rc = check_options(options, filter, v, r.at - 1, why);
        if (rc)
            return rc;
        out->count++;
    }
    out->list = str_skip(body, start);
    return 0;
}

void mqtt_write_subscribe(struct buf *out, enum mqtt_version v, const struct mqtt_subscribe *s)
{
    buf_u16(out, s->packet_id);
    if (v == MQTT_V5)
        mqtt_props_write(out, &s->props);
    buf_put(out, s->list);
}

bool mqtt_sub_next(struct str list, size_t *at, struct mqtt_sub *out)
{
    struct rd r = rd_init(str_skip(list, *at));
    struct str filter = mqtt_text_read(&r);
    unsigned options = rd_u8(&r);

    if (r.bad)
        return false;
    *out = (struct mqtt_sub){
        .filter = filter,
        .qos = (uint8_t)(options & OPTION_QOS),
        .no_local = options & OPTION_NO_LOCAL,
        .retain_as_published = options & OPTION_AS_PUBLISHED,
        .retain_handling = (uint8_t)((options & OPTION_HANDLING) >> 4),
    };
    *at += r.at;
    return true;
}

bool mqtt_unsub_next(struct str list, size_t *at, struct str *out_filter)
{
    struct rd r = rd_init(str_skip(list, *at));
    struct str filter = mqtt_text_read(&r);

    if (r.bad)
        return false;
    *out_filter = filter;
    *at += r.at;
    return true;
}

void mqtt_sub_put(struct buf *list, const struct mqtt_sub *s)
{
    mqtt_text_write(list, s->filter);
    buf_u8(list,
           (uint8_t)(s->qos | (s->no_local ? OPTION_NO_LOCAL : 0) |
                     (s->retain_as_published ? OPTION_AS_PUBLISHED : 0) | s->retain_handling << 4));
}

void mqtt_unsub_put(struct buf *list, struct str filter)
{
    mqtt_text_write(list, filter);
}

/* ---- SUBACK, UNSUBACK ---- */

static bool code_allowed(enum mqtt_type type, enum mqtt_version v, unsigned code)
{
    if (v == MQTT_V5)
        return mqtt_reason_allowed(type, code);
    return code <= 2 || code == 0x80; /* 3.1.1, 3.9.3 */
}

int mqtt_read_suback(struct str body, enum mqtt_version v, enum mqtt_type type,
                     struct mqtt_suback *out, struct wire_why *why)
{
    struct rd r = rd_init(body);
    int rc;

    out->packet_id = rd_u16(&r);
    rc = mqtt_body_props(&r, body, v, SUBACK_PROPS, &out->props, why);
    if (rc)
        return rc;
    if (out->packet_id == 0)
        return wire_refuse(why, MQTT_REASON_PROTOCOL, 0, "packet id 0");
    out->codes = rd_rest(&r);
    if (v == MQTT_V311 && type == MQTT_UNSUBACK)
        return out->codes.n == 0 ? 0 : mqtt_malformed(why, 2, "UNSUBACK with a payload");
    if (out->codes.n == 0)
        return mqtt_malformed(why, r.at, "no reason code");
    for (size_t i = 0; i < out->codes.n; i++)
        if (!code_allowed(type, v, (unsigned char)out->codes.p[i]))
            return wire_refuse(why, MQTT_REASON_PROTOCOL, body.n - out->codes.n + i,
                               "not a code of this packet");
    return 0;
}

void mqtt_write_suback(struct buf *out, enum mqtt_version v, enum mqtt_type type,
                       const struct mqtt_suback *s)
{
    buf_u16(out, s->packet_id);
    if (v == MQTT_V5)
        mqtt_props_write(out, &s->props);
    if (v == MQTT_V5 || type == MQTT_SUBACK)
        buf_put(out, s->codes);
}
