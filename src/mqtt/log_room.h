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
 *
 * A disk that lets the log have less than its quota is the quota. Where others have taken what the next round
 * needs, it begins once it fits all the same (into a reserve of the disk): one that breaks off makes the
 * log only larger.
 */
#include <stdbool.h>
#include <stdint.h>

/* Of a log as it is now. */
struct log_size {
    uint64_t bytes;     /* on the disk, in whole segments */
    uint64_t written;   /* into it, since it was opened */
    uint64_t published; /* of those: what may be live, and was not there before */
    uint64_t alive;     /* memory of what waits or is retained: about as much is live, or less */
    uint64_t disk;      /* as many bytes as the disk lets it have; 0: unknown */
    uint64_t reserve;   /* of the disk, beyond that: for rounds */
};
struct log_room {
    uint64_t quota;
    uint64_t least; /* it grows by so much between two rounds, while there is room */
    /* The rest is log_room's. */
    uint64_t live;                /* at most, when the last round ended */
    uint64_t after;               /* bytes of the log behind the last round */
    uint64_t kept;                /* written before the last round began, and not gone with it */
    struct log_size begun, ended; /* of the round under way, and the last */
    uint64_t ended_ms, failed_ms;
    bool any;    /* a round has ended */
    bool failed; /* the last one broke off */
};

struct log_room log_room_init(uint64_t quota, uint64_t least, const struct log_size *found);
void log_room_begin(struct log_room *r, const struct log_size *now);
/* The round has written all; what it makes superfluous may still be there. */
void log_room_end(struct log_room *r, const struct log_size *now, uint64_t now_ms);
/* It broke off. */
void log_room_fail(struct log_room *r, uint64_t now_ms);
/* Whether the disk lets the log have less than its quota. */
bool log_room_is_disk(const struct log_room *r, const struct log_size *now);
/* How much more may be published, 0 or less for nothing. */
int64_t log_room_look(struct log_room *r, const struct log_size *now);
/* Whether a round is to begin, while none is under way. */
bool log_room_wants_round(struct log_room *r, const struct log_size *now, uint64_t now_ms);

#endif
