/*
 * One number per start of a sending journal tells repeats from holes, since a journal is sent in
 * order. They are restored at the start from the store and from the marks in the hub's own journal
 * (record.h).
 *
 * Invariants: a batch is taken only behind what is taken already, so up to `have` nothing of the path
 * to that start is missing; have <= taken; after a refusal (the chain is broken) only a batch that
 * joins what is durable mends the chain, so nothing overtakes what was refused.
 */
#include "hub/senders.h"

#include "base/mem.h"

#include <stdio.h>

void senders_init(struct senders *s, size_t max)
{
    *s = (struct senders){ .max = max };
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

static struct sender *add(struct senders *s, const struct uuid *journal)
{
    struct sender *p;
    uint64_t shown = cell_get(&s->shown_count);

    if (s->by_uuid.count >= s->max)
        return NULL;
    p = NEW(struct sender);
    p->journal = *journal;
    map_put(&s->by_uuid, str_from(p->journal.b, sizeof(p->journal.b)), p);
    if (shown < SENDERS_SHOWN_MAX) {
        s->shown[shown] = p;
        cell_set(&s->shown_count, shown + 1);
    }
    return p;
}

static struct sender_life *find_life(struct sender *s, uint64_t epoch)
{
    for (size_t i = 0; i < s->life_count; i++)
        if (s->lives[i].epoch == epoch)
            return &s->lives[i];
    return NULL;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool is_less(const struct sender_life *a, const struct sender_life *b)
{
    return a->heard != b->heard ? a->heard < b->heard : a->have < b->have;
}

/* Of those with nothing under way, the one that was heard of longest ago; of those that were not heard
 * of since the start, the one that came least far. */
static struct sender_life *least_life(struct sender *s)
{
    struct sender_life *least = NULL;

    for (size_t i = 0; i < s->life_count; i++) {
        struct sender_life *l = &s->lives[i];

        if (l->have == l->taken && (!least || is_less(l, least)))
            least = l;
    }
    return least;
}

/* have: up to where it is here. NULL: there is no room for one that came so far. */
static struct sender_life *add_life(struct sender *s, uint64_t epoch, uint64_t have, bool is_new)
{
    struct sender_life *l =
        s->life_count < SENDER_LIVES_MAX ? &s->lives[s->life_count++] : least_life(s);

    if (!l || (!is_new && l->have > have))
        return NULL;
    *l = (struct sender_life){ .epoch = epoch, .have = have, .taken = have };
    return l;
}

void senders_seed(struct senders *s, const struct uuid *journal, uint64_t epoch, uint64_t seq)
{
    struct sender *p = find(s, journal);
    struct sender_life *l;

    if (!p)
        p = add(s, journal);
    if (!p)
        return;
    l = find_life(p, epoch);
    if (!l)
        (void)add_life(p, epoch, seq, false);
    else
        l->have = l->taken = most(l->have, seq);
    cell_raise(&p->have_seq, seq);
}

struct sender *sender_of(struct senders *s, const struct uuid *journal)
{
    struct sender *p = find(s, journal);

    return p ? p : add(s, journal);
}

uint64_t sender_have(const struct sender *s, const struct batch_header *h)
{
    uint64_t have = 0;

    for (size_t i = 0; i < s->life_count; i++)
        if (s->lives[i].epoch == h->epoch || s->lives[i].epoch == h->before_epoch)
            have = most(have, s->lives[i].have);
    return have;
}

int sender_admit(struct sender *s, const struct batch_header *h)
{
    struct sender_life *mine, *before;
    uint64_t taken;

    if (s->chain.broken)
        for (size_t i = 0; i < s->life_count; i++)
            s->lives[i].taken = s->lives[i].have;
    mine = find_life(s, h->epoch);
    before = find_life(s, h->before_epoch);
    taken = most(mine ? mine->taken : 0, before ? before->taken : 0);
    if (h->first_seq > taken + 1) {
        cell_add(&s->holes, 1);
        return ERR_STALE;
    }
    /* What it joins was heard of as well: it is what copies have in common. */
    if (before)
        before->heard = ++s->heard;
    if (!mine)
        mine = add_life(s, h->epoch, 0, true);
    if (!mine)
        return ERR_BUSY; /* all that are remembered have something under way */
    s->chain.broken = false;
    mine->heard = ++s->heard;
    mine->taken = most(mine->taken, h->last_seq);
    return 0;
}

void sender_says(struct sender *s, const struct batch_sender *says, struct str client,
                 int64_t now_ns)
{
    int64_t error_ns;

    cell_set(&s->head_seq, says->head_seq);
    cell_set(&s->dropped, says->dropped);
    if (__builtin_sub_overflow(says->wall_ns, now_ns, &error_ns))
        error_ns = says->wall_ns < 0 ? INT64_MIN : INT64_MAX;
    cell_set(&s->clock_error_ms, (uint64_t)(error_ns / 1000000));
    cell_set(&s->heard_ms, (uint64_t)(now_ns / 1000000));
    if (cell_get(&s->named))
        return;
    client = utf8_clip(client, sizeof(s->name) - 1);
    snprintf(s->name, sizeof(s->name), "%.*s", STR_ARG(client));
    cell_set(&s->named, 1);
}

void sender_durable(struct sender *s, const struct batch_header *h)
{
    struct sender_life *l = find_life(s, h->epoch);

    cell_add(&s->batches, 1);
    cell_add(&s->records, h->count);
    if (l) {
        l->have = most(l->have, h->last_seq);
        l->taken = most(l->taken, l->have); /* a refusal meanwhile set it back */
        cell_set(&s->have_seq, l->have);
    }
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
