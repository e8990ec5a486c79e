/*
 * A client that sends faster than its listener allows is not read for a while, so that TCP slows it down:
 * nothing of it is lost, and it is not disconnected. Everything that asks for something counts, not only
 * publications, or a flood of PINGREQ or SUBSCRIBE would be free, and so does the PUBREL of an id that is not
 * known, which is no part of a publication. Answers to what we send do not count, or a subscriber would be
 * slowed down for what others publish.
 */
#include "mqtt/broker_part.h"

#include "base/log.h"
#include "base/mem.h"

static void on_paid(struct timer *t)
{
    conn_busy_clear(container_of(t, struct conn_rate, timer)->c, BUSY_RATE);
}

void conn_rate_begin(struct conn *c)
{
    const struct broker_rules *r = c->rules;

    if (r->message_rate_max == 0 && r->byte_rate_max == 0)
        return;
    c->rate = NEW(struct conn_rate);
    c->rate->c = c;
    timer_init(&c->rate->timer, c->part->loop, on_paid);
}

static bool asks(enum mqtt_type type)
{
    return type == MQTT_PUBLISH || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE ||
           type == MQTT_PINGREQ;
}

static void note(struct conn *c)
{
    char peer[ADDR_TEXT_SIZE];

    metric_add(c->part->b->m.throttled, 1);
    if (c->rate->pauses++ == 0 && part_may_log(c->part))
        log_warn("mqtt", "client is faster than allowed: it is read more slowly",
                 lf_str("client", session_id(c->session)),
                 lf_text("peer", addr_format(conn_peer(c), peer)));
}

static void charge(struct conn *c, uint64_t messages, size_t n)
{
    uint64_t now = loop_now_ms(c->part->loop), wait, bytes;

    if (!conn_is_open(c))
        return;
    wait = bucket_take(&c->rate->messages, now, messages, c->rules->message_rate_max);
    bytes = bucket_take(&c->rate->bytes, now, n, c->rules->byte_rate_max);
    if (bytes > wait)
        wait = bytes;
    if (wait == 0)
        return;
    if (!(c->busy & BUSY_RATE)) /* by the same packet */
        note(c);
    conn_busy_set(c, BUSY_RATE);
    timer_start(&c->rate->timer, wait);
}

void conn_rate_count(struct conn *c, enum mqtt_type type, size_t n)
{
    charge(c, asks(type), n);
}

void conn_rate_unknown(struct conn *c)
{
    if (c->rate)
        charge(c, 1, 0);
}

void conn_rate_end(struct conn *c)
{
    if (c->rate)
        timer_stop(&c->rate->timer);
}
