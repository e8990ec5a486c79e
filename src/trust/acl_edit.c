/*
 * A rule is put where a person would: behind the last line of its user. Comments, order, empty lines
 * and line ends stay as they are. mosquitto has no end of a user's block but the next `user`, so
 * rules for clients without a name go in front of the first one.
 */
#include "trust/acl_edit.h"

#include "base/mem.h"

struct walk {
    struct str text;
    struct textfile t;
    struct str block; /* p NULL: in front of the first user */
    struct acl_line line;
    size_t start, end; /* of that line, with its line feed */
};

static struct walk walk_init(struct str text)
{
    return (struct walk){ .text = text, .t = textfile_of(text.p ? text : STR(""), "") };
}

static bool walk_next(struct walk *w)
{
    struct str line;

    while (textfile_next(&w->t, &line)) {
        if (acl_line_read(&w->t, line, &w->line, NULL))
            continue;
        w->start = (size_t)(w->t.start - w->text.p);
        w->end = w->t.rest.p ? (size_t)(w->t.rest.p - w->text.p) : w->text.n;
        if (w->line.kind == ACL_LINE_USER)
            w->block = w->line.text;
        return true;
    }
    return false;
}

static bool in_block(const struct walk *w, const struct acl_rule *r)
{
    return r->has_user ? w->block.p && str_eq(w->block, r->user) : !w->block.p;
}

static bool is_rule(const struct walk *w, const struct acl_rule *r)
{
    if (w->line.access != r->access || !str_eq(w->line.text, r->filter))
        return false;
    if (r->pattern)
        return w->line.kind == ACL_LINE_PATTERN;
    return w->line.kind == ACL_LINE_TOPIC && in_block(w, r);
}

/* Where the comment begins that stands directly above that line. */
static size_t above(struct str text, size_t at)
{
    while (at > 0) {
        size_t start = at - 1;

        while (start > 0 && text.p[start - 1] != '\n')
            start--;
        if (text.p[start] != '#')
            break;
        at = start;
    }
    return at;
}

static unsigned line_of(struct str text, size_t at)
{
    unsigned line = 1;

    for (size_t i = 0; i < at; i++)
        line += text.p[i] == '\n';
    return line;
}

/* *out_at: behind which byte the rule is put; *out_user: it needs its `user` line. */
static int find_place(struct str text, const struct acl_rule *r, size_t *out_at, bool *out_user,
                      unsigned *out_line)
{
    struct walk w = walk_init(text);
    size_t last = SIZE_MAX, first_user = SIZE_MAX;

    while (walk_next(&w)) {
        if (is_rule(&w, r)) {
            *out_line = w.t.line;
            return ERR_EXISTS;
        }
        if (w.line.kind == ACL_LINE_USER && first_user == SIZE_MAX)
            first_user = w.start;
        if (r->pattern ? w.line.kind == ACL_LINE_PATTERN : in_block(&w, r))
            last = w.end;
    }
    *out_user = last == SIZE_MAX && r->has_user && !r->pattern;
    if (last == SIZE_MAX && !r->has_user && !r->pattern && first_user != SIZE_MAX)
        last = above(text, first_user);
    *out_at = last == SIZE_MAX ? text.n : last;
    return 0;
}

int acl_edit_add(struct str text, const struct acl_rule *r, struct buf *out, unsigned *out_line)
{
    size_t first = str_find(text, '\n'), at = 0;
    const char *end = first > 0 && first < text.n && text.p[first - 1] == '\r' ? "\r\n" : "\n";
    bool user = false;
    int rc = find_place(text, r, &at, &user, out_line);

    if (rc)
        return rc;
    *out_line = line_of(text, at);
    buf_put(out, str_sub(text, 0, at));
    if (at > 0 && text.p[at - 1] != '\n') {
        buf_put(out, text.p[at - 1] == '\r' ? STR("\n") : str_of(end));
        ++*out_line;
    }
    if (user) {
        if (at > 0) {
            buf_put(out, str_of(end));
            ++*out_line;
        }
        buf_printf(out, "user %.*s%s", STR_ARG(r->user), end);
        ++*out_line;
    }
    buf_printf(out, "%s %s ", r->pattern ? "pattern" : "topic", acl_access_word(r->access));
    buf_put(out, r->filter);
    buf_put(out, str_of(end));
    buf_put(out, str_skip(text, at));
    return 0;
}

int acl_edit_remove(struct str text, const struct acl_rule *r, struct buf *out)
{
    struct walk w = walk_init(text);
    size_t kept = 0, removed = 0;

    while (walk_next(&w)) {
        if (!is_rule(&w, r))
            continue;
        buf_put(out, str_sub(text, kept, w.start - kept));
        kept = w.end;
        removed++;
    }
    if (removed == 0)
        return ERR_UNKNOWN;
    buf_put(out, str_skip(text, kept));
    return 0;
}

size_t acl_edit_count(struct str text, struct str user)
{
    const struct acl_rule r = { .has_user = true, .user = user };
    struct walk w = walk_init(text);
    size_t count = 0;

    while (walk_next(&w))
        count += w.line.kind == ACL_LINE_TOPIC && in_block(&w, &r);
    return count;
}
