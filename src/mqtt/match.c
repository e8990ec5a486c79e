/*
 * A session is marked with the number of the message that met it last, and where its slot is, so
 * that meeting it again costs no search.
 */
#include "mqtt/match.h"

#include "base/mem.h"

void match_fini(struct match *m)
{
    mem_free(m->slots);
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

/* The session's slot for that identifier; one without an identifier is anybody's. */
static struct match_slot *find(struct match *m, const struct session *s, uint32_t sub_id)
{
    if (sub_id == 0 || m->slots[s->mark_at].sub_id == 0)
        return &m->slots[s->mark_at];
    for (uint32_t i = s->mark_at; i < m->count; i++)
        if (m->slots[i].s == s && m->slots[i].sub_id == sub_id)
            return &m->slots[i];
    return NULL;
}

static void meet(struct match *m, const struct tree_entry *e, const struct message_source *src)
{
    struct session *s = e->owner;
    struct match_slot *slot = NULL;

    if (s->mark == m->last_mark) {
        slot = find(m, s, e->sub_id);
    } else {
        s->mark = m->last_mark;
        s->mark_at = m->count;
    }
    if (!slot) {
        *add(m) = (struct match_slot){ s, e->sub_id, match_qos(e, src), match_retain(e, src) };
        return;
    }
    if (match_qos(e, src) > slot->qos)
        slot->qos = match_qos(e, src);
    slot->retain |= match_retain(e, src);
    if (slot->sub_id == 0)
        slot->sub_id = e->sub_id;
}

void match_gather(struct match *m, const struct tree_span *spans, size_t n,
                  const struct message_source *src)
{
    m->last_mark++;
    m->count = 0;
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < spans[i].count; k++) {
            const struct tree_entry *e = &spans[i].entries[k];

            if (!(e->options & TREE_SHARED) && !match_is_own(e, src))
                meet(m, e, src);
        }
    }
}
