#ifndef BASE_UUID_H
#define BASE_UUID_H
/* Universally unique ids, RFC 9562. */
#include "base/str.h"

struct uuid {
    uint8_t b[16];
};
#define UUID_TEXT_LEN 36
/* Random, version 4. Touches the system's random source. */
struct uuid uuid_new(void);
/* 36 characters and a zero. Returns out. */
char *uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN + 1]);
MUST_USE int uuid_parse(struct str s, struct uuid *out);
static inline bool uuid_eq(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, 16) == 0;
}
static inline bool uuid_is_zero(const struct uuid *u)
{
    static const struct uuid zero;

    return uuid_eq(u, &zero);
}
/* n random bytes from the kernel; ends the program when there are none. */
void random_bytes(void *out, size_t n);

#endif
