#ifndef BASE_ADDR_NET_H
#define BASE_ADDR_NET_H
/* A range of addresses: "10.0.0.0/8", "2001:db8::/32", or one address. Pure. */
#include "base/addr.h"

struct addr_net {
    uint8_t bytes[16]; /* IPv4 as IPv4-mapped IPv6, so that both forms of one address are equal */
    uint8_t bits;      /* of 128 */
};

/* ERR_SYNTAX: no address, or a length that it cannot have. ERR_VALUE: bits are set behind the
 * length, so that it is not clear what is meant ("10.0.0.1/8"). */
MUST_USE int addr_net_parse(struct str s, struct addr_net *out);
/* False for Unix sockets. */
bool addr_net_has(const struct addr_net *n, const struct addr *a);

#endif
