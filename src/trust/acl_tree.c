/*
 * Rules as a tree of topic levels. Two questions are asked of it:
 *
 *     covering   the rules whose filter matches all that the asked filter (or name) matches: what
 *                they grant is granted. One rule must do it alone; several that would do it
 *                together do not, which is strict and easy to predict.
 *     touching   a deny whose filter matches anything that the asked filter matches.
 *
 * A level of a pattern that holds %c or %u is compared with the client's own text as it stands
 * there; nothing is substituted into memory.
 *
 * Recursion goes as deep as a rule has levels, and a walk visits no node twice.
 */
#include "trust/acl_tree.h"

#include "base/mem.h"

/* ---- growing a tree ---- */

static int level_cmp(struct str a, struct str b)
{
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return a.n == 0 ? 0 : memcmp(a.p, b.p, a.n);
}

/* Where the level stands among the named ones, or would. */
static uint32_t named_at(const struct acl_node *n, struct str level, bool *out_found)
{
    uint32_t low = 0, high = n->named_count;

    *out_found = false;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = level_cmp(n->named[mid]->level, level);

        if (order == 0) {
            *out_found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct acl_node *named(const struct acl_node *n, struct str level)
{
    bool found;
    uint32_t at = named_at(n, level, &found);

    return found ? n->named[at] : NULL;
}

static struct acl_node *node_new(struct str level)
{
    struct acl_node *n = NEW(struct acl_node);

    n->level = level;
    n->wants_user = str_find_str(level, STR("%u")) < level.n;
    return n;
}

static void make_room(struct acl_node ***list, uint32_t count, uint32_t *cap)
{
    if (count < *cap)
        return;
    *cap = *cap ? *cap * 2 : 2;
    *list = mem_resize(*list, *cap * sizeof(struct acl_node *));
}

static struct acl_node *named_add(struct acl_node *n, struct str level)
{
    bool found;
    uint32_t at = named_at(n, level, &found);

    if (found)
        return n->named[at];
    make_room(&n->named, n->named_count, &n->named_cap);
    memmove(n->named + at + 1, n->named + at, (n->named_count - at) * sizeof(n->named[0]));
    n->named[at] = node_new(level);
    n->named_count++;
    return n->named[at];
}

static struct acl_node *template_add(struct acl_node *n, struct str level)
{
    for (uint32_t i = 0; i < n->template_count; i++)
        if (str_eq(n->templates[i]->level, level))
            return n->templates[i];
    make_room(&n->templates, n->template_count, &n->template_cap);
    n->templates[n->template_count] = node_new(level);
    return n->templates[n->template_count++];
}

static bool is_char(struct str level, char c)
{
    return level.n == 1 && level.p[0] == c;
}

static bool is_template(struct str level)
{
    return str_find_str(level, STR("%c")) < level.n || str_find_str(level, STR("%u")) < level.n;
}

void acl_tree_grow(struct acl_node *n, struct str filter, bool pattern, unsigned access)
{
    while (filter.p) {
        struct str level = str_cut(&filter, '/');

        if (is_char(level, '#')) {
            n->below |= (uint8_t)access;
            return;
        }
        if (is_char(level, '+')) {
            if (!n->any)
                n->any = node_new(level);
            n = n->any;
        } else if (pattern && is_template(level)) {
            n = template_add(n, level);
        } else {
            n = named_add(n, level);
        }
    }
    n->here |= (uint8_t)access;
}

void acl_tree_fini(struct acl_node *n)
{
    for (uint32_t i = 0; i < n->named_count; i++) {
        acl_tree_fini(n->named[i]);
        mem_free(n->named[i]);
    }
    for (uint32_t i = 0; i < n->template_count; i++) {
        acl_tree_fini(n->templates[i]);
        mem_free(n->templates[i]);
    }
    if (n->any)
        acl_tree_fini(n->any);
    mem_free(n->any);
    mem_free(n->named);
    mem_free(n->templates);
}

/* ---- asking a tree ---- */

static bool is_odd(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '+' || s.p[i] == '#' || s.p[i] == '/')
            return true;
    return s.n == 0;
}

struct acl_asking acl_asking_init(const struct acl_who *who, struct str filter)
{
    return (struct acl_asking){
        .who = who,
        .filter = filter,
        .odd = is_odd(who->client_id) || (who->has_user && is_odd(who->user)),
        .dollar = filter.n > 0 && filter.p[0] == '$',
    };
}

/* Does the level with %c and %u, filled in for this client, read like that? */
static bool fills(const struct acl_asking *k, const struct acl_node *t, struct str level)
{
    struct str l = t->level;

    if (t->wants_user && !k->who->has_user)
        return false;
    if (k->odd || is_char(level, '+'))
        return true;
    for (size_t i = 0; i < l.n; i++) {
        struct str part = str_sub(l, i, 1);

        if (l.p[i] == '%' && i + 1 < l.n && (l.p[i + 1] == 'c' || l.p[i + 1] == 'u')) {
            part = l.p[i + 1] == 'c' ? k->who->client_id : k->who->user;
            i++;
        }
        if (!str_starts(level, part))
            return false;
        level = str_skip(level, part.n);
    }
    return level.n == 0;
}

/* A rule and what is asked for speak of the same kind of names: those with '$' in front, or the
 * others. It is the rule's own text that counts, so that no client id brings a '$'. */
static bool same_side(const struct acl_asking *k, bool at_root, const struct acl_node *child)
{
    bool dollar = child->level.n > 0 && child->level.p[0] == '$';

    return !at_root || k->dollar == dollar;
}

/* The bits of all rules that cover what is left of the filter. */
static unsigned covering(const struct acl_asking *k, const struct acl_node *n, struct str rest,
                         bool root)
{
    bool wild_rules = !(root && k->dollar);
    unsigned bits = wild_rules ? n->below : 0;
    struct acl_node *child;
    struct str level;

    if (!rest.p)
        return bits | n->here;
    level = str_cut(&rest, '/');
    if (is_char(level, '#')) /* a name has at least one level: at the root +/# is as good as # */
        return bits | (root && n->any ? n->any->below : 0u);
    if (n->any && wild_rules)
        bits |= covering(k, n->any, rest, false);
    if (is_char(level, '+'))
        return bits;
    child = named(n, level);
    if (child)
        bits |= covering(k, child, rest, false);
    for (uint32_t i = 0; i < n->template_count; i++)
        if (same_side(k, root, n->templates[i]) && fills(k, n->templates[i], level))
            bits |= covering(k, n->templates[i], rest, false);
    return bits;
}

/* A deny anywhere from here on, seen from a filter that ends with #. */
static bool denies_below(const struct acl_asking *k, const struct acl_node *n, bool root)
{
    if ((n->here | n->below) & ACL_DENY)
        return true;
    if (n->any && denies_below(k, n->any, false))
        return true;
    for (uint32_t i = 0; i < n->named_count; i++)
        if (same_side(k, root, n->named[i]) && denies_below(k, n->named[i], false))
            return true;
    for (uint32_t i = 0; i < n->template_count; i++)
        if (same_side(k, root, n->templates[i]) && fills(k, n->templates[i], STR("+")) &&
            denies_below(k, n->templates[i], false))
            return true;
    return false;
}

static bool touching(const struct acl_asking *k, const struct acl_node *n, struct str rest,
                     bool root)
{
    bool wild_rules = !(root && k->dollar), wild;
    struct acl_node *child;
    struct str level;

    if (wild_rules && (n->below & ACL_DENY))
        return true;
    if (!rest.p)
        return (n->here & ACL_DENY) != 0;
    level = str_cut(&rest, '/');
    if (is_char(level, '#'))
        return denies_below(k, n, root);
    if (n->any && wild_rules && touching(k, n->any, rest, false))
        return true;
    wild = is_char(level, '+');
    for (uint32_t i = 0; wild && i < n->named_count; i++)
        if (same_side(k, root, n->named[i]) && touching(k, n->named[i], rest, false))
            return true;
    child = wild ? NULL : named(n, level);
    if (child && touching(k, child, rest, false))
        return true;
    for (uint32_t i = 0; i < n->template_count; i++)
        if (same_side(k, root, n->templates[i]) && fills(k, n->templates[i], level) &&
            touching(k, n->templates[i], rest, false))
            return true;
    return false;
}

unsigned acl_tree_covering(const struct acl_asking *k, const struct acl_node *root)
{
    return covering(k, root, k->filter, true);
}

bool acl_tree_touching(const struct acl_asking *k, const struct acl_node *root)
{
    return touching(k, root, k->filter, true);
}
