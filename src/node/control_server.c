/*
 * The control socket. Requests have a cap (CONTROL_LINE_MAX) and are answered one after the other per
 * connection; whoever can open the socket may do everything, so the file's permissions decide.
 */
#include "node/control_server.h"

#include "base/addr.h"
#include "base/cell.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listener.h"
#include "node/control_client.h"
#include "wire/json.h"

/* The longest client id or filter (65,535 bytes), should each of its bytes be escaped, and the rest. */
#define CONTROL_LINE_MAX        (7 * 65536)
#define CONTROL_CONNECTIONS_MAX 16

struct control_server {
    struct control_options o;
    struct workers *workers;
    struct listener *listener;
    struct list *calls; /* connections, per worker */
    struct cell open;
    struct gate *gone;
};

/* A connection and the one request on it that is being answered. */
struct control_call {
    struct control_server *server;
    struct stream *stream; /* NULL when it was closed */
    struct loop *loop;
    struct list link;
    struct json_t *request; /* not NULL: to be answered */
};

static void release(struct control_call *c)
{
    struct control_server *s = c->server;

    if (c->stream || c->request)
        return;
    list_remove(&c->link);
    mem_free(c);
    cell_sub(&s->open, 1);
    gate_open(s->gone);
}

struct loop *control_loop(struct control_call *c)
{
    return c->loop;
}

struct str control_arg(const struct control_call *c, const char *name)
{
    const struct json_t *v = json_member(c->request, name);

    return v && json_kind(v) == JSON_KIND_STRING ? json_to_str(v) : STR_NONE;
}

void control_answer_take(struct control_call *c, struct buf *json)
{
    loop_assert_mine(c->loop);
    if (c->stream) {
        if (buf_check(json)) {
            stream_send(c->stream, STR("{\"error\":\"the answer is too large\"}"));
        } else {
            stream_send(c->stream, buf_str(json));
        }
        stream_send(c->stream, STR("\n"));
        stream_resume(c->stream);
        stream_again(c->stream);
    }
    buf_fini(json);
    json_free(c->request);
    c->request = NULL;
    release(c);
}

void control_fail(struct control_call *c, const char *text)
{
    struct buf b = buf_init(4096);
    struct json_writer w = json_writer_init(&b);

    json_begin_object(&w);
    json_key(&w, "error");
    json_text(&w, text);
    json_end_object(&w);
    control_answer_take(c, &b);
}

static void run(struct control_call *c)
{
    const struct control_options *o = &c->server->o;
    struct str cmd = control_arg(c, "cmd");

    for (size_t i = 0; i < o->count; i++) {
        if (str_eq(cmd, str_of(o->commands[i].name))) {
            o->commands[i].run(o->ctx, c);
            return;
        }
    }
    control_fail(c, "unknown command; this process may be older than the command line");
}

static size_t on_data(void *ctx, struct stream *stream, struct str bytes)
{
    static const struct json_limits limits = { .depth_max = 4, .values_max = 100 };
    struct control_call *c = ctx;
    size_t end = str_find(bytes, '\n');

    if (c->request || end == bytes.n)
        return 0;
    stream_pause(stream); /* one at a time */
    if (json_parse(str_sub(bytes, 0, end), &limits, &c->request, NULL, NULL)) {
        stream_send(stream, STR("{\"error\":\"not a JSON object\"}\n"));
        stream_close(stream, STREAM_FLUSH, ERR_SYNTAX);
        return bytes.n;
    }
    run(c);
    return end + 1;
}

static void on_closed(void *ctx, struct stream *stream, int code)
{
    struct control_call *c = ctx;

    (void)stream;
    (void)code;
    c->stream = NULL;
    release(c);
}

static const struct stream_handler handler = { .data = on_data, .closed = on_closed };

static void on_accepted(void *ctx, struct loop *l, struct stream *stream)
{
    struct control_server *s = ctx;
    struct control_call *c = NEW(struct control_call);

    c->server = s;
    c->stream = stream;
    c->loop = l;
    list_push_back(&s->calls[loop_index(l)], &c->link);
    cell_add(&s->open, 1);
    stream_set(stream, &handler, c, CONTROL_LINE_MAX);
    stream_set_marks(stream, CONTROL_ANSWER_MAX, CONTROL_ANSWER_MAX / 2, 2 * CONTROL_ANSWER_MAX);
}

int control_open(struct workers *w, const struct control_options *o, struct control_server **out,
                 struct fault *f)
{
    struct control_server *s = NEW(struct control_server);
    struct listener_options lo = { .unix_mode = o->mode ? o->mode : 0600,
                                   .connections_max = CONTROL_CONNECTIONS_MAX,
                                   .accepted = on_accepted,
                                   .ctx = s };
    struct buf text = buf_init(4096);
    int rc;

    s->o = *o;
    s->workers = w;
    s->gone = gate_new();
    s->calls = mem_new_array(workers_count(w), sizeof(*s->calls));
    for (unsigned i = 0; i < workers_count(w); i++)
        list_init(&s->calls[i]);
    buf_printf(&text, "unix:%s", o->path);
    rc = addr_parse(buf_str(&text), 0, &lo.addr);
    if (rc)
        rc = fault_set(f, rc, "control.socket: %s: the path of a socket has 1 to 107 characters",
                       o->path);
    else
        rc = listener_open(w, &lo, &s->listener, f);
    buf_fini(&text);
    if (rc) {
        gate_free(s->gone);
        mem_free(s->calls);
        mem_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

static void end_calls(void *ctx, struct loop *l)
{
    struct control_server *s = ctx;

    LIST_EACH_SAFE (it, next, &s->calls[loop_index(l)]) {
        struct control_call *c = container_of(it, struct control_call, link);

        if (c->stream)
            stream_close(c->stream, STREAM_FLUSH, 0);
    }
}

/* Behind this a worker has left the callback that counted its last connection off. */
static void settle(void *ctx, struct loop *l)
{
    (void)ctx;
    (void)l;
}

void control_close(struct control_server *s)
{
    listener_close(s->listener);
    workers_each(s->workers, end_calls, s);
    while (cell_get(&s->open) > 0)
        gate_wait(s->gone, 1000);
    workers_each(s->workers, settle, NULL);
    listener_free(s->listener);
    gate_free(s->gone);
    mem_free(s->calls);
    mem_free(s);
}
