#ifndef TESTS_SIM_MQTT_ACTIONS_H
#define TESTS_SIM_MQTT_ACTIONS_H
/* What the clients of a program (sim/mqtt/program.h) do: publish, subscribe, come and go, and answer what they are
 * told. do_…(): one step of a client, drawn from the step's dice. */
#include "sim/mqtt/model.h"

#define WINDOW 10 /* the broker's */

static struct broker *broker;
static const struct broker_rules *rules;
static bool with_log, at_the_end;
static struct limits world_limits;

/* ---- what clients send ---- */

static void client_send(struct talk *t, const struct mqtt_packet *pk)
{
    struct buf out = buf_init(1 << 20);

    mqtt_encode(pk, t->version, &out);
    if (!t->link->done && !t->link->cut && !t->bye && !t->illegal)
        buf_put(&t->link->up, buf_str(&out));
    buf_fini(&out);
    t->last_sent_ms = world_ms;
    tick++;
}

static void client_send_ack(struct talk *t, enum mqtt_type type, const struct mqtt_ack *ack)
{
    client_send(t, &(struct mqtt_packet){ .type = type, .ack = *ack });
}

static bool is_on(int i)
{
    const struct client_model *c = &clients[i];

    return c->talk && c->ready && !c->talk->link->done && !c->talk->link->cut && !c->talk->bye &&
           !c->talk->illegal;
}

static void fill_publish(struct mqtt_packet *pk, unsigned n, char room[400], struct buf *props)
{
    const struct pub *p = &pubs[n];
    int len = snprintf(room, 400, "%u.", n);

    memset(room + len, 'x', 300);
    pk->type = MQTT_PUBLISH;
    pk->publish.topic = str_of(topic_names[p->topic]);
    pk->publish.payload = p->clear ? STR_NONE : str_from(room, (size_t)len + (p->big ? 300 : 3));
    pk->publish.qos = p->qos;
    pk->publish.retain = p->retain;
    if (p->expiry_s) {
        pk->publish.props.has |= MQTT_HAS(MESSAGE_EXPIRY);
        pk->publish.props.message_expiry_s = p->expiry_s;
    }
    if (props) {
        char number[16];

        snprintf(number, sizeof(number), "%u", n);
        mqtt_props_put_user(props, STR("n"), str_of(number));
        pk->publish.props.raw = buf_str(props);
    }
}

static void send_publish(struct client_model *c, const struct outgoing *o, bool dup, bool alias)
{
    struct talk *t = c->talk;
    struct pub *p = &pubs[o->pub];
    struct mqtt_packet pk = { 0 };
    struct buf props = buf_init(1000);
    char room[400];

    fill_publish(&pk, o->pub, room, &props);
    pk.publish.packet_id = o->id;
    pk.publish.dup = dup;
    if (alias && t->version == MQTT_V5) {
        pk.publish.props.has |= MQTT_HAS(TOPIC_ALIAS);
        pk.publish.props.topic_alias = (uint16_t)(p->topic + 1);
        if (c->alias_known[p->topic])
            pk.publish.topic = STR_NONE;
        c->alias_known[p->topic] = true;
    }
    tick++;
    if (p->attempts++ == 0) {
        p->sent = tick;
        p->sent_ms = world_ms;
    }
    p->later |= p->expiry_s && (world_ms != p->sent_ms || t->version == MQTT_V311);
    p->link = t->link;
    p->quiet = 0;
    if (p->qos > 0)
        await(t, &(struct awaited){ .type = p->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC,
                                    .id = o->id,
                                    .pub = (int)o->pub });
    client_send(t, &pk);
    buf_fini(&props);
}

static unsigned new_pub(int by, enum mqtt_version v)
{
    struct pub *p = &pubs[pub_count];

    *p = (struct pub){ .by = by, .topic = dice(TOPICS), .qos = (uint8_t)dice(3) };
    p->life = clients[by].s ? clients[by].s->life : 0;
    p->retain = p->topic < SHARED && dice(3) == 0;
    p->clear = p->retain && dice(4) == 0;
    p->big = !p->clear && dice(12) == 0;
    if (v == MQTT_V5 && dice(4) == 0)
        p->expiry_s = 1 + dice(6);
    return pub_count++;
}

static void do_publish(int i)
{
    struct client_model *c = &clients[i];
    struct outgoing o = { 0 };
    unsigned alias;

    if (!is_on(i) || c->out_count >= WINDOW || pub_count >= PUBS)
        return;
    o.pub = new_pub(i, c->talk->version);
    alias = dice(2);
    if (pubs[o.pub].qos > 0) {
        do
            o.id = c->next_id = (uint16_t)(c->next_id % 60 + 1);
        while (({
            bool used = false;
            for (unsigned k = 0; k < c->out_count; k++)
                used |= c->out[k].id == o.id;
            used;
        }));
        c->out[c->out_count++] = o;
    }
    trace("%d publishes number %u on %s, qos %u id %u%s%s%s%s", i, o.pub,
          topic_names[pubs[o.pub].topic], pubs[o.pub].qos, o.id,
          pubs[o.pub].retain ? " retain" : "", pubs[o.pub].clear ? " empty" : "",
          pubs[o.pub].expiry_s ? " expiring" : "", pubs[o.pub].big ? " big" : "");
    send_publish(c, &o, false, alias);
}

/* A QoS 2 message that its client is not sure of comes again on the same connection: 3.1.1 allows it,
 * and a server must bear it. */
static void do_repeat(int i)
{
    struct client_model *c = &clients[i];

    if (!is_on(i))
        return;
    for (unsigned k = 0; k < c->out_count; k++) {
        if (c->out[k].released || pubs[c->out[k].pub].qos != 2 || c->talk->awaited_count > 60)
            continue;
        trace("%d repeats number %u", i, c->out[k].pub);
        send_publish(c, &c->out[k], true, false);
        return;
    }
}

/* What the model remembers of a session has an end, and it must forget nothing. */
static bool has_room(const struct session_model *s, unsigned first, unsigned count)
{
    for (unsigned k = 0; k < count; k++)
        if (s->slots[(first + 3 * k) % FILTERS].count == VERSIONS)
            return false;
    return s->wish_count + count <= COUNT_OF(s->wishes);
}

static void do_subscribe(int i)
{
    struct client_model *c = &clients[i];
    struct mqtt_packet pk = { .type = MQTT_SUBSCRIBE };
    struct awaited w = { .type = MQTT_SUBACK, .count = 1 + dice(3) };
    struct buf list = buf_init(1000);
    unsigned first = dice(FILTERS);
    bool v5;
    uint32_t id;

    if (!is_on(i) || c->talk->awaited_count > 60 || !has_room(c->s, first, w.count)) {
        buf_fini(&list);
        return;
    }
    v5 = c->talk->version == MQTT_V5;
    id = v5 && dice(2) ? 1 + dice(9) : 0;
    tick++;
    for (unsigned k = 0; k < w.count; k++) {
        unsigned f = (first + 3 * k) % FILTERS;
        struct slot *slot = &c->s->slots[f];
        struct version *was = slot_now(c->s, f);
        struct version v = { .sent = tick, .qos = (uint8_t)dice(3), .id = id };
        struct mqtt_sub sub = { .filter = str_of(filter_names[f]) };

        if (is_share(f)) {
            v.qos = v.qos ? v.qos : 1;
            share_churn = tick;
        } else if (v5) {
            v.no_local = dice(4) == 0;
            v.as_published = dice(3) == 0;
            v.handling = (uint8_t)dice(3);
        }
        sub.qos = v.qos;
        sub.no_local = v.no_local;
        sub.retain_as_published = v.as_published;
        sub.retain_handling = v.handling;
        mqtt_sub_put(&list, &sub);
        w.filter[k] = (uint8_t)f;
        w.want[k] = v.qos;
        trace("%d subscribes %s qos %u id %u%s%s handling %u", i, filter_names[f], v.qos, id,
              v.no_local ? " no-local" : "", v.as_published ? " as-published" : "", v.handling);
        if (!is_share(f) && v.handling != 2 &&
            (v.handling == 0 || !was || !was->acked || was->unsub))
            c->s->wishes[c->s->wish_count++] = (struct wish){ .filter = f,
                                                              .sent = tick,
                                                              .qos = v.qos,
                                                              .id = id,
                                                              .no_local = v.no_local,
                                                              .must = v.handling == 0 || !was,
                                                              .fresh = true,
                                                              .link = c->talk->link };
        slot->v[slot->count++] = v;
    }
    w.id = pk.subscribe.packet_id = (uint16_t)(1000 + tick % 50000);
    w.pub = (int)tick;
    pk.subscribe.list = buf_str(&list);
    pk.subscribe.count = w.count;
    if (id) {
        pk.subscribe.props.has = MQTT_HAS(SUBSCRIPTION_ID);
        pk.subscribe.props.subscription_id = id;
    }
    await(c->talk, &w);
    client_send(c->talk, &pk);
    buf_fini(&list);
}

static void do_unsubscribe(int i)
{
    struct client_model *c = &clients[i];
    struct mqtt_packet pk = { .type = MQTT_UNSUBSCRIBE };
    struct awaited w = { .type = MQTT_UNSUBACK, .count = 1 + dice(2) };
    struct buf list = buf_init(1000);
    unsigned first = dice(FILTERS);

    if (!is_on(i) || c->talk->awaited_count > 60)
        return;
    tick++;
    for (unsigned k = 0; k < w.count; k++) {
        unsigned f = (first + k) % FILTERS;
        struct version *v = slot_now(c->s, f);

        w.filter[k] = (uint8_t)f;
        w.want[k] = v ? MQTT_REASON_SUCCESS : MQTT_REASON_NO_SUBSCRIPTION;
        /* Removed by what is still on its way; not known after a crash, or of two at a time. */
        w.may_differ[k] = v && (!v->acked || v->unsub);
        for (unsigned n = 0; n < c->s->slots[f].count; n++)
            if (!c->s->slots[f].v[n].unsub)
                c->s->slots[f].v[n].unsub = tick;
        if (v && is_share(f))
            share_churn = share_loss = tick;
        for (size_t n = 0; n < c->s->debt_count;) { /* 3.10.4: what is buffered may be dropped */
            if (filter_matches[f][pubs[c->s->debts[n].pub].topic])
                c->s->debts[n] = c->s->debts[--c->s->debt_count];
            else
                n++;
        }
        for (unsigned n = 0; n < c->s->wish_count; n++) /* and what was not asked for yet, too */
            c->s->wishes[n].must &= c->s->wishes[n].filter != f;
        mqtt_unsub_put(&list, str_of(filter_names[f]));
        trace("%d unsubscribes %s", i, filter_names[f]);
    }
    w.id = pk.subscribe.packet_id = (uint16_t)(1000 + tick % 50000);
    w.pub = (int)tick;
    pk.subscribe.list = buf_str(&list);
    pk.subscribe.count = w.count;
    await(c->talk, &w);
    client_send(c->talk, &pk);
    buf_fini(&list);
}

/* ---- coming and going ---- */

static void add_will(struct talk *t, struct mqtt_connect *k, char room[400], struct buf *props)
{
    struct mqtt_packet pk = { 0 };

    t->will = (int)new_pub(t->client, t->version);
    pubs[t->will].will = true;
    pubs[t->will].clear = false;
    pubs[t->will].attempts = 1;
    fill_publish(&pk, (unsigned)t->will, room, props);
    k->has_will = true;
    k->will = (struct mqtt_will){ .qos = pk.publish.qos,
                                  .retain = pk.publish.retain,
                                  .topic = pk.publish.topic,
                                  .payload = pk.publish.payload,
                                  .props = pk.publish.props };
    if (t->version == MQTT_V5 && dice(2)) {
        k->will.props.has |= MQTT_HAS(WILL_DELAY);
        k->will.props.will_delay_s = t->will_delay_s = 1 + dice(6);
    }
}

static void choose(struct talk *t, struct mqtt_connect *k)
{
    static const uint32_t expiries[] = { 0, 2, 5, 100, 100 };

    t->version = dice(2) ? MQTT_V5 : MQTT_V311;
    t->clean = dice(5) == 0 && !at_the_end;
    t->window = 65535;
    t->max_packet = UINT32_MAX;
    t->expiry_s = t->clean ? 0 : UINT32_MAX;
    k->version = t->version;
    k->clean_start = t->clean;
    if (dice(4) == 0)
        k->keep_alive_s = t->keep_alive_s = (uint16_t)(1 + dice(3));
    if (t->version == MQTT_V311)
        return;
    t->expiry_s = expiries[dice(5)];
    k->props.has = MQTT_HAS(SESSION_EXPIRY);
    k->props.session_expiry_s = t->expiry_s;
    if (dice(2)) {
        k->props.has |= MQTT_HAS(RECEIVE_MAX);
        k->props.receive_max = (uint16_t)(1 + dice(4));
        t->window = k->props.receive_max;
    }
    if (dice(5) == 0 && !at_the_end) {
        k->props.has |= MQTT_HAS(MAX_PACKET);
        k->props.max_packet = t->max_packet = 200;
    }
    if (dice(2)) {
        k->props.has |= MQTT_HAS(TOPIC_ALIAS_MAX);
        k->props.topic_alias_max = (uint16_t)(t->alias_max = 1 + dice(3));
    }
}

/* A client does not forget a connection that it asked for and had no answer from; what its session is
 * then, nobody knows. */
static void leave_talk(struct client_model *c)
{
    if (c->talk && !c->talk->open)
        client_is_unsure(c);
    c->talk = NULL;
    c->ready = false;
    c->ack_count = 0;
}

static void do_connect(int i)
{
    static const char *const ids[CLIENTS] = { "c0", "c1", "c2", "c3", "c4" };
    struct client_model *c = &clients[i];
    struct mqtt_packet pk = { .type = MQTT_CONNECT };
    struct buf props = buf_init(1000);
    char room[400];
    struct talk *t;

    if (pub_count + 1 >= PUBS || (c->talk && !c->ready && !c->talk->link->done))
        return;
    leave_talk(c);
    t = NEW(struct talk);
    t->client = i;
    t->will = -1;
    memset(t->aliases, 0xff, sizeof(t->aliases));
    choose(t, &pk.connect);
    pk.connect.client_id = str_of(ids[i]);
    if (dice(3) == 0)
        add_will(t, &pk.connect, room, &props);
    t->link = link_dial(broker, rules, dice(world_workers->count), t);
    t->link->version = t->version;
    t->next = talks;
    talks = t;
    c->talk = t;
    c->lazy = dice(5) == 0;
    c->silent = dice(3) == 0;
    memset(c->alias_known, 0, sizeof(c->alias_known));
    t->asked = ++tick;
    trace(
        "%d connects to worker %u, version %u%s expiry %u window %u%s alias %u keep alive %u will %d "
        "delay %u",
        i, t->link->loop->index, t->version, t->clean ? " clean" : "", t->expiry_s, t->window,
        t->max_packet < 1000 ? " small packets" : "", t->alias_max, t->keep_alive_s, t->will,
        t->will_delay_s);
    client_send(t, &pk);
    buf_fini(&props);
}

static void do_disconnect(int i)
{
    struct client_model *c = &clients[i];
    struct mqtt_packet pk = { .type = MQTT_DISCONNECT };

    if (!is_on(i))
        return;
    if (c->talk->version == MQTT_V5) {
        c->talk->bye_will = dice(3) == 0;
        pk.reasoned.code = c->talk->bye_will ? MQTT_REASON_DISCONNECT_WITH_WILL : 0;
        c->talk->bye_expiry = c->s && c->s->expiry_s > 0 && dice(4) == 0;
        c->talk->bye_expiry_s = dice(2) ? 3 : 0;
        if (c->talk->bye_expiry) {
            pk.reasoned.props.has = MQTT_HAS(SESSION_EXPIRY);
            pk.reasoned.props.session_expiry_s = c->talk->bye_expiry_s;
        }
    }
    trace("%d disconnects%s%s", i, c->talk->bye_will ? " with will" : "",
          c->talk->bye_expiry ? " and another expiry" : "");
    client_send(c->talk, &pk);
    c->talk->bye = true;
}

static void do_cut(int i)
{
    struct client_model *c = &clients[i];

    if (!c->talk || c->talk->link->done)
        return;
    trace("%d is cut off", i);
    for (struct talk *t = talks; t; t = t->next) /* with an older one that it wanted to take over */
        if (t->client == i && !t->link->done)
            link_cut(t->link);
}

static void do_break_a_rule(int i)
{
    static const struct {
        struct str bytes;
        bool v5_only;
    } broken[] = {
        { { "\xf0\x00", 2 }, false },                      /* AUTH, or nothing in 3.1.1 */
        { { "\xd0\x00", 2 }, false },                      /* PINGRESP */
        { { "\x36\x06\x00\x01x\x00\x01y", 8 }, false },    /* QoS 3 */
        { { "\x32\x06\x00\x01x\x00\x00y", 8 }, false },    /* packet id 0 */
        { { "\x80\x06\x00\x01\x00\x01x\x00", 8 }, false }, /* flags of SUBSCRIBE */
        { { "\x30\x05\x00\x03n/#", 7 }, false },           /* a wildcard in a name */
        { { "\x30\xff\xff\xff\xff\x01", 6 }, false },      /* a length that is none */
        { { "\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00", 14 }, false }, /* CONNECT again */
        { { "\xc1\x00", 2 }, false },                                      /* flags of PINGREQ */
        { { "\x30\x08\x00\x01x\x03\x23\x00\x00y", 10 }, true },            /* alias 0 */
        { { "\x30\x08\x00\x01x\x03\x23\x00\x7fy", 10 }, true }, /* alias beyond the maximum */
        { { "\x30\x07\x00\x01x\x02\x0b\x01y", 9 }, true },      /* a subscription identifier */
    };
    struct client_model *c = &clients[i];
    unsigned which = dice(COUNT_OF(broken));

    if (!is_on(i) || (broken[which].v5_only && c->talk->version != MQTT_V5))
        return;
    trace("%d breaks rule %u", i, which);
    buf_put(&c->talk->link->up, broken[which].bytes);
    c->talk->illegal = true;
    tick++;
}

/* ---- what clients do with what they are told ---- */

static void answer(struct client_model *c, uint8_t type, const struct mqtt_ack *ack)
{
    struct flight *f = c->s ? flight_of(c->s, ack->packet_id) : NULL;

    if (f && type == MQTT_PUBACK)
        f->state = ACKED;
    if (f && type == MQTT_PUBREC && f->state == FLIES)
        f->state = ack->code ? ACKED : RECEIVED;
    if (f && type == MQTT_PUBCOMP)
        f->state = COMPLETED;
    client_send_ack(c->talk, (enum mqtt_type)type, ack);
}

static void acks_go(struct client_model *c, unsigned n)
{
    while (n-- > 0 && c->ack_count > 0) {
        struct mqtt_ack ack = c->acks[0];
        uint8_t type = c->ack_types[0];

        c->ack_count--;
        memmove(&c->acks[0], &c->acks[1], c->ack_count * sizeof(ack));
        memmove(&c->ack_types[0], &c->ack_types[1], c->ack_count);
        answer(c, type, &ack);
        if (type != MQTT_PUBCOMP && ack.code == 0 && luck(30) == 0)
            answer(c, type, &ack); /* twice */
    }
}

static void ack_later(struct client_model *c, enum mqtt_type type, uint16_t id)
{
    bool refuse = type == MQTT_PUBREC && c->talk->version == MQTT_V5 && luck(12) == 0;

    CHECK(c->ack_count < COUNT_OF(c->acks));
    c->ack_types[c->ack_count] = (uint8_t)type;
    c->acks[c->ack_count++] =
        (struct mqtt_ack){ .packet_id = id, .code = refuse ? MQTT_REASON_QUOTA : 0 };
}

static void send_again(struct client_model *c)
{
    for (unsigned i = 0; i < c->out_count; i++) {
        if (!c->out[i].released) {
            send_publish(c, &c->out[i], true, false);
            continue;
        }
        await(c->talk, &(struct awaited){ .type = MQTT_PUBCOMP, .id = c->out[i].id });
        client_send_ack(c->talk, MQTT_PUBREL, &(struct mqtt_ack){ .packet_id = c->out[i].id });
    }
}

static void out_done(struct client_model *c, uint16_t id, bool released)
{
    for (unsigned i = 0; i < c->out_count; i++) {
        if (c->out[i].id != id)
            continue;
        if (released && !c->out[i].released) {
            c->out[i].released = true;
            await(c->talk, &(struct awaited){ .type = MQTT_PUBCOMP, .id = id });
            client_send_ack(c->talk, MQTT_PUBREL, &(struct mqtt_ack){ .packet_id = id });
            return;
        }
        if (!released) {
            memmove(&c->out[i], &c->out[i + 1], (c->out_count - i - 1) * sizeof(c->out[i]));
            c->out_count--;
        }
        return;
    }
}

static void client_packet(struct client_model *c, const struct mqtt_packet *pk)
{
    switch (pk->type) {
    case MQTT_CONNACK:
        c->ready = true;
        if (!pk->connack.session_present)
            c->out_count = 0;
        send_again(c);
        return;
    case MQTT_PUBLISH:
        if (pk->publish.qos > 0)
            ack_later(c, pk->publish.qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, pk->publish.packet_id);
        return;
    case MQTT_PUBREL:
        ack_later(c, MQTT_PUBCOMP, pk->ack.packet_id);
        return;
    case MQTT_PUBREC:
        out_done(c, pk->ack.packet_id, true);
        return;
    case MQTT_PUBACK:
    case MQTT_PUBCOMP:
        out_done(c, pk->ack.packet_id, false);
        return;
    default:
        return;
    }
}

/* n bytes of what is there are read; false: nothing was to be read. */
static bool client_reads(struct talk *t, size_t n)
{
    struct client_model *c = &clients[t->client];
    struct buf *down = &t->link->down;
    bool any = down->n > 0;
    struct mqtt_packet pk;
    size_t used;

    if (c->talk != t || t->link->cut) {
        buf_clear(down);
        return any;
    }
    while (n-- > 0 && down->n > 0 &&
           mqtt_decode(buf_str(down), t->version, 1 << 20, &pk, &used, NULL) == 0) {
        client_packet(c, &pk);
        buf_consume(down, used);
    }
    if (!c->lazy)
        acks_go(c, UINT32_MAX);
    if (t->link->done && down->n == 0)
        leave_talk(c);
    return any;
}

#endif
