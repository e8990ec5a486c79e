/*
 * "Did you mean": the name at the least edit distance, when that is small beside its length.
 * Swapped neighbours count as one edit, since 'prot' for 'port' is the commonest slip. Case and
 * '-' for '_' cost nothing.
 */
#include "conf/conf.h"

#define GUESS_MAX 40 /* longer words are not guessed at */

static char plain(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c + 32);
    return c == '-' ? '_' : c;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein (optimal string alignment) over three rows. */
static unsigned distance(struct str a, struct str b)
{
    unsigned rows[3][GUESS_MAX + 1];

    for (unsigned j = 0; j <= b.n; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned *now = rows[i % 3], *up = rows[(i + 2) % 3], *upup = rows[(i + 1) % 3];

        now[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned cost = plain(a.p[i - 1]) != plain(b.p[j - 1]);

            now[j] = least(least(up[j] + 1, now[j - 1] + 1), up[j - 1] + cost);
            if (i > 1 && j > 1 && plain(a.p[i - 1]) == plain(b.p[j - 2]) &&
                plain(a.p[i - 2]) == plain(b.p[j - 1]))
                now[j] = least(now[j], upup[j - 2] + 1);
        }
    }
    return rows[a.n % 3][b.n];
}

const char *conf_guess(struct str to, const char *const *names, size_t count)
{
    const char *best = NULL;
    unsigned best_distance = GUESS_MAX;

    if (to.n == 0 || to.n > GUESS_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        struct str name = str_of(names[i]);
        unsigned d, allowed;

        if (name.n == 0 || name.n > GUESS_MAX)
            continue;
        d = distance(to, name);
        /* One slip in a short word, a third of a long one. */
        allowed = name.n < 4 ? 1 : (unsigned)(name.n + 1) / 3;
        if (d > allowed) {
            /* A whole word given short: "keepalive" for "keepalive_max". */
            if (to.n < 4 || !str_starts(name, to))
                continue;
            d = allowed;
        }
        if (d < best_distance) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}
