/*
 * A small set of names, for the writer, which asks for each leaf of each record whether it knows
 * it. Payloads of a stream nearly always have the same members in the same order, so the set
 * remembers where it was: the next name is compared first with the one that followed last time.
 *
 * Names come from leaves.h: they have no quotes and no escapes, so their text needs none.
 */
#include "store/fields.h"

#include "base/mem.h"
#include "store/leaves.h"
#include "store/store.h"

void fields_fini(struct fields *f)
{
    for (size_t i = 0; i < f->count; i++)
        mem_free(f->names[i]);
    mem_free(f->names);
    mem_free(f->lengths);
    *f = (struct fields){ 0 };
}

static bool is_at(const struct fields *f, size_t i, struct str name)
{
    return i < f->count && str_eq(str_from(f->names[i], f->lengths[i]), name);
}

static void add(struct fields *f, struct str name)
{
    if (f->count % 8 == 0) {
        f->names = mem_resize(f->names, (f->count + 8) * sizeof(*f->names));
        f->lengths = mem_resize(f->lengths, (f->count + 8) * sizeof(*f->lengths));
    }
    f->names[f->count] = str_dup(name);
    f->lengths[f->count] = name.n;
    f->count++;
}

bool fields_note(struct fields *f, struct str name)
{
    if (!is_at(f, f->next, name)) {
        for (f->next = 0; f->next < f->count && !is_at(f, f->next, name);)
            f->next++;
    }
    if (f->next < f->count) {
        f->next = f->next + 1 < f->count ? f->next + 1 : 0;
        return false;
    }
    f->next = 0;
    if (f->count == STORE_FIELDS_MAX)
        return false;
    add(f, name);
    return true;
}

struct noting {
    struct fields *f;
    bool *changed;
};

static void note_leaf(void *ctx, struct str path, struct str number)
{
    struct noting *n = ctx;

    (void)number;
    if (fields_note(n->f, path))
        *n->changed = true;
}

struct str fields_content(struct fields *f, const struct record *r, bool *changed)
{
    struct noting n = { f, changed };

    if (r->content_type.n > 0)
        return r->content_type;
    return leaves_each(r->payload, note_leaf, &n, NULL) == 0 ? STR_NONE
                                                             : STR("application/octet-stream");
}

void fields_load(struct fields *f, struct str json)
{
    struct str rest = json;

    str_cut(&rest, '"');
    while (rest.p) {
        struct str name = str_cut(&rest, '"');

        if (rest.p && name.n > 0 && f->count < STORE_FIELDS_MAX)
            add(f, name);
        if (rest.p)
            str_cut(&rest, '"');
    }
}

void fields_text(const struct fields *f, struct buf *out)
{
    buf_put(out, STR("["));
    for (size_t i = 0; i < f->count; i++)
        buf_printf(out, "%s\"%s\"", i ? "," : "", f->names[i]);
    buf_put(out, STR("]"));
}
