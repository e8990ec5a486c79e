/* Ranges of addresses. All are kept as IPv6, where IPv4 lies below ::ffff:0:0/96. */
#include "base/addr_net.h"

#include <netinet/in.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* False: not an IP address. */
static bool ip_bytes(const struct addr *a, uint8_t out[16])
{
    if (a->len && a->ss.ss_family == AF_INET) {
        struct sockaddr_in in4;

        memcpy(&in4, &a->ss, sizeof(in4));
        memcpy(out, mapped, sizeof(mapped));
        memcpy(out + 12, &in4.sin_addr, 4);
        return true;
    }
    if (a->len && a->ss.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, &a->ss, sizeof(in6));
        memcpy(out, &in6.sin6_addr, 16);
        return true;
    }
    return false;
}

/* The byte with what lies behind the first `bits` of the whole cut off. */
static uint8_t masked(uint8_t byte, unsigned at, unsigned bits)
{
    unsigned keep = bits > at * 8 ? bits - at * 8 : 0;

    unsigned mask = keep >= 8 ? 0xffu : 0xff00u >> keep & 0xffu;

    return (uint8_t)(byte & mask);
}

int addr_net_parse(struct str s, struct addr_net *out)
{
    size_t slash = str_find(s, '/');
    struct addr_net n = { .bits = 128 };
    struct addr a;
    uint64_t length;
    unsigned most;

    if (addr_parse(str_sub(s, 0, slash), 0, &a) || !ip_bytes(&a, n.bytes))
        return ERR_SYNTAX;
    most = a.ss.ss_family == AF_INET ? 32 : 128;
    if (slash < s.n) {
        if (str_to_u64(str_skip(s, slash + 1), &length) || length > most)
            return ERR_SYNTAX;
        n.bits = (uint8_t)(128 - most + length);
    }
    for (unsigned i = 0; i < 16; i++)
        if (masked(n.bytes[i], i, n.bits) != n.bytes[i])
            return ERR_VALUE;
    *out = n;
    return 0;
}

bool addr_net_has(const struct addr_net *n, const struct addr *a)
{
    uint8_t bytes[16];

    if (!ip_bytes(a, bytes))
        return false;
    for (unsigned i = 0; i < 16; i++)
        if (masked(bytes[i], i, n->bits) != n->bytes[i])
            return false;
    return true;
}
