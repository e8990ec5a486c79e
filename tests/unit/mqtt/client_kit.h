#ifndef TESTS_UNIT_MQTT_CLIENT_KIT_H
#define TESTS_UNIT_MQTT_CLIENT_KIT_H
/* A pure client on a virtual clock, with the test as its server. */
#include "unit/unit.h"

#include "mqtt/client.h"

struct kit {
    struct client c;
    uint64_t now;
    struct client_event e;
};

static inline void kit_init(struct kit *k, enum mqtt_version v, bool resend, unsigned inflight_max)
{
    k->now = 1000000;
    client_init(&k->c, &(struct client_config){
                           .connect = { .version = v,
                                        .clean_start = true,
                                        .keep_alive_s = 60,
                                        .client_id = STR("kit") },
                           .resend = resend,
                           .connect_timeout_ms = 5000,
                           .ping_after_ms = 2000,
                           .ping_timeout_ms = 1000,
                           .inflight_max = inflight_max,
                           .packet_max_bytes = 1000,
                           .subscriptions_max = 3,
                           .backoff = BACKOFF_UPLINK,
                       });
}

/* The next packet that the client sent, out of *at of its output; fails when there is none. */
static inline struct mqtt_packet kit_sent(struct kit *k, size_t *at)
{
    struct mqtt_packet p;
    size_t used;
    struct str rest = str_skip(buf_str(&k->c.out), *at);

    assert_int_equal(mqtt_decode(rest, k->c.cfg.connect.version, 100000, &p, &used, NULL), 0);
    *at += used;
    return p;
}

/* Bytes to the client; the first event of them, all consumed. */
static inline enum client_event_kind kit_got(struct kit *k, struct str bytes)
{
    size_t used = 0;

    client_input(&k->c, bytes, k->now, &used, &k->e);
    if (k->e.kind != CLIENT_EV_BROKEN)
        assert_int_equal(used, bytes.n);
    return k->e.kind;
}

static inline void kit_dial(struct kit *k)
{
    uint64_t at = client_wake_at(&k->c);

    if (k->now < at)
        k->now = at;
    assert_int_equal(client_tick(&k->c, k->now), CLIENT_TODO_DIAL);
    client_dialed(&k->c, k->now);
}

static inline void kit_open(struct kit *k, bool session_present)
{
    struct str v311 = session_present ? STR("\x20\x02\x01\x00") : STR("\x20\x02\x00\x00");
    struct str v5 = session_present ? STR("\x20\x03\x01\x00\x00") : STR("\x20\x03\x00\x00\x00");

    kit_dial(k);
    buf_clear(&k->c.out);
    assert_int_equal(kit_got(k, k->c.cfg.connect.version == MQTT_V5 ? v5 : v311), CLIENT_EV_UP);
    assert_int_equal(k->e.session_present, session_present);
}

static inline void kit_puback(struct kit *k, unsigned id, unsigned code)
{
    char bytes[MQTT_ACK_MAX];
    size_t n =
        mqtt_ack_write(bytes, k->c.cfg.connect.version, MQTT_PUBACK, (uint16_t)id, (uint8_t)code);

    assert_int_equal(kit_got(k, str_from(bytes, n)), CLIENT_EV_DONE);
}

#endif
