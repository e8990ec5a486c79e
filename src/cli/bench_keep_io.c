/*
 * What a server keeps. retained: `count` topics get a retained message each, a newcomer reads them all,
 * then they are cleared. queue: `clients` sessions are made and go away, `count` messages are published to
 * them in turn, then each comes back, fetches its own and ends its session. Messages are published by a
 * few publishers, with as many on their way as each may have. One step after the other; one worker.
 */
#include "cli/bench_shard_io.h"

#include "base/clock.h"

#include <stdio.h>

#define OPENING_MAX 400 /* so many share a sync of the server's disk */
#define HIGH_BYTES  (256u * 1024)

enum step { STEP_SESSIONS, STEP_OPEN, STEP_PUBLISH, STEP_FETCH, STEP_CLEAR, STEP_CLEAN, STEP_END };

static const struct bench_args *args_of(const struct bench_shard *s)
{
    return s->plan->args;
}

static bool is_queue(const struct bench_shard *s)
{
    return args_of(s)->mode == BENCH_QUEUE;
}

/* ---- publishing in turn ---- */

/* Each publisher has places of its own, topics or sessions, so that what comes to one is in order. Message
 * number round * places + place is the one of that round to that place. */
static uint64_t places(const struct bench_shard *s)
{
    return is_queue(s) ? args_of(s)->clients : args_of(s)->count;
}

static uint64_t first_place(const struct bench_shard *s, unsigned publisher)
{
    return places(s) * publisher / BENCH_PUBLISHERS;
}

static bool has_more(struct bench_conn *c)
{
    const struct bench_shard *s = c->shard;

    if (c->place == c->place_end) {
        c->place = first_place(s, c->publisher_index);
        c->round++;
    }
    return c->place < c->place_end && c->round * places(s) + c->place < args_of(s)->count;
}

static bool may_send(struct bench_conn *c)
{
    return !c->pinging && c->unacked < c->window && c->owed < c->window &&
           stream_pending(c->stream) < HIGH_BYTES && has_more(c);
}

static void put_next(struct bench_conn *c, uint64_t now)
{
    struct bench_shard *s = c->shard;
    char topic[BENCH_TOPIC_MAX];
    int len =
        snprintf(topic, sizeof(topic), "%s/%llu", s->plan->prefix, (unsigned long long)c->place);

    c->owed++;
    bench_flow_put(c, now, str_from(topic, (size_t)len), (uint32_t)c->place, (uint32_t)c->round,
                   !is_queue(s), s->step == STEP_CLEAR ? 0 : args_of(s)->size);
    c->place++;
}

static void pump(struct later *d)
{
    struct bench_conn *c = container_of(d, struct bench_conn, pump);
    uint64_t now = clock_mono_ns();

    if (c->shard->over || c->state != CONN_READY)
        return;
    while (may_send(c))
        put_next(c, now);
    if (args_of(c->shard)->qos == 0 && c->owed > 0 && !c->pinging) {
        c->pinging = true;
        bench_conn_ping(c);
    }
}

static void pump_all(struct bench_shard *s)
{
    for (unsigned i = 0; i < s->publisher_count; i++) {
        struct bench_conn *c = s->publishers[i];

        c->round = 0;
        c->place = first_place(s, i);
        c->place_end = first_place(s, i + 1);
        loop_later(s->loop, &c->pump);
    }
}

/* ---- the steps ---- */

static void go_on(struct bench_shard *s)
{
    const struct bench_args *a = args_of(s);

    switch ((enum step)s->step) {
    case STEP_SESSIONS:
        bench_phase_begin(s, 0, "sessions", "sessions", "until subscribed");
        bench_shard_open(s, a->clients, OPENING_MAX);
        break;
    case STEP_OPEN:
        bench_shard_open(s, BENCH_PUBLISHERS, BENCH_PUBLISHERS);
        break;
    case STEP_PUBLISH:
        bench_phase_begin(s, s->result.phase_count, is_queue(s) ? "queued" : "retained",
                          is_queue(s) ? "messages" : "topics",
                          a->qos > 0 ? "until answered" : NULL);
        pump_all(s);
        break;
    case STEP_FETCH:
        bench_phase_begin(s, s->result.phase_count, is_queue(s) ? "fetched" : "read",
                          is_queue(s) ? "messages" : "topics",
                          is_queue(s) ? NULL : "since subscribed");
        s->result.expected = a->count;
        s->asked_ns = clock_mono_ns();
        bench_shard_open(s, is_queue(s) ? a->clients : 1, OPENING_MAX);
        break;
    case STEP_CLEAR:
        bench_phase_begin(s, s->result.phase_count, "cleared", "topics", NULL);
        pump_all(s);
        break;
    case STEP_CLEAN:
        bench_shard_open(s, a->clients, OPENING_MAX);
        break;
    case STEP_END:
        bench_shard_over(s);
        break;
    }
}

static void step_over(struct bench_shard *s)
{
    const struct bench_args *a = args_of(s);

    bench_phase_end(s);
    if (s->step == STEP_PUBLISH) {
        bench_memory_end(s, a->count);
        s->step = a->keep ? STEP_END : STEP_FETCH;
    } else if (s->step == STEP_FETCH) {
        bool each_ended_its_own = a->login.version == MQTT_V5;

        s->step = !is_queue(s) ? STEP_CLEAR : each_ended_its_own ? STEP_END : STEP_CLEAN;
    } else if (s->step == STEP_CLEAR || s->step == STEP_CLEAN) {
        s->sent = a->count; /* what was published to clear is not counted */
        s->step = STEP_END;
    } else {
        s->step++;
    }
    go_on(s);
}

static void answered(struct bench_conn *c, uint64_t n)
{
    struct bench_shard *s = c->shard;

    c->owed -= n < c->owed ? n : c->owed;
    s->units += n;
    s->done += n;
    s->owed += n; /* answered of this step */
    if (s->step == STEP_PUBLISH)
        bench_memory_look(s, s->owed);
    if (s->owed < args_of(s)->count) {
        loop_later(s->loop, &c->pump);
        return;
    }
    s->owed = 0;
    step_over(s);
}

static void on_acked(struct bench_conn *c)
{
    struct bench_shard *s = c->shard;
    uint64_t at = c->times[c->acked++ % c->window], now = clock_mono_ns();

    bench_flow_acked(c);
    if (s->phase && s->phase->latency_of)
        histogram_add(&s->phase->latency, now - at);
    answered(c, 1);
}

static void on_pong(struct bench_conn *c)
{
    if (!c->pinging)
        return;
    c->pinging = false;
    answered(c, c->owed);
}

static void on_drained(struct bench_conn *c)
{
    if (c->publisher)
        loop_later(c->shard->loop, &c->pump);
}

/* ---- connections ---- */

static void start(struct bench_shard *s)
{
    const struct bench_args *a = args_of(s);

    s->publishers = mem_new_array(BENCH_PUBLISHERS, sizeof(struct bench_conn *));
    s->seen = mem_new_array(a->count / 8 + 1, 1);
    s->step = is_queue(s) ? STEP_SESSIONS : STEP_OPEN;
    bench_shard_ready(s);
}

static void on_open(struct bench_shard *s, struct bench_conn *c)
{
    const struct bench_args *a = args_of(s);
    unsigned n = c->number;

    c->pump.run = pump;
    if (s->step == STEP_OPEN) {
        c->publisher = true;
        c->times = mem_new_array(a->window, sizeof(*c->times));
        c->publisher_index = s->publisher_count;
        s->publishers[s->publisher_count++] = c;
        c->number = (unsigned)a->clients + n; /* behind the sessions' ids */
    } else if (!is_queue(s)) {
        c->number = (unsigned)a->clients + BENCH_PUBLISHERS;
        snprintf(c->filter, sizeof(c->filter), "%s/#", s->plan->prefix);
    } else if (s->step == STEP_SESSIONS) {
        c->persistent = true;
        snprintf(c->filter, sizeof(c->filter), "%s/%u", s->plan->prefix, n);
    } else if (s->step == STEP_FETCH) {
        c->persistent = c->resume = true;
        c->passing = a->login.version == MQTT_V5;
        c->left = a->count / a->clients + (n < a->count % a->clients);
    }
}

static void on_ready(struct bench_conn *c)
{
    struct bench_shard *s = c->shard;

    if (s->step == STEP_SESSIONS) {
        s->units++;
        s->done++;
        histogram_add(&s->phase->latency, clock_mono_ns() - c->opened_ns);
    }
    if (s->step == STEP_OPEN && s->opening == 0 && s->next == s->to_open)
        step_over(s);
    else if (s->step == STEP_SESSIONS || s->step == STEP_CLEAN ||
             (s->step == STEP_FETCH && is_queue(s) && c->left == 0))
        bench_conn_end(c, false);
}

static void on_ended(struct bench_conn *c)
{
    struct bench_shard *s = c->shard;
    bool passing = is_queue(s) && s->step != STEP_PUBLISH && s->step != STEP_OPEN;

    if (passing && s->ended == s->to_open)
        step_over(s);
}

/* ---- fetching ---- */

static void fetch_retained(struct bench_conn *c, const struct bench_stamp *stamp)
{
    struct bench_shard *s = c->shard;
    unsigned char *byte = &s->seen[stamp->publisher / 8];

    if (*byte >> stamp->publisher % 8 & 1) {
        s->tally.repeated++;
        return;
    }
    *byte |= (unsigned char)(1u << stamp->publisher % 8);
    histogram_add(&s->phase->latency, clock_mono_ns() - s->asked_ns);
    s->units++;
    s->done++;
    if (++s->result.received == args_of(s)->count) {
        bench_conn_end(c, false);
        step_over(s);
    }
}

static void fetch_queued(struct bench_conn *c, const struct bench_stamp *stamp)
{
    struct bench_shard *s = c->shard;
    uint32_t further;

    if (stamp->publisher != c->number)
        return;
    further = bench_seq_take(&c->seq, stamp->seq, &s->tally);
    if (further == 0)
        return;
    s->units++;
    s->done++;
    s->result.received++;
    c->left -= further < c->left ? further : c->left;
    if (c->left == 0)
        bench_conn_end(c, false);
}

static void on_publish(struct bench_conn *c, const struct mqtt_publish *m)
{
    struct bench_shard *s = c->shard;
    struct bench_stamp stamp;

    if (s->step != STEP_FETCH || !bench_stamp_read(m->payload, &stamp) ||
        stamp.publisher >= (is_queue(s) ? args_of(s)->clients : args_of(s)->count))
        return; /* somebody else's */
    if (is_queue(s))
        fetch_queued(c, &stamp);
    else
        fetch_retained(c, &stamp);
}

/* ---- the end ---- */

static uint64_t owed(const struct bench_shard *s)
{
    (void)s;
    return 1; /* there is always a step to be done */
}

static void stuck(struct bench_shard *s)
{
    if (s->step == STEP_FETCH) {
        s->result.lost += args_of(s)->count - s->result.received - s->tally.lost;
        bench_shard_over(s);
        return;
    }
    bench_shard_fail(s, "%s has not answered for %.3g s: %llu of %llu messages were taken",
                     s->plan->server, (double)args_of(s)->timeout_ms / 1000,
                     (unsigned long long)s->owed, (unsigned long long)args_of(s)->count);
}

const struct bench_scene bench_retained_scene = {
    .start = start,
    .go = go_on,
    .open = on_open,
    .ready = on_ready,
    .publish = on_publish,
    .acked = on_acked,
    .pong = on_pong,
    .drained = on_drained,
    .ended = on_ended,
    .stop = bench_shard_over,
    .owed = owed,
    .stuck = stuck,
};

const struct bench_scene bench_queue_scene = {
    .passing = true,
    .start = start,
    .go = go_on,
    .open = on_open,
    .ready = on_ready,
    .publish = on_publish,
    .acked = on_acked,
    .pong = on_pong,
    .drained = on_drained,
    .ended = on_ended,
    .stop = bench_shard_over,
    .owed = owed,
    .stuck = stuck,
};
