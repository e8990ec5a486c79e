/*
 * A session is marked with the number of the message that met it last, and where its slot is, so
 * that meeting it again costs no search. The first identifier is in the slot; only who has more needs a
 * chain, which is put in order when somebody asks, so that the same subscriptions always give the same
 * list (what is written down is matched again at a start).
 */
#include "mqtt/match.h"

#include "base/mem.h"

#include <stdlib.h>

void match_fini(struct match *m)
{
    mem_free(m->slots);
    mem_free(m->more);
    mem_free(m->ids);
    *m = (struct match){ .last_mark = m->last_mark };
}

static struct match_slot *add(struct match *m)
{
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->slots = mem_resize(m->slots, m->cap * sizeof(*m->slots));
    }
    return &m->slots[m->count++];
}

static void add_id(struct match *m, struct match_slot *slot, uint32_t id)
{
    if (slot->id_n++ == 0) {
        slot->sub_id = id;
        return;
    }
    if (m->more_count == m->more_cap) {
        m->more_cap = m->more_cap ? m->more_cap * 2 : 64;
        m->more = mem_resize(m->more, m->more_cap * sizeof(*m->more));
    }
    m->more[m->more_count++] = (struct match_id){ id, slot->more };
    slot->more = m->more_count;
}

static void meet(struct match *m, const struct tree_entry *e, const struct message_source *src)
{
    struct session *s = e->owner;
    struct match_slot *slot;

    if (s->mark != m->last_mark) {
        s->mark = m->last_mark;
        s->mark_at = m->count;
        *add(m) = (struct match_slot){ .s = s,
                                       .sub_id = e->sub_id,
                                       .id_n = e->sub_id != 0,
                                       .qos = match_qos(e, src),
                                       .retain = match_retain(e, src) };
        return;
    }
    slot = &m->slots[s->mark_at];
    if (match_qos(e, src) > slot->qos)
        slot->qos = match_qos(e, src);
    slot->retain |= match_retain(e, src);
    if (e->sub_id != 0)
        add_id(m, slot, e->sub_id);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

struct sub_ids match_ids(struct match *m, const struct match_slot *slot)
{
    uint32_t n = 0;

    if (slot->id_n < 2)
        return sub_ids_one(&slot->sub_id);
    if (slot->id_n > m->ids_cap) {
        m->ids_cap = slot->id_n * 2;
        m->ids = mem_resize(m->ids, m->ids_cap * sizeof(*m->ids));
    }
    m->ids[n++] = slot->sub_id;
    for (uint32_t at = slot->more; at > 0; at = m->more[at - 1].next)
        m->ids[n++] = m->more[at - 1].id;
    qsort(m->ids, n, sizeof(*m->ids), compare);
    return (struct sub_ids){ m->ids, n };
}

void match_gather(struct match *m, const struct tree_span *spans, size_t n,
                  const struct message_source *src)
{
    m->last_mark++;
    m->count = m->more_count = 0;
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < spans[i].count; k++) {
            const struct tree_entry *e = &spans[i].entries[k];

            if (!(e->options & TREE_SHARED) && !match_is_own(e, src))
                meet(m, e, src);
        }
    }
}
