/*
 * What a boot's uptime 0 was in UTC, for each boot that spoke to us. When the sender's clock agrees
 * with ours it is believed, since it is free of the delay between us; what it said goes on to hold
 * for its boot while it goes with its uptime, and is held against it when it is set to something
 * else.
 *
 * Else ours is used. A batch was packed before it arrived, but after its connection stood, so it
 * bounds uptime 0 from both sides: a sender that is behind by no more than that may have a slow
 * clock, or its batch was held up in a stopped process or a link that was cut. A time between the
 * bounds may be right and is left alone; one outside, such as 1970, is wrong however long the batch
 * was under way, and so is one ahead of us, since no delay makes a batch early. What several batches
 * say is taken together, so one that comes soon after its connection decides.
 *
 * On a connection that stays, none may come soon after it, and each later batch bounds less. There
 * the second one that says the same decides, if it was packed after the first had arrived: what
 * held up the first was over by then, and two delays are hardly equal. Those packed before prove
 * nothing: a sender has several on their way, and one stop holds up all of them.
 *
 * It refuses to judge when our own clock is not set, and to touch a time that a sender gave and that
 * may be right: a sensor may well hand in what it measured last year.
 */
#include "hub/clocks.h"

#include "base/clock_set.h"
#include "base/mem.h"

/* Before 2001-01-01 no device of this kind was built: a clock that says so was not set. */
#define CLOCK_UNSET_NS ((int64_t)978307200 * 1000000000)
/* What is off by no more is the same: prompt batches differ by as much. */
#define CLOCK_STEP_NS ((int64_t)5 * 1000000000)
/* Decades, with which times can still be added. */
#define CLOCK_DELAY_MAX_NS ((uint64_t)INT64_MAX / 4)

/* UTC at uptime 0. */
struct start {
    int64_t first_ns, last_ns; /* between these two; last_ns is by the fastest batch */
    uint64_t uptime_ns;        /* at which that one was packed */
};

struct boot {
    struct uuid id;
    struct start start;
    bool exact; /* a moment, by the sender's own clock, which agreed with ours */
};

void clocks_init(struct clocks *c, uint64_t error_max_ns)
{
    *c = (struct clocks){ .error_max_ns = error_max_ns };
    map_init(&c->boots);
}

void clocks_fini(struct clocks *c)
{
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(&c->boots, &at)))
        mem_free(e->value);
    map_fini(&c->boots);
}

static bool differ(int64_t a, int64_t b, uint64_t by_more_than)
{
    return (a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a) > by_more_than;
}

static struct boot *find(const struct clocks *c, const struct uuid *boot)
{
    return map_get(&c->boots, str_from(boot->b, sizeof(boot->b)));
}

static struct boot *add(struct clocks *c, const struct uuid *boot)
{
    struct boot *b;

    if (c->boots.count >= CLOCKS_MAX) {
        uint64_t error_max_ns = c->error_max_ns;

        clocks_fini(c);
        clocks_init(c, error_max_ns);
    }
    b = NEW(struct boot);
    b->id = *boot;
    map_put(&c->boots, str_from(b->id.b, sizeof(b->id.b)), b);
    return b;
}

/* What the sender's clock said when it agreed still holds. A clock that goes on as it did then is
 * as right as it was: the batch was held up, or our own clock was set. One that does not was set,
 * but the uptime clock was not. */
static bool still_holds(const struct boot *b, const struct batch_sender *s,
                        const struct start *says, uint64_t error_max_ns)
{
    int64_t start = b->start.last_ns, error = (int64_t)error_max_ns;

    return !differ(s->wall_ns, start + (int64_t)s->uptime_ns, (uint64_t)CLOCK_STEP_NS) ||
           (start >= says->first_ns - error && start <= says->last_ns + error);
}

/* Says the same as the fastest, and was packed after that had arrived however long it took. */
static bool confirms(const struct start *says, const struct start *fastest)
{
    uint64_t delay_max_ns = (uint64_t)(fastest->last_ns - fastest->first_ns);

    return !differ(says->last_ns, fastest->last_ns, (uint64_t)CLOCK_STEP_NS) &&
           says->uptime_ns > fastest->uptime_ns &&
           says->uptime_ns - fastest->uptime_ns > delay_max_ns + (uint64_t)CLOCK_STEP_NS;
}

static void narrow(struct start *known, const struct start *says)
{
    bool confirmed = confirms(says, known);

    /* Both cannot be: our clock was set, or the sender's uptime stood still. */
    if (says->first_ns > known->last_ns + CLOCK_STEP_NS ||
        says->last_ns < known->first_ns - CLOCK_STEP_NS) {
        *known = *says;
        return;
    }
    if (says->last_ns < known->last_ns - CLOCK_STEP_NS)
        known->uptime_ns = says->uptime_ns;
    if (says->last_ns < known->last_ns)
        known->last_ns = says->last_ns;
    if (says->first_ns > known->first_ns)
        known->first_ns = says->first_ns;
    if (confirmed || known->first_ns > known->last_ns)
        known->first_ns = known->last_ns;
}

void clocks_learn(struct clocks *c, const struct batch_sender *s, int64_t now_ns,
                  uint64_t delay_max_ns)
{
    uint64_t delay_ns = delay_max_ns < CLOCK_DELAY_MAX_NS ? delay_max_ns : CLOCK_DELAY_MAX_NS;
    bool agrees = !differ(s->wall_ns, now_ns, c->error_max_ns), is_new = false;
    struct start says = { .uptime_ns = s->uptime_ns };
    struct boot *b;

    if (uuid_is_zero(&s->boot) || !clock_is_set(now_ns) || s->uptime_ns > INT64_MAX / 2)
        return;
    b = find(c, &s->boot);
    if (!b) {
        b = add(c, &s->boot);
        is_new = true;
    }
    says.last_ns = (agrees ? s->wall_ns : now_ns) - (int64_t)s->uptime_ns;
    says.first_ns = says.last_ns - (agrees ? 0 : (int64_t)delay_ns);
    if (!agrees && b->exact && still_holds(b, s, &says, c->error_max_ns))
        return;
    if (is_new || agrees || b->exact)
        b->start = says;
    else
        narrow(&b->start, &says);
    b->exact = agrees;
}

/* It lies within what may be the time of that uptime. */
static bool may_be_right(int64_t wall_ns, const struct start *s, uint64_t uptime_ns,
                         uint64_t error_max_ns)
{
    int64_t first = s->first_ns + (int64_t)uptime_ns, last = s->last_ns + (int64_t)uptime_ns;

    return (wall_ns >= first && wall_ns <= last) || !differ(wall_ns, first, error_max_ns) ||
           !differ(wall_ns, last, error_max_ns);
}

bool clocks_correct(const struct clocks *c, struct record *r)
{
    const struct boot *b;

    if (!record_is_data(r) || (r->flags & RECORD_CORRECTED) || uuid_is_zero(&r->boot) ||
        r->uptime_ns == 0 || r->uptime_ns > INT64_MAX / 2)
        return false;
    if (!(r->flags & RECORD_ARRIVAL) && r->wall_ns >= CLOCK_UNSET_NS)
        return false;
    b = find(c, &r->boot);
    if (!b || may_be_right(r->wall_ns, &b->start, r->uptime_ns, c->error_max_ns))
        return false;
    r->sent_ns = r->wall_ns;
    r->wall_ns = b->start.last_ns + (int64_t)r->uptime_ns;
    r->flags |= RECORD_CORRECTED;
    return true;
}
