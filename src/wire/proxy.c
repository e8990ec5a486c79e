/*
 * The PROXY protocol by the letter of its specification (section numbers are of its text).
 *
 * Version 1 is a line of text: one space between fields, decimal ports without leading zeros,
 * addresses as inet_pton takes them. Version 2 is binary behind a signature of twelve bytes.
 *
 * A header that says UNKNOWN, UNSPEC or LOCAL is valid and names nobody. Datagrams and unknown
 * families have no place in front of a stream and are refused (2.2: "receivers must drop").
 */
#include "wire/proxy.h"

#include "base/rd.h"

#define V2_HEAD    16u /* signature, version and command, family and protocol, length */
#define V2_VERSION 0x2
#define IP4_PART   12u /* two addresses, two ports */
#define IP6_PART   36u
#define UNIX_PART  216u

static const char signature[12] = { '\r', '\n', '\r', '\n', '\0', '\r',
                                    '\n', 'Q',  'U',  'I',  'T',  '\n' };

/* ---- version 1 ---- */

/* One space ends it; {NULL, 0} when there is none. */
static struct str field(struct str *rest)
{
    size_t n = str_find(*rest, ' ');
    struct str f = str_sub(*rest, 0, n);

    if (n == rest->n)
        return STR_NONE;
    *rest = str_skip(*rest, n + 1);
    return f;
}

static bool port_of(struct str digits, uint16_t *out)
{
    uint64_t v;

    if (digits.n > 5 || (digits.n > 1 && digits.p[0] == '0') || str_to_u64(digits, &v) ||
        v > UINT16_MAX)
        return false;
    *out = (uint16_t)v;
    return true;
}

static bool plain_address(struct str host, bool v6, uint16_t port, struct addr *out)
{
    bool colon = str_find(host, ':') < host.n;

    return colon == v6 && str_find(host, '[') == host.n && !str_starts(host, STR("unix:")) &&
           addr_parse(host, port, out) == 0;
}

/* What lies between "PROXY " and the line end (2.1). */
static int decode_line(struct str line, struct proxy_header *out, struct wire_why *why)
{
    struct proxy_header h = { .has_peer = true };
    struct str family = line, peer, local, peer_port;
    uint16_t from, to;
    bool v6;

    if (str_eq(line, STR("UNKNOWN")) || str_starts(line, STR("UNKNOWN "))) {
        *out = (struct proxy_header){ 0 };
        return 0;
    }
    family = field(&line);
    v6 = str_eq(family, STR("TCP6"));
    if (!v6 && !str_eq(family, STR("TCP4")))
        return wire_refuse(why, 0, 6, "neither TCP4, TCP6 nor UNKNOWN");
    peer = field(&line);
    local = field(&line);
    peer_port = field(&line);
    if (!port_of(peer_port, &from) || !port_of(line, &to))
        return wire_refuse(why, 0, 6, "a port that is none");
    if (!plain_address(peer, v6, from, &h.peer) || !plain_address(local, v6, to, &h.local))
        return wire_refuse(why, 0, 6, "an address that is none of its family");
    *out = h;
    return 0;
}

static int decode_v1(struct str in, struct proxy_header *out, size_t *out_used,
                     struct wire_why *why)
{
    size_t end = str_find_str(str_sub(in, 0, PROXY_V1_MAX), STR("\r\n"));
    int rc;

    if (end == str_sub(in, 0, PROXY_V1_MAX).n) {
        if (in.n < PROXY_V1_MAX)
            return ERR_MORE;
        return wire_refuse(why, 0, PROXY_V1_MAX, "no end of the line within 107 bytes");
    }
    rc = decode_line(str_sub(in, 6, end - 6), out, why);
    if (rc == 0)
        *out_used = end + 2;
    return rc;
}

/* ---- version 2 ---- */

static int refuse_short(struct wire_why *why)
{
    return wire_refuse(why, 0, V2_HEAD - 2, "shorter than its addresses");
}

static int decode_ip(struct str body, size_t part, struct proxy_header *out, struct wire_why *why)
{
    struct rd r = rd_init(body);
    size_t n = (part - 4) / 2;
    struct str peer = rd_bytes(&r, n), local = rd_bytes(&r, n);
    uint16_t from = rd_u16(&r), to = rd_u16(&r);

    if (r.bad)
        return refuse_short(why);
    *out = (struct proxy_header){ true, addr_from_ip(peer, from), addr_from_ip(local, to) };
    return 0;
}

/* The paths are the proxy's machine's, and mean nothing here. */
static int decode_unix(struct str body, struct proxy_header *out, struct wire_why *why)
{
    if (body.n < UNIX_PART)
        return refuse_short(why);
    *out = (struct proxy_header){ true, addr_unix_unnamed(), addr_unix_unnamed() };
    return 0;
}

static int decode_addresses(uint8_t family, struct str body, struct proxy_header *out,
                            struct wire_why *why)
{
    switch (family) {
    case 0x00: /* UNSPEC: the proxy does not know */
        *out = (struct proxy_header){ 0 };
        return 0;
    case 0x11:
        return decode_ip(body, IP4_PART, out, why);
    case 0x21:
        return decode_ip(body, IP6_PART, out, why);
    case 0x31:
        return decode_unix(body, out, why);
    default:
        return wire_refuse(why, 0, 13, "a family that no stream has");
    }
}

static int decode_v2(struct str in, size_t max_bytes, struct proxy_header *out, size_t *out_used,
                     struct wire_why *why)
{
    struct rd r = rd_init(in);
    uint8_t command, family;
    size_t n;
    int rc;

    rd_skip(&r, sizeof(signature));
    command = rd_u8(&r);
    if (!r.bad && (command >> 4 != V2_VERSION || (command & 15) > 1))
        return wire_refuse(why, 0, 12, "neither LOCAL nor PROXY of version 2");
    family = rd_u8(&r);
    n = rd_u16(&r);
    if (r.bad)
        return ERR_MORE;
    if (n > max_bytes - V2_HEAD) {
        wire_refuse(why, 0, 14, "longer than limits.proxy_header_max");
        return ERR_LIMIT;
    }
    if (in.n - V2_HEAD < n)
        return ERR_MORE;
    if ((command & 15) == 0) { /* LOCAL: the proxy itself, asking whether we live */
        *out = (struct proxy_header){ 0 };
        rc = 0;
    } else {
        rc = decode_addresses(family, str_sub(in, V2_HEAD, n), out, why);
    }
    if (rc == 0)
        *out_used = V2_HEAD + n;
    return rc;
}

int proxy_decode(struct str in, size_t max_bytes, struct proxy_header *out, size_t *out_used,
                 struct wire_why *why)
{
    struct str v1 = STR("PROXY "), v2 = str_from(signature, sizeof(signature));

    if (str_starts(in, v1))
        return decode_v1(in, out, out_used, why);
    if (str_starts(in, v2))
        return decode_v2(in, max_bytes, out, out_used, why);
    if (str_starts(v1, in) || str_starts(v2, in))
        return ERR_MORE;
    return wire_refuse(why, 0, 0, "no PROXY header");
}
