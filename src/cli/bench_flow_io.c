/*
 * Messages: fan-in, fan-out, pairs, publish, ping. A publisher may have `window` messages on their way:
 * owed counts those that are not with all who subscribe (with publish: not acknowledged), so that nothing is
 * dropped for slowness and each server does the same work. What returns lets the publisher go on at the
 * end of the turn, with all that it may send in one write. With --rate the clock says when, and a
 * publisher without room is passed over: late messages keep the time at which they were due.
 *
 * Nothing is allocated for a message whose payload is copied (up to COPY_MAX).
 */
#include "cli/bench_shard_io.h"

#include "base/clock.h"

#include <stdio.h>

#define OPENING_MAX 100
#define COPY_MAX    1024
#define HIGH_BYTES  (256u * 1024)
#define SPIN_NS     100000 /* waited out awake: to be woken takes about as long */

static const struct bench_args *args_of(const struct bench_shard *s)
{
    return s->plan->args;
}

/* Nobody subscribes: what comes back is the server's acknowledgement. */
static bool answers_only(const struct bench_shard *s)
{
    return args_of(s)->mode == BENCH_PUBLISH || args_of(s)->mode == BENCH_PING;
}

/* ---- sending ---- */

void bench_flow_put(struct bench_conn *c, uint64_t at_ns, struct str topic, uint32_t publisher,
                    uint32_t seq, bool retain, size_t payload_n)
{
    struct bench_shard *s = c->shard;
    const struct bench_args *a = args_of(s);
    const char *text = a->message;
    struct bench_stamp stamp = { at_ns, publisher, seq };
    struct mqtt_publish_out o = { .topic = topic.p ? topic : str_of(c->topic),
                                  .payload_n = payload_n,
                                  .qos = a->qos,
                                  .retain = retain };
    size_t inside = text ? 0 : payload_n < COPY_MAX ? payload_n : BENCH_STAMP_BYTES, n;
    char *room = stream_room(c->stream, MQTT_PUBLISH_HEADER_MAX(o.topic.n, 0, 0) + inside);

    c->last_id = (uint16_t)(c->last_id == UINT16_MAX ? 1 : c->last_id + 1);
    o.packet_id = c->last_id;
    n = mqtt_publish_header(room, a->login.version, &o);
    if (inside > 0) {
        bench_stamp_write(room + n, &stamp);
        if (inside > BENCH_STAMP_BYTES)
            memcpy(room + n + BENCH_STAMP_BYTES, s->plan->filler->bytes,
                   inside - BENCH_STAMP_BYTES);
    }
    stream_commit(c->stream, n + inside);
    if (text)
        stream_send(c->stream, str_of(text));
    else if (inside < payload_n)
        stream_send_blob(c->stream, s->plan->filler, 0, payload_n - inside);
    c->times[c->sent++ % c->window] = at_ns;
    s->sent++;
    if (a->qos > 0) {
        c->unacked++;
        s->unacked++;
    }
}

static bool may_send(const struct bench_conn *c)
{
    const struct bench_shard *s = c->shard;

    return !s->stopping && (s->to_send == 0 || s->sent < s->to_send) && !c->pinging &&
           c->owed < c->window && c->unacked < c->window && stream_pending(c->stream) < HIGH_BYTES;
}

static void put_next(struct bench_conn *c, uint64_t at_ns)
{
    struct bench_shard *s = c->shard;

    c->owed++;
    s->owed++;
    if (args_of(s)->mode == BENCH_PING) {
        c->times[c->sent++ % c->window] = at_ns;
        s->sent++;
        bench_conn_ping(c);
        return;
    }
    bench_flow_put(c, at_ns, STR_NONE, s->publishers[0] == c ? 0 : c->number, c->sent, false,
                   args_of(s)->message ? strlen(args_of(s)->message) : args_of(s)->size);
}

/* Without acknowledgements a ping's answer says that all before it was read. */
static void ask(struct bench_conn *c)
{
    if (args_of(c->shard)->mode != BENCH_PUBLISH || args_of(c->shard)->qos > 0 || c->pinging ||
        c->owed == 0)
        return;
    c->pinging = true;
    bench_conn_ping(c);
}

static void pump(struct later *d)
{
    struct bench_conn *c = container_of(d, struct bench_conn, pump);

    if (c->shard->over || c->state != CONN_READY || args_of(c->shard)->rate > 0)
        return;
    if (may_send(c)) {
        uint64_t now = clock_mono_ns();

        while (may_send(c))
            put_next(c, now);
    }
    ask(c);
}

/* ---- coming back ---- */

static void look_whether_over(struct bench_shard *s)
{
    if ((s->stopping || (s->to_send > 0 && s->sent >= s->to_send)) && s->owed == 0 &&
        s->unacked == 0)
        bench_shard_over(s);
}

/* n are no longer on their way, of which `units` arrived. */
static void came_back(struct bench_conn *c, uint64_t n, uint64_t units)
{
    struct bench_shard *s = c->shard;

    n = n < c->owed ? n : c->owed;
    c->owed -= n;
    s->owed -= n;
    s->units += units;
    if (args_of(s)->count > 0)
        s->done = s->units;
    if (!s->warmed && s->warm_units > 0 && s->units >= s->warm_units) {
        s->warmed = true;
        bench_phase_again(s);
    }
    loop_later(s->loop, &c->pump);
    look_whether_over(s);
}

static void timed(struct bench_shard *s, uint64_t at_ns)
{
    uint64_t now = clock_mono_ns();

    if (s->phase)
        histogram_add(&s->phase->latency, now > at_ns ? now - at_ns : 0);
}

/* How many messages are now with all subscribers. Each gets them in order, so they are complete in
 * order, and a slot is free again before it is needed. */
static uint32_t complete(struct bench_conn *source, uint32_t seq, uint32_t further)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < further; k++) {
        uint64_t *got = &source->got[(seq - k) % source->window];

        if (++*got == source->shard->fan) {
            *got = 0;
            n++;
        }
    }
    return n;
}

static void got_message(struct bench_conn *c, const struct mqtt_publish *m)
{
    struct bench_shard *s = c->shard;
    struct bench_stamp stamp;
    struct bench_conn *source = c->source;
    uint32_t further;

    if (!bench_stamp_read(m->payload, &stamp) || (!source && stamp.publisher >= s->publisher_count))
        return; /* somebody else's */
    if (!source)
        source = s->publishers[stamp.publisher];
    further = bench_seq_take(args_of(s)->mode == BENCH_FANOUT ? &c->seq : &source->seq, stamp.seq,
                             &s->tally);
    if (further == 0)
        return;
    timed(s, stamp.at_ns);
    s->result.received++;
    came_back(source, source->got ? complete(source, stamp.seq, further) : further, 1);
}

void bench_flow_acked(struct bench_conn *c)
{
    if (c->unacked == 0)
        return;
    c->unacked--;
    c->shard->unacked--;
}

static void got_ack(struct bench_conn *c)
{
    struct bench_shard *s = c->shard;

    bench_flow_acked(c);
    if (answers_only(s)) { /* in the order of sending: MQTT-4.6.0 */
        timed(s, c->times[c->acked++ % c->window]);
        s->result.received++;
        came_back(c, 1, 1);
        return;
    }
    loop_later(s->loop, &c->pump);
    look_whether_over(s);
}

static void got_pong(struct bench_conn *c)
{
    struct bench_shard *s = c->shard;

    if (args_of(s)->mode == BENCH_PING) {
        timed(s, c->times[c->acked++ % c->window]);
        s->result.received++;
        came_back(c, 1, 1);
    } else if (c->pinging) {
        c->pinging = false;
        s->result.received += c->owed;
        came_back(c, c->owed, c->owed);
    }
}

static void on_drained(struct bench_conn *c)
{
    if (c->publisher)
        loop_later(c->shard->loop, &c->pump);
}

/* ---- by the clock ---- */

static uint64_t turn(struct bench_shard *s)
{
    uint64_t now = clock_mono_ns(), tick_ns = args_of(s)->tick_ms * 1000000, due, at;

    if (args_of(s)->rate == 0 || s->stopping)
        return UINT64_MAX;
    if (now < s->next_tick_ns)
        return s->next_tick_ns;
    due = bench_pace_due(&s->pacing, now);
    if (s->to_send > 0 && due > s->to_send)
        due = s->to_send;
    while (s->sent < due) {
        unsigned passed = 0;
        struct bench_conn *c;

        do {
            c = s->publishers[s->next_publisher];
            s->next_publisher = (s->next_publisher + 1) % s->publisher_count;
        } while (!may_send(c) && ++passed < s->publisher_count);
        if (passed == s->publisher_count)
            break;
        put_next(c, bench_pace_at(&s->pacing, s->sent));
        ask(c);
    }
    at = bench_pace_at(&s->pacing, s->sent);
    if (tick_ns == 0)
        return at < now + SPIN_NS ? 0 : at - SPIN_NS;
    s->next_tick_ns = now + tick_ns > at ? now + tick_ns : at;
    return s->next_tick_ns;
}

/* ---- who is who ---- */

/* fan-in: the subscriber is number `clients`; fan-out: the publisher; pairs: subscribers from `clients`
 * on. */
static void start(struct bench_shard *s)
{
    const struct bench_args *a = args_of(s);
    uint64_t clients = bench_share(a->clients, s->index, s->of);
    bool both = a->mode == BENCH_PAIRS;

    s->publisher_count = a->mode == BENCH_FANOUT ? 1 : (unsigned)clients;
    s->publishers = mem_new_array(s->publisher_count, sizeof(struct bench_conn *));
    s->fan = a->mode == BENCH_FANOUT ? clients : 1;
    s->to_send = a->count ? bench_share(a->count, s->index, s->of) : 0;
    s->warm_units = s->to_send * s->fan / 10;
    bench_shard_open(s, clients + (both ? clients : answers_only(s) ? 0 : 1), OPENING_MAX);
}

static void on_open(struct bench_shard *s, struct bench_conn *c)
{
    const struct bench_args *a = args_of(s);
    unsigned clients = (unsigned)bench_share(a->clients, s->index, s->of), topic = c->number;

    c->publisher = a->mode == BENCH_FANOUT ? c->number == clients : c->number < clients;
    c->pump.run = pump;
    c->persistent = c->passing = a->persistent && !c->publisher;
    if (a->mode == BENCH_PAIRS)
        topic = c->number % clients;
    if (a->mode == BENCH_FANOUT)
        topic = 0;
    if (c->publisher && a->topic)
        snprintf(c->topic, sizeof(c->topic), "%s", a->topic);
    else if (c->publisher)
        snprintf(c->topic, sizeof(c->topic), "%s/%u/%u", s->plan->prefix, s->index, topic);
    else if (a->mode == BENCH_FANIN)
        snprintf(c->filter, sizeof(c->filter), "%s/%u/#", s->plan->prefix, s->index);
    else
        snprintf(c->filter, sizeof(c->filter), "%s/%u/%u", s->plan->prefix, s->index, topic);
    if (c->publisher) {
        c->times = mem_new_array(a->window, sizeof(*c->times));
        if (a->mode == BENCH_FANOUT)
            c->got = mem_new_array(a->window, sizeof(*c->got));
        s->publishers[topic] = c;
    }
}

static void on_ready(struct bench_conn *c)
{
    struct bench_shard *s = c->shard;

    if (s->opened == s->to_open) {
        LIST_EACH (it, &s->conns) {
            struct bench_conn *sub = container_of(it, struct bench_conn, link);

            if (!sub->publisher && args_of(s)->mode == BENCH_FANOUT)
                sub->source = s->publishers[0];
            else if (!sub->publisher && args_of(s)->mode == BENCH_PAIRS)
                sub->source = s->publishers[sub->number % s->publisher_count];
        }
        bench_shard_ready(s);
    }
}

/* ---- begin and end ---- */

static void on_warm(struct timer *t)
{
    struct bench_shard *s = container_of(t, struct bench_shard, warm);

    bench_phase_again(s);
}

static void finish(struct bench_shard *s)
{
    s->stopping = true;
    timer_stop(&s->warm);
    timer_stop(&s->end);
    if (s->index == 0)
        bench_memory_end(s, 0);
    bench_phase_end(s);
    look_whether_over(s);
}

static void on_end(struct timer *t)
{
    finish(container_of(t, struct bench_shard, end));
}

static void go(struct bench_shard *s)
{
    const struct bench_args *a = args_of(s);

    bench_phase_begin(s, 0,
                      a->mode == BENCH_PING ? "answered"
                      : answers_only(s)     ? "taken"
                                            : "delivered",
                      a->mode == BENCH_PING ? "pings" : "messages",
                      a->mode == BENCH_PUBLISH && a->qos == 0 ? NULL
                      : answers_only(s)                       ? "until answered"
                                                              : "latency");
    timer_init(&s->warm, s->loop, on_warm);
    timer_init(&s->end, s->loop, on_end);
    if (a->duration_ms) {
        timer_start(&s->warm, a->duration_ms / 10);
        timer_start(&s->end, a->duration_ms);
    }
    if (a->rate) {
        s->pacing = (struct bench_pace){ clock_mono_ns(), bench_share(a->rate, s->index, s->of) };
        s->pacing.per_s = s->pacing.per_s ? s->pacing.per_s : 1;
    }
    for (unsigned i = 0; i < s->publisher_count; i++)
        loop_later(s->loop, &s->publishers[i]->pump);
}

static uint64_t owed(const struct bench_shard *s)
{
    return s->owed + s->unacked;
}

/* What has not come by now is lost: of QoS 0 that is allowed, and told. */
static void stuck(struct bench_shard *s)
{
    if (answers_only(s) || s->owed == 0) {
        bench_shard_fail(s, "%s has not answered for %.3g s: %llu of %llu are without an answer",
                         s->plan->server, (double)args_of(s)->timeout_ms / 1000,
                         (unsigned long long)(s->owed > s->unacked ? s->owed : s->unacked),
                         (unsigned long long)s->sent);
        return;
    }
    s->result.lost += s->sent * s->fan - s->result.received - s->tally.lost;
    bench_shard_over(s);
}

static void over(struct bench_shard *s)
{
    if (!answers_only(s))
        s->result.expected = s->sent * s->fan;
}

const struct bench_scene bench_flow_scene = {
    .start = start,
    .go = go,
    .open = on_open,
    .ready = on_ready,
    .publish = got_message,
    .acked = got_ack,
    .pong = got_pong,
    .drained = on_drained,
    .turn = turn,
    .stop = finish,
    .owed = owed,
    .stuck = stuck,
    .over = over,
};
