#ifndef WIRE_PROXY_H
#define WIRE_PROXY_H
/*
 * The PROXY protocol, versions 1 and 2: what a proxy says in front of a connection about whom it
 * speaks for. (haproxy.org, doc/proxy-protocol.txt.) Pure.
 */
#include "base/addr.h"
#include "wire/why.h"

/* The longest header of version 1, its line end included; one of version 2 without additions (TLVs)
 * has at most 232 bytes. */
#define PROXY_V1_MAX 107

struct proxy_header {
    bool has_peer; /* false: the connection speaks for itself, or the proxy does not know */
    struct addr peer, local; /* who connected, and to which address; a Unix socket has no path */
};

/* Decodes the header at the start of `in`.
 *   0          *out is set, *out_used bytes are consumed; the connection's own bytes follow
 *   ERR_MORE   call again with the same start and more bytes. Garbage is not waited for
 *   ERR_LIMIT  longer than max_bytes (at least PROXY_V1_MAX)
 *   ERR_PROTO  not such a header
 * Additions of version 2 (TLVs) are skipped, not looked at. why may be NULL. */
MUST_USE int proxy_decode(struct str in, size_t max_bytes, struct proxy_header *out,
                          size_t *out_used, struct wire_why *why);

#endif
