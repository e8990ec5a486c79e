#include "mqtt/log_room.h"

/* Near the quota rounds come more often than the log grows by `least`, but not at each byte: */
#define NEAR_SHARE  8u /* of the quota that is left: near */
#define GROWN_SHARE 16u
/* Beyond it what was live may have gone without a word in the log (a message has expired). Also behind one that
 * failed. */
#define FULL_ROUND_MS 5000u

struct log_room log_room_init(uint64_t quota, uint64_t least, const struct log_size *found)
{
    /* All that was found may be live. */
    return (struct log_room){ .quota = quota,
                              .least = least,
                              .live = found->bytes,
                              .after = found->bytes,
                              .begun = *found,
                              .ended = *found };
}

void log_room_begin(struct log_room *r, const struct log_size *now)
{
    uint64_t older = r->failed ? r->kept : r->any ? 0 : r->begun.bytes;

    r->kept = older + now->written - r->begun.written;
    r->begun = *now;
}

void log_room_end(struct log_room *r, const struct log_size *now, uint64_t now_ms)
{
    /* With all that others wrote meanwhile. */
    r->live = now->written - r->begun.written;
    r->after = now->bytes;
    r->ended = *now;
    r->ended_ms = now_ms;
    r->any = true;
    r->failed = false;
}

void log_room_fail(struct log_room *r, uint64_t now_ms)
{
    r->failed = true;
    r->failed_ms = now_ms;
}

bool log_room_is_disk(const struct log_room *r, const struct log_size *now)
{
    return now->disk > 0 && now->disk < r->quota;
}

static uint64_t quota(const struct log_room *r, const struct log_size *now)
{
    return log_room_is_disk(r, now) ? now->disk : r->quota;
}

/* At most. */
static uint64_t live(const struct log_room *r, const struct log_size *now)
{
    return r->live + now->published - r->ended.published;
}

static bool round_fits(const struct log_room *r, const struct log_size *now)
{
    uint64_t n = live(r, now);

    return now->disk == 0 ||
           now->bytes + (now->alive < n ? now->alive : n) <= now->disk + now->reserve;
}

static uint64_t grown(struct log_room *r, const struct log_size *now)
{
    /* It only gets smaller by what the round made superfluous. */
    if (now->bytes < r->after)
        r->after = now->bytes;
    return now->bytes - r->after;
}

int64_t log_room_look(struct log_room *r, const struct log_size *now)
{
    uint64_t most = quota(r, now), n = live(r, now);
    int64_t soon = ((int64_t)most - (int64_t)(now->bytes + n)) / 2;
    int64_t later = (int64_t)(most / 3) - (int64_t)n;

    return soon < later ? soon : later;
}

bool log_room_wants_round(struct log_room *r, const struct log_size *now, uint64_t now_ms)
{
    int64_t left = log_room_look(r, now);
    uint64_t most = quota(r, now), more = grown(r, now);
    bool rested = !r->any || now_ms - r->ended_ms >= FULL_ROUND_MS;
    /* As much as there is, so that a log of much that is live is not written anew for little. */
    uint64_t usual = r->after < most / 2 ? r->after : most / 2;

    if (!round_fits(r, now) || (r->failed && now_ms - r->failed_ms < FULL_ROUND_MS))
        return false;
    if (more > (usual > r->least ? usual : r->least))
        return true;
    if (left <= 0 && rested)
        return true;
    /* On a disk that is short of space: much that is dead goes with one more. */
    if (log_room_is_disk(r, now) && rested && r->kept > most / NEAR_SHARE &&
        r->kept > 2 * live(r, now))
        return true;
    return left < (int64_t)(most / NEAR_SHARE) && more > most / GROWN_SHARE;
}
