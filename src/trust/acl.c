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
#include "trust/acl_line.h"
#include "trust/acl_tree.h"

struct user {
    struct str name;
    struct acl_node rules;
};

struct acl {
    char *text;
    size_t text_n;
    char *name;
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

static struct acl_node *tree_for(struct acl *a, struct str name)
{
    struct user *u = map_get(&a->users, name);

    if (!u) {
        u = NEW(struct user);
        u->name = name;
        map_put(&a->users, u->name, u);
    }
    return &u->rules;
}

static int read_line(struct acl *a, const struct textfile *t, struct str text, struct acl_node **at,
                     struct fault *f)
{
    struct acl_line l;
    int rc = acl_line_read(t, text, &l, f);

    if (rc)
        return rc;
    if (l.kind == ACL_LINE_USER) {
        *at = tree_for(a, l.text);
        return 0;
    }
    acl_tree_grow(l.kind == ACL_LINE_PATTERN ? &a->patterns : *at, l.text,
                  l.kind == ACL_LINE_PATTERN, l.access);
    a->rules++;
    return 0;
}

int acl_read(struct str text, const char *name, struct acl **out, struct fault *f)
{
    struct acl *a = NEW(struct acl);
    struct acl_node *at = &a->anonymous;
    struct textfile t;
    struct str line;
    int rc = textfile_check(text, name, f);

    map_init(&a->users);
    a->text = mem_dup(text.p ? text.p : "", text.n);
    a->text_n = text.n;
    a->name = str_dup(str_of(name));
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
    mem_free(a->name);
    mem_free(a);
}

size_t acl_rules(const struct acl *a)
{
    return a->rules;
}

struct str acl_text(const struct acl *a)
{
    return str_from(a->text, a->text_n);
}

const char *acl_name(const struct acl *a)
{
    return a->name;
}
