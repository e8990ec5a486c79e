/*
 * What a repair says. Losses and files are told on the way and kept as text until their turn comes; as
 * JSON all of them, for people the first.
 */
#include "cli/repair_text.h"

#define TEXT_MAX   (256u << 20)
#define LINES_LOST 20 /* ranges that the text names; --json has them all */

struct repair_text repair_text_init(enum repair_format format)
{
    struct repair_text r = { .json = format == REPAIR_JSON,
                             .files = buf_init(TEXT_MAX),
                             .lost = buf_init(TEXT_MAX),
                             .cursors = buf_init(TEXT_MAX) };

    return r;
}

void repair_text_fini(struct repair_text *r)
{
    buf_fini(&r->files);
    buf_fini(&r->lost);
    buf_fini(&r->cursors);
}

/* The next element of a list. */
static struct json_writer element(struct buf *list)
{
    buf_put(list, list->n == 0 ? STR("[") : STR(","));
    return json_writer_init(list);
}

static void put_list(struct json_writer *w, const char *key, struct buf *list)
{
    buf_put(list, list->n == 0 ? STR("[]") : STR("]"));
    json_key(w, key);
    json_raw(w, buf_str(list));
}

static void put_uuid(struct json_writer *w, const char *key, const struct uuid *u)
{
    char text[UUID_TEXT_LEN + 1];

    json_key(w, key);
    if (uuid_is_zero(u))
        json_nil(w);
    else
        json_text(w, uuid_format(u, text));
}

/* ---- what is told on the way ---- */

static const char *const how_names[] = { [SALVAGE_HEADER] = "header",
                                         [SALVAGE_NAME] = "name",
                                         [SALVAGE_FRAMES] = "frames",
                                         [SALVAGE_NOTHING] = "nothing",
                                         [SALVAGE_VERSION] = "version" };

static void file_json(struct json_writer *w, const struct salvage_file *f)
{
    json_begin_object(w);
    json_key(w, "file");
    json_text(w, f->name);
    json_key(w, "known_by");
    json_text(w, how_names[f->how]);
    put_uuid(w, "journal", &f->journal);
    json_put_u64(w, "bytes", f->bytes);
    json_put_u64(w, "records", f->records);
    json_put_u64(w, "first_seq", f->first_seq);
    json_put_u64(w, "last_seq", f->last_seq);
    json_put_u64(w, "repeated", f->repeated);
    json_put_u64(w, "damages", f->damages);
    json_put_u64(w, "damaged_bytes", f->damaged_bytes);
    json_put_u64(w, "unnamed", f->unnamed);
    json_put_bool(w, "torn", f->torn);
    json_put_bool(w, "unreadable", f->unreadable);
    json_end_object(w);
}

static void file_text(struct buf *out, const struct salvage_file *f)
{
    static const char *const how[] = { [SALVAGE_HEADER] = "",
                                       [SALVAGE_NAME] = ", its header is lost",
                                       [SALVAGE_FRAMES] = ", header and name are lost",
                                       [SALVAGE_NOTHING] = "",
                                       [SALVAGE_VERSION] =
                                           "of another version of this program, left out" };

    if (f->records == 0)
        buf_printf(out, "  %-24s %s", f->name,
                   f->how == SALVAGE_VERSION ? how[SALVAGE_VERSION] : "no record");
    else
        buf_printf(out, "  %-24s %llu records, %llu to %llu%s", f->name,
                   (unsigned long long)f->records, (unsigned long long)f->first_seq,
                   (unsigned long long)f->last_seq, how[f->how]);
    if (f->damages > 0)
        buf_printf(out, ", %llu damaged places", (unsigned long long)f->damages);
    if (f->unnamed > 0)
        buf_printf(out, ", %llu records without their names", (unsigned long long)f->unnamed);
    if (f->torn)
        buf_put(out, STR(", ends in a torn record: one that was never acknowledged, or damage"));
    if (f->unreadable)
        buf_put(out, STR(", the disk cannot read all of it"));
    buf_u8(out, '\n');
}

void repair_text_file(struct repair_text *r, const struct salvage_file *f)
{
    struct json_writer w;

    if (!r->json) {
        file_text(&r->files, f);
        return;
    }
    w = element(&r->files);
    file_json(&w, f);
}

void repair_text_lost(struct repair_text *r, const struct salvage_lost *l)
{
    r->ranges++;
    if (r->json) {
        struct json_writer w = element(&r->lost);

        json_begin_object(&w);
        json_put_u64(&w, "first", l->first);
        json_put_u64(&w, "last", l->last);
        json_put_bool(&w, "refused", l->refused);
        json_end_object(&w);
    } else if (r->ranges <= LINES_LOST) {
        buf_printf(&r->lost, l->first == l->last ? "  %llu" : "  %llu to %llu",
                   (unsigned long long)l->first, (unsigned long long)l->last);
        buf_put(&r->lost, l->refused ? STR(" (whole, but not allowed in a journal)\n") : STR("\n"));
    }
}

void repair_text_cursor(struct repair_text *r, const struct salvage_cursor *c)
{
    if (r->json) {
        struct json_writer w = element(&r->cursors);

        json_begin_object(&w);
        json_key(&w, "name");
        json_text(&w, c->name);
        json_put_bool(&w, "ok", c->ok);
        json_put_u64(&w, "seq", c->seq);
        json_end_object(&w);
    } else if (c->ok) {
        buf_printf(&r->cursors, "  %s had all up to %llu\n", c->name, (unsigned long long)c->seq);
    } else {
        buf_printf(&r->cursors, "  %s: damaged, so where it was nobody knows\n", c->name);
    }
}

/* ---- what is said at the end ---- */

static void summary_json(struct repair_text *r, const struct salvage_summary *s, const char *into,
                         struct buf *out)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    json_key(&w, "into");
    json_text(&w, into);
    put_uuid(&w, "journal", &s->journal);
    put_uuid(&w, "new_journal", &s->into);
    json_put_u64(&w, "salvaged", s->records);
    json_put_u64(&w, "gaps", s->gaps);
    json_put_u64(&w, "repeated", s->repeated);
    json_put_u64(&w, "of_other_journals", s->foreign);
    json_put_u64(&w, "first_seq", s->first_seq);
    json_put_u64(&w, "last_seq", s->last_seq);
    json_put_u64(&w, "lost", s->lost);
    json_put_u64(&w, "refused", s->refused);
    json_put_u64(&w, "lost_from", s->lost_from);
    put_list(&w, "lost_ranges", &r->lost);
    put_list(&w, "cursors", &r->cursors);
    put_list(&w, "files", &r->files);
    json_end_object(&w);
    buf_u8(out, '\n');
}

static void put_losses(const struct repair_text *r, const struct salvage_summary *s,
                       struct buf *out)
{
    if (r->ranges > 0)
        buf_printf(out, "\nLost: %llu records, by their numbers in the old journal:\n%.*s",
                   (unsigned long long)(s->lost + s->refused), STR_ARG(buf_str(&r->lost)));
    if (r->ranges > LINES_LOST)
        buf_printf(out, "  and %llu more ranges; --json has them all\n",
                   (unsigned long long)(r->ranges - LINES_LOST));
    if (s->lost_from > 0)
        buf_printf(out,
                   "\nThe newest segment is gone: what was lost from number %llu on, nobody "
                   "knows.\n",
                   (unsigned long long)s->lost_from);
    if (r->ranges > 0)
        buf_put(out, STR("Sinks are told of these as gaps.\n"));
}

static void summary_text(const struct repair_text *r, const struct salvage_summary *s,
                         const char *dir, const char *into, struct buf *out)
{
    char text[UUID_TEXT_LEN + 1];

    buf_printf(out, "%s: salvaged %llu records", into, (unsigned long long)s->records);
    if (s->last_seq > 0)
        buf_printf(out, ", %llu to %llu", (unsigned long long)s->first_seq,
                   (unsigned long long)s->last_seq);
    if (!uuid_is_zero(&s->journal))
        buf_printf(out, " of journal %s", uuid_format(&s->journal, text));
    buf_printf(out, ", %llu lost\n\n%.*s", (unsigned long long)(s->lost + s->refused),
               STR_ARG(buf_str(&r->files)));
    if (s->foreign > 0)
        buf_printf(out, "  %llu of them are of other journals, and stay so\n",
                   (unsigned long long)s->foreign);
    put_losses(r, s, out);
    if (r->cursors.n > 0)
        buf_printf(out, "\nSinks begin again with the first record, and drop what they have:\n%.*s",
                   STR_ARG(buf_str(&r->cursors)));
    buf_printf(out,
               "\nThe old folder is as it was. To put the new one in its place, while the node is "
               "stopped:\n  mv %s %s.damaged\n  mv %s %s\n",
               dir, dir, into, dir);
}

int repair_text_end(struct repair_text *r, const struct salvage_summary *s, const char *dir,
                    const char *into, struct buf *out)
{
    if (r->json)
        summary_json(r, s, into, out);
    else
        summary_text(r, s, dir, into, out);
    return buf_check(&r->files) || buf_check(&r->lost) ? ERR_LIMIT : buf_check(out);
}
