#ifndef MQTT_DENIALS_H
#define MQTT_DENIALS_H
/* Which refusals are worth a line in the log: once for each client and minute, within a memory that
 * no peer makes larger. Pure: time comes in. */
#include <stdbool.h>
#include <stdint.h>

#define DENIALS_MS   60000u
#define DENIALS_SETS 64u
#define DENIALS_WAYS 4u

struct denials {
    struct denial {
        uint64_t client; /* hash of its id */
        uint64_t until_ms;
        uint32_t more; /* refused and not logged since */
    } all[DENIALS_SETS][DENIALS_WAYS];
};

/* One more refusal. True: log it, with *out_more that were not logged before. When more clients are
 * refused than there is room for, the one whose minute ends first is forgotten. */
bool denials_log(struct denials *d, uint64_t client, uint64_t now_ms, uint32_t *out_more);

#endif
