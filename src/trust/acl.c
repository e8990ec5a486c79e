/*
 * Rules as trees of topic levels: one per user, one for clients without a name, one for the
 * patterns. A publish walks two of them, so what it costs grows with the levels of its topic and
 * not with the length of the file.
 *
 * Two questions are asked of a tree:
 *
 *     covering   the rules whose filter matches all that the asked filter (or name) matches: what
 *                they grant is granted. One rule must do it alone; several that would do it
 *                together do not, which is strict and easy to predict.
 *     touching   a deny whose filter matches anything that the asked filter matches.
 *
 * A level of a pattern that holds %c or %u is compared with the client's own text as it stands
 * there; nothing is substituted into memory. A client whose texts could mean more than one level,
 * or a wildcard, is granted nothing by patterns, and a pattern that denies then denies whatever
 * could stand in that place: nobody gets around a deny by the choice of a client id.
 *
 * Recursion goes as deep as a rule has levels, and a walk visits no node twice.
 */
#include "trust/acl.h"

#include "base/map.h"
#include "base/mem.h"
#include "trust/textfile.h"
#include "wire/mqtt_topic.h"

enum access { READ = 1, WRITE = 2, DENY = 4 };

struct node {
    struct str level;        /* in acl->text */
    struct node **named;     /* plain levels, sorted */
    struct node **templates; /* levels with %c or %u */
    struct node *any;        /* + */
    uint32_t named_count, named_cap, template_count, template_cap;
    uint8_t here, below; /* bits of enum access: rules that end here, or with # below */
    bool wants_user;     /* a template with %u */
};

struct user {
    struct str name;
    struct node rules;
};

struct acl {
    char *text;
    struct map users;
    struct node anonymous, patterns;
    size_t rules;
};

/* ---- growing a tree ---- */

static int level_cmp(struct str a, struct str b)
{
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return a.n == 0 ? 0 : memcmp(a.p, b.p, a.n);
}

/* Where the level stands among the named ones, or would. */
static uint32_t named_at(const struct node *n, struct str level, bool *out_found)
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

static struct node *named(const struct node *n, struct str level)
{
    bool found;
    uint32_t at = named_at(n, level, &found);

    return found ? n->named[at] : NULL;
}

static struct node *node_new(struct str level)
{
    struct node *n = NEW(struct node);

    n->level = level;
    n->wants_user = str_find_str(level, STR("%u")) < level.n;
    return n;
}

static void make_room(struct node ***list, uint32_t count, uint32_t *cap)
{
    if (count < *cap)
        return;
    *cap = *cap ? *cap * 2 : 2;
    *list = mem_resize(*list, *cap * sizeof(struct node *));
}

static struct node *named_add(struct node *n, struct str level)
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

static struct node *template_add(struct node *n, struct str level)
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

static void tree_grow(struct node *n, struct str filter, bool pattern, unsigned access)
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

static void tree_fini(struct node *n)
{
    for (uint32_t i = 0; i < n->named_count; i++) {
        tree_fini(n->named[i]);
        mem_free(n->named[i]);
    }
    for (uint32_t i = 0; i < n->template_count; i++) {
        tree_fini(n->templates[i]);
        mem_free(n->templates[i]);
    }
    if (n->any)
        tree_fini(n->any);
    mem_free(n->any);
    mem_free(n->named);
    mem_free(n->templates);
}

/* ---- asking a tree ---- */

struct asking {
    const struct acl_who *who;
    bool odd;    /* its texts cannot stand for one level */
    bool dollar; /* the first level asked for begins with '$' */
};

static bool is_odd(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '+' || s.p[i] == '#' || s.p[i] == '/')
            return true;
    return s.n == 0;
}

static struct asking asking_init(const struct acl_who *who, struct str filter)
{
    return (struct asking){
        .who = who,
        .odd = is_odd(who->client_id) || (who->has_user && is_odd(who->user)),
        .dollar = filter.n > 0 && filter.p[0] == '$',
    };
}

/* Does the level with %c and %u, filled in for this client, read like that? */
static bool fills(const struct asking *k, const struct node *t, struct str level)
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
static bool same_side(const struct asking *k, bool at_root, const struct node *child)
{
    bool dollar = child->level.n > 0 && child->level.p[0] == '$';

    return !at_root || k->dollar == dollar;
}

/* The bits of all rules that cover what is left of the filter. */
static unsigned covering(const struct asking *k, const struct node *n, struct str rest, bool root)
{
    bool wild_rules = !(root && k->dollar);
    unsigned bits = wild_rules ? n->below : 0;
    struct node *child;
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
static bool denies_below(const struct asking *k, const struct node *n, bool root)
{
    if ((n->here | n->below) & DENY)
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

static bool touching(const struct asking *k, const struct node *n, struct str rest, bool root)
{
    bool wild_rules = !(root && k->dollar), wild;
    struct node *child;
    struct str level;

    if (wild_rules && (n->below & DENY))
        return true;
    if (!rest.p)
        return (n->here & DENY) != 0;
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

/* ---- asking ---- */

/* The tree of this client, NULL when no line is about it. */
static const struct node *tree_of(const struct acl *a, const struct acl_who *who)
{
    const struct user *u;

    if (!who->has_user)
        return &a->anonymous;
    u = map_get(&a->users, who->user);
    return u ? &u->rules : NULL;
}

static unsigned bits_of(const struct acl *a, const struct acl_who *who, struct str filter)
{
    struct asking k = asking_init(who, filter);
    const struct node *own = tree_of(a, who);
    unsigned bits = own ? covering(&k, own, filter, true) : 0;
    unsigned by_patterns = covering(&k, &a->patterns, filter, true);

    return bits | (k.odd ? by_patterns & DENY : by_patterns);
}

/* A name is a filter that matches itself only: whatever touches it covers it. */
static bool name_has(const struct acl *a, const struct acl_who *who, struct str topic,
                     unsigned access)
{
    return (bits_of(a, who, topic) & (access | DENY)) == access;
}

bool acl_may_publish(const struct acl *a, const struct acl_who *who, struct str topic)
{
    return name_has(a, who, topic, WRITE);
}

bool acl_may_receive(const struct acl *a, const struct acl_who *who, struct str topic)
{
    return name_has(a, who, topic, READ);
}

bool acl_is_denied(const struct acl *a, const struct acl_who *who, struct str filter)
{
    struct asking k = asking_init(who, filter);
    const struct node *own = tree_of(a, who);

    return (own && touching(&k, own, filter, true)) || touching(&k, &a->patterns, filter, true);
}

bool acl_may_subscribe(const struct acl *a, const struct acl_who *who, struct str filter)
{
    return name_has(a, who, filter, READ) && !acl_is_denied(a, who, filter);
}

/* ---- reading ---- */

static bool access_of(struct str word, unsigned *out)
{
    static const struct {
        const char *word;
        unsigned access;
    } all[] = {
        { "read", READ }, { "write", WRITE }, { "readwrite", READ | WRITE }, { "deny", DENY }
    };

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (str_eq(word, str_of(all[i].word))) {
            *out = all[i].access;
            return true;
        }
    }
    return false;
}

/* The first wildcard that is no whole level, or a # that is not the last; NULL: all is well. */
static const char *bad_wildcard(struct str filter)
{
    for (size_t i = 0; i < filter.n; i++) {
        bool whole =
            (i == 0 || filter.p[i - 1] == '/') && (i + 1 == filter.n || filter.p[i + 1] == '/');

        if ((filter.p[i] == '+' && !whole) || (filter.p[i] == '#' && (!whole || i + 1 != filter.n)))
            return filter.p + i;
    }
    return NULL;
}

static int check_filter(const struct textfile *t, struct str filter, struct fault *f)
{
    const char *bad = bad_wildcard(filter);

    if (bad)
        return textfile_fault(t, f, bad,
                              "'%s' is no topic filter: + and # stand for whole levels, # only for "
                              "the last",
                              textfile_show(filter).text);
    if (!mqtt_filter_valid(filter))
        return textfile_fault(t, f, filter.p,
                              "the filter is not UTF-8 text of at most 65535 bytes; save the file "
                              "as UTF-8");
    if (mqtt_levels(filter) > ACL_LEVELS_MAX)
        return textfile_fault(t, f, filter.p, "the filter has %zu levels; at most %u are possible",
                              mqtt_levels(filter), ACL_LEVELS_MAX);
    return 0;
}

/* What stands behind `topic` or `pattern`: [ACCESS] FILTER. */
static int read_rule(const struct textfile *t, struct str word, struct str rest, unsigned *access,
                     struct str *filter, struct fault *f)
{
    const struct textfile_shown shown = textfile_show(word);
    const char *kind = shown.text;
    struct str first;

    *filter = rest;
    first = textfile_word(&rest);
    if (first.n == 0)
        return textfile_fault(t, f, word.p,
                              "'%s' without a filter; write: %s [read|write|readwrite|deny] FILTER",
                              kind, kind);
    if (access_of(first, access)) {
        *filter = rest;
        if (rest.n == 0)
            return textfile_fault(t, f, first.p,
                                  "'%s %s' without a filter; write: %s %s FILTER (for a topic of "
                                  "that name: %s readwrite %s)",
                                  kind, textfile_show(first).text, kind, textfile_show(first).text,
                                  kind, textfile_show(first).text);
    } else {
        *access = READ | WRITE;
        if (rest.n > 0)
            return textfile_fault(t, f, first.p,
                                  "'%s' is no access; write read, write, readwrite or deny (also "
                                  "in front of a filter with spaces)",
                                  textfile_show(first).text);
    }
    return check_filter(t, *filter, f);
}

static int read_user(struct acl *a, const struct textfile *t, struct str word, struct str name,
                     struct node **out, struct fault *f)
{
    struct user *u;

    if (name.n == 0)
        return textfile_fault(t, f, word.p, "'user' without a name; write: user NAME");
    if (!utf8_valid_mqtt(name))
        return textfile_fault(t, f, name.p, "the name is not UTF-8 text; save the file as UTF-8");
    u = map_get(&a->users, name);
    if (!u) {
        u = NEW(struct user);
        u->name = name;
        map_put(&a->users, u->name, u);
    }
    *out = &u->rules;
    return 0;
}

static int read_line(struct acl *a, const struct textfile *t, struct str line, struct node **at,
                     struct fault *f)
{
    struct str word = textfile_word(&line), filter;
    bool pattern = str_eq(word, STR("pattern"));
    unsigned access = 0;
    int rc;

    if (str_eq(word, STR("user")))
        return read_user(a, t, word, line, at, f);
    if (!pattern && !str_eq(word, STR("topic")))
        return textfile_fault(t, f, word.p,
                              "'%s' is unknown; a line begins with user, topic, pattern or #",
                              textfile_show(word).text);
    rc = read_rule(t, word, line, &access, &filter, f);
    if (rc)
        return rc;
    tree_grow(pattern ? &a->patterns : *at, filter, pattern, access);
    a->rules++;
    return 0;
}

int acl_read(struct str text, const char *name, struct acl **out, struct fault *f)
{
    struct acl *a = NEW(struct acl);
    struct node *at = &a->anonymous;
    struct textfile t;
    struct str line;
    int rc = 0;

    map_init(&a->users);
    a->text = mem_dup(text.p ? text.p : "", text.n);
    t = textfile_of(str_from(a->text, text.n), name);
    while (!rc && textfile_next(&t, &line))
        rc = read_line(a, &t, line, &at, f);
    if (rc)
        acl_free(a);
    else
        *out = a;
    return rc;
}

static void user_free(void *value)
{
    struct user *u = value;

    tree_fini(&u->rules);
    mem_free(u);
}

void acl_free(struct acl *a)
{
    if (!a)
        return;
    map_empty(&a->users, user_free);
    map_fini(&a->users);
    tree_fini(&a->anonymous);
    tree_fini(&a->patterns);
    mem_free(a->text);
    mem_free(a);
}

size_t acl_rules(const struct acl *a)
{
    return a->rules;
}
