#include "mqtt/log_room.h"

/* Near the quota rounds come more often than the log grows by `least`, but not at each byte: */
#define NEAR_SHARE  8u /* of the quota that is left: near */
#define GROWN_SHARE 16u
/* Beyond it what was live may have gone without a word in the log (a message has expired). */
#define FULL_ROUND_MS 5000u

struct log_room log_room_init(uint64_t quota, uint64_t least, const struct log_size *found)
{
    /* All that was found may be live. */
    return (struct log_room){
        .quota = quota, .least = least, .live = found->bytes, .after = found->bytes, .ended = *found
    };
}

void log_room_begin(struct log_room *r, const struct log_size *now)
{
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
    uint64_t live = r->live + now->published - r->ended.published;
    int64_t soon = ((int64_t)r->quota - (int64_t)(now->bytes + live)) / 2;
    int64_t later = (int64_t)(r->quota / 3) - (int64_t)live;

    return soon < later ? soon : later;
}

bool log_room_wants_round(struct log_room *r, const struct log_size *now, uint64_t now_ms)
{
    int64_t left = log_room_look(r, now);
    uint64_t more = grown(r, now);
    /* As much as there is, so that a log of much that is live is not written anew for little. */
    uint64_t usual = r->after < r->quota / 2 ? r->after : r->quota / 2;

    if (more > (usual > r->least ? usual : r->least))
        return true;
    if (left <= 0 && (!r->any || now_ms - r->ended_ms >= FULL_ROUND_MS))
        return true;
    return left < (int64_t)(r->quota / NEAR_SHARE) && more > r->quota / GROWN_SHARE;
}
