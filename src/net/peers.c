/*
 * A table of addresses that have at least one connection, behind a lock: it is asked once when a connection
 * begins and once when it ends, and only where a limit is set.
 */
#include "net/peers.h"

#include "base/map.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>

struct peers {
    pthread_mutex_t lock;
    struct map places; /* key -> struct place */
    uint64_t max_each;
};

struct place {
    uint64_t count;
    char key[8];
};

struct peers *peers_new(uint64_t max_each)
{
    struct peers *p = NEW(struct peers);

    pthread_mutex_init(&p->lock, NULL);
    map_init(&p->places);
    p->max_each = max_each;
    return p;
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    map_empty(&p->places, mem_free);
    map_fini(&p->places);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

/* n 0: it has none. */
static struct str key_of(const struct addr *a, char room[8])
{
    const struct sockaddr *sa = (const struct sockaddr *)&a->ss;
    size_t n = 0;

    if (sa->sa_family == AF_INET) {
        n = 4;
        memcpy(room, &((const struct sockaddr_in *)&a->ss)->sin_addr, n);
    } else if (sa->sa_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)&a->ss)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(in6);

        n = mapped ? 4 : 8;
        memcpy(room, in6->s6_addr + (mapped ? 12 : 0), n);
    }
    return str_from(room, n);
}

bool peers_enter(struct peers *p, const struct addr *peer)
{
    char room[8];
    struct str key = key_of(peer, room);
    struct place *place;
    bool may;

    if (key.n == 0)
        return true;
    pthread_mutex_lock(&p->lock);
    place = map_get(&p->places, key);
    if (!place) {
        place = NEW(struct place);
        memcpy(place->key, key.p, key.n);
        map_put(&p->places, str_from(place->key, key.n), place);
    }
    may = place->count < p->max_each;
    place->count += may;
    pthread_mutex_unlock(&p->lock);
    return may;
}

void peers_leave(struct peers *p, const struct addr *peer)
{
    char room[8];
    struct str key = key_of(peer, room);
    struct place *place;

    if (key.n == 0)
        return;
    pthread_mutex_lock(&p->lock);
    place = map_get(&p->places, key);
    assert(place && place->count > 0);
    if (--place->count == 0) {
        map_remove(&p->places, key);
        mem_free(place);
    }
    pthread_mutex_unlock(&p->lock);
}
