#ifndef NET_PEERS_H
#define NET_PEERS_H
/*
 * How many connections each address has open, so that one cannot take the places of all. An IPv6 peer counts
 * with its whole /64, which is what one customer is given. Any thread.
 */
#include "base/addr.h"

struct peers;

struct peers *peers_new(uint64_t max_each);
void peers_free(struct peers *p);
/* False: it has max_each already, and this one does not count. Unix sockets always may. */
bool peers_enter(struct peers *p, const struct addr *peer);
/* One that was let in is gone. */
void peers_leave(struct peers *p, const struct addr *peer);

#endif
