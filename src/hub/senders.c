/*
 * One number per sending journal tells repeats from holes, since a journal is sent in order. It is
 * restored at the start from the store and from the marks in the hub's own journal (record.h).
 *
 * Invariants: have_seq <= next_seq while nothing was refused; after a refusal (the chain is broken)
 * only a batch that joins what is durable mends the chain, so nothing overtakes what was refused.
 */
#include "hub/senders.h"

#include "base/mem.h"

#include <stdio.h>

void senders_init(struct senders *s)
{
    *s = (struct senders){ .complete = true };
    map_init(&s->by_uuid);
}

void senders_fini(struct senders *s)
{
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(&s->by_uuid, &at)))
        mem_free(e->value);
    map_fini(&s->by_uuid);
}

static struct sender *find(const struct senders *s, const struct uuid *journal)
{
    return map_get(&s->by_uuid, str_from(journal->b, sizeof(journal->b)));
}

static struct sender *add(struct senders *s, const struct uuid *journal, uint64_t have)
{
    struct sender *p = NEW(struct sender);
    uint64_t shown = cell_get(&s->shown_count);

    p->journal = *journal;
    cell_set(&p->have_seq, have);
    p->next_seq = have + 1;
    map_put(&s->by_uuid, str_from(p->journal.b, sizeof(p->journal.b)), p);
    if (shown < SENDERS_SHOWN_MAX) {
        s->shown[shown] = p;
        cell_set(&s->shown_count, shown + 1);
    }
    return p;
}

void senders_seed(struct senders *s, const struct uuid *journal, uint64_t seq)
{
    struct sender *p = find(s, journal);

    if (!p)
        p = add(s, journal, seq);
    if (cell_raise(&p->have_seq, seq))
        p->next_seq = seq + 1;
}

struct sender *sender_of(struct senders *s, const struct uuid *journal, uint64_t first_seq)
{
    struct sender *p = find(s, journal);

    return p ? p : add(s, journal, s->complete ? 0 : first_seq - 1);
}

int sender_admit(struct sender *s, const struct batch_header *h)
{
    if (s->chain.broken)
        s->next_seq = cell_get(&s->have_seq) + 1;
    if (h->first_seq > s->next_seq) {
        cell_add(&s->holes, 1);
        return ERR_STALE;
    }
    s->chain.broken = false;
    if (h->last_seq >= s->next_seq)
        s->next_seq = h->last_seq + 1;
    return 0;
}

void sender_says(struct sender *s, const struct batch_sender *says, struct str client,
                 int64_t now_ns)
{
    cell_set(&s->head_seq, says->head_seq);
    cell_set(&s->dropped, says->dropped);
    cell_set(&s->clock_error_ms, (uint64_t)((says->wall_ns - now_ns) / 1000000));
    cell_set(&s->heard_ms, (uint64_t)(now_ns / 1000000));
    if (cell_get(&s->named))
        return;
    snprintf(s->name, sizeof(s->name), "%.*s", STR_ARG(client));
    cell_set(&s->named, 1);
}

void sender_durable(struct sender *s, const struct batch_header *h)
{
    cell_add(&s->batches, 1);
    cell_add(&s->records, h->count);
    cell_raise(&s->have_seq, h->last_seq);
}

uint64_t sender_backlog(const struct sender *s)
{
    uint64_t head = cell_get(&s->head_seq), have = cell_get(&s->have_seq);

    return head > have ? head - have : 0;
}

const char *sender_name(const struct sender *s)
{
    return cell_get(&s->named) ? s->name : "";
}
