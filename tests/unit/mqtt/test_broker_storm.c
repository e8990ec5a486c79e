/*
 * Clients that do anything at any time, over three workers: the broker survives, serves a well
 * behaved pair all the while, and has nothing left of the others at the end. Seeded; a failure is
 * repeated by its seed.
 */
#include "broker_rig.h"

#include <stdlib.h>

enum { CLIENTS = 24, STEPS = 4000, NAMES = 6 };

static uint32_t seed;
static uint32_t rnd(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static const char *pick_name(void)
{
    static const char *const names[NAMES] = { "n0", "n1", "n2", "n3", "n4", "n5" };

    return names[rnd(NAMES)];
}

static const char *pick_topic(void)
{
    static const char *const topics[] = { "a", "a/b", "a/b/c", "b", "b/x", "" };

    return topics[rnd(5)];
}

static const char *pick_filter(void)
{
    static const char *const filters[] = { "a", "a/+", "a/#", "#", "+/b", "b/x", "+", "$SYS/#" };

    return filters[rnd(8)];
}

static void say_hello(struct client *c)
{
    struct mqtt_packet pk = connect_packet(c->v, pick_name());

    pk.connect.clean_start = rnd(2);
    pk.connect.keep_alive_s = (uint16_t)rnd(3);
    if (rnd(3) == 0) {
        pk.connect.has_will = true;
        pk.connect.will.topic = str_of(pick_topic());
        pk.connect.will.payload = STR("will");
        pk.connect.will.qos = (uint8_t)rnd(3);
        pk.connect.will.retain = rnd(2);
    }
    if (c->v == MQTT_V5 && rnd(2)) {
        pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY) | MQTT_HAS(RECEIVE_MAX);
        pk.connect.props.session_expiry_s = rnd(3);
        pk.connect.props.receive_max = (uint16_t)(1 + rnd(5));
    }
    client_send(c, &pk);
}

static void subscribe(struct client *c, bool un)
{
    struct mqtt_packet pk = { .type = un ? MQTT_UNSUBSCRIBE : MQTT_SUBSCRIBE };
    struct buf list = buf_init(10000);

    pk.subscribe.packet_id = (uint16_t)(1 + rnd(100));
    pk.subscribe.count = 1 + rnd(3);
    for (size_t i = 0; i < pk.subscribe.count; i++) {
        struct mqtt_sub sub = { .filter = str_of(pick_filter()), .qos = (uint8_t)rnd(3) };

        if (un)
            mqtt_unsub_put(&list, sub.filter);
        else
            mqtt_sub_put(&list, &sub);
    }
    pk.subscribe.list = buf_str(&list);
    client_send(c, &pk);
    buf_fini(&list);
}

static void publish(struct client *c)
{
    static char big[70000];
    struct mqtt_packet pk =
        publish_packet(pick_topic(), "x", (uint8_t)rnd(3), rnd(4) == 0, (uint16_t)(1 + rnd(50)));

    if (big[0] == 0)
        memset(big, 'b', sizeof(big));
    pk.publish.payload = str_from(big, rnd(20) == 0 ? rnd(70000) : rnd(100));
    client_send(c, &pk);
}

static void answer(struct client *c)
{
    static const enum mqtt_type types[] = { MQTT_PUBACK, MQTT_PUBREC, MQTT_PUBREL, MQTT_PUBCOMP };
    struct mqtt_packet pk = { .type = types[rnd(4)] };

    pk.ack.packet_id = (uint16_t)(1 + rnd(20));
    client_send(c, &pk);
}

static void garbage(struct client *c)
{
    char bytes[40];
    size_t n = 1 + rnd(sizeof(bytes));

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)rnd(256);
    client_send_bytes(c, str_from(bytes, n));
}

/* Takes what is there. False: the broker ended it. */
static bool drain(struct client *c)
{
    char room[65536];
    ssize_t n;

    while ((n = recv(c->fd, room, sizeof(room), MSG_DONTWAIT)) > 0)
        ;
    return n < 0 && errno == EAGAIN;
}

static void step(const struct rig *r, struct client *c)
{
    if (c->fd >= 0 && !drain(c))
        client_close(c);
    if (c->fd < 0) {
        *c = client_dial(r, rnd(2) ? MQTT_V5 : MQTT_V311);
        if (rnd(20) > 0)
            say_hello(c);
        return;
    }
    switch (rnd(24)) {
    case 0:
        say_hello(c);
        break;
    case 1:
        garbage(c);
        break;
    case 2: {
        struct linger cut = { .l_onoff = 1 };

        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &cut, sizeof(cut));
        client_close(c);
        break;
    }
    case 3:
        client_close(c);
        break;
    case 4:
        client_send_bytes(c, STR("\xe0\x00"));
        break;
    case 5:
        client_send_bytes(c, MQTT_PINGREQ_BYTES);
        break;
    case 6:
    case 7:
    case 8:
        answer(c);
        break;
    case 9:
    case 10:
        subscribe(c, true);
        break;
    case 11:
    case 12:
    case 13:
        subscribe(c, false);
        break;
    default:
        publish(c);
    }
}

static void storm(void **state)
{
    const char *given = getenv("STORM_SEED"), *steps = getenv("STORM_STEPS");
    uint64_t first = 1, count = STEPS;
    struct rig r;
    struct client c[CLIENTS], good, watcher;
    int64_t end;

    (void)state;
    if (given)
        assert_int_equal(str_to_u64(str_of(given), &first), 0);
    if (steps)
        assert_int_equal(str_to_u64(str_of(steps), &count), 0);
    seed = (uint32_t)first * 2654435761u + 1;
    rig_init(&r);
    r.limits.mqtt_queue_max_messages = 100;
    r.o.version = "storm";
    r.o.sys_interval_ms = 5;
    rig_start(&r, 3);
    good = client_connect(&r, MQTT_V5, "good");
    watcher = client_connect(&r, MQTT_V311, "watcher");
    client_subscribe(&watcher, "good/only", 1);
    for (int i = 0; i < CLIENTS; i++)
        c[i] = (struct client){ .fd = -1 };
    for (uint64_t i = 0; i < count; i++) {
        step(&r, &c[rnd(CLIENTS)]);
        if (i % 50 == 0) {
            client_publish(&good, "good/only", "still here", 1, false);
            client_expect_publish(&watcher, "good/only", "still here", 1);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        client_close(&c[i]);
    /* Sessions last at most 2 s; those of 3.1.1 stay, one for each name. */
    end = now_ms() + RIG_WAIT_MS;
    while (broker_connected(r.broker) > 2)
        assert_true(now_ms() < end);
    assert_true(rig_session(&r, "good").count <= 2 + NAMES);
    client_close(&good);
    client_close(&watcher);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
