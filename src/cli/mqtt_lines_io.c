/*
 * The reader waits for input or for its end (a pipe), reads one chunk, posts it, and sleeps on a gate
 * until the chunk is used up. So memory is one chunk and one line, whatever feeds us.
 *
 * `posted` belongs to the thread until it was joined. A chunk that is still on its way to the loop when
 * all is closed is freed by its delivery.
 */
#include "cli/mqtt_lines_io.h"

#include "base/buf.h"
#include "base/mem.h"
#include "net/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define CHUNK_BYTES 65536

struct mqtt_lines {
    struct loop *loop;
    struct thread *thread;
    struct gate *gate;
    struct mail mail;
    int fd, end[2]; /* end: a pipe; a byte in it ends the thread */
    void (*more)(void *ctx);
    void *ctx;
    size_t line_max;

    /* Of the thread, between the gate and the mail. */
    char chunk[CHUNK_BYTES];
    ssize_t chunk_n; /* 0: the end; negative: -errno */
    unsigned posted;

    /* Of the loop. */
    struct buf text;
    size_t at, scanned; /* taken; known to have no line feed */
    unsigned delivered;
    bool asked, ended, closed;
    int code;
};

/* ---- the thread ---- */

static ssize_t read_chunk(struct mqtt_lines *r)
{
    for (;;) {
        struct pollfd p[] = { { .fd = r->fd, .events = POLLIN },
                              { .fd = r->end[0], .events = POLLIN } };
        ssize_t n;

        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return -errno;
        if (p[1].revents)
            return -ECANCELED;
        if (!p[0].revents)
            continue;
        n = read(r->fd, r->chunk, sizeof(r->chunk));
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        return n < 0 ? -errno : n;
    }
}

static void read_all(void *ctx)
{
    struct mqtt_lines *r = ctx;
    ssize_t n;

    do {
        while (!gate_wait(r->gate, 1000))
            ;
        n = read_chunk(r);
        if (n == -ECANCELED) /* nobody waits; and the last mail may still be on its way */
            return;
        r->chunk_n = n;
        r->posted++;
        loop_post(r->loop, &r->mail);
    } while (n > 0);
}

/* ---- the loop ---- */

static void lines_free(struct mqtt_lines *r)
{
    buf_fini(&r->text);
    mem_free(r);
}

static void on_chunk(struct mail *m, struct loop *l)
{
    struct mqtt_lines *r = container_of(m, struct mqtt_lines, mail);

    (void)l;
    r->delivered++;
    r->asked = false;
    if (r->closed) {
        lines_free(r);
        return;
    }
    if (r->chunk_n > 0)
        buf_put_bytes(&r->text, r->chunk, (size_t)r->chunk_n);
    else
        r->ended = true;
    if (r->chunk_n < 0)
        r->code = (int)r->chunk_n;
    r->more(r->ctx);
}

enum mqtt_lines_next mqtt_lines_next(struct mqtt_lines *r, struct str *out, int *out_code)
{
    struct str rest = str_skip(buf_str(&r->text), r->at);
    size_t n = r->scanned + str_find(str_skip(rest, r->scanned), '\n');

    if (n < rest.n && n <= r->line_max) {
        *out = str_sub(rest, 0, n);
        r->at += n + 1;
        r->scanned = 0;
        return LINES_LINE;
    }
    if (n > r->line_max)
        return LINES_TOO_LONG;
    if (r->ended) {
        *out_code = r->code;
        *out = rest; /* a last line without a line feed */
        r->at = r->text.n;
        r->scanned = 0;
        return rest.n > 0 ? LINES_LINE : r->code ? LINES_FAILED : LINES_END;
    }
    r->scanned = rest.n;
    buf_consume(&r->text, r->at);
    r->at = 0;
    if (!r->asked) {
        r->asked = true;
        gate_open(r->gate);
    }
    return LINES_WAIT;
}

struct mqtt_lines *mqtt_lines_open(struct loop *l, int fd, size_t line_max, void (*more)(void *ctx),
                                   void *ctx)
{
    struct mqtt_lines *r = NEW(struct mqtt_lines);

    if (pipe2(r->end, O_CLOEXEC)) {
        mem_free(r);
        return NULL;
    }
    r->loop = l;
    r->fd = fd;
    r->line_max = line_max;
    r->more = more;
    r->ctx = ctx;
    r->text = buf_init(line_max + 2 * CHUNK_BYTES);
    r->mail.deliver = on_chunk;
    r->gate = gate_new();
    r->thread = thread_start("lines", read_all, r);
    return r;
}

void mqtt_lines_close(struct mqtt_lines *r)
{
    if (!r)
        return;
    (void)!write(r->end[1], "", 1); /* room for one byte is always there */
    gate_open(r->gate);
    thread_join(r->thread);
    gate_free(r->gate);
    close(r->end[0]);
    close(r->end[1]);
    r->closed = true;
    if (r->posted == r->delivered)
        lines_free(r);
}
