/* The tree names a group by its struct restore_share, as the broker's own names struct share, while it has members. */
#include "mqtt/restore_share.h"

#include "base/mem.h"
#include "wire/mqtt.h"

void restore_shares_init(struct restore_shares *all, struct tree *tree)
{
    *all = (struct restore_shares){ .tree = tree };
    map_init(&all->by_key);
}

static void share_free(void *value)
{
    struct restore_share *sh = value;

    owed_fini(&sh->owed);
    mem_free((void *)(uintptr_t)sh->key.p);
    mem_free(sh);
}

void restore_shares_fini(struct restore_shares *all)
{
    map_empty(&all->by_key, share_free);
    map_fini(&all->by_key);
}

static struct str filter_of(struct str key)
{
    struct str name, filter = STR_NONE;

    if (mqtt_share_split(key, &name, &filter) != MQTT_SHARE_YES)
        assert(false && "it was checked");
    return filter;
}

struct restore_share *restore_shares_get(struct restore_shares *all, struct str key)
{
    struct restore_share *sh = map_get(&all->by_key, key);

    if (sh)
        return sh;
    sh = NEW(struct restore_share);
    sh->key = (struct str){ mem_dup(key.p, key.n), key.n };
    map_put(&all->by_key, sh->key, sh);
    return sh;
}

void restore_shares_join(struct restore_shares *all, struct str key)
{
    struct restore_share *sh = restore_shares_get(all, key);

    if (sh->members++ == 0)
        tree_add(all->tree, filter_of(sh->key), sh, 0, TREE_SHARED);
}

/* What was told is of a group of that name that is over. Or the log was cut, and who is a member still has not been
 * told yet: then what they owe comes again with the round that tells it. */
void restore_shares_subscribe(struct restore_shares *all, struct str key)
{
    struct restore_share *sh = restore_shares_get(all, key);

    if (sh->members == 0)
        owed_drop(&sh->owed);
    restore_shares_join(all, key);
}

void restore_shares_leave(struct restore_shares *all, struct str key)
{
    struct restore_share *sh = map_get(&all->by_key, key);

    assert(sh && sh->members > 0);
    if (--sh->members > 0)
        return;
    tree_remove(all->tree, filter_of(sh->key), sh);
    map_remove(&all->by_key, sh->key);
    share_free(sh);
}

void restore_shares_owe(const struct tree_span *spans, size_t n, struct message *m)
{
    for (size_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < spans[i].count; k++) {
            const struct tree_entry *e = &spans[i].entries[k];

            if (e->options & TREE_SHARED)
                owed_add(&((struct restore_share *)e->owner)->owed, m);
        }
    }
}
