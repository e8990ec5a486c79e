/* All vectors, each of them cut at every byte, and the quick writers against the general one. */
#include "unit/unit.h"

#include "base/buf.h"
#include "base/mem.h"
#include "fuzz/hex.h"
#include "wire/mqtt.h"

static unsigned vectors_run;

static int expected_code(const char *expect, int *out_why)
{
    *out_why = 0;
    if (strcmp(expect, "ok") == 0)
        return 0;
    if (strcmp(expect, "more") == 0)
        return ERR_MORE;
    if (strcmp(expect, "version") == 0) {
        *out_why = MQTT_REASON_BAD_VERSION;
        return ERR_VERSION;
    }
    if (strcmp(expect, "limit") == 0) {
        *out_why = MQTT_REASON_TOO_LARGE;
        return ERR_LIMIT;
    }
    assert_int_equal(strncmp(expect, "proto ", 6), 0);
    *out_why = (int)strtol(expect + 6, NULL, 16);
    return ERR_PROTO;
}

/* Every shorter piece of a good packet asks for more; each is a heap block of its own size, so
 * that the address sanitizer sees a read beyond. */
static void cut_everywhere(const char *path, struct str packet, enum mqtt_version v, size_t max)
{
    for (size_t n = 0; n < packet.n; n++) {
        struct mqtt_packet p;
        struct wire_why why = { 0 };
        size_t used = 99;
        char *piece = malloc(n ? n : 1);

        assert_non_null(piece);
        memcpy(piece, packet.p, n);
        if (mqtt_decode(str_from(piece, n), v, max, &p, &used, &why) != ERR_MORE || used != 99)
            fail_msg("%s: cut at %zu: %s", path, n, why.text ? why.text : "taken");
        free(piece);
    }
}

static void run_vector(void *ctx, const char *path)
{
    struct hex_file h;
    size_t text_n = 0, used = 0;
    char *text = hex_slurp(path, &text_n);
    struct mqtt_packet p;
    struct wire_why why = { 0 };
    enum mqtt_version v;
    size_t max, want_used;
    int want_why, want, rc;

    (void)ctx;
    assert_non_null(text);
    if (!hex_parse(text, &h) || !hex_key(&h, "expect") || !hex_key(&h, "version"))
        fail_msg("%s: not a vector", path);
    v = hex_key(&h, "version")[0] == '5' ? MQTT_V5 : MQTT_V311;
    max = hex_key(&h, "max") ? strtoul(hex_key(&h, "max"), NULL, 10) : 1 << 20;
    want_used = hex_key(&h, "used") ? strtoul(hex_key(&h, "used"), NULL, 10) : h.n;
    want = expected_code(hex_key(&h, "expect"), &want_why);
    rc = mqtt_decode(str_from(h.bytes, h.n), v, max, &p, &used, &why);
    if (rc != want || why.code != want_why)
        fail_msg("%s: %d %x (%s), not %d %x", path, rc, (unsigned)why.code,
                 why.text ? why.text : "", want, (unsigned)want_why);
    if (rc != 0 && rc != ERR_MORE && (!why.text || why.at > h.n))
        fail_msg("%s: no text or offset %zu", path, why.at);
    if (rc == 0 && used != want_used)
        fail_msg("%s: used %zu, not %zu", path, used, want_used);
    if (rc == 0)
        cut_everywhere(path, str_from(h.bytes, used), v, max);
    free(h.bytes);
    free(text);
    vectors_run++;
}

static void vectors(void **state)
{
    (void)state;
    hex_each_file(TESTS_DIR "/vectors/mqtt", run_vector, NULL);
    assert_true(vectors_run > 200);
}

static void why_may_be_null(void **state)
{
    struct mqtt_packet p;
    size_t used;

    (void)state;
    assert_int_equal(mqtt_decode(STR("\x30\x02\x00\x05"), MQTT_V311, 100, &p, &used, NULL),
                     ERR_PROTO);
    assert_int_equal(mqtt_decode(STR("\x30\x7f"), MQTT_V311, 100, &p, &used, NULL), ERR_LIMIT);
}

static void offsets_count_from_the_packet(void **state)
{
    struct mqtt_packet p;
    struct wire_why why = { 0 };
    size_t used;

    (void)state;
    /* Packet id 0 stands behind 2 bytes of fixed header and 3 of the name. */
    assert_int_equal(mqtt_decode(STR("\x32\x05\x00\x01"
                                     "a\x00\x00"),
                                 MQTT_V311, 100, &p, &used, &why),
                     ERR_PROTO);
    assert_int_equal(why.at, 5);
}

static void a_publish_is_views(void **state)
{
    static const char bytes[] = "\x3b\x0c\x00\x03"
                                "a/b\x12\x34hello";
    struct mqtt_packet p;
    size_t used;

    (void)state;
    assert_int_equal(mqtt_decode(str_from(bytes, 14), MQTT_V311, 100, &p, &used, NULL), 0);
    assert_int_equal(p.type, MQTT_PUBLISH);
    assert_int_equal(p.publish.qos, 1);
    assert_true(p.publish.dup && p.publish.retain);
    assert_int_equal(p.publish.packet_id, 0x1234);
    assert_str(p.publish.topic, "a/b");
    assert_str(p.publish.payload, "hello");
    assert_ptr_equal(p.publish.payload.p, bytes + 9);
    assert_true(p.publish.props.has == 0 && p.publish.props.raw.n == 0);
}

/* Header and payload, joined, against mqtt_encode of the same packet. */
static void same_as_encode(enum mqtt_version v, const struct mqtt_publish_out *o,
                           struct str payload)
{
    char header[512];
    struct mqtt_packet p = { .type = MQTT_PUBLISH }, again;
    struct buf raw = buf_init(1000), want = buf_init(100000), got = buf_init(100000);
    size_t n, used;

    if (v == MQTT_V5) {
        for (size_t i = 0; i < o->sub_id_count; i++) {
            char id[5] = { MQTT_PROP_SUBSCRIPTION_ID };

            buf_put_bytes(&raw, id, 1 + mqtt_varint_write(id + 1, o->sub_ids[i]));
        }
        buf_put(&raw, o->props);
        p.publish.props = (struct mqtt_props){
            .has = (o->has_expiry ? MQTT_HAS(MESSAGE_EXPIRY) : 0) |
                   (o->topic_alias ? MQTT_HAS(TOPIC_ALIAS) : 0) |
                   (o->sub_id_count ? MQTT_HAS(SUBSCRIPTION_ID) : 0),
            .raw = buf_str(&raw),
            .message_expiry_s = o->expiry_s,
            .topic_alias = o->topic_alias,
            .subscription_id = o->sub_id_count ? o->sub_ids[0] : 0,
        };
    }
    p.publish.topic = o->topic;
    p.publish.payload = payload;
    p.publish.qos = o->qos;
    p.publish.dup = o->dup;
    p.publish.retain = o->retain;
    p.publish.packet_id = o->packet_id;
    mqtt_encode(&p, v, &want);
    n = mqtt_publish_header(header, v, o);
    assert_true(n <= MQTT_PUBLISH_HEADER_MAX(o->topic.n, o->props.n, o->sub_id_count));
    buf_put_bytes(&got, header, n);
    buf_put(&got, payload);
    assert_int_equal(got.n, want.n);
    assert_int_equal(got.n, mqtt_publish_size(v, o));
    /* Both orders of properties are legal, so compare what they mean. */
    assert_int_equal(mqtt_decode(buf_str(&got), v, got.n, &again, &used, NULL), 0);
    assert_int_equal(used, got.n);
    assert_true(again.publish.props.has == p.publish.props.has);
    assert_true(str_eq(again.publish.topic, o->topic));
    assert_true(str_eq(again.publish.payload, payload));
    assert_int_equal(again.publish.qos, o->qos);
    if (o->qos > 0) {
        size_t at = mqtt_publish_id_offset(v, o);

        assert_int_equal((unsigned char)header[at] << 8 | (unsigned char)header[at + 1],
                         o->packet_id);
    }
    if (v == MQTT_V311)
        assert_true(str_eq(buf_str(&got), buf_str(&want)));
    buf_fini(&raw);
    buf_fini(&want);
    buf_fini(&got);
}

/* What is more than the format allows can be asked for, so that it is not sent. */
static void publish_size_beyond_the_format(void **state)
{
    static const uint32_t ids[] = { 1 };
    struct mqtt_publish_out o = { .topic = STR("a"), .payload_n = MQTT_VARINT_MAX - 3 };

    (void)state;
    assert_int_equal(mqtt_publish_size(MQTT_V311, &o), MQTT_PACKET_MAX);
    assert_int_equal(mqtt_publish_size(MQTT_V5, &o), MQTT_PACKET_MAX + 1);
    o.topic_alias = 1;
    o.sub_ids = ids;
    o.sub_id_count = 1;
    assert_int_equal(mqtt_publish_size(MQTT_V5, &o), MQTT_PACKET_MAX + 6);
}

static void publish_header(void **state)
{
    static const uint32_t ids[] = { 1, 300, MQTT_VARINT_MAX };
    static char big[20000];
    struct mqtt_publish_out o = { .topic = STR("a/b"), .payload_n = 5 };

    (void)state;
    same_as_encode(MQTT_V311, &o, STR("hello"));
    same_as_encode(MQTT_V5, &o, STR("hello"));
    o.qos = 1;
    o.packet_id = 0x1234;
    o.retain = true;
    same_as_encode(MQTT_V311, &o, STR("hello"));
    same_as_encode(MQTT_V5, &o, STR("hello"));
    o.dup = true;
    o.has_expiry = true;
    o.expiry_s = 0x01020304;
    o.topic_alias = 0x0506;
    o.sub_ids = ids;
    o.sub_id_count = 3;
    o.props = STR("\x26\x00\x01k\x00\x01v");
    same_as_encode(MQTT_V311, &o, STR("hello"));
    same_as_encode(MQTT_V5, &o, STR("hello"));
    o.payload_n = sizeof(big);
    memset(big, 'x', sizeof(big));
    same_as_encode(MQTT_V311, &o, str_from(big, sizeof(big)));
    same_as_encode(MQTT_V5, &o, str_from(big, sizeof(big)));
    o.topic = STR_NONE;
    same_as_encode(MQTT_V5, &o, str_from(big, sizeof(big)));
}

static void quick_acks(void **state)
{
    static const enum mqtt_type types[] = { MQTT_PUBACK, MQTT_PUBREC, MQTT_PUBREL, MQTT_PUBCOMP };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        for (unsigned coded = 0; coded < 2; coded++) {
            uint8_t code = !coded ? 0 : types[i] >= MQTT_PUBREL ? 0x92 : 0x10;
            enum mqtt_version versions[] = { MQTT_V311, MQTT_V5 };

            for (size_t k = 0; k < 2; k++) {
                char out[MQTT_ACK_MAX];
                size_t used, n = mqtt_ack_write(out, versions[k], types[i], 0xabcd, code);
                struct mqtt_packet p;

                assert_int_equal(mqtt_decode(str_from(out, n), versions[k], 100, &p, &used, NULL),
                                 0);
                assert_int_equal(p.type, types[i]);
                assert_int_equal(p.ack.packet_id, 0xabcd);
                assert_int_equal(p.ack.code, versions[k] == MQTT_V5 ? code : 0);
            }
        }
    }
}

static void quick_disconnect(void **state)
{
    char out[MQTT_ACK_MAX];

    (void)state;
    assert_str(str_from(out, mqtt_disconnect_write(out, MQTT_V311, 0x8b)), "\xe0\x00");
    assert_str(str_from(out, mqtt_disconnect_write(out, MQTT_V5, 0)), "\xe0\x00");
    assert_str(str_from(out, mqtt_disconnect_write(out, MQTT_V5, 0x8b)), "\xe0\x01\x8b");
}

static void the_front_of_what_is_too_long(void **state)
{
    struct str qos0 = STR("\x31\x80\x08\x00\x01t"), qos2 = STR("\x3c\x80\x08\x00\x01t\x12\x34"),
               wrong[] = { STR("\x32\x80\x01\x00\x7dt"), STR("\x32\x80\x08\x00\x01t\x00\x00") };
    struct mqtt_publish m = { 0 };
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < qos2.n; i++)
        assert_int_equal(mqtt_publish_front(str_from(qos2.p, i), &m, &n, NULL), ERR_MORE);
    assert_int_equal(mqtt_publish_front(qos2, &m, &n, NULL), 0);
    assert_int_equal(n, 1024 + 3);
    assert_int_equal(m.qos, 2);
    assert_true(m.dup);
    assert_int_equal(m.packet_id, 0x1234);
    assert_int_equal(mqtt_publish_front(qos0, &m, &n, NULL), 0);
    assert_int_equal(m.qos, 0);
    assert_int_equal(m.packet_id, 0);
    /* A topic that runs out with the id, and id 0. */
    assert_int_equal(mqtt_publish_front(wrong[0], &m, &n, NULL), ERR_PROTO);
    assert_int_equal(mqtt_publish_front(wrong[1], &m, &n, NULL), ERR_PROTO);
}

static void encode_marks_over(void **state)
{
    struct buf out = buf_init(10);
    struct mqtt_packet p = {
        .type = MQTT_PUBLISH,
        .publish = { .topic = STR("a"), .payload = STR("0123456789") },
    };

    (void)state;
    mqtt_encode(&p, MQTT_V311, &out);
    assert_true(out.over);
    buf_fini(&out);
}

static void encode_appends(void **state)
{
    struct buf out = buf_init(100);
    struct mqtt_packet p = { .type = MQTT_PINGREQ };

    (void)state;
    buf_put(&out, STR("x"));
    mqtt_encode(&p, MQTT_V5, &out);
    p.type = MQTT_PINGRESP;
    mqtt_encode(&p, MQTT_V5, &out);
    assert_true(str_eq(buf_str(&out), STR("x\xc0\x00\xd0\x00")));
    buf_fini(&out);
}

RUN(TEST(vectors), TEST(why_may_be_null), TEST(offsets_count_from_the_packet),
    TEST(a_publish_is_views), TEST(publish_header), TEST(publish_size_beyond_the_format),
    TEST(quick_acks), TEST(quick_disconnect), TEST(the_front_of_what_is_too_long),
    TEST(encode_marks_over), TEST(encode_appends))
