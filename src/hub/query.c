/* Reading what REST queries hold beyond numbers and times. */
#include "hub/query.h"

#include "base/mem.h"

int query_step(struct str s, int64_t *out_ns)
{
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = {
        { "ms", 1000000 },      { "s", 1000000000 },     { "m", 60000000000 },
        { "h", 3600000000000 }, { "d", 86400000000000 },
    };
    const int64_t most = 366 * 86400000000000;
    size_t digits = 0;
    uint64_t n;

    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    if (str_to_u64(str_sub(s, 0, digits), &n))
        return ERR_SYNTAX;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (!str_eq(str_skip(s, digits), str_of(units[i].unit)))
            continue;
        if (n == 0 || n > (uint64_t)(most / units[i].ns))
            return ERR_VALUE;
        *out_ns = (int64_t)n * units[i].ns;
        return 0;
    }
    return ERR_SYNTAX;
}
