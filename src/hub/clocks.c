/*
 * What a boot's uptime 0 was in UTC, for each boot that spoke to us. When the sender's clock agrees
 * with ours it is believed, since it is free of the delay between us; else ours is used, and of
 * several batches the one that was fastest.
 *
 * It refuses to judge when our own clock is not set, and to touch a time that a sender gave and that
 * may be right: a sensor may well hand in what it measured last year.
 */
#include "hub/clocks.h"

#include "base/clock_set.h"
#include "base/mem.h"

/* Before 2001-01-01 no device of this kind was built: a clock that says so was not set. */
#define CLOCK_UNSET_NS ((int64_t)978307200 * 1000000000)
/* An estimate that is later by more than this is no delay: a clock was set, or the machine slept. */
#define CLOCK_STEP_NS ((int64_t)5 * 1000000000)

struct boot {
    struct uuid id;
    int64_t start_ns; /* UTC at uptime 0 */
    bool exact;       /* by the sender's own clock, which agrees with ours */
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

void clocks_learn(struct clocks *c, const struct batch_sender *s, int64_t now_ns)
{
    bool agrees = !differ(s->wall_ns, now_ns, c->error_max_ns), is_new = false;
    struct boot *b;
    int64_t start;

    if (uuid_is_zero(&s->boot) || !clock_is_set(now_ns) || s->uptime_ns > INT64_MAX / 2)
        return;
    b = find(c, &s->boot);
    if (!b) {
        b = add(c, &s->boot);
        is_new = true;
    }
    /* The clock that agreed with ours still goes with its uptime: this batch was held up on its way,
     * in a stopped process or a link that was cut for a while. */
    if (!agrees && b->exact &&
        !differ(s->wall_ns, b->start_ns + (int64_t)s->uptime_ns, (uint64_t)CLOCK_STEP_NS))
        return;
    start = (agrees ? s->wall_ns : now_ns) - (int64_t)s->uptime_ns;
    if (is_new || agrees || b->exact || start < b->start_ns ||
        differ(start, b->start_ns, (uint64_t)CLOCK_STEP_NS))
        b->start_ns = start;
    b->exact = agrees;
}

bool clocks_correct(const struct clocks *c, struct record *r)
{
    const struct boot *b;
    int64_t is;

    if (!record_is_data(r) || (r->flags & RECORD_CORRECTED) || uuid_is_zero(&r->boot) ||
        r->uptime_ns == 0 || r->uptime_ns > INT64_MAX / 2)
        return false;
    if (!(r->flags & RECORD_ARRIVAL) && r->wall_ns >= CLOCK_UNSET_NS)
        return false;
    b = find(c, &r->boot);
    if (!b)
        return false;
    is = b->start_ns + (int64_t)r->uptime_ns;
    if (!differ(r->wall_ns, is, c->error_max_ns))
        return false;
    r->sent_ns = r->wall_ns;
    r->wall_ns = is;
    r->flags |= RECORD_CORRECTED;
    return true;
}
