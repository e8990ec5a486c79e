/*
 * The main thread is the only one that changes who may do what (node/access_server.h), so all changes
 * come here, one after the other. A change: the file is read again (somebody may have edited it), and so
 * is the other one, as a reload would; when both can hold together the new text is put in its place,
 * and what they say holds on every worker. Only then it is answered: whoever was told "removed" will
 * find that nobody is there, and whoever was told of a mistake that nothing was written.
 */
#include "node/access_desk_server.h"

#include "base/cell.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "node/access_io.h"
#include "node/access_server.h"
#include "node/files_io.h"

#define DESK_ANSWER_MAX (64u << 20)

struct access_desk {
    struct access_desk_options o;
    struct mqtt_settings files; /* of it the names of the two files: copies */
    struct queue waiting;
    struct cell stopped;
};

/* Belongs to the worker that asks, but for the time between push and post. */
struct desk_call {
    struct queue_node node;
    struct mail mail;
    struct loop *loop;
    struct access_ask ask;
    const char *who;
    void (*done)(void *ctx, const struct access_answer *answer);
    void *ctx;
    int code;
    unsigned line;
    struct buf json;
    struct access_blame blame;
    size_t bytes_n;
    char bytes[];
};

struct access_desk *access_desk_new(const struct access_desk_options *o)
{
    struct access_desk *d = NEW(struct access_desk);

    d->o = *o;
    queue_init(&d->waiting);
    return d;
}

static void forget_files(struct access_desk *d)
{
    mem_free((void *)(uintptr_t)d->files.acl_file.p);
    mem_free((void *)(uintptr_t)d->files.password_file.p);
}

void access_desk_free(struct access_desk *d)
{
    if (!d)
        return;
    forget_files(d);
    mem_free(d);
}

void access_desk_files(struct access_desk *d, const struct mqtt_settings *m)
{
    forget_files(d);
    d->files.acl_file = str_from(str_dup(m->acl_file), m->acl_file.n);
    d->files.password_file = str_from(str_dup(m->password_file), m->password_file.n);
}

/* ---- on the main thread ---- */

static int refuse(struct desk_call *c, int code, const char *field, const char *text)
{
    c->blame.field = field;
    return fault_set(&c->blame.fault, code, "%s", text);
}

struct change {
    struct access_desk *desk;
    struct desk_call *call;
    const char *name;
    struct access *fresh; /* what will hold */
};

/* The mistake of the other file is no mistake of the call. */
static int load_changed(struct change *c, bool users, const struct buf *text, struct fault *f)
{
    const struct access_desk *d = c->desk;
    const struct access_io_text instead = { users, buf_str(text) };
    struct fault why;
    int rc;

    if (buf_check(text))
        return 0; /* files_edit() refuses it */
    rc = access_io_load_with(&d->files, d->o.limits, d->o.users, d->o.user_count, &instead,
                             &c->fresh, &why);
    return rc ? fault_at(f, ERR_REFUSED, why.file, why.line, why.column,
                         "nothing was changed, since this file cannot be taken: %.400s", why.text)
              : 0;
}

static int change_users(void *ctx, struct str text, struct buf *out, struct fault *f)
{
    struct change *c = ctx;
    struct access_means means = { .iterations_max = c->desk->o.limits->password_iterations_max };
    int rc;

    random_bytes(means.salt, sizeof(means.salt));
    rc = access_edit_users(&c->call->ask, &means, text, c->name, out, &c->call->blame);
    *f = c->call->blame.fault;
    return rc ? rc : load_changed(c, true, out, f);
}

static int change_rules(void *ctx, struct str text, struct buf *out, struct fault *f)
{
    struct change *c = ctx;
    int rc = access_edit_rules(&c->call->ask, text, c->name, out, &c->call->line, &c->call->blame);

    *f = c->call->blame.fault;
    return rc ? rc : load_changed(c, false, out, f);
}

static bool is_configured(const struct access_desk *d, struct str user)
{
    for (size_t i = 0; i < d->o.user_count; i++)
        if (str_eq(d->o.users[i].name, user))
            return true;
    return false;
}

/* *out_fresh: what holds with it. */
static int change_file(struct access_desk *d, struct desk_call *c, struct access **out_fresh)
{
    bool users = access_ask_edits_users(&c->ask);
    struct str path = users ? d->files.password_file : d->files.acl_file;
    struct change change = { d, c, path.p, NULL };
    int rc;

    if (users && is_configured(d, c->ask.user))
        return refuse(c, ERR_REFUSED, "user",
                      "this user stands in mqtt.users of the configuration; change it there");
    if (path.n == 0)
        return refuse(
            c, ERR_REFUSED, NULL,
            users ? "this node has no password file; make an empty one, name it under "
                    "mqtt.password_file in the configuration, and `wayside reload`"
                  : "this node has no access file; make one that grants what is to stay allowed "
                    "(such as: pattern readwrite #), name it under mqtt.acl_file in the "
                    "configuration, and `wayside reload`");
    rc = files_edit(path.p, d->o.limits->access_file_max_bytes, false,
                    users ? change_users : change_rules, &change, &c->blame.fault);
    if (rc)
        access_free(change.fresh);
    else
        *out_fresh = change.fresh;
    return rc;
}

static void log_change(const struct desk_call *c)
{
    static const char *const what[] = {
        [ACCESS_USER_ADD] = "user added",
        [ACCESS_USER_PASSWD] = "password changed",
        [ACCESS_USER_REMOVE] = "user removed",
        [ACCESS_RULE_ADD] = "access rule added",
        [ACCESS_RULE_REMOVE] = "access rule removed",
    };

    if (access_ask_edits_users(&c->ask))
        log_info("access", what[c->ask.op], lf_str("user", c->ask.user), lf_text("by", c->who));
    else
        log_info("access", what[c->ask.op], lf_str("user", c->ask.has_user ? c->ask.user : STR("")),
                 lf_str("access", c->ask.access), lf_str("filter", c->ask.topic),
                 lf_text("by", c->who));
}

static int change(struct access_desk *d, struct desk_call *c)
{
    struct access *fresh = NULL;
    int rc = change_file(d, c, &fresh);

    if (rc)
        return rc;
    log_change(c);
    access_server_change(d->o.server, fresh);
    access_put_done(&c->ask, fresh, c->line, true, &c->json);
    return 0;
}

static int answer(struct access_desk *d, struct desk_call *c)
{
    const struct access *now = access_server_now(d->o.server);

    switch (c->ask.op) {
    case ACCESS_USERS:
        access_put_users(now, &c->json);
        break;
    case ACCESS_RULES:
        access_put_rules(&c->ask, now, &c->json);
        break;
    case ACCESS_WHY:
        access_put_why(&c->ask, now, &c->json);
        break;
    case ACCESS_USER_ADD:
    case ACCESS_USER_PASSWD:
    case ACCESS_USER_REMOVE:
    case ACCESS_RULE_ADD:
    case ACCESS_RULE_REMOVE:
        return change(d, c);
    }
    return 0;
}

static void serve(struct access_desk *d, struct desk_call *c)
{
    if (cell_get(&d->stopped))
        c->code = refuse(c, ERR_STOPPED, NULL, "the node is shutting down");
    else
        c->code = access_ask_check(&c->ask, &c->blame);
    if (!c->code)
        c->code = answer(d, c);
    if (!c->code && buf_check(&c->json))
        c->code = refuse(c, ERR_LIMIT, NULL, "the answer would be too large");
    loop_post(c->loop, &c->mail);
}

void access_desk_serve(struct access_desk *d)
{
    struct queue_node *n = queue_take(&d->waiting);

    while (n) {
        struct desk_call *c = container_of(n, struct desk_call, node);

        n = n->next;
        serve(d, c);
    }
}

static void settle(void *ctx, struct loop *l)
{
    (void)ctx;
    (void)l;
}

/* Behind settle() every worker sees that it is stopped, and what it pushed before is here. */
void access_desk_stop(struct access_desk *d)
{
    cell_set(&d->stopped, 1);
    workers_each(d->o.workers, settle, NULL);
    access_desk_serve(d);
}

/* ---- on workers ---- */

static void on_answered(struct mail *m, struct loop *l)
{
    struct desk_call *c = container_of(m, struct desk_call, mail);
    struct access_answer a = { c->code, &c->json, &c->blame };

    (void)l;
    c->done(c->ctx, &a);
    buf_fini(&c->json);
    mem_free(c);
}

static void keep(struct desk_call *c, struct str *s)
{
    struct str from = *s;

    if (!from.p)
        return;
    *s = str_from(c->bytes + c->bytes_n, from.n);
    if (from.n > 0)
        memcpy(c->bytes + c->bytes_n, from.p, from.n);
    c->bytes_n += from.n;
}

void access_desk_ask(struct access_desk *d, struct loop *l, const struct access_ask *a,
                     const char *who, void (*done)(void *ctx, const struct access_answer *answer),
                     void *ctx)
{
    struct desk_call *c =
        mem_new(sizeof(*c) + a->user.n + a->password.n + a->access.n + a->topic.n + a->client.n);

    c->mail.deliver = on_answered;
    c->loop = l;
    c->ask = *a;
    c->who = who;
    c->done = done;
    c->ctx = ctx;
    c->json = buf_init(DESK_ANSWER_MAX);
    keep(c, &c->ask.user);
    keep(c, &c->ask.password);
    keep(c, &c->ask.access);
    keep(c, &c->ask.topic);
    keep(c, &c->ask.client);
    if (cell_get(&d->stopped)) {
        serve(d, c); /* says so */
        return;
    }
    queue_push(&d->waiting, &c->node);
    d->o.wake(d->o.ctx);
}
