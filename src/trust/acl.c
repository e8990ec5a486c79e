/*
 * The rules of a file: a tree of topic levels (trust/acl_tree.h) per user, one for clients without
 * a name, one for the patterns. A publish walks two of them, so what it costs grows with the
 * levels of its topic and not with the length of the file.
 *
 * A client whose texts could mean more than one level, or a wildcard, is granted nothing by
 * patterns, and a pattern that denies then denies whatever could stand in that place: nobody gets
 * around a deny by the choice of a client id.
 */
#include "trust/acl.h"

#include "base/map.h"
#include "base/mem.h"
#include "trust/acl_tree.h"
#include "trust/textfile.h"
#include "wire/mqtt_topic.h"

struct user {
    struct str name;
    struct acl_node rules;
};

struct acl {
    char *text;
    struct map users;
    struct acl_node anonymous, patterns;
    size_t rules;
};

/* ---- asking ---- */

/* The tree of this client, NULL when no line is about it. */
static const struct acl_node *tree_of(const struct acl *a, const struct acl_who *who)
{
    const struct user *u;

    if (!who->has_user)
        return &a->anonymous;
    u = map_get(&a->users, who->user);
    return u ? &u->rules : NULL;
}

static unsigned bits_of(const struct acl *a, const struct acl_who *who, struct str filter)
{
    struct acl_asking k = acl_asking_init(who, filter);
    const struct acl_node *own = tree_of(a, who);
    unsigned bits = own ? acl_tree_covering(&k, own) : 0;
    unsigned by_patterns = acl_tree_covering(&k, &a->patterns);

    return bits | (k.odd ? by_patterns & ACL_DENY : by_patterns);
}

/* A name is a filter that matches itself only: whatever touches it covers it. */
static bool name_has(const struct acl *a, const struct acl_who *who, struct str topic,
                     unsigned access)
{
    return (bits_of(a, who, topic) & (access | ACL_DENY)) == access;
}

bool acl_may_publish(const struct acl *a, const struct acl_who *who, struct str topic)
{
    return name_has(a, who, topic, ACL_WRITE);
}

bool acl_may_receive(const struct acl *a, const struct acl_who *who, struct str topic)
{
    return name_has(a, who, topic, ACL_READ);
}

bool acl_is_denied(const struct acl *a, const struct acl_who *who, struct str filter)
{
    struct acl_asking k = acl_asking_init(who, filter);
    const struct acl_node *own = tree_of(a, who);

    return (own && acl_tree_touching(&k, own)) || acl_tree_touching(&k, &a->patterns);
}

bool acl_may_subscribe(const struct acl *a, const struct acl_who *who, struct str filter)
{
    return name_has(a, who, filter, ACL_READ) && !acl_is_denied(a, who, filter);
}

/* ---- reading ---- */

static bool access_of(struct str word, unsigned *out)
{
    static const struct {
        const char *word;
        unsigned access;
    } all[] = { { "read", ACL_READ },
                { "write", ACL_WRITE },
                { "readwrite", ACL_READ | ACL_WRITE },
                { "deny", ACL_DENY } };

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
        *access = ACL_READ | ACL_WRITE;
        if (rest.n > 0)
            return textfile_fault(t, f, first.p,
                                  "'%s' is no access; write read, write, readwrite or deny (also "
                                  "in front of a filter with spaces)",
                                  textfile_show(first).text);
    }
    return check_filter(t, *filter, f);
}

static int read_user(struct acl *a, const struct textfile *t, struct str word, struct str name,
                     struct acl_node **out, struct fault *f)
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

static int read_line(struct acl *a, const struct textfile *t, struct str line, struct acl_node **at,
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
    acl_tree_grow(pattern ? &a->patterns : *at, filter, pattern, access);
    a->rules++;
    return 0;
}

int acl_read(struct str text, const char *name, struct acl **out, struct fault *f)
{
    struct acl *a = NEW(struct acl);
    struct acl_node *at = &a->anonymous;
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

    acl_tree_fini(&u->rules);
    mem_free(u);
}

void acl_free(struct acl *a)
{
    if (!a)
        return;
    map_empty(&a->users, user_free);
    map_fini(&a->users);
    acl_tree_fini(&a->anonymous);
    acl_tree_fini(&a->patterns);
    mem_free(a->text);
    mem_free(a);
}

size_t acl_rules(const struct acl *a)
{
    return a->rules;
}
