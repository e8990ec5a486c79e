/*
 * `journal repair`: journal/salvage.c at work between two folders. The old one is only read, under
 * its lock, so that no node trims it meanwhile. The new one is made under another name and renamed
 * when it is whole, read back and on the disk: so a folder of that name is always a good one.
 */
#include "cli/journal_io.h"

#include "base/mem.h"
#include "cli/bar_io.h"
#include "cli/show.h"
#include "journal/salvage.h"
#include "wire/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT_MAX    (256u << 20)
#define LINES_LOST 20 /* ranges that the text names; --json has them all */

struct repair {
    bool json;
    struct bar bar;
    /* what is told on the way, until its turn comes */
    struct buf files, lost, cursors;
    struct json_writer files_json, lost_json, cursors_json;
    uint64_t ranges;
    struct salvage_summary sum;
};

static void put_u64(struct json_writer *w, const char *key, uint64_t n)
{
    json_key(w, key);
    json_u64(w, n);
}

static void put_flag(struct json_writer *w, const char *key, bool value)
{
    json_key(w, key);
    json_bool(w, value);
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
    put_u64(w, "bytes", f->bytes);
    put_u64(w, "records", f->records);
    put_u64(w, "first_seq", f->first_seq);
    put_u64(w, "last_seq", f->last_seq);
    put_u64(w, "repeated", f->repeated);
    put_u64(w, "damages", f->damages);
    put_u64(w, "damaged_bytes", f->damaged_bytes);
    put_u64(w, "unnamed", f->unnamed);
    put_flag(w, "torn", f->torn);
    put_flag(w, "unreadable", f->unreadable);
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

static void on_file(void *ctx, const struct salvage_file *f)
{
    struct repair *r = ctx;

    if (r->json)
        file_json(&r->files_json, f);
    else
        file_text(&r->files, f);
}

static void on_lost(void *ctx, const struct salvage_lost *l)
{
    struct repair *r = ctx;

    r->ranges++;
    if (r->json) {
        json_begin_object(&r->lost_json);
        put_u64(&r->lost_json, "first", l->first);
        put_u64(&r->lost_json, "last", l->last);
        put_flag(&r->lost_json, "refused", l->refused);
        json_end_object(&r->lost_json);
    } else if (r->ranges <= LINES_LOST) {
        buf_printf(&r->lost, l->first == l->last ? "  %llu" : "  %llu to %llu",
                   (unsigned long long)l->first, (unsigned long long)l->last);
        buf_put(&r->lost, l->refused ? STR(" (whole, but not allowed in a journal)\n") : STR("\n"));
    }
}

static void on_cursor(void *ctx, const struct salvage_cursor *c)
{
    struct repair *r = ctx;

    if (r->json) {
        json_begin_object(&r->cursors_json);
        json_key(&r->cursors_json, "name");
        json_text(&r->cursors_json, c->name);
        put_flag(&r->cursors_json, "ok", c->ok);
        put_u64(&r->cursors_json, "seq", c->seq);
        json_end_object(&r->cursors_json);
    } else if (c->ok) {
        buf_printf(&r->cursors, "  %s had all up to %llu\n", c->name, (unsigned long long)c->seq);
    } else {
        buf_printf(&r->cursors, "  %s: damaged, so where it was nobody knows\n", c->name);
    }
}

static void on_bytes(void *ctx, uint64_t bytes)
{
    bar_add(&((struct repair *)ctx)->bar, bytes);
}

/* ---- what is said at the end ---- */

static void summary_json(struct repair *r, const char *into, struct buf *out)
{
    const struct salvage_summary *s = &r->sum;
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    json_key(&w, "into");
    json_text(&w, into);
    put_uuid(&w, "journal", &s->journal);
    put_uuid(&w, "new_journal", &s->into);
    put_u64(&w, "salvaged", s->records);
    put_u64(&w, "gaps", s->gaps);
    put_u64(&w, "repeated", s->repeated);
    put_u64(&w, "of_other_journals", s->foreign);
    put_u64(&w, "first_seq", s->first_seq);
    put_u64(&w, "last_seq", s->last_seq);
    put_u64(&w, "lost", s->lost);
    put_u64(&w, "refused", s->refused);
    put_u64(&w, "lost_from", s->lost_from);
    json_end_array(&r->lost_json);
    json_key(&w, "lost_ranges");
    json_raw(&w, buf_str(&r->lost));
    json_end_array(&r->cursors_json);
    json_key(&w, "cursors");
    json_raw(&w, buf_str(&r->cursors));
    json_end_array(&r->files_json);
    json_key(&w, "files");
    json_raw(&w, buf_str(&r->files));
    json_end_object(&w);
    buf_u8(out, '\n');
}

static void put_losses(struct repair *r, struct buf *out)
{
    const struct salvage_summary *s = &r->sum;

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

static void summary_text(struct repair *r, const char *dir, const char *into, struct buf *out)
{
    const struct salvage_summary *s = &r->sum;
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
    put_losses(r, out);
    if (r->cursors.n > 0)
        buf_printf(out, "\nSinks begin again with the first record, and drop what they have:\n%.*s",
                   STR_ARG(buf_str(&r->cursors)));
    buf_printf(out,
               "\nThe old folder is as it was. To put the new one in its place, while the node is "
               "stopped:\n  mv %s %s.damaged\n  mv %s %s\n",
               dir, dir, into, dir);
}

static int say(struct repair *r, const char *dir, const char *into)
{
    struct buf out = buf_init(OUT_MAX);
    int status = r->sum.lost || r->sum.refused || r->sum.lost_from ? EXIT_PROBLEMS : EXIT_DONE;

    if (r->json)
        summary_json(r, into, &out);
    else
        summary_text(r, dir, into, &out);
    if (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout) != 0)
        status = EXIT_FAILED;
    buf_fini(&out);
    return status;
}

/* ---- folders ---- */

struct folders {
    const char *dir, *into;
    char *aside, *part, *parent;
    struct disk *from, *from_aside, *to;
    bool lock_made; /* the old folder had no file of that name */
};

static char *join(const char *a, const char *b)
{
    struct buf text = buf_init(8192);
    char *out;

    buf_put(&text, str_of(a));
    buf_put(&text, str_of(b));
    out = str_dup(buf_str(&text));
    buf_fini(&text);
    return out;
}

/* Without slashes at its end. */
static char *trimmed(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return str_dup(str_from(path, n));
}

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* As long as it is held no node starts on the old folder. A medium that cannot be written needs
 * none, since no node can run there. */
static int lock(struct folders *d, struct fault *f)
{
    int there = d->from->ops->open(d->from, "lock", DISK_READ), rc;

    if (there >= 0)
        d->from->ops->close(d->from, there);
    d->lock_made = there == -ENOENT;
    rc = d->from->ops->lock(d->from);
    if (rc == -EROFS)
        d->lock_made = false;
    if (rc == 0 || rc == -EROFS)
        return 0;
    d->lock_made = false;
    return fault_at(f, rc, d->dir, 0, 0, "%s",
                    rc == ERR_BUSY ? "a node runs on this journal; stop it first" : err_text(rc));
}

/* Nothing, or an empty folder. */
static int check_into(const struct folders *d, struct fault *f)
{
    DIR *there = opendir(d->into);
    const struct dirent *e;
    int rc = there || errno == ENOENT ? 0 : -errno;

    if (rc < 0)
        return fault_at(f, rc, d->into, 0, 0, "%s", err_text(rc));
    while (there && (e = readdir(there)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = ERR_EXISTS;
    if (there)
        closedir(there);
    return rc < 0 ? fault_at(f, rc, d->into, 0, 0,
                             "is there already and not empty; name another folder")
                  : 0;
}

static int check_new(const struct folders *d, struct fault *f)
{
    int rc = check_into(d, f);

    if (rc < 0)
        return rc;
    if (exists(d->part))
        return fault_at(f, ERR_EXISTS, d->part, 0, 0,
                        "was left behind by a repair that was interrupted; remove it first");
    return 0;
}

static int folders_open(struct folders *d, struct fault *f)
{
    int rc = disk_open(d->dir, false, &d->from, f);

    if (rc == 0)
        rc = lock(d, f);
    if (rc == 0 && exists(d->aside))
        rc = disk_open(d->aside, false, &d->from_aside, f);
    if (rc == 0)
        rc = check_new(d, f);
    if (rc == 0)
        rc = disk_open(d->part, true, &d->to, f);
    return rc;
}

static void remove_one(void *ctx, const char *name, uint64_t bytes)
{
    struct disk *d = ctx;

    (void)bytes;
    (void)d->ops->unlink(d, name);
}

struct owner {
    struct folders *d;
    struct stat is;
    int rc;
};

static void own_one(void *ctx, const char *name, uint64_t bytes)
{
    struct owner *o = ctx;
    char *at = join(o->d->part, "/"), *path = join(at, name);

    (void)bytes;
    if (lchown(path, o->is.st_uid, o->is.st_gid) < 0)
        o->rc = -errno;
    mem_free(at);
    mem_free(path);
}

/* Whoever repairs is often root, and whoever runs the node is not: the new folder is whose the old
 * one was. */
static int hand_over(struct folders *d)
{
    struct owner o = { .d = d };

    if (stat(d->dir, &o.is) < 0)
        return -errno;
    if (geteuid() != 0)
        return 0;
    own_one(&o, "", 0);
    (void)!d->to->ops->list(d->to, own_one, &o);
    return o.rc;
}

/* The new folder under its name, durably; or nothing of it is left. */
static int folders_finish(struct folders *d, int rc, struct fault *f)
{
    int parent;

    if (rc == 0)
        rc = hand_over(d);
    if (rc == 0)
        rc = d->to->ops->sync_dir(d->to);
    if (rc == 0 && rename(d->part, d->into) < 0)
        rc = -errno;
    if (rc < 0) {
        (void)!d->to->ops->list(d->to, remove_one, d->to);
        rmdir(d->part);
        return f->text[0] ? rc : fault_at(f, rc, d->into, 0, 0, "%s", err_text(rc));
    }
    parent = open(d->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 || fsync(parent) < 0)
        rc = fault_at(f, -errno, d->parent, 0, 0, "%s", err_text(-errno));
    if (parent >= 0)
        close(parent);
    return rc;
}

static void folders_close(struct folders *d)
{
    if (d->lock_made)
        (void)d->from->ops->unlink(d->from, "lock");
    if (d->from)
        d->from->ops->free(d->from);
    if (d->from_aside)
        d->from_aside->ops->free(d->from_aside);
    if (d->to)
        d->to->ops->free(d->to);
    mem_free(d->aside);
    mem_free(d->part);
    mem_free(d->parent);
}

static void add_size(void *ctx, const char *name, uint64_t bytes)
{
    (void)name;
    *(uint64_t *)ctx += bytes;
}

static int run(struct repair *r, struct folders *d, struct fault *f)
{
    struct salvage_folder from[2] = { { d->from, "" }, { d->from_aside, "damaged/" } };
    struct salvage_visitor v = { .ctx = r,
                                 .on_file = on_file,
                                 .on_lost = on_lost,
                                 .on_cursor = on_cursor,
                                 .on_bytes = on_bytes };
    uint64_t bytes = 0;
    int rc;

    for (size_t i = 0; i < 2; i++)
        if (from[i].disk)
            (void)!from[i].disk->ops->list(from[i].disk, add_size, &bytes);
    r->bar = bar_begin(bytes);
    rc = salvage_journal(from, d->from_aside ? 2 : 1, d->to, &v, &r->sum, f);
    bar_end(&r->bar);
    return rc;
}

static void repair_init(struct repair *r, bool json)
{
    struct buf *bufs[] = { &r->files, &r->lost, &r->cursors };
    struct json_writer *writers[] = { &r->files_json, &r->lost_json, &r->cursors_json };

    r->json = json;
    for (size_t i = 0; i < COUNT_OF(bufs); i++) {
        *bufs[i] = buf_init(OUT_MAX);
        *writers[i] = json_writer_init(bufs[i]);
        if (json)
            json_begin_array(writers[i]);
    }
}

int journal_repair(const struct command_call *c)
{
    const char *into = command_value(c, "into"), *slash;
    struct repair *r = NEW(struct repair);
    struct folders d = { 0 };
    struct fault f = { 0 };
    char text[1024], *dir = trimmed(c->args[0]), *new_dir = trimmed(into ? into : "");
    int status = EXIT_USAGE, rc;

    if (!into || !*into || strlen(into) > 4000 || strlen(dir) > 4000) {
        fprintf(stderr, "wayside journal repair: --into NEWDIR says where the new journal is "
                        "made\n");
        goto out;
    }
    slash = strrchr(new_dir, '/');
    d.dir = dir;
    d.into = new_dir;
    d.aside = join(dir, "/damaged");
    d.part = join(new_dir, ".part");
    d.parent = slash ? str_dup(str_from(new_dir, (size_t)(slash - new_dir) + 1)) : join(".", "");
    repair_init(r, command_value(c, "json") != NULL);
    rc = folders_open(&d, &f);
    if (rc == 0)
        rc = folders_finish(&d, run(r, &d, &f), &f);
    if (rc < 0)
        fprintf(stderr, "wayside: %s\n", fault_text(&f, text, sizeof(text)));
    status = rc < 0 ? EXIT_FAILED : say(r, dir, new_dir);
    buf_fini(&r->files);
    buf_fini(&r->lost);
    buf_fini(&r->cursors);
    folders_close(&d);
out:
    mem_free(r);
    mem_free(dir);
    mem_free(new_dir);
    return status;
}
