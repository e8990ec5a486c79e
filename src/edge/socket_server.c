/*
 * Lines from local programs. Each line becomes a journal entry whose completion is mailed back to
 * the connection's loop; answers leave in order (edge/lines.c). At most SOCKET_WINDOW lines of a
 * connection wait for the disk: beyond that it is not read, so a fast writer is held by its own
 * socket and memory stays bounded. A line that cannot be taken is answered with an error that
 * names it and disturbs no other; one that is too long is skipped to its line feed.
 */
#include "edge/socket_server.h"

#include "base/addr.h"
#include "base/cell.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "edge/lines.h"
#include "journal/put.h"
#include "net/listener.h"

#include <stdio.h>

#define SOCKET_WINDOW 1024 /* lines of a connection that wait for the disk */

struct socket_server {
    struct socket_options o;
    struct workers *workers;
    struct listener *listener;
    struct list *connections; /* per worker */
    struct cell open;         /* connections that are not freed yet */
    struct gate *gone;        /* opened when one was freed */
    struct metric *lines, *refused;
};

struct connection {
    struct socket_server *server;
    struct stream *stream; /* NULL when it was closed */
    struct loop *loop;
    struct list link;
    struct line_queue queue;
    size_t waiting; /* lines that the journal has */
    bool skipping;  /* the rest of an overlong line */
    bool eof;       /* the client sends no more; lines that the stream keeps may be left */
    bool ending;    /* close when all is answered */
    size_t kept;    /* bytes that the stream keeps for us */
    struct arena arena;
};

/* What a journal entry finds its way back by. */
struct line_wait {
    struct connection *c;
    struct line *line;
    struct str id;
    char id_text[];
};

static void release(struct connection *c)
{
    struct socket_server *s = c->server;

    if (c->stream || c->waiting > 0)
        return;
    list_remove(&c->link);
    line_queue_fini(&c->queue);
    arena_fini(&c->arena);
    mem_free(c);
    cell_sub(&s->open, 1);
    gate_open(s->gone);
}

static void send_answers(struct connection *c)
{
    struct buf out = buf_init((SOCKET_WINDOW + 2) * LINE_ANSWER_MAX);

    line_answers(&c->queue, &out);
    if (c->stream && out.n > 0)
        stream_send(c->stream, buf_str(&out));
    buf_fini(&out);
    if (!c->stream)
        return;
    if (c->ending && c->queue.count == 0)
        stream_close(c->stream, STREAM_FLUSH, 0);
    else if (!c->ending && c->queue.count < SOCKET_WINDOW / 2 && stream_is_paused(c->stream)) {
        stream_resume(c->stream);
        stream_again(c->stream);
    }
}

static const char *failure_text(int code)
{
    if (code == ERR_FULL)
        return "the journal is full; send it again later";
    if (code == ERR_LIMIT)
        return "the record is too large";
    if (code == ERR_STOPPED)
        return "shutting down; send it again later";
    return "the disk does not take it; send it again later";
}

static void on_durable(struct journal_put *p, int code)
{
    struct line_wait *w = p->ctx;
    struct connection *c = w->c;

    if (code)
        line_error(w->line, w->id, STR_NONE, str_of(failure_text(code)));
    else
        line_ack(w->line, w->id, p->record.seq);
    mem_free(w);
    journal_put_free(p);
    c->waiting--;
    send_answers(c);
    release(c);
}

static void take_line(struct connection *c, struct str text)
{
    struct socket_server *s = c->server;
    struct ingest_line in = { 0 };
    struct refusal why = { 0 };
    struct line *line = line_add(&c->queue);
    struct line_wait *w;
    int rc = ingest_line(s->o.limits, text, s->o.device, clock_wall_ns(), &c->arena, &in, &why);

    metric_add(s->lines, 1);
    if (rc) {
        metric_add(s->refused, 1);
        line_error(line, in.id, str_of(why.field), str_of(why.text));
    } else {
        w = mem_new(sizeof(*w) + in.id.n + 1);
        w->c = c;
        w->line = line;
        if (in.id.n > 0)
            memcpy(w->id_text, in.id.p, in.id.n);
        w->id = in.id.p ? str_from(w->id_text, in.id.n) : STR_NONE;
        c->waiting++;
        journal_put(s->o.journal, journal_put_new(&in.record, NULL, c->loop, on_durable, w));
    }
    arena_fini(&c->arena);
}

static void too_long(struct connection *c)
{
    char text[128];

    snprintf(text, sizeof(text), "longer than %llu bytes (limits.socket_line_max)",
             (unsigned long long)c->server->o.limits->socket_line_max_bytes);
    metric_add(c->server->lines, 1);
    metric_add(c->server->refused, 1);
    line_error(line_add(&c->queue), STR_NONE, STR_NONE, str_of(text));
}

/* The client sends no more and every whole line was taken. */
static void finish(struct connection *c)
{
    if (c->kept > 0 && !c->skipping) {
        metric_add(c->server->lines, 1);
        metric_add(c->server->refused, 1);
        line_error(line_add(&c->queue), STR_NONE, STR_NONE,
                   STR("the last line has no line feed; it was not taken"));
    }
    c->ending = true;
}

/* Takes lines while there is room for their answers; returns what is left. */
static struct str take_lines(struct connection *c, struct str rest)
{
    size_t most = c->server->o.limits->socket_line_max_bytes;
    struct str line;

    while (c->queue.count < SOCKET_WINDOW && line_take(&rest, &line)) {
        if (c->skipping)
            c->skipping = false; /* this was the end of the overlong one */
        else if (line.n > most)
            too_long(c);
        else if (line.n > 0)
            take_line(c, line);
    }
    return rest;
}

static size_t on_data(void *ctx, struct stream *stream, struct str bytes)
{
    struct connection *c = ctx;
    struct str rest = take_lines(c, bytes);
    bool full = c->queue.count >= SOCKET_WINDOW;

    if (full) {
        stream_pause(stream);
    } else if (c->skipping || rest.n > c->server->o.limits->socket_line_max_bytes) {
        if (!c->skipping)
            too_long(c);
        c->skipping = true;
        rest = STR_NONE;
    }
    c->kept = rest.n;
    if (c->eof && !full && !c->ending)
        finish(c);
    send_answers(c);
    return bytes.n - rest.n;
}

/* May come while whole lines still wait in the stream, behind a pause that has just ended: those
 * are offered to on_data() again first. */
static void on_eof(void *ctx, struct stream *stream)
{
    struct connection *c = ctx;

    c->eof = true;
    if (c->kept == 0)
        finish(c);
    else if (!stream_is_paused(stream))
        stream_again(stream);
    send_answers(c);
}

static void on_closed(void *ctx, struct stream *stream, int code)
{
    struct connection *c = ctx;

    (void)stream;
    (void)code;
    c->stream = NULL;
    release(c);
}

static const struct stream_handler handler = { .data = on_data,
                                               .eof = on_eof,
                                               .closed = on_closed };

static void on_accepted(void *ctx, struct loop *l, struct stream *stream)
{
    struct socket_server *s = ctx;
    struct connection *c = NEW(struct connection);

    c->server = s;
    c->stream = stream;
    c->loop = l;
    c->arena = arena_init(ingest_arena_bytes(s->o.limits));
    line_queue_init(&c->queue);
    list_push_back(&s->connections[loop_index(l)], &c->link);
    cell_add(&s->open, 1);
    stream_set(stream, &handler, c, (size_t)s->o.limits->socket_line_max_bytes + 2);
}

int socket_server_open(struct workers *w, const struct socket_options *o,
                       struct socket_server **out, struct fault *f)
{
    struct socket_server *s = NEW(struct socket_server);
    struct listener_options lo = { .unix_mode = o->mode,
                                   .connections_max = o->limits->socket_clients_max,
                                   .accepted = on_accepted,
                                   .ctx = s };
    struct buf text = buf_init(256);
    int rc;

    s->o = *o;
    s->workers = w;
    s->connections = mem_new_array(workers_count(w), sizeof(*s->connections));
    for (unsigned i = 0; i < workers_count(w); i++)
        list_init(&s->connections[i]);
    s->gone = gate_new();
    s->lines = metrics_counter(o->metrics, "wayside_socket_lines_total", "",
                               "Lines read from the local socket");
    s->refused = metrics_counter(o->metrics, "wayside_socket_refused_total", "",
                                 "Lines answered with an error because of what they hold");
    buf_printf(&text, "unix:%s", o->path);
    rc = addr_parse(buf_str(&text), 0, &lo.addr);
    if (rc)
        rc = fault_set(f, rc, "edge.socket.path: %s: the path of a socket has 1 to 107 characters",
                       o->path);
    else
        rc = listener_open(w, &lo, &s->listener, f);
    buf_fini(&text);
    if (rc) {
        gate_free(s->gone);
        mem_free(s->connections);
        mem_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

static void end_connections(void *ctx, struct loop *l)
{
    struct socket_server *s = ctx;

    LIST_EACH_SAFE (it, next, &s->connections[loop_index(l)]) {
        struct connection *c = container_of(it, struct connection, link);

        c->ending = true;
        if (c->stream)
            stream_pause(c->stream);
        send_answers(c);
    }
}

/* Behind this a worker has left the callback that counted its last connection off. */
static void settle(void *ctx, struct loop *l)
{
    (void)ctx;
    (void)l;
}

void socket_server_close(struct socket_server *s)
{
    listener_close(s->listener);
    workers_each(s->workers, end_connections, s);
    while (cell_get(&s->open) > 0)
        gate_wait(s->gone, 1000);
    workers_each(s->workers, settle, NULL);
    listener_free(s->listener);
    gate_free(s->gone);
    mem_free(s->connections);
    mem_free(s);
}
