#ifndef MQTT_REGISTRY_H
#define MQTT_REGISTRY_H
/*
 * Which worker has the session of which client id: one shard, kept by one worker. At most one
 * worker has it; a claim from elsewhere makes the owner give it up, and claims that come meanwhile
 * wait in turn. Pure: says what to do, the broker sends the mail.
 */
#include "base/map.h"

/* A wish for the session of a client id. Memory of the caller, who gets it back when it is
 * granted. */
struct registry_claim {
    struct registry_claim *next;
    unsigned worker;     /* who claims */
    uint32_t generation; /* set with the grant: names the holding that begins */
    void *ctx;
};

enum registry_act {
    REGISTRY_GRANT, /* nobody has it: the claim is granted, with a session of its own */
    REGISTRY_TAKE,  /* ask *out_owner to give it up, then registry_gave() */
    REGISTRY_WAIT,  /* it is being given up already; the claim waits */
    REGISTRY_FULL,  /* no more client ids: the claim is refused */
};

struct registry {
    struct map entries;
    size_t max;
    uint32_t generation;
};

void registry_init(struct registry *r, size_t max);
/* Claims that wait are forgotten: the caller's end is near. */
void registry_fini(struct registry *r);

enum registry_act registry_claim(struct registry *r, struct str client_id,
                                 struct registry_claim *claim, unsigned *out_owner);
/* A session that was there before the registry: also beyond max. Returns its generation. */
uint32_t registry_restore(struct registry *r, struct str client_id, unsigned worker);
/* The owner has given the session up (or had none any more). Returns the claim to be granted.
 * *out_next: the claim that waits behind it, for which the new owner is to be asked at once; or
 * NULL. */
struct registry_claim *registry_gave(struct registry *r, struct str client_id,
                                     struct registry_claim **out_next);
/* The owner does not give the session up to the claim that it was asked for: that claim, which is refused.
 * *out_next: as above, for which the owner is to be asked again. */
struct registry_claim *registry_kept(struct registry *r, struct str client_id,
                                     struct registry_claim **out_next);
/* The holding has ended at its owner; nothing is left of the session. Ignored when it is being
 * taken (registry_gave() will come) or was taken meanwhile. */
void registry_gone(struct registry *r, struct str client_id, uint32_t generation);

#endif
