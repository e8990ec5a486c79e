/*
 * The MQTT decoder over any bytes, as 3.1.1 and as 5: it reads nothing outside, its views lie in
 * the input, and what it took encodes to something that decodes to the same. The quick writers
 * agree with the general one.
 */
#include "fuzz/fuzz.h"

#include "base/buf.h"
#include "wire/mqtt.h"

static void check_inside(struct str part, struct str whole)
{
    if (part.n > 0)
        FUZZ_CHECK(part.p >= whole.p && part.n <= (size_t)(whole.p + whole.n - part.p));
}

static void check_publish(const struct mqtt_publish *m, enum mqtt_version v, struct str whole,
                          const struct buf *encoded)
{
    struct buf props = buf_init(1 << 20);
    uint32_t sub_ids[64];
    struct mqtt_publish_out o = {
        .topic = m->topic,
        .payload_n = m->payload.n,
        .qos = m->qos,
        .dup = m->dup,
        .retain = m->retain,
        .packet_id = m->packet_id,
        .sub_ids = sub_ids,
    };
    size_t at = 0, n;
    char *header;

    check_inside(m->topic, whole);
    check_inside(m->payload, whole);
    check_inside(m->props.raw, whole);
    if (v == MQTT_V5) {
        o.has_expiry = m->props.has & MQTT_HAS(MESSAGE_EXPIRY);
        o.expiry_s = o.has_expiry ? m->props.message_expiry_s : 0;
        o.topic_alias = m->props.has & MQTT_HAS(TOPIC_ALIAS) ? m->props.topic_alias : 0;
        while (o.sub_id_count < 64 &&
               mqtt_props_sub_id(m->props.raw, &at, &sub_ids[o.sub_id_count]))
            o.sub_id_count++;
        mqtt_props_forward(&props, &m->props);
        o.props = buf_str(&props);
    }
    header = malloc(MQTT_PUBLISH_HEADER_MAX(o.topic.n, o.props.n, o.sub_id_count));
    FUZZ_CHECK(header);
    n = mqtt_publish_header(header, v, &o);
    FUZZ_CHECK(n <= MQTT_PUBLISH_HEADER_MAX(o.topic.n, o.props.n, o.sub_id_count));
    FUZZ_CHECK(n + o.payload_n == mqtt_publish_size(v, &o));
    if (o.sub_id_count < 64)
        FUZZ_CHECK(n + o.payload_n == encoded->n);
    if (m->qos > 0) {
        at = mqtt_publish_id_offset(v, &o);
        FUZZ_CHECK(((unsigned char)header[at] << 8 | (unsigned char)header[at + 1]) ==
                   m->packet_id);
    }
    free(header);
    buf_fini(&props);
}

static void check_list(const struct mqtt_packet *p)
{
    struct mqtt_sub sub;
    struct str filter;
    size_t at = 0, count = 0;

    if (p->type == MQTT_SUBSCRIBE)
        while (mqtt_sub_next(p->subscribe.list, &at, &sub))
            count++;
    else if (p->type == MQTT_UNSUBSCRIBE)
        while (mqtt_unsub_next(p->subscribe.list, &at, &filter))
            count++;
    else
        return;
    FUZZ_CHECK(count == p->subscribe.count && at == p->subscribe.list.n);
}

/* What is told of a PUBLISH by its front alone, as if it were too long, is what it is. */
static void check_front(struct str in, const struct mqtt_publish *m, size_t n)
{
    struct mqtt_publish front = { 0 };
    size_t whole = 0;

    FUZZ_CHECK(mqtt_publish_front(in, &front, &whole, NULL) == 0);
    FUZZ_CHECK(whole == n && front.qos == m->qos && front.packet_id == m->packet_id);
    FUZZ_CHECK(front.dup == m->dup);
}

/* One packet at the start of `in`; how many bytes it had, 0 when it was refused. */
static size_t one(struct str in, enum mqtt_version v)
{
    struct mqtt_packet p = { 0 }, again = { 0 };
    struct buf first = buf_init(1 << 21), second = buf_init(1 << 21);
    struct wire_why why = { 0 };
    size_t used = 0, used_again = 0;
    int rc = mqtt_decode(in, v, 1 << 20, &p, &used, &why);

    if (rc) {
        size_t whole;

        if (rc == ERR_LIMIT && (unsigned char)in.p[0] >> 4 == MQTT_PUBLISH &&
            mqtt_publish_front(in, &p.publish, &whole, &why) == 0)
            FUZZ_CHECK(whole > 1 << 20 && (p.publish.qos > 0) == (p.publish.packet_id > 0));
        FUZZ_CHECK(used == 0);
        FUZZ_CHECK(rc == ERR_MORE || (why.text && why.code >= 0x80 && why.at <= in.n));
        return 0;
    }
    FUZZ_CHECK(used >= 2 && used <= in.n);
    mqtt_encode(&p, v, &first);
    FUZZ_CHECK(!first.over);
    rc = mqtt_decode(buf_str(&first), v, first.n, &again, &used_again, &why);
    FUZZ_CHECK(rc == 0 && used_again == first.n && again.type == p.type);
    mqtt_encode(&again, v, &second);
    FUZZ_CHECK(str_eq(buf_str(&first), buf_str(&second)));
    if (p.type == MQTT_PUBLISH)
        check_publish(&p.publish, v, in, &first);
    check_list(&p);
    if (p.type == MQTT_PUBLISH)
        check_front(in, &p.publish, used);
    buf_fini(&first);
    buf_fini(&second);
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum mqtt_version versions[] = { MQTT_V311, MQTT_V5 };
    struct str in = str_from(data, size), rest;

    for (size_t i = 0; i < 2; i++) {
        size_t used;

        for (rest = in; (used = one(rest, versions[i])) > 0; rest = str_skip(rest, used))
            ;
    }
    (void)mqtt_topic_valid(in);
    if (mqtt_filter_valid(in))
        (void)mqtt_filter_matches(in, in);
    return 0;
}
