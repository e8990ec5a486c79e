/* A session that changes its worker while publications come for it, over slow mail. */
#include "slow_mail.h"

enum { PUBLISHERS = 3, ROUNDS = 300, EACH = 20 };

struct stream {
    struct client c;
    unsigned next; /* published */
    unsigned seen;
};

static void publish_some(struct stream *streams)
{
    for (int k = 0; k < EACH; k++)
        for (int i = 0; i < PUBLISHERS; i++) {
            struct stream *s = &streams[i];
            char topic[16], payload[16];
            struct mqtt_packet pub;

            snprintf(topic, sizeof(topic), "m/%d", i);
            snprintf(payload, sizeof(payload), "%u", s->next++);
            pub = publish_packet(topic, payload, 1, false, (uint16_t)(s->next % 60000 + 1));
            client_send(&s->c, &pub);
        }
}

static bool is_all_seen(const struct stream *streams)
{
    for (int i = 0; i < PUBLISHERS; i++)
        if (streams[i].seen < streams[i].next)
            return false;
    return true;
}

/* Each once and in order; only what an earlier connection had may come again, and says so. */
static void see(struct client *c, struct stream *streams, int round)
{
    struct mqtt_publish p = client_expect(c, MQTT_PUBLISH).publish;
    struct stream *s = &streams[p.topic.p[2] - '0'];
    uint64_t n = 0;

    assert_int_equal(str_to_u64(p.payload, &n), 0);
    if (n != s->seen && !(p.dup && n < s->seen))
        fail_msg("round %d, %.*s: %llu came%s, %u was next", round, STR_ARG(p.topic),
                 (unsigned long long)n, p.dup ? " again" : "", s->seen);
    s->seen += n == s->seen;
    client_answer(c, &p);
}

static void nothing_is_lost_nor_doubled_while_moving(void **state)
{
    struct rig r;
    struct stream streams[PUBLISHERS] = { 0 };
    struct client old = { .fd = -1 }, c;
    struct mqtt_packet pk = connect_packet(MQTT_V5, "mover");

    (void)state;
    rig_init(&r);
    r.limits.mqtt_inflight_max = 1000;
    rig_start(&r, 3);
    for (int i = 0; i < PUBLISHERS; i++) {
        char id[16];

        snprintf(id, sizeof(id), "p%d", i);
        streams[i].c = client_connect(&r, MQTT_V311, id);
    }
    pk.connect.clean_start = false;
    pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY);
    pk.connect.props.session_expiry_s = 1000;
    for (int round = 0; round < ROUNDS; round++) {
        c = client_dial(&r, MQTT_V5);
        if (round > 0)
            publish_some(streams);
        client_send(&c, &pk);
        if (round > 0)
            publish_some(streams);
        assert_int_equal(client_expect(&c, MQTT_CONNACK).connack.session_present, round > 0);
        client_close(&old);
        if (round == 0)
            client_subscribe(&c, "m/+", 1);
        while (!is_all_seen(streams))
            see(&c, streams, round);
        old = c;
    }
    for (int i = 0; i < PUBLISHERS; i++) {
        for (unsigned k = 0; k < streams[i].next; k++)
            client_expect(&streams[i].c, MQTT_PUBACK);
        client_close(&streams[i].c);
    }
    client_close(&old);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_nor_doubled_while_moving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
