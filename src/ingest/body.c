/*
 * The members of a JSON body, for ingest.c. Most bodies are plain, and then a walk over the text
 * is all: a sixth of the time that building a tree takes. Whatever is not plain (escapes in names,
 * long numbers, mistakes) is decided by the one parser of the program, which also has the words.
 *
 * It refuses what the parser refuses. Invariant: a name written with escapes is the same name as
 * without, so no rule can be passed by in disguise.
 */
#include "ingest/body.h"

#include "wire/json.h"

#define NAME_MAX_BYTES 128 /* nobody asks for a longer name */

/* In doubt the parser decides. */
static int check(struct str text, size_t depth_max, enum leaf_kind *out_kind, struct fault *f)
{
    struct json_limits limits = { .depth_max = depth_max };
    struct json_t *root = NULL;
    int rc;

    if (leaves_plain(text, depth_max, out_kind))
        return 0;
    rc = json_parse(text, &limits, &root, NULL, f);
    if (rc < 0)
        return rc;
    json_free(root);
    rc = leaves_each(text, NULL, NULL, out_kind);
    return rc < 0 ? fault_at(f, rc, "", 1, 1, "%s", "this cannot be read in one way only") : 0;
}

int body_parse(struct str text, size_t depth_max, struct body *out, struct fault *f)
{
    int rc = check(text, depth_max, &out->kind, f);

    if (rc < 0)
        return rc;
    out->text = text;
    out->count = out->at = 0;
    while (out->count < BODY_MEMBERS_MAX &&
           leaves_next_member(text, &out->at, &out->members[out->count]))
        out->count++;
    return 0;
}

struct body body_none(void)
{
    return (struct body){ .kind = LEAF_NULL };
}

bool body_is_named(const struct leaf_member *m, struct str name)
{
    char text[NAME_MAX_BYTES];
    size_t n = 0;

    if (!m->escaped)
        return str_eq(m->name, name);
    return leaves_text(str_from(m->name.p - 1, m->name.n + 2), text, sizeof(text), &n) == 0 &&
           str_eq(str_from(text, n), name);
}

const struct leaf_member *body_next(const struct body *b, struct body_cursor *c)
{
    if (c->i < b->count)
        return &b->members[c->i++];
    if (b->count < BODY_MEMBERS_MAX)
        return NULL;
    if (c->at == 0)
        c->at = b->at;
    return leaves_next_member(b->text, &c->at, &c->late) ? &c->late : NULL;
}

bool body_member(const struct body *b, struct str name, struct leaf_member *out)
{
    struct body_cursor c = { 0 };
    const struct leaf_member *m;

    while ((m = body_next(b, &c))) {
        if (body_is_named(m, name)) {
            *out = *m;
            return true;
        }
    }
    return false;
}

bool body_has(const struct body *b, struct str name)
{
    struct leaf_member m;

    return body_member(b, name, &m);
}

bool body_text(const struct leaf_member *m, struct arena *a, struct str *out)
{
    struct str inside;
    size_t n = 0;
    char *copy;

    if (m->kind != LEAF_STRING)
        return false;
    inside = str_sub(m->value, 1, m->value.n - 2);
    if (str_find(inside, '\\') == inside.n) {
        *out = inside;
        return true;
    }
    copy = arena_take(a, m->value.n);
    if (!copy || leaves_text(m->value, copy, m->value.n, &n) < 0)
        return false;
    *out = str_from(copy, n);
    return true;
}
