/*
 * The scanner over a file, piece by piece. What it refuses to do: to hold a whole segment because
 * of its size (only because of the length of one frame in it), and to take the end of a piece for
 * the end of the file.
 *
 * A disk that cannot read is asked again, by whoever asks us again. When it has failed `patience`
 * times in a row in one place, the piece is read block by block, and blocks that fail are zeros:
 * damage like any other, so that one bad sector does not hold a sink up for ever. But if no block
 * at all can be read it stays an error: a disk that is gone is not a disk full of holes.
 */
#include "journal/segfile.h"

#include "base/limits.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>

#define LEARN_CHUNK KIB(256)
#define READ_LEAST  KIB(4)
#define READ_BLOCK  KIB(4) /* what a disk fails as a whole, on file systems with pages */
#define PATIENCE    20     /* tries; sinks pause between them, so this is many seconds */

void segfile_init(struct segfile *f, struct disk *disk, size_t chunk)
{
    *f = (struct segfile){ .disk = disk, .file = -1, .chunk = chunk, .patience = PATIENCE };
}

void segfile_fini(struct segfile *f)
{
    segfile_close(f);
    mem_free(f->p);
    f->p = NULL;
    f->cap = 0;
}

int segfile_open(struct segfile *f, const struct segment_id *id, uint64_t first_seq)
{
    char name[SEGMENT_NAME_LEN + 1];

    return segfile_open_as(f, segment_name(id->generation, name), id, first_seq);
}

int segfile_open_as(struct segfile *f, const char *name, const struct segment_id *id,
                    uint64_t first_seq)
{
    int file = f->disk->ops->open(f->disk, name, DISK_READ);

    if (file < 0)
        return file;
    segfile_close(f);
    f->file = file;
    f->generation = id->generation;
    segment_scan_init(&f->scan, id, first_seq);
    return 0;
}

void segfile_close(struct segfile *f)
{
    if (f->file < 0)
        return;
    f->disk->ops->close(f->disk, f->file);
    segment_scan_fini(&f->scan);
    f->file = -1;
    f->at = 0;
    f->n = 0;
    f->end = f->learned = false;
    if (f->cap > f->chunk) {
        /* Grown for one large frame; it need not stay so. */
        mem_free(f->p);
        f->p = NULL;
        f->cap = 0;
    }
}

void segfile_forget(struct segfile *f, size_t hint)
{
    f->n = 0;
    f->end = false;
    f->hint = hint;
}

/* Reads [at, at + n) block by block, with zeros for what cannot be read. */
static int read_blocks(struct segfile *f, uint64_t at, size_t n, size_t *out_got)
{
    size_t done = 0, bad = 0, good = 0;
    int rc = 0;

    while (done < n) {
        size_t step = READ_BLOCK - (size_t)((at + done) % READ_BLOCK), got = 0;

        if (step > n - done)
            step = n - done;
        rc = f->disk->ops->read(f->disk, f->file, f->p + done, step, at + done, &got);
        if (rc < 0) {
            memset(f->p + done, 0, step);
            bad += step;
            got = step;
        } else {
            good += got;
        }
        done += got;
        if (got < step)
            break;
    }
    if (bad > 0 && good == 0)
        return -EIO;
    f->unreadable += bad;
    *out_got = done;
    return 0;
}

/* Reads from the scanner's place on; more than was there before when that was not enough. */
static int refill(struct segfile *f)
{
    size_t want = f->chunk, got = 0;
    int rc;

    if (f->hint > 0 && f->hint < want)
        want = f->hint < READ_LEAST ? READ_LEAST : f->hint;
    f->hint = 0;
    if (f->n > 0 && f->at == f->scan.at && want <= f->n)
        want = f->n * 2;
    if (want > f->cap) {
        f->p = mem_resize(f->p, want);
        f->cap = want;
    }
    rc = f->disk->ops->read(f->disk, f->file, f->p, want, f->scan.at, &got);
    f->n = 0;
    if (rc < 0 && ++f->errors >= f->patience)
        rc = read_blocks(f, f->scan.at, want, &got);
    if (rc < 0)
        return rc;
    f->errors = 0;
    f->at = f->scan.at;
    f->n = got;
    f->end = got < want;
    return 0;
}

/* Looks for names in all that follows the scanner's place: each is written twice. */
static int learn(struct segfile *f)
{
    uint64_t at = f->scan.at;
    size_t cap = LEARN_CHUNK, got = 0, used;
    char *p = mem_new(cap);
    int rc;

    for (;;) {
        rc = f->disk->ops->read(f->disk, f->file, p, cap, at, &got);
        if (rc < 0)
            break;
        used = segment_learn(&f->scan, str_from(p, got), got < cap);
        at += used;
        if (got < cap)
            break;
        if (used == 0) {
            cap *= 2;
            p = mem_resize(p, cap);
        }
    }
    mem_free(p);
    if (rc < 0 && ++f->errors < f->patience)
        return rc;
    /* What cannot be read has no name for us. */
    f->learned = true;
    f->errors = 0;
    return 0;
}

int segfile_next(struct segfile *f, bool may_refill, struct record *out)
{
    assert(f->file >= 0);
    for (;;) {
        struct str in =
            f->n > 0 ? str_from(f->p + (f->scan.at - f->at), f->n - (size_t)(f->scan.at - f->at))
                     : STR_NONE;
        int rc = f->n > 0 || f->end ? segment_scan_next(&f->scan, in, f->end, out) : ERR_MORE;

        if (rc == 0 || (rc == ERR_MORE && f->end))
            return rc;
        if (!may_refill)
            return ERR_BUSY;
        if (rc == ERR_MORE) {
            rc = refill(f);
        } else if (!f->learned) {
            rc = learn(f);
        } else {
            in = str_from(f->p + (f->scan.at - f->at), f->n - (size_t)(f->scan.at - f->at));
            segment_scan_pass(&f->scan, in);
            rc = 0;
        }
        if (rc < 0)
            return rc;
    }
}

int segfile_read_header(struct disk *disk, uint64_t generation, struct segment_header *out)
{
    char name[SEGMENT_NAME_LEN + 1], head[SEGMENT_HEADER_SIZE];
    size_t got = 0;
    int file = disk->ops->open(disk, segment_name(generation, name), DISK_READ), rc;

    if (file < 0)
        return file;
    rc = disk->ops->read(disk, file, head, sizeof(head), 0, &got);
    disk->ops->close(disk, file);
    return rc < 0 ? rc : segment_read_header(str_from(head, got), out, NULL);
}
