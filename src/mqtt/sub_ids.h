#ifndef MQTT_SUB_IDS_H
#define MQTT_SUB_IDS_H
/*
 * The Subscription Identifiers that one message takes to one client (MQTT 5, 3.3.4): nearly always none or
 * one, so a queue keeps 32 bits for them. Those are the identifier itself (0: none), or with SUB_IDS_SET
 * the number of a set that the session keeps once for all messages that have the same; which shared
 * subscription it came by is told by such a set, too. Pure.
 */
#include "base/str.h"

#define SUB_IDS_SET 0x80000000u /* an identifier has 28 bits */

/* A view. */
struct sub_ids {
    const uint32_t *at;
    uint32_t n;
};
struct sub_id_set {
    uint32_t *ids; /* heap; NULL: free */
    uint32_t n;
    uint32_t refs;  /* free: the next free one + 1 */
    uint64_t share; /* the shared subscription; 0: none */
};
/* Zeroed at first. */
struct sub_id_sets {
    struct sub_id_set *sets;
    uint32_t count, cap;
    uint32_t free; /* the first free one + 1; 0: none */
    uint32_t last; /* what was put last: the next message mostly has the same */
};

static inline struct sub_ids sub_ids_one(const uint32_t *id)
{
    return (struct sub_ids){ id, *id != 0 };
}
void sub_id_sets_fini(struct sub_id_sets *t);
/* The 32 bits for ids, which are copied; with a reference to give back. */
uint32_t sub_id_sets_put(struct sub_id_sets *t, struct sub_ids ids);
/* The same, of what came by a shared subscription (not 0). */
uint32_t sub_id_sets_put_shared(struct sub_id_sets *t, struct sub_ids ids, uint64_t share);
/* That subscription; 0: none. */
uint64_t sub_id_sets_share(const struct sub_id_sets *t, uint32_t ref);
void sub_id_sets_drop(struct sub_id_sets *t, uint32_t ref);
/* *ref must stay while the view is used; good until the next put or drop. */
struct sub_ids sub_id_sets_get(const struct sub_id_sets *t, const uint32_t *ref);

#endif
