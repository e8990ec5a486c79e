#ifndef MQTT_LOG_ROOM_H
#define MQTT_LOG_ROOM_H
/*
 * How much more may be published until the broker's log would outgrow its quota, and when a round begins
 * (mqtt/persist.h). Pure.
 *
 * A round writes all that is live once more, and only then goes what is older than the round before: with L
 * bytes that are live the log has 2 L after a round and 3 L at the end of the next. Only rounds make room, so
 * publications are refused while the next round still fits, and that behind it, and rounds are never
 * refused. What came since the last round may be live, so each byte of it is wanted twice: where it is, and in
 * the next round.
 */
#include <stdbool.h>
#include <stdint.h>

/* Of a log as it is now. */
struct log_size {
    uint64_t bytes;     /* on the disk, in whole segments */
    uint64_t written;   /* into it, since it was opened */
    uint64_t published; /* of those: what may be live, and was not there before */
};
struct log_room {
    uint64_t quota;
    uint64_t least; /* it grows by so much between two rounds, while there is room */
    /* The rest is log_room's. */
    uint64_t live;                /* at most, when the last round ended */
    uint64_t after;               /* bytes of the log behind the last round */
    struct log_size begun, ended; /* of the round under way, and the last */
    uint64_t ended_ms;
    bool any; /* a round has ended */
};

struct log_room log_room_init(uint64_t quota, uint64_t least, const struct log_size *found);
void log_room_begin(struct log_room *r, const struct log_size *now);
/* The round has written all; what it makes superfluous may still be there. */
void log_room_end(struct log_room *r, const struct log_size *now, uint64_t now_ms);
/* How much more may be published, 0 or less for nothing. */
int64_t log_room_look(struct log_room *r, const struct log_size *now);
/* Whether a round is to begin, while none is under way. */
bool log_room_wants_round(struct log_room *r, const struct log_size *now, uint64_t now_ms);

#endif
