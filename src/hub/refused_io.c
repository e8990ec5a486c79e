/* A thread of its own writes the lines, since a loop never touches the disk. */
#include "hub/refused_io.h"

#include "base/buf.h"
#include "base/cell.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/workers.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFUSED_WAITING_MAX 1000

struct refused {
    struct jobs *jobs;
    char *path;
    struct cell waiting;
    bool complained;
};

struct refused_line {
    struct job job;
    struct buf text;
};

static int write_line(const char *path, struct str line)
{
    struct stat st;
    int fd, rc = 0;

    if (stat(path, &st) == 0 && (uint64_t)st.st_size + line.n > REFUSED_FILE_MAX) {
        char old[4096];

        snprintf(old, sizeof(old), "%s.1", path);
        if (rename(path, old))
            return -errno;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (write(fd, line.p, line.n) != (ssize_t)line.n)
        rc = -EIO;
    close(fd);
    return rc;
}

static void run_line(struct job *job, void *ctx)
{
    struct refused_line *l = container_of(job, struct refused_line, job);
    struct refused *r = ctx;
    int rc = write_line(r->path, buf_str(&l->text));

    if (rc && !r->complained) {
        r->complained = true;
        log_warn("ingest", "refused records cannot be kept", lf_text("file", r->path),
                 lf_err("error", rc));
    }
    cell_sub(&r->waiting, 1);
    buf_fini(&l->text);
    mem_free(l);
}

struct refused *refused_open(const char *path)
{
    struct refused *r = NEW(struct refused);

    r->path = str_dup(str_of(path));
    r->jobs = jobs_start("refused", r, 0, NULL);
    return r;
}

void refused_put(struct refused *r, int64_t wall_ns, struct str source, struct str topic,
                 struct str field, const char *why, struct str payload)
{
    struct refused_line *l;
    struct json_writer w;

    if (cell_add(&r->waiting, 1) > REFUSED_WAITING_MAX) {
        cell_sub(&r->waiting, 1);
        return;
    }
    l = NEW(struct refused_line);
    l->job.run = run_line;
    l->text = buf_init(REFUSED_LINE_MAX * 8 + 4096); /* escaping makes at most six of one */
    w = json_writer_init(&l->text);
    json_begin_object(&w);
    json_key(&w, "time");
    json_time(&w, wall_ns);
    json_key(&w, "from");
    json_str(&w, source);
    json_key(&w, "topic");
    json_str(&w, topic);
    json_key(&w, "field");
    json_str(&w, field);
    json_key(&w, "why");
    json_text(&w, why);
    json_key(&w, "payload");
    json_str(&w, str_sub(payload, 0, REFUSED_LINE_MAX));
    json_end_object(&w);
    buf_u8(&l->text, '\n');
    jobs_push(r->jobs, &l->job);
}

void refused_close(struct refused *r)
{
    jobs_stop(r->jobs);
    mem_free(r->path);
    mem_free(r);
}
