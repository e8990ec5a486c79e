/*
 * Snapshots of who may do what, one pointer per worker. A change is made on each worker at a turn of
 * its loop, together with the look at what is open there; so on one worker nothing is ever decided
 * by old rules after something was decided by new ones.
 *
 * A password of a file costs up to milliseconds, so a job on a thread of its own looks at it, with
 * copies of what the client sent. When the snapshot has changed meanwhile, the answer is thrown away
 * and the job goes back with the new one. A client that has gone is not worked for, and only so many may
 * wait: whoever connects anew because it took too long must not make it take longer. The thread also frees old snapshots: what it was given
 * before is done by then, and what it is given later knows the new one.
 */
#include "node/access_server.h"

#include "base/cell.h"
#include "base/mem.h"
#include "mqtt/broker.h"

#include <assert.h>

/* One worker's; touched by it alone. */
struct place {
    struct access *now, *before; /* before: while they change */
    uint64_t changes;
};

struct access_server {
    struct workers *workers;
    struct broker *broker;
    struct authz authz;
    struct access *now; /* the main thread's; while they change: what comes */
    struct jobs *jobs;  /* from the first password file on */
    uint64_t pending_max;
    struct cell pending; /* struct verify that are alive */
    struct metric *turned_away;
    struct place places[];
};

static struct place *place_of(struct access_server *s, const struct loop *l)
{
    return &s->places[loop_index(l)];
}

/* ---- passwords ---- */

struct verify {
    struct job job;
    struct mail mail;
    struct access_server *server;
    struct loop *loop;
    struct authz_login *login; /* NULL: cancelled */
    struct cell cancelled;     /* the same, for the thread */
    const struct access *with;
    uint64_t changes; /* of the worker when it asked */
    bool good;
    struct str user, password;
    char bytes[];
};

static void on_verify(struct job *j, void *ctx)
{
    struct verify *v = container_of(j, struct verify, job);

    (void)ctx;
    v->good = !cell_get(&v->cancelled) && access_verify(v->with, v->user, v->password);
    loop_post(v->loop, &v->mail);
}

static void verify_ask(struct verify *v)
{
    const struct place *p = place_of(v->server, v->loop);

    v->with = p->now;
    v->changes = p->changes;
    jobs_push(v->server->jobs, &v->job);
}

static void verify_free(struct verify *v)
{
    cell_sub(&v->server->pending, 1);
    mem_free(v);
}

static void on_verified(struct mail *m, struct loop *l)
{
    struct verify *v = container_of(m, struct verify, mail);
    struct authz_login *login = v->login;
    struct identity *id = NULL;
    bool good = v->good;

    if (login && v->changes != place_of(v->server, l)->changes) {
        verify_ask(v);
        return;
    }
    if (login && good)
        id = access_identity(login->user);
    verify_free(v);
    if (login)
        login->done(login, good ? 0 : ERR_REFUSED, id);
}

/* AUTHZ_LATER, or ERR_LIMIT. */
static int verify_later(struct access_server *s, struct authz_login *l)
{
    struct verify *v;

    if (cell_add(&s->pending, 1) > s->pending_max) {
        cell_sub(&s->pending, 1);
        metric_add(s->turned_away, 1);
        return ERR_LIMIT;
    }
    v = mem_new(sizeof(*v) + l->user.n + l->password.n);
    v->job.run = on_verify;
    v->mail.deliver = on_verified;
    v->server = s;
    v->loop = l->loop;
    v->login = l;
    v->user = str_from(v->bytes, l->user.n);
    v->password = str_from(v->bytes + l->user.n, l->password.n);
    if (l->user.n > 0)
        memcpy(v->bytes, l->user.p, l->user.n);
    if (l->password.n > 0)
        memcpy(v->bytes + l->user.n, l->password.p, l->password.n);
    l->asked = v;
    verify_ask(v);
    return AUTHZ_LATER;
}

/* ---- questions ---- */

static int login(void *ctx, struct authz_login *l, struct identity **out_id)
{
    struct access_server *s = ctx;
    int rc = access_login(place_of(s, l->loop)->now, l, out_id);

    return rc == AUTHZ_LATER ? verify_later(s, l) : rc;
}

static void cancel_login(void *ctx, struct authz_login *l)
{
    struct verify *v = l->asked;

    (void)ctx;
    v->login = NULL;
    cell_set(&v->cancelled, true);
}

static int check(void *ctx, struct authz_check *c)
{
    return access_check(place_of(ctx, c->loop)->now, c);
}

static void cancel_check(void *ctx, struct authz_check *c)
{
    (void)ctx;
    (void)c; /* never answered later */
}

static int check_again(void *ctx, const struct authz_check *c)
{
    return access_check(place_of(ctx, c->loop)->now, c);
}

static int login_again(void *ctx, const struct identity *who, void *loop)
{
    const struct place *p = place_of(ctx, loop);

    return access_stands(p->before ? p->before : p->now, p->now, who) ? 0 : ERR_REFUSED;
}

/* ---- life ---- */

static void need_jobs(struct access_server *s, const struct access *a)
{
    if (a->passwd && !s->jobs)
        s->jobs = jobs_start("passwords", s, 0, NULL);
}

static double pending(void *ctx)
{
    const struct access_server *s = ctx;

    return (double)cell_get(&s->pending);
}

struct access_server *access_server_new(struct workers *w, const struct limits *l,
                                        struct metrics *m, struct access *first)
{
    unsigned count = workers_count(w);
    struct access_server *s = mem_new(sizeof(*s) + count * sizeof(s->places[0]));

    s->workers = w;
    s->now = first;
    s->pending_max = l->mqtt_logins_pending_max;
    s->turned_away = metrics_counter(m, "wayside_mqtt_logins_turned_away_total", "",
                                     "logins refused for too many others that waited");
    metrics_ask(m, "wayside_mqtt_logins_pending", "", "logins whose password is to be looked at",
                false, pending, s);
    s->authz =
        (struct authz){ s, login, check, cancel_login, cancel_check, check_again, login_again };
    for (unsigned i = 0; i < count; i++)
        s->places[i].now = first;
    need_jobs(s, first);
    return s;
}

const struct authz *access_server_authz(const struct access_server *s)
{
    return &s->authz;
}

void access_server_set_broker(struct access_server *s, struct broker *b)
{
    s->broker = b;
}

const struct access *access_server_now(const struct access_server *s)
{
    return s->now;
}

static void change_here(void *ctx, struct loop *l)
{
    struct access_server *s = ctx;
    struct place *p = place_of(s, l);

    p->before = p->now;
    p->now = s->now;
    p->changes++;
    if (s->broker)
        broker_recheck(s->broker, l);
    p->before = NULL;
}

struct retire {
    struct job job;
    struct access *old;
};

static void on_retire(struct job *j, void *ctx)
{
    struct retire *r = container_of(j, struct retire, job);

    (void)ctx;
    access_free(r->old);
    mem_free(r);
}

void access_server_change(struct access_server *s, struct access *fresh)
{
    struct access *old = s->now;
    struct retire *r;

    need_jobs(s, fresh);
    s->now = fresh;
    workers_each(s->workers, change_here, s);
    if (!s->jobs) {
        access_free(old);
        return;
    }
    r = NEW(struct retire);
    r->job.run = on_retire;
    r->old = old;
    jobs_push(s->jobs, &r->job);
}

void access_server_stop(struct access_server *s)
{
    if (!s)
        return;
    jobs_stop(s->jobs);
    s->jobs = NULL;
}

void access_server_free(struct access_server *s)
{
    if (!s)
        return;
    assert(!s->jobs);
    access_free(s->now);
    mem_free(s);
}
