#ifndef NET_DATAGRAM_H
#define NET_DATAGRAM_H
/* A UDP socket on one loop. An IPv6 address means IPv6 only. */
#include "base/addr.h"
#include "net/loop.h"

struct datagram;
enum datagram_flags { DATAGRAM_REUSEPORT = 1 };

/* Longer ones are dropped and counted. */
#define DATAGRAM_MAX 4096

/* on: one datagram and its source; the view is valid during the call. DATAGRAM_REUSEPORT: one
 * socket per worker on the same port (which another program of the same user can share, too). */
MUST_USE int datagram_open(struct loop *l, const struct addr *bind, unsigned flags,
                           void (*on)(void *ctx, struct datagram *d, struct str bytes,
                                      const struct addr *from),
                           void *ctx, struct datagram **out, struct fault *f);
const struct addr *datagram_addr(const struct datagram *d);
/* Sends at once; a datagram that the kernel does not take is dropped and counted. 0 or -errno. */
int datagram_send(struct datagram *d, struct str bytes, const struct addr *to);
uint64_t datagram_dropped(const struct datagram *d);
/* closed is the last call (may be NULL). */
void datagram_close(struct datagram *d, void (*closed)(void *ctx));

#endif
