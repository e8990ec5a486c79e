#ifndef BASE_ADDR_H
#define BASE_ADDR_H
/* A network address: IPv4, IPv6 or a Unix socket's path. Pure; no name look-ups. */
#include "base/str.h"

#include <sys/socket.h>

struct addr {
    socklen_t len; /* 0: none */
    struct sockaddr_storage ss;
};
#define ADDR_TEXT_SIZE 128

/* "127.0.0.1", "::1", "[::1]" and "unix:/path" (port is then ignored). ERR_SYNTAX. */
MUST_USE int addr_parse(struct str host, uint16_t port, struct addr *out);
/* "127.0.0.1:1883", "[::1]:1883", ":1883" (any address), "host" with the default port. The host
 * part must be an address, not a name. */
MUST_USE int addr_parse_port(struct str s, uint16_t default_port, struct addr *out);
struct addr addr_from(const struct sockaddr *sa, socklen_t len);
/* bytes: 4 of IPv4 or 16 of IPv6, in network order. */
struct addr addr_from_ip(struct str bytes, uint16_t port);
/* A Unix socket without a path, as the peer of one is. */
struct addr addr_unix_unnamed(void);
/* "127.0.0.1:1883", "[::1]:1883", "unix:/path", "unix". Always terminated. Returns out. */
char *addr_format(const struct addr *a, char out[ADDR_TEXT_SIZE]);
/* Only the address, without brackets and port. */
char *addr_format_host(const struct addr *a, char out[ADDR_TEXT_SIZE]);
uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);
/* Loopback address or Unix socket (IPv4-mapped IPv6 counts as IPv4). */
bool addr_is_local(const struct addr *a);
bool addr_is_unix(const struct addr *a);
bool addr_eq(const struct addr *a, const struct addr *b);

#endif
