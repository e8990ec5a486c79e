/* Addresses as text and back; no look-ups, so it never blocks. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/un.h>

static int parse_unix(struct str path, struct addr *out)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };

    if (path.n == 0 || path.n >= sizeof(un.sun_path) || str_find(path, '\0') != path.n)
        return ERR_SYNTAX;
    memcpy(un.sun_path, path.p, path.n);
    *out = (struct addr){ .len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1) };
    memcpy(&out->ss, &un, sizeof(un));
    return 0;
}

int addr_parse(struct str host, uint16_t port, struct addr *out)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    char text[INET6_ADDRSTRLEN];

    if (str_starts(host, STR("unix:")))
        return parse_unix(str_skip(host, 5), out);
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = str_sub(host, 1, host.n - 2);
    if (host.n == 0 || host.n >= sizeof(text) || str_find(host, '\0') != host.n)
        return ERR_SYNTAX;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (inet_pton(AF_INET, text, &in4.sin_addr) == 1) {
        *out = addr_from((const struct sockaddr *)&in4, sizeof(in4));
        return 0;
    }
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        *out = addr_from((const struct sockaddr *)&in6, sizeof(in6));
        return 0;
    }
    return ERR_SYNTAX;
}

int addr_parse_port(struct str s, uint16_t default_port, struct addr *out)
{
    struct str host = s, port = STR_NONE;
    uint64_t number = default_port;
    size_t colon;

    if (str_starts(s, STR("unix:")))
        return addr_parse(s, 0, out);
    if (s.n > 0 && s.p[0] == '[') {
        size_t end = str_find(s, ']');

        if (end == s.n)
            return ERR_SYNTAX;
        host = str_sub(s, 0, end + 1);
        if (end + 1 < s.n) {
            if (s.p[end + 1] != ':')
                return ERR_SYNTAX;
            port = str_skip(s, end + 2);
            if (port.n == 0)
                return ERR_SYNTAX;
        }
    } else {
        colon = str_find(s, ':');
        if (colon < s.n && str_find(str_skip(s, colon + 1), ':') == s.n - colon - 1) {
            host = str_sub(s, 0, colon);
            port = str_skip(s, colon + 1);
            if (port.n == 0)
                return ERR_SYNTAX;
        }
    }
    if (port.n > 0 && (str_to_u64(port, &number) || number > UINT16_MAX))
        return ERR_SYNTAX;
    if (host.n == 0 && s.n > 0)
        host = STR("0.0.0.0");
    return addr_parse(host, (uint16_t)number, out);
}

struct addr addr_from(const struct sockaddr *sa, socklen_t len)
{
    struct addr a = { 0 };

    if (len > sizeof(a.ss))
        len = sizeof(a.ss);
    a.len = len;
    memcpy(&a.ss, sa, len);
    return a;
}

struct addr addr_from_ip(struct str bytes, uint16_t port)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

    assert(bytes.n == 4 || bytes.n == 16);
    if (bytes.n == 4) {
        memcpy(&in4.sin_addr, bytes.p, 4);
        return addr_from((const struct sockaddr *)&in4, sizeof(in4));
    }
    memcpy(&in6.sin6_addr, bytes.p, 16);
    return addr_from((const struct sockaddr *)&in6, sizeof(in6));
}

struct addr addr_unix_unnamed(void)
{
    return (struct addr){ .len = sizeof(sa_family_t), .ss = { .ss_family = AF_UNIX } };
}

static struct sockaddr_in as_in4(const struct addr *a)
{
    struct sockaddr_in in4;

    memcpy(&in4, &a->ss, sizeof(in4));
    return in4;
}

static struct sockaddr_in6 as_in6(const struct addr *a)
{
    struct sockaddr_in6 in6;

    memcpy(&in6, &a->ss, sizeof(in6));
    return in6;
}

static void format(const struct addr *a, bool with_port, char out[ADDR_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "";

    out[0] = '\0';
    if (a->len == 0)
        return;
    if (a->ss.ss_family == AF_INET) {
        struct sockaddr_in in4 = as_in4(a);

        inet_ntop(AF_INET, &in4.sin_addr, host, sizeof(host));
        if (with_port)
            snprintf(out, ADDR_TEXT_SIZE, "%s:%u", host, ntohs(in4.sin_port));
        else
            snprintf(out, ADDR_TEXT_SIZE, "%s", host);
    } else if (a->ss.ss_family == AF_INET6) {
        struct sockaddr_in6 in6 = as_in6(a);

        inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
        if (with_port)
            snprintf(out, ADDR_TEXT_SIZE, "[%s]:%u", host, ntohs(in6.sin6_port));
        else
            snprintf(out, ADDR_TEXT_SIZE, "%s", host);
    } else if (a->ss.ss_family == AF_UNIX) {
        struct sockaddr_un un = { 0 };

        memcpy(&un, &a->ss, a->len < sizeof(un) ? a->len : sizeof(un));
        if (a->len > offsetof(struct sockaddr_un, sun_path) && un.sun_path[0])
            snprintf(out, ADDR_TEXT_SIZE, "unix:%.*s", (int)sizeof(un.sun_path), un.sun_path);
        else
            snprintf(out, ADDR_TEXT_SIZE, "unix");
    }
}

char *addr_format(const struct addr *a, char out[ADDR_TEXT_SIZE])
{
    format(a, true, out);
    return out;
}

char *addr_format_host(const struct addr *a, char out[ADDR_TEXT_SIZE])
{
    format(a, false, out);
    return out;
}

uint16_t addr_port(const struct addr *a)
{
    if (a->len && a->ss.ss_family == AF_INET)
        return ntohs(as_in4(a).sin_port);
    if (a->len && a->ss.ss_family == AF_INET6)
        return ntohs(as_in6(a).sin6_port);
    return 0;
}

void addr_set_port(struct addr *a, uint16_t port)
{
    if (a->len && a->ss.ss_family == AF_INET) {
        struct sockaddr_in in4 = as_in4(a);

        in4.sin_port = htons(port);
        memcpy(&a->ss, &in4, sizeof(in4));
    } else if (a->len && a->ss.ss_family == AF_INET6) {
        struct sockaddr_in6 in6 = as_in6(a);

        in6.sin6_port = htons(port);
        memcpy(&a->ss, &in6, sizeof(in6));
    }
}

bool addr_is_unix(const struct addr *a)
{
    return a->len && a->ss.ss_family == AF_UNIX;
}

bool addr_is_local(const struct addr *a)
{
    if (addr_is_unix(a))
        return true;
    if (a->len && a->ss.ss_family == AF_INET)
        return ntohl(as_in4(a).sin_addr.s_addr) >> 24 == 127;
    if (a->len && a->ss.ss_family == AF_INET6) {
        struct sockaddr_in6 in6 = as_in6(a);

        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) && in6.sin6_addr.s6_addr[12] == 127);
    }
    return false;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    char x[ADDR_TEXT_SIZE], y[ADDR_TEXT_SIZE];

    return strcmp(addr_format(a, x), addr_format(b, y)) == 0;
}
