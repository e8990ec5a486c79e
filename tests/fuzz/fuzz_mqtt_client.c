/*
 * The pure MQTT client under any server, any clock and any owner. The input is a list of steps, a
 * byte each and what it needs: bytes from the server, a publication, a subscription, time that
 * passes, the end of the connection. Whatever comes, what the client sends is a sequence of whole
 * packets, its window keeps its invariants, and each publication is ended exactly once.
 */
#include "fuzz/fuzz.h"

#include "base/mem.h"
#include "mqtt/client.h"

enum step {
    STEP_BYTES,
    STEP_PUBLISH,
    STEP_SUBSCRIBE,
    STEP_TIME,
    STEP_DOWN,
    STEP_UNSUBSCRIBE,
    STEPS
};

struct run {
    struct client c;
    uint64_t now;
    bool connected; /* the stream stands */
    unsigned taken, ended;
};

static void told(void *ctx, int code, unsigned reason, struct str text)
{
    (void)ctx;
    (void)code;
    (void)reason;
    (void)text;
}

static void end_one(struct run *r, const struct client_done *d)
{
    FUZZ_CHECK(d->done == told);
    r->ended++;
    FUZZ_CHECK(r->ended <= r->taken);
}

/* What is to be sent must be packets that a server can read. */
static void look_at_output(struct run *r)
{
    struct str rest = buf_str(&r->c.out);

    while (rest.n > 0) {
        struct mqtt_packet p;
        struct wire_why why = { 0 };
        size_t used = 0;

        FUZZ_CHECK(mqtt_decode(rest, r->c.cfg.connect.version, 1 << 20, &p, &used, &why) == 0);
        rest = str_skip(rest, used);
    }
    buf_clear(&r->c.out);
    FUZZ_CHECK(r->c.unacked <= r->c.slot_count && r->c.slot_count <= r->c.cfg.inflight_max);
    FUZZ_CHECK(r->c.unsent <= r->c.unacked);
    FUZZ_CHECK(r->taken - r->ended == r->c.unacked);
    FUZZ_CHECK(client_room(&r->c) <= r->c.cfg.inflight_max);
}

static void resend(struct run *r)
{
    struct blob *payload;
    struct str head;

    while (client_resend_next(&r->c, r->now, &head, &payload)) {
        buf_put(&r->c.out, head);
        buf_put(&r->c.out, blob_str(payload));
    }
}

static void down(struct run *r)
{
    struct client_done d;

    r->connected = false;
    (void)client_down(&r->c, r->now, ERR_CLOSED, (uint32_t)r->now);
    while (client_lost(&r->c, &d))
        end_one(r, &d);
}

static void feed(struct run *r, struct str bytes)
{
    struct client_event e;
    size_t used;

    if (!r->connected)
        return;
    do {
        client_input(&r->c, bytes, r->now, &used, &e);
        FUZZ_CHECK(used <= bytes.n);
        bytes = str_skip(bytes, used);
        if (e.kind == CLIENT_EV_MESSAGE)
            client_took(&r->c, &e.packet.publish, r->now);
        if (e.kind == CLIENT_EV_DONE)
            end_one(r, &e.done);
        if (e.kind == CLIENT_EV_SKIPPED)
            FUZZ_CHECK(r->c.cfg.relay && r->c.cfg.connect.version == MQTT_V311 &&
                       (e.packet.publish.qos > 0) == (e.packet.publish.packet_id > 0));
        if (e.kind == CLIENT_EV_SUBSCRIBED)
            FUZZ_CHECK(mqtt_filter_valid(e.filter));
        look_at_output(r);
        resend(r);
        look_at_output(r);
    } while (e.kind != CLIENT_EV_MORE && e.kind != CLIENT_EV_BROKEN);
    if (e.kind == CLIENT_EV_BROKEN)
        down(r);
}

static void pass_time(struct run *r, unsigned ms)
{
    r->now += ms;
    switch (client_tick(&r->c, r->now)) {
    case CLIENT_TODO_DIAL:
        client_dialed(&r->c, r->now);
        r->connected = true;
        break;
    case CLIENT_TODO_DROP:
        down(r);
        break;
    case CLIENT_TODO_NOTHING:
        break;
    }
}

static void publish(struct run *r, unsigned how)
{
    struct blob *b = blob_new(STR("xyz"));
    struct client_publish p = {
        .topic = how & 2 ? STR("a/b") : STR("topic"),
        .payload = b,
        .payload_n = 3,
        .qos = (uint8_t)(how & 1 ? 1 + (how >> 3 & 1) : 0),
        .retain = how & 4,
        .done = { told, r },
    };

    if (client_publish(&r->c, &p, r->now) == 0) {
        r->taken += p.qos > 0;
        buf_put(&r->c.out, STR("xyz"));
    }
    blob_unref(b);
}

static void one_step(struct run *r, struct str *in)
{
    unsigned char step = (unsigned char)in->p[0], arg = in->n > 1 ? (unsigned char)in->p[1] : 0;

    *in = str_skip(*in, 2);
    switch ((enum step)(step % STEPS)) {
    case STEP_BYTES:
        feed(r, str_sub(*in, 0, arg));
        *in = str_skip(*in, arg);
        break;
    case STEP_PUBLISH:
        publish(r, arg);
        break;
    case STEP_SUBSCRIBE:
        if (client_subscribe(
                &r->c,
                &(struct mqtt_sub){ .filter = str_sub(*in, 0, arg % 8),
                                    .qos = (uint8_t)(arg >> 7 ? 1 + (arg >> 6 & 1) : 0),
                                    .retain_handling = arg >> 4 & 3 },
                r->now) == 0)
            FUZZ_CHECK(mqtt_filter_valid(str_sub(*in, 0, arg % 8)));
        *in = str_skip(*in, arg % 8);
        break;
    case STEP_UNSUBSCRIBE:
        (void)client_unsubscribe(&r->c, str_sub(*in, 0, arg % 8), r->now);
        *in = str_skip(*in, arg % 8);
        break;
    case STEP_TIME:
        pass_time(r, arg * 16u);
        break;
    case STEP_DOWN:
        if (r->connected)
            down(r);
        break;
    case STEPS:
        break;
    }
    look_at_output(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_from(data, size);
    unsigned flags = size > 0 ? data[0] : 0;
    struct run r = { .now = 1000 };
    struct client_done d;

    client_init(&r.c, &(struct client_config){
                          .connect = { .version = flags & 1 ? MQTT_V5 : MQTT_V311,
                                       .clean_start = true,
                                       .keep_alive_s = (uint16_t)(flags >> 4) },
                          .resend = flags & 2,
                          .relay = flags & 0x80,
                          .connect_timeout_ms = 1000,
                          .ping_after_ms = 500,
                          .ping_timeout_ms = 500,
                          .inflight_max = 1 + (flags >> 2 & 3),
                          .packet_max_bytes = 200,
                          .subscriptions_max = 4,
                          .backoff = BACKOFF_UPLINK,
                      });
    in = str_skip(in, 1);
    pass_time(&r, 0);
    while (in.n > 0)
        one_step(&r, &in);
    client_give_up(&r.c);
    while (client_lost(&r.c, &d))
        end_one(&r, &d);
    FUZZ_CHECK(r.ended == r.taken);
    client_fini(&r.c);
    return 0;
}
