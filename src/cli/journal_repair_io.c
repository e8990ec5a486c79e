/*
 * `journal repair`: journal/salvage.c at work between two folders. The old one is only read, under
 * its lock, so that no node trims it meanwhile. The new one is made under another name and renamed
 * when it is whole, read back and on the disk: so a folder of that name is always a good one.
 */
#include "cli/journal_io.h"

#include "base/mem.h"
#include "cli/bar_io.h"
#include "cli/repair_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT_MAX (512u << 20)

struct repair {
    struct bar bar;
    struct repair_text text;
    struct salvage_summary sum;
};

static void on_file(void *ctx, const struct salvage_file *f)
{
    repair_text_file(&((struct repair *)ctx)->text, f);
}

static void on_lost(void *ctx, const struct salvage_lost *l)
{
    repair_text_lost(&((struct repair *)ctx)->text, l);
}

static void on_cursor(void *ctx, const struct salvage_cursor *c)
{
    repair_text_cursor(&((struct repair *)ctx)->text, c);
}

static void on_bytes(void *ctx, uint64_t bytes)
{
    bar_add(&((struct repair *)ctx)->bar, bytes);
}

static int say(struct repair *r, const char *dir, const char *into)
{
    struct buf out = buf_init(OUT_MAX);
    int status = r->sum.lost || r->sum.refused || r->sum.lost_from ? EXIT_PROBLEMS : EXIT_DONE;
    int rc = repair_text_end(&r->text, &r->sum, dir, into, &out);

    if (rc == 0 && (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout) != 0))
        rc = -EIO;
    if (rc < 0) {
        fprintf(stderr, "wayside: %s is whole, but what was lost cannot be said: %s\n", into,
                err_text(rc));
        status = EXIT_FAILED;
    }
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
    r->text = repair_text_init(command_value(c, "json") ? REPAIR_JSON : REPAIR_TEXT);
    rc = folders_open(&d, &f);
    if (rc == 0)
        rc = folders_finish(&d, run(r, &d, &f), &f);
    if (rc < 0)
        fprintf(stderr, "wayside: %s\n", fault_text(&f, text, sizeof(text)));
    status = rc < 0 ? EXIT_FAILED : say(r, dir, new_dir);
    repair_text_fini(&r->text);
    folders_close(&d);
out:
    mem_free(r);
    mem_free(dir);
    mem_free(new_dir);
    return status;
}
