#ifndef TESTS_SIM_MQTT_PROGRAM_H
#define TESTS_SIM_MQTT_PROGRAM_H
/*
 * A program: what a few clients do, step by step, while the broker gets on with it as chance will have it.
 * Each step draws from dice of its own, so that a step may be left out and the others stay what they are.
 */
#include "sim/mqtt/actions.h"

#define STEPS_MOST 120

/* ---- how it goes on ---- */

static void a_little(void)
{
    switch (luck(4)) {
    case 0:
        world_turn(luck(world_workers->count), luck(3) ? 1 + luck(4) : UINT32_MAX);
        return;
    case 1:
        if (world_journal && luck(2))
            journal_flush(world_journal, 1 + luck(4));
        return;
    case 2:
        for (struct talk *t = talks; t; t = t->next)
            if (t->link->up.n > t->link->arrived && luck(2))
                link_arrive(t->link, luck(3) ? SIZE_MAX : 1 + luck(20));
        return;
    case 3:
        for (struct talk *t = talks; t; t = t->next)
            if (t->link->down.n > 0 && luck(2))
                client_reads(t, 1 + luck(4));
        return;
    }
}

static void until_quiet(void)
{
    bool any = true;

    for (unsigned rounds = 0; any; rounds++) {
        CHECK(rounds < 10000);
        for (unsigned i = 0; i < 3; i++)
            a_little();
        world_rest();
        any = false;
        for (struct talk *t = talks; t; t = t->next) {
            any |= link_arrive(t->link, SIZE_MAX);
            any |= client_reads(t, SIZE_MAX);
        }
    }
    for (struct talk *t = talks; t; t = t->next)
        if (clients[t->client].talk == t && t->link->done)
            leave_talk(&clients[t->client]);
}

static void quiet(void)
{
    until_quiet();
    model_quiet();
}

static void do_ping(int i)
{
    if (!is_on(i))
        return;
    clients[i].talk->pings++;
    client_send(clients[i].talk, &(struct mqtt_packet){ .type = MQTT_PINGREQ });
}

static void pass(uint64_t ms)
{
    uint64_t end = world_ms + ms;

    while (world_ms < end) {
        uint64_t next = world_ms + 500 < end ? world_ms + 500 : end;

        for (unsigned i = 0; i < world_workers->count; i++) {
            struct timer *t = loop_first_timer(&world_workers->loops[i]);

            if (t && t->at_ms < next && t->at_ms > world_ms)
                next = t->at_ms;
        }
        world_ms = next;
        model_time();
        world_rest();
        for (int i = 0; i < CLIENTS; i++)
            if (!clients[i].silent && is_on(i) && clients[i].talk->keep_alive_s > 0 &&
                world_ms >= clients[i].talk->last_sent_ms + 500)
                do_ping(i);
        quiet();
        for (int i = 0; i < CLIENTS; i++)
            if (is_on(i) && clients[i].talk->keep_alive_s > 0)
                CHECK(world_ms < clients[i].talk->last_sent_ms +
                                     clients[i].talk->keep_alive_s * 1500u + 100); /* 3.1.2-22 */
    }
}

static void do_time(void)
{
    static const unsigned lengths[] = { 200, 1000, 1500, 3000, 7000 };
    unsigned ms = lengths[dice(5)];

    quiet();
    trace("%u ms pass", ms);
    pass(ms);
}

/* Nothing that the broker promises is by the wall clock, whatever it shows. */
static void do_clock(void)
{
    static const int64_t steps_s[] = { -1699000000, -86400, -3, 3, 86400, 3456000 };
    unsigned which = dice(7);

    world_clock_ms = which < 6 ? world_clock_ms + steps_s[which] * 1000 : 0;
    if (clock_wall_ns() < 0)
        world_clock_ms = 0;
    trace("the wall clock is set, it is off by %lld ms", (long long)world_clock_ms);
}

/* ---- the broker comes and goes ---- */

static void broker_begins(unsigned workers)
{
    struct broker_options o = { .limits = &world_limits, .journal = world_journal };
    struct fault f = { 0 };

    world_workers = workers_start(workers);
    broker = broker_new(world_workers, &o);
    broker->rounds.least = 3000;
    rules = broker_rules_keep(broker, NULL);
    if (world_journal)
        CHECK(broker_restore(broker, &f) == 0);
}

static void broker_ends(void)
{
    for (struct link *k = links; k; k = k->next) {
        k->done = k->ended = true;
        if (k->c)
            link_gone(k);
    }
    world_rest();
    broker_stop(broker, 1);
    broker_free(broker);
    workers_free(world_workers);
    world_workers = NULL;
    broker = NULL;
}

static void do_crash(void)
{
    struct journal *before = world_journal, *after;
    unsigned workers = world_workers->count;

    if (!with_log)
        return;
    trace("the broker is killed");
    after = journal_crashed(before);
    model_crash();
    broker_ends();
    journal_free(before);
    world_journal = after;
    for (int i = 0; i < CLIENTS; i++)
        leave_talk(&clients[i]);
    broker_begins(workers);
}

static void do_round(void)
{
    if (!with_log)
        return;
    trace("a round");
    persist_round(broker);
}

/* ---- a whole program ---- */

static void one_step(void)
{
    unsigned what = dice(64);
    int i = (int)dice(CLIENTS);

    if (what < 9 || !clients[i].talk)
        do_connect(i);
    else if (what < 11)
        do_disconnect(i);
    else if (what < 14)
        do_cut(i);
    else if (what < 15)
        do_break_a_rule(i);
    else if (what < 28)
        do_subscribe(i);
    else if (what < 31)
        do_unsubscribe(i);
    else if (what < 53)
        do_publish(i);
    else if (what < 54)
        do_repeat(i);
    else if (what < 57)
        acks_go(&clients[i], clients[i].talk && is_on(i) ? 1 + dice(3) : 0);
    else if (what < 58)
        do_ping(i);
    else if (what < 60)
        do_time();
    else if (what < 61)
        do_crash();
    else if (what < 62)
        do_round();
    else if (what < 63)
        do_clock();
    for (unsigned k = luck(8); k > 0; k--)
        a_little();
    if (luck(4) == 0)
        quiet();
}

static void program_begins(unsigned workers, bool log)
{
    world_ms = 1000000;
    world_reads = 0;
    world_clock_ms = 0;
    tick = last_crash = crashes = share_churn = share_loss = last_quiet = pub_count = 0;
    with_log = log;
    at_the_end = false;
    told_n = 0;
    world_limits = limits_default();
    world_limits.mqtt_inflight_max = WINDOW;
    world_journal = log ? journal_make() : NULL;
    memset(clients, 0, sizeof(clients));
    broker_begins(workers);
}

static void program_ends(void)
{
    quiet();
    at_the_end = true;
    for (int i = 0; i < CLIENTS; i++) { /* everybody comes and takes what there is */
        while (!is_on(i)) {
            do_connect(i);
            quiet();
        }
        clients[i].lazy = false;
        acks_go(&clients[i], UINT32_MAX);
    }
    quiet();
    quiet();
    model_end();
    broker_ends();
    for (int i = 0; i < CLIENTS; i++)
        session_over(clients[i].s);
    while (talks) {
        struct talk *t = talks;

        talks = t->next;
        mem_free(t);
    }
    while (links) {
        struct link *k = links;

        links = k->next;
        buf_fini(&k->up);
        buf_fini(&k->down);
        buf_fini(&k->said);
        mem_free(k);
    }
    if (world_journal)
        journal_free(world_journal);
    world_journal = NULL;
}

#endif
