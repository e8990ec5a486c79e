/*
 * Identities: counted, immutable names with a role. The decisions themselves are made by whoever
 * fills struct authz; this file only keeps the lifetime of an identity right.
 */
#include "trust/authz.h"

#include "base/mem.h"

#include <assert.h>

struct identity *identity_new(enum authz_role role, struct str name)
{
    struct identity *id = mem_new(sizeof(*id) + name.n + 1);

    atomic_init(&id->refs, 1);
    id->role = role;
    if (name.n > 0)
        memcpy(id->text, name.p, name.n);
    id->name = (struct str){ id->text, name.n };
    return id;
}

struct identity *identity_ref(struct identity *id)
{
    atomic_fetch_add_explicit(&id->refs, 1, memory_order_relaxed);
    return id;
}

bool identity_is_same(const struct identity *a, const struct identity *b)
{
    bool nameless = a->role == ROLE_ANONYMOUS;

    if (nameless != (b->role == ROLE_ANONYMOUS))
        return false;
    return nameless || str_eq(a->name, b->name);
}

void identity_unref(struct identity *id)
{
    unsigned before;

    if (!id)
        return;
    before = atomic_fetch_sub_explicit(&id->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        mem_free(id);
}
