/*
 * Members lie in an array in the order in which they came; `next` goes round. Few groups have more
 * than some dozens, so they are looked for one by one.
 *
 * A group without members does not last: its owner frees it, with what waits.
 *
 * MQTT 5, 4.8.2.
 */
#include "mqtt/share.h"

#include "base/mem.h"

struct share *share_new(struct str key, struct str filter, uint64_t id,
                        const struct session_limits *limits)
{
    struct share *sh = NEW(struct share);

    sh->key = mem_dup(key.p, key.n);
    sh->key_n = (uint32_t)key.n;
    sh->filter_at = (uint32_t)(key.n - filter.n);
    sh->id = id;
    sh->limits = limits;
    list_init(&sh->link);
    return sh;
}

static struct share_waiting *waiting_at(const struct share *sh, uint32_t at)
{
    return &sh->ring[(sh->head + at) & (sh->ring_cap - 1)];
}

void share_free(struct share *sh)
{
    if (!sh)
        return;
    for (uint32_t i = 0; i < sh->waiting; i++)
        message_unref(waiting_at(sh, i)->m);
    owed_fini(&sh->owed);
    list_remove(&sh->link);
    mem_free(sh->ring);
    mem_free(sh->members);
    mem_free(sh->key);
    mem_free(sh);
}

/* ---- members ---- */

static struct share_member *find(const struct share *sh, uint64_t serial)
{
    for (uint32_t i = 0; i < sh->count; i++)
        if (sh->members[i].serial == serial)
            return &sh->members[i];
    return NULL;
}

bool share_join(struct share *sh, struct share_joining *j)
{
    struct share_member *m = find(sh, j->serial);
    bool added = !m;

    if (added) {
        if (sh->count == sh->cap) {
            sh->cap = sh->cap ? sh->cap * 2 : 4;
            sh->members = mem_resize(sh->members, sh->cap * sizeof(*sh->members));
        }
        m = &sh->members[sh->count++];
        *m = (struct share_member){ .serial = j->serial, .since = ++sh->memberships };
    }
    m->joins++;
    j->since = m->since;
    j->sub_id_before = m->sub_id;
    j->options_before = m->options;
    m->sub_id = j->sub_id;
    m->options = j->options;
    sh->lasting += (uint32_t)j->lasting - (uint32_t)m->lasting;
    m->lasting = j->lasting;
    return added;
}

bool share_leave(struct share *sh, uint64_t serial)
{
    struct share_member *m = find(sh, serial);
    uint32_t at;

    if (!m)
        return false;
    sh->lasting -= m->lasting;
    if (sh->lasting == 0)
        owed_fini(&sh->owed);
    at = (uint32_t)(m - sh->members);
    memmove(m, m + 1, (sh->count - at - 1) * sizeof(*m));
    sh->count--;
    if (at < sh->next)
        sh->next--;
    return true;
}

bool share_unjoin(struct share *sh, const struct share_joining *j)
{
    struct share_member *m = find(sh, j->serial);

    if (!m || m->since != j->since)
        return false;
    if (m->sub_id == j->sub_id && m->options == j->options) {
        m->sub_id = j->sub_id_before;
        m->options = j->options_before;
    }
    return --m->joins == 0 && share_leave(sh, j->serial);
}

void share_tell(struct share *sh, const struct share_told *t)
{
    struct share_member *m = find(sh, t->serial);

    if (!m || t->turn < m->turn)
        return;
    m->turn = t->turn;
    m->credit = t->credit;
    m->here = t->credit > 0;
    m->part = t->part;
}

void share_stall(struct share *sh, uint64_t serial, uint32_t turn)
{
    struct share_member *m = find(sh, serial);

    if (m && turn >= m->turn)
        m->credit = 0;
}

struct share_member *share_pick(struct share *sh)
{
    for (uint32_t i = 0; i < sh->count; i++) {
        uint32_t at = (sh->next + i) % sh->count;
        struct share_member *m = &sh->members[at];

        if (m->credit == 0)
            continue;
        sh->next = (at + 1) % sh->count;
        return m;
    }
    return NULL;
}

bool share_is_attended(const struct share *sh)
{
    for (uint32_t i = 0; i < sh->count; i++)
        if (sh->members[i].here)
            return true;
    return false;
}

/* ---- what waits ---- */

static void ring_grow(struct share *sh)
{
    uint32_t cap = sh->ring_cap ? sh->ring_cap * 2 : 8;
    struct share_waiting *ring = mem_new_array(cap, sizeof(*ring));

    for (uint32_t i = 0; i < sh->waiting; i++)
        ring[i] = *waiting_at(sh, i);
    mem_free(sh->ring);
    sh->ring = ring;
    sh->ring_cap = cap;
    sh->head = 0;
}

void share_owe(struct share *sh, struct message *m)
{
    owed_add(&sh->owed, m);
}

void share_settle(struct share *sh, uint64_t seq)
{
    owed_done(&sh->owed, seq);
    owed_forget(&sh->owed);
}

static void put(struct share *sh, struct message *m, unsigned qos)
{
    if (sh->waiting == sh->ring_cap)
        ring_grow(sh);
    *waiting_at(sh, sh->waiting++) = (struct share_waiting){ message_ref(m), (uint8_t)qos };
    sh->waiting_bytes += message_size(m);
}

void share_restore(struct share *sh, struct message *m)
{
    share_owe(sh, m);
    put(sh, m, m->qos);
}

int share_wait(struct share *sh, struct message *m, unsigned qos)
{
    size_t n = message_size(m);

    if (sh->waiting >= sh->limits->queue_max_messages ||
        sh->waiting_bytes + n > session_queue_max(sh->limits) || sh->waiting > UINT32_MAX / 4)
        return ERR_FULL;
    put(sh, m, qos);
    return 0;
}

void share_pop(struct share *sh)
{
    struct message *m = waiting_at(sh, 0)->m;

    sh->head = (sh->head + 1) & (sh->ring_cap - 1);
    sh->waiting--;
    sh->waiting_bytes -= message_size(m);
    message_unref(m);
}

const struct share_waiting *share_first(struct share *sh, uint64_t now_ms, uint64_t *expired)
{
    while (sh->waiting > 0) {
        const struct share_waiting *w = waiting_at(sh, 0);

        if (message_expires_ms(w->m) == 0 || message_expires_ms(w->m) > now_ms)
            return w;
        share_settle(sh, message_seq(w->m));
        share_pop(sh);
        ++*expired;
    }
    return NULL;
}
