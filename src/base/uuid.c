/* UUIDs (RFC 9562) and the kernel's random bytes they are made of. */
#include "base/uuid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t n)
{
    char *p = out;

    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            fprintf(stderr, "wayside: the system gives no random bytes\n");
            abort(); /* every key and id would be guessable */
        }
        p += got;
        n -= (size_t)got;
    }
}

struct uuid uuid_new(void)
{
    struct uuid u;

    random_bytes(u.b, sizeof(u.b));
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40); /* version 4, section 5.4 */
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    return u;
}

char *uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    char *p = out;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[u->b[i] >> 4];
        *p++ = digits[u->b[i] & 15];
    }
    *p = '\0';
    return out;
}

int uuid_parse(struct str s, struct uuid *out)
{
    struct uuid u = { { 0 } };
    size_t at = 0;

    if (s.n != UUID_TEXT_LEN)
        return ERR_SYNTAX;
    for (int i = 0; i < 16; i++) {
        uint64_t byte;

        if (i == 4 || i == 6 || i == 8 || i == 10)
            if (s.p[at++] != '-')
                return ERR_SYNTAX;
        if (str_to_hex(str_sub(s, at, 2), &byte))
            return ERR_SYNTAX;
        u.b[i] = (uint8_t)byte;
        at += 2;
    }
    *out = u;
    return 0;
}
