/*
 * Answers about the running node. Everything shown is a number that may be read from any thread
 * or asked from the workers; nothing here can disturb the node.
 */
#include "node/status_server.h"

#include "base/cell.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/queue.h"
#include "hub/render.h"
#include "hub/render_mqtt.h"
#include "node/access_desk_server.h"
#include "node/control_server.h"
#include "wire/json.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define STATUS_SERVICES_MAX 32
#define STATUS_ANSWER_MAX   (15u << 20)
/* A page of sessions ends with either; a client id may have 64 KiB, and each of its bytes be escaped. */
#define STATUS_PAGE       1000
#define STATUS_PAGE_BYTES (4u << 20)

struct status_server {
    struct node_state *state;
    const struct buf *id;
    struct status_sources from;
    struct {
        const char *name;
        char address[ADDR_TEXT_SIZE + 128];
    } services[STATUS_SERVICES_MAX];
    size_t service_count;
    uint64_t start_ns;
    struct control_server *control;
    struct workers *workers;
    struct queue reloads; /* those who wait for the main thread */
    struct cell stopping;
};
static const char stopping_text[] = "the node is shutting down";

struct status_server *status_new(struct node_state *state, const struct buf *id)
{
    struct status_server *s = NEW(struct status_server);

    s->state = state;
    s->id = id;
    s->start_ns = clock_mono_ns();
    queue_init(&s->reloads);
    return s;
}

void status_free(struct status_server *s)
{
    mem_free(s);
}

void status_service(struct status_server *s, const char *name, const char *address)
{
    if (s->service_count == STATUS_SERVICES_MAX)
        return;
    s->services[s->service_count].name = name;
    snprintf(s->services[s->service_count].address, sizeof(s->services[0].address), "%s", address);
    s->service_count++;
}

void status_set_sources(struct status_server *s, const struct status_sources *from)
{
    s->from = *from;
}

static void put_journal(const struct status_server *s, struct json_writer *w)
{
    struct journal_status js;

    journal_status(s->from.journal, &js);
    json_key(w, "journal");
    json_begin_object(w);
    json_put_u64(w, "head", js.head);
    json_put_u64(w, "oldest", js.oldest);
    json_put_u64(w, "segments", js.segments);
    json_put_u64(w, "bytes", js.bytes);
    json_put_u64(w, "quota_bytes", js.quota_bytes);
    json_key(w, "path");
    json_text(w, s->from.journal_dir);
    json_put_u64(w, "dropped", js.dropped_ever);
    json_put_u64(w, "damaged", js.damaged);
    if (js.error) {
        json_key(w, "error");
        json_text(w, err_text(js.error));
    }
    json_end_object(w);
}

static void put_uplink(const struct status_server *s, struct json_writer *w)
{
    struct uplink_status us;

    uplink_status(s->from.uplink, &us);
    json_key(w, "uplink");
    json_begin_object(w);
    json_key(w, "hub");
    json_text(w, us.hub);
    json_put_bool(w, "connected", us.connected);
    json_put_u64(w, "acked", us.acked_seq);
    json_put_u64(w, "backlog", us.backlog);
    json_put_u64(w, "reconnects", us.reconnects);
    json_put_u64(w, "rewinds", us.rewinds);
    json_key(w, "oldest");
    if (us.oldest_ns != 0)
        json_time(w, us.oldest_ns);
    else
        json_nil(w);
    json_end_object(w);
}

static void put_bridges(const struct status_server *s, struct json_writer *w)
{
    struct bridge_status b;

    json_key(w, "bridges");
    json_begin_array(w);
    for (size_t i = 0; i < bridges_count(s->from.bridges); i++) {
        char server[300];

        bridges_status(s->from.bridges, i, &b);
        snprintf(server, sizeof(server), "%s:%u", b.host, b.port);
        json_begin_object(w);
        json_key(w, "name");
        json_text(w, b.name);
        json_key(w, "server");
        json_text(w, server);
        json_put_bool(w, "connected", b.connected);
        json_put_u64(w, "queued", b.queued);
        json_put_u64(w, "queued_bytes", b.queued_bytes);
        json_put_bool(w, "full", b.full);
        json_put_u64(w, "sent", b.sent);
        json_put_u64(w, "taken", b.taken);
        json_put_u64(w, "refused", b.refused);
        json_put_u64(w, "dropped", b.dropped);
        json_put_u64(w, "filters_refused", b.closed);
        json_put_u64(w, "connects", b.connects);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_services(const struct status_server *s, struct json_writer *w)
{
    json_key(w, "services");
    json_begin_array(w);
    for (size_t i = 0; i < s->service_count; i++) {
        json_begin_object(w);
        json_key(w, "name");
        json_text(w, s->services[i].name);
        json_key(w, "address");
        json_text(w, s->services[i].address);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_nodes(const struct status_server *s, struct json_writer *w)
{
    const struct senders *all = s->from.senders;

    json_key(w, "nodes");
    json_begin_array(w);
    for (uint64_t i = 0; i < cell_get(&all->shown_count); i++)
        render_sender(w, all->shown[i]);
    json_end_array(w);
}

static void on_status(void *ctx, struct control_call *call)
{
    struct status_server *s = ctx;
    struct buf b = buf_init(STATUS_ANSWER_MAX), why = buf_init(1024);
    struct json_writer w = json_writer_init(&b);

    state_refresh(s->state);
    state_reasons(s->state, &why);
    json_begin_object(&w);
    json_key(&w, "version");
    json_text(&w, WAYSIDE_VERSION);
    json_key(&w, "id");
    json_str(&w, buf_str(s->id));
    json_put_u64(&w, "pid", (uint64_t)getpid());
    json_put_bool(&w, "ready", state_is_ready(s->state));
    json_key(&w, "reason");
    json_str(&w, buf_str(&why));
    json_put_u64(&w, "uptime_s", (clock_mono_ns() - s->start_ns) / 1000000000);
    put_services(s, &w);
    if (s->from.journal)
        put_journal(s, &w);
    if (s->from.store) {
        json_key(&w, "store");
        json_begin_object(&w);
        json_put_u64(&w, "position", store_position(s->from.store));
        json_put_u64(&w, "checkpointed", store_checkpointed(s->from.store));
        json_end_object(&w);
    }
    if (s->from.broker)
        json_put_u64(&w, "mqtt_clients", broker_connected(s->from.broker));
    if (bridges_count(s->from.bridges) > 0)
        put_bridges(s, &w);
    if (s->from.uplink)
        put_uplink(s, &w);
    if (s->from.senders)
        put_nodes(s, &w);
    json_end_object(&w);
    buf_fini(&why);
    control_answer_take(call, &b);
}

static void on_session_list(void *ctx, const struct broker_looked *found)
{
    struct control_call *call = ctx;
    struct buf b = buf_init(STATUS_ANSWER_MAX);
    struct json_writer w = json_writer_init(&b);
    bool paged = control_arg(call, "after").p;
    size_t n = 0;

    if (control_arg(call, "client").p && found->session_count == 0 && !paged) {
        control_fail(call, "there is no session of this client id, connected or kept; `wayside "
                           "sessions` lists them");
        return;
    }
    json_begin_object(&w);
    json_key(&w, "sessions");
    json_begin_array(&w);
    for (; n < found->session_count && !(paged && b.n > STATUS_PAGE_BYTES); n++)
        render_mqtt_session(&w, &found->sessions[n], control_arg(call, "client").p ? found : NULL);
    json_end_array(&w);
    if (n > 0 && (n < found->session_count || found->more)) {
        json_key(&w, "next");
        json_str(&w, found->sessions[n - 1].client_id);
    }
    json_end_object(&w);
    control_answer_take(call, &b);
}

/* With `after` (which may be empty) a page in the order of client ids, else all. */
static void on_sessions(void *ctx, struct control_call *call)
{
    struct status_server *s = ctx;
    struct str after = control_arg(call, "after");

    if (!s->from.broker) {
        control_fail(call, "this node runs no MQTT broker");
        return;
    }
    broker_look(s->from.broker, control_loop(call),
                &(struct broker_look){ .client = control_arg(call, "client"),
                                       .search = control_arg(call, "search"),
                                       .after = after,
                                       .limit = after.p ? STATUS_PAGE : 0,
                                       .subscriptions = control_arg(call, "client").p != NULL },
                on_session_list, call);
}

static void on_kicked(void *ctx, enum broker_kick result)
{
    struct control_call *call = ctx;
    struct buf b = buf_init(64);

    switch (result) {
    case BROKER_KICK_DONE:
        buf_put(&b, STR("{\"kicked\":true}"));
        control_answer_take(call, &b);
        return;
    case BROKER_KICK_AWAY:
        control_fail(call, "this client is not connected; only its session is here");
        return;
    case BROKER_KICK_UNKNOWN:
        control_fail(call, "there is no client of this id; `wayside sessions` lists them");
        return;
    }
}

static void on_kick(void *ctx, struct control_call *call)
{
    struct status_server *s = ctx;

    if (!s->from.broker)
        control_fail(call, "this node runs no MQTT broker");
    else
        broker_kick(s->from.broker, control_loop(call), control_arg(call, "client"),
                    control_arg(call, "session").p != NULL, on_kicked, call);
}

/* ---- users and rules ---- */

static void on_access_answer(void *ctx, const struct access_answer *a)
{
    struct control_call *call = ctx;
    char text[sizeof(struct fault) + 32];

    if (a->code)
        control_fail(call, fault_text(&a->blame->fault, text, sizeof(text)));
    else
        control_answer_take(call, a->json);
}

static void ask_desk(struct status_server *s, struct control_call *call, enum access_op op)
{
    struct str user = control_arg(call, "user");
    const struct access_ask ask = {
        .op = op,
        .has_user = user.p != NULL,
        .pattern = control_arg(call, "pattern").p != NULL,
        .user = user,
        .password = control_arg(call, "password"),
        .access = control_arg(call, "access"),
        .topic = control_arg(call, "topic"),
        .client = control_arg(call, "client"),
    };

    if (!s->from.desk)
        control_fail(call, "this node runs no MQTT broker, so nobody logs in");
    else
        access_desk_ask(s->from.desk, control_loop(call), &ask, "control socket", on_access_answer,
                        call);
}

#define DESK_COMMAND(name, op)                                                                     \
    static void name(void *ctx, struct control_call *call)                                         \
    {                                                                                              \
        ask_desk(ctx, call, op);                                                                   \
    }
DESK_COMMAND(on_users, ACCESS_USERS)
DESK_COMMAND(on_user_add, ACCESS_USER_ADD)
DESK_COMMAND(on_user_passwd, ACCESS_USER_PASSWD)
DESK_COMMAND(on_user_remove, ACCESS_USER_REMOVE)
DESK_COMMAND(on_rules, ACCESS_RULES)
DESK_COMMAND(on_rule_add, ACCESS_RULE_ADD)
DESK_COMMAND(on_rule_remove, ACCESS_RULE_REMOVE)
DESK_COMMAND(on_why, ACCESS_WHY)

/* ---- reload ---- */

/* Belongs to the worker that asks, but for the time between push and post. */
struct reload_call {
    struct queue_node node;
    struct mail mail;
    struct loop *loop;
    struct control_call *call;
    char refused[sizeof(struct fault) + 32]; /* empty: it is done */
};

static void on_reloaded(struct mail *m, struct loop *l)
{
    struct reload_call *k = container_of(m, struct reload_call, mail);
    struct buf b = buf_init(64);

    (void)l;
    if (k->refused[0]) {
        control_fail(k->call, k->refused);
    } else {
        buf_put(&b, STR("{\"reload\":\"done\"}"));
        control_answer_take(k->call, &b);
    }
    mem_free(k);
}

/* The main thread reloads, as it does on SIGHUP. */
static void on_reload(void *ctx, struct control_call *call)
{
    struct status_server *s = ctx;
    struct reload_call *k;

    if (cell_get(&s->stopping)) {
        control_fail(call, stopping_text);
        return;
    }
    k = NEW(struct reload_call);
    k->mail.deliver = on_reloaded;
    k->loop = control_loop(call);
    k->call = call;
    queue_push(&s->reloads, &k->node);
    kill(getpid(), SIGHUP);
}

struct queue_node *status_take_reloads(struct status_server *s)
{
    return queue_take(&s->reloads);
}

void status_answer_reloads(struct queue_node *asked, const char *refused)
{
    while (asked) {
        struct reload_call *k = container_of(asked, struct reload_call, node);

        asked = asked->next;
        snprintf(k->refused, sizeof(k->refused), "%s", refused ? refused : "");
        loop_post(k->loop, &k->mail);
    }
}

static const struct control_command commands[] = {
    { "status", on_status },
    { "sessions", on_sessions },
    { "kick", on_kick },
    { "reload", on_reload },
    { "user list", on_users },
    { "user add", on_user_add },
    { "user passwd", on_user_passwd },
    { "user remove", on_user_remove },
    { "acl list", on_rules },
    { "acl add", on_rule_add },
    { "acl remove", on_rule_remove },
    { "acl check", on_why },
};

int status_listen(struct status_server *s, const struct status_options *o, struct fault *f)
{
    struct control_options co = {
        .path = o->path, .commands = commands, .count = COUNT_OF(commands), .ctx = s
    };

    s->workers = o->workers;
    return control_open(o->workers, &co, &s->control, f);
}

static void settle(void *ctx, struct loop *l)
{
    (void)ctx;
    (void)l;
}

void status_close(struct status_server *s)
{
    if (!s->control)
        return;
    cell_set(&s->stopping, 1);
    workers_each(s->workers, settle, NULL); /* what was asked before is in the queue */
    status_answer_reloads(status_take_reloads(s), stopping_text);
    control_close(s->control);
    s->control = NULL;
}
