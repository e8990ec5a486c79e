/*
 * The relay of a bridge counts in plain numbers as it goes; here they become what others read. The numbers of
 * one bridge only ever grow, so what is told is the difference.
 */
#include "mqtt/bridge_tally.h"

#include "base/log.h"

#include <stdio.h>

#define LABEL_MAX_BYTES 256

static void add_metrics(struct bridge_tally *t, struct metrics *m)
{
    char label[LABEL_MAX_BYTES], with[LABEL_MAX_BYTES + 16];

    snprintf(label, sizeof(label), "bridge=\"%s\"", t->name);
    t->open =
        metrics_gauge(m, "wayside_bridge_open", label, "1 while messages can cross the bridge");
    t->m_sent = metrics_counter(m, "wayside_bridge_sent_total", label,
                                "messages handed to the far server, repeats included");
    t->m_taken = metrics_counter(m, "wayside_bridge_taken_total", label,
                                 "messages from the far server, repeats included");
    for (unsigned i = 0; i < 2; i++) {
        snprintf(with, sizeof(with), "%s,by=\"%s\"", label, i == BRIDGE_FAR ? "far" : "local");
        t->m_refused[i] = metrics_counter(m, "wayside_bridge_refused_total", with,
                                          "messages that a server refused for good");
    }
    t->m_unmapped = metrics_counter(m, "wayside_bridge_unmapped_total", label,
                                    "messages that no rule has a name for");
    t->m_unfit = metrics_counter(m, "wayside_bridge_unfit_total", label,
                                 "messages larger than the other side takes");
    t->overdue = metrics_counter(m, "wayside_bridge_overdue_total", label,
                                 "connections ended because an acknowledgement was owed");
}

void bridge_tally_init(struct bridge_tally *t, struct metrics *m, const char *name)
{
    *t = (struct bridge_tally){ .name = name };
    if (m)
        add_metrics(t, m);
}

void bridge_tally_open(struct bridge_tally *t, bool open)
{
    if ((cell_get(&t->connected) != 0) == open)
        return;
    cell_set(&t->connected, open);
    if (open)
        cell_add(&t->connects, 1);
    metric_gauge_add(t->open, open ? 1 : -1);
}

static uint64_t lost(const struct bridge_counts *c)
{
    return c->unmapped + c->unfit + c->refused[0] + c->refused[1];
}

static void warn(const char *name, const struct bridge_counts *c, const struct bridge_counts *was)
{
    log_warn("bridge", "messages were refused for good, or have no place on the other side",
             lf_text("bridge", name), lf_u64("messages", lost(c) - lost(was)),
             lf_u64("by_the_far_side", c->refused[BRIDGE_FAR] - was->refused[BRIDGE_FAR]),
             lf_u64("by_this_side", c->refused[BRIDGE_LOCAL] - was->refused[BRIDGE_LOCAL]),
             lf_u64("without_a_rule", c->unmapped - was->unmapped),
             lf_u64("too_large", c->unfit - was->unfit));
}

static void count(struct metric *m, struct cell *cell, uint64_t now, uint64_t before)
{
    metric_add(m, now - before);
    cell_add(cell, now - before);
}

void bridge_tally_take(struct bridge_tally *t, const struct bridge_counts *now)
{
    const struct bridge_counts *was = &t->told;

    if (lost(now) > lost(was))
        warn(t->name, now, was);
    count(t->m_sent, &t->sent, now->sent, was->sent);
    count(t->m_taken, &t->taken, now->taken, was->taken);
    for (unsigned i = 0; i < 2; i++)
        count(t->m_refused[i], &t->refused, now->refused[i], was->refused[i]);
    count(t->m_unmapped, &t->dropped, now->unmapped, was->unmapped);
    count(t->m_unfit, &t->dropped, now->unfit, was->unfit);
    t->told = *now;
}
