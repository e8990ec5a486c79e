/*
 * Listeners: one address, a socket per worker, so that the kernel spreads connections and no worker
 * hands one on. A Unix socket cannot be opened several times; worker 0 accepts there and passes the
 * descriptors on in turn.
 *
 * Refuses: an address where anybody else listens (SO_REUSEPORT alone would share it silently with
 * another program of the same user), a Unix socket that somebody answers on, more connections than
 * connections_max. When descriptors run out, or only those are left that the rest of the program needs
 * (listener_places), accepting pauses for a moment instead of spinning on a socket that stays
 * readable; waiting clients stay in the backlog.
 *
 * Threads: the counts are atomic; everything of an acceptor belongs to its worker, the rest does
 * not change between listener_open and listener_free.
 */
#include "net/peers.h"
#include "net/tls_impl.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG_DEFAULT   1024
#define UNIX_MODE_DEFAULT 0660
/* Connections accepted per turn: those that are open have their turn too. */
#define ACCEPTS_MAX  32
#define BACK_OFF_MS  100
#define HOLD_MS      10 /* no room for more handshakes */
#define HANDSHAKE_MS 10000
#define LOG_EVERY_MS 60000
/* While there is no room for more, what comes before the protocol may take so long: three round trips to
 * the other side of the world. */
#define PATIENCE_MS 1000

struct acceptor {
    uv_poll_t poll;
    struct listener *listener;
    struct loop *loop;
    int fd;
    struct timer back_off;
    struct cell logged_ms; /* when the shortage was last logged; 0: never */
};

/* Those who have not begun, on one loop. */
struct lobby {
    struct list waiting; /* struct unbegun, the oldest first */
    unsigned count;
};

struct listener {
    struct workers *workers;
    struct listener_options o;
    struct addr bound;
    struct str alpn;             /* owned */
    struct acceptor **acceptors; /* per worker; NULL where none */
    struct lobby *lobbies;       /* per worker */
    int *fds;                    /* per worker, until its acceptor has it; -1: none */
    struct peers *peers;         /* NULL: no limit */
    unsigned next_worker;        /* worker 0's: who gets the next Unix connection */
    atomic_uint_fast64_t open, refused, failed;
    dev_t unix_dev; /* of the socket file, to remove no other's */
    ino_t unix_ino;
};

/* ---- who has not begun ---- */

void listener_wait(struct unbegun *u, struct stream *s)
{
    struct lobby *lobby = &s->listener->lobbies[loop_index(s->loop)];

    u->s = s;
    u->since_ms = loop_now_ms(s->loop);
    list_push_back(&lobby->waiting, &u->link);
    lobby->count++;
}

void listener_wait_over(struct unbegun *u)
{
    if (list_empty(&u->link))
        return;
    list_remove(&u->link);
    u->s->listener->lobbies[loop_index(u->s->loop)].count--;
}

/* Each handshake costs a signature: those under way, and those to come of whose PROXY header we wait for, bound
 * what a turn may take. */
static bool is_full(const struct acceptor *a)
{
    const struct listener *ln = a->listener;
    uint64_t max = ln->o.guard.handshakes_max;
    unsigned workers = workers_count(ln->workers);

    return ln->o.tls && max > 0 &&
           ln->lobbies[loop_index(a->loop)].count >= (max + workers - 1) / workers;
}

/* Where it is full: who has taken so long that it goes when somebody else comes; or NULL. */
static struct stream *slowest(const struct acceptor *a)
{
    const struct list *waiting = &a->listener->lobbies[loop_index(a->loop)].waiting;
    const struct unbegun *u = container_of(waiting->next, struct unbegun, link);

    return loop_now_ms(a->loop) - u->since_ms >= PATIENCE_MS ? u->s : NULL;
}

static bool has_room(const struct acceptor *a)
{
    return !is_full(a) || slowest(a);
}

/* For one that was accepted. */
static void make_room(struct acceptor *a)
{
    struct stream *s = is_full(a) ? slowest(a) : NULL;

    if (!s)
        return;
    metric_add(a->listener->o.guard.handshake, 1);
    stream_kill(s, false);
}

/* ---- accepting ---- */

static void start_polling(struct acceptor *a);

static void on_back_off_end(struct timer *t)
{
    start_polling(container_of(t, struct acceptor, back_off));
}

static void back_off(struct acceptor *a, int error)
{
    struct listener_places *all = a->listener->o.places;
    struct cell *logged = all ? &all->logged_ms : &a->logged_ms;
    uint64_t now = loop_now_ms(a->loop), last = cell_get(logged);
    char text[ADDR_TEXT_SIZE];

    uv_poll_stop(&a->poll);
    timer_start(&a->back_off, BACK_OFF_MS);
    /* Of two workers that see the same time, one says it. */
    if ((last && now < last + LOG_EVERY_MS) || !cell_raise(logged, now))
        return;
    log_error("net", "cannot accept connections", lf_err("error", error),
              lf_text("address", addr_format(&a->listener->bound, text)),
              lf_text("do", "raise the limit of open files (LimitNOFILE of systemd, ulimit -n), or "
                            "lower limits.connections_max"));
}

struct passed {
    struct mail mail;
    struct listener *listener;
    int fd;
};

static void on_passed(struct mail *m, struct loop *l)
{
    struct passed *p = container_of(m, struct passed, mail);
    struct addr unix_peer = addr_unix_unnamed();

    stream_accept(l, p->fd, &unix_peer, p->listener);
    mem_free(p);
}

static void pass_on(struct acceptor *a, int fd)
{
    struct listener *ln = a->listener;
    unsigned to = ln->next_worker++ % workers_count(ln->workers);
    struct addr unix_peer = addr_unix_unnamed();
    struct passed *p;

    if (to == loop_index(a->loop)) {
        stream_accept(a->loop, fd, &unix_peer, ln);
        return;
    }
    p = NEW(struct passed);
    p->mail.deliver = on_passed;
    p->listener = ln;
    p->fd = fd;
    loop_post(workers_loop(ln->workers, to), &p->mail);
}

static void refuse(struct listener *ln, int fd, struct metric *why)
{
    atomic_fetch_add(&ln->refused, 1);
    metric_add(why, 1);
    close(fd);
}

/* A place for one more, of the listener's and of all. */
static bool enter(struct listener *ln)
{
    struct listener_places *all = ln->o.places;

    if (atomic_fetch_add(&ln->open, 1) >= ln->o.connections_max && ln->o.connections_max) {
        atomic_fetch_sub(&ln->open, 1);
        return false;
    }
    if (all && cell_add(&all->open, 1) > all->connections_max && all->connections_max) {
        cell_sub(&all->open, 1);
        atomic_fetch_sub(&ln->open, 1);
        return false;
    }
    return true;
}

static void leave(struct listener *ln)
{
    if (ln->o.places)
        cell_sub(&ln->o.places->open, 1);
    atomic_fetch_sub(&ln->open, 1); /* the last touch: at 0 it may be freed */
}

/* One connection. False when there is none to be had now. */
static bool accept_one(struct acceptor *a)
{
    struct listener *ln = a->listener;
    struct listener_places *all = ln->o.places;
    struct addr peer = { .len = sizeof(peer.ss) };
    int fd = accept4(a->fd, (struct sockaddr *)&peer.ss, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            back_off(a, -errno);
        /* Others are errors of the one connection: it was reset while it waited, for instance. */
        return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
    }
    /* The system gives the lowest number that is free: all below are taken. */
    if (all && all->files_max && fd >= all->files_max) {
        refuse(ln, fd, all->files);
        back_off(a, -EMFILE);
        return false;
    }
    if (!enter(ln)) {
        refuse(ln, fd, all ? all->places : NULL);
        return true;
    }
    make_room(a);
    if (addr_is_unix(&ln->bound))
        pass_on(a, fd);
    else
        stream_accept(a->loop, fd, &peer, ln);
    return true;
}

static void on_acceptable(uv_poll_t *h, int status, int events)
{
    struct acceptor *a = container_of(h, struct acceptor, poll);
    unsigned i;

    (void)events;
    for (i = 0; i < ACCEPTS_MAX && has_room(a) && accept_one(a); i++)
        ;
    if (!has_room(a)) { /* whoever waits in the backlog has its turn when others are through */
        uv_poll_stop(&a->poll);
        timer_start(&a->back_off, HOLD_MS);
    }
    if (status < 0 && !timer_is_started(&a->back_off))
        start_polling(a); /* libuv stops polling after an error of the socket */
}

static void start_polling(struct acceptor *a)
{
    int rc = uv_poll_start(&a->poll, UV_READABLE, on_acceptable);

    assert(rc == 0 && "a listening socket is polled twice");
}

void listener_began(struct listener *ln, struct loop *l, struct stream *s)
{
    ln->o.accepted(ln->o.ctx, l, s);
}

bool listener_admits(struct listener *ln, const struct addr *peer)
{
    if (!ln->peers || peers_enter(ln->peers, peer))
        return true;
    metric_add(ln->o.guard.address, 1);
    return false;
}

void listener_peer_gone(struct listener *ln, const struct addr *peer)
{
    if (ln->peers)
        peers_leave(ln->peers, peer);
}

uint64_t listener_handshake_ms(const struct listener *ln)
{
    return ln->o.guard.handshake_timeout_ms ? ln->o.guard.handshake_timeout_ms : HANDSHAKE_MS;
}

struct tls_context *listener_tls(const struct listener *ln, struct str *out_alpn)
{
    *out_alpn = ln->alpn;
    return ln->o.tls;
}

const struct listener_proxy *listener_proxy_rule(const struct listener *ln)
{
    return &ln->o.proxy;
}

void listener_ended(struct listener *ln, bool began)
{
    if (!began)
        atomic_fetch_add(&ln->failed, 1);
    leave(ln);
}

/* ---- opening: on the caller's thread ---- */

static int listen_on(int fd, const struct listener_options *o)
{
    return listen(fd, o->backlog > 0 ? o->backlog : BACKLOG_DEFAULT) ? -errno : 0;
}

static int open_tcp(struct listener *ln)
{
    unsigned i;
    int rc;

    /* Alone first: this fails when anybody listens there, which with SO_REUSEPORT it does not. */
    rc = sock_bind_tcp(&ln->bound, false);
    if (rc < 0)
        return rc;
    close(rc);
    for (i = 0; i < workers_count(ln->workers); i++) {
        rc = sock_bind_tcp(&ln->bound, true);
        if (rc < 0)
            return rc;
        ln->fds[i] = rc;
        if (i == 0 && getsockname(rc, (struct sockaddr *)&ln->bound.ss, &ln->bound.len))
            return -errno;
    }
    /* All bound before the first listens: none gets a connection that the last would have. */
    for (i = 0; i < workers_count(ln->workers); i++) {
        rc = listen_on(ln->fds[i], &ln->o);
        if (rc)
            return rc;
    }
    return 0;
}

static const char *unix_path(const struct addr *a)
{
    return ((const struct sockaddr_un *)&a->ss)->sun_path;
}

static int open_unix(struct listener *ln)
{
    const struct addr *a = &ln->bound;
    mode_t mode = ln->o.unix_mode ? ln->o.unix_mode : UNIX_MODE_DEFAULT;
    struct stat st;
    int fd, rc = sock_remove_stale(a, unix_path(a));

    if (rc)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    ln->fds[0] = fd;
    /* On Linux the file is made with the mode of the socket less the umask: it is never wider than
     * it should be, not even for a moment; chmod then gives back what the umask took. */
    if (fchmod(fd, mode) || bind(fd, (const struct sockaddr *)&a->ss, a->len))
        return -errno;
    if (chmod(unix_path(a), mode) || lstat(unix_path(a), &st))
        return -errno;
    ln->unix_dev = st.st_dev;
    ln->unix_ino = st.st_ino;
    return listen_on(fd, &ln->o);
}

static void start_on(void *ctx, struct loop *l)
{
    struct listener *ln = ctx;
    unsigned i = loop_index(l);
    struct acceptor *a;
    int rc;

    if (ln->fds[i] < 0)
        return;
    a = ln->acceptors[i] = NEW(struct acceptor);
    a->listener = ln;
    a->loop = l;
    a->fd = ln->fds[i];
    ln->fds[i] = -1;
    timer_init(&a->back_off, l, on_back_off_end);
    rc = uv_poll_init(&l->uv, &a->poll, a->fd);
    assert(rc == 0 && "a listening socket cannot be polled");
    l->open_count++;
    start_polling(a);
}

int listener_open(struct workers *w, const struct listener_options *o, struct listener **out,
                  struct fault *f)
{
    struct listener *ln;
    unsigned i;
    int rc;

    assert(o->accepted);
    ln = NEW(struct listener);
    ln->workers = w;
    ln->o = *o;
    ln->o.alpn = NULL; /* the caller's text may go; kept as wire bytes */
    ln->alpn = tls_alpn_wire(o->alpn);
    ln->bound = o->addr;
    if (o->guard.per_address_max > 0)
        ln->peers = peers_new(o->guard.per_address_max);
    ln->fds = mem_new_array(workers_count(w), sizeof(*ln->fds));
    ln->acceptors = mem_new_array(workers_count(w), sizeof(struct acceptor *));
    ln->lobbies = mem_new_array(workers_count(w), sizeof(*ln->lobbies));
    for (i = 0; i < workers_count(w); i++) {
        list_init(&ln->lobbies[i].waiting);
        ln->fds[i] = -1;
    }
    rc = addr_is_unix(&o->addr) ? open_unix(ln) : open_tcp(ln);
    if (rc) {
        for (i = 0; i < workers_count(w); i++)
            if (ln->fds[i] >= 0)
                close(ln->fds[i]);
        listener_free(ln);
        return sock_explain(rc, &o->addr, f);
    }
    workers_each(w, start_on, ln);
    *out = ln;
    return 0;
}

/* ---- closing ---- */

static void on_acceptor_closed(uv_handle_t *h)
{
    struct acceptor *a = container_of((uv_poll_t *)h, struct acceptor, poll);

    a->loop->open_count--;
    mem_free(a);
}

/* Ends those that nobody but net/ knows of yet. */
static void stop_unbegun(void *ctx, struct loop *l)
{
    struct listener *ln = ctx;

    LIST_EACH_SAFE (it, tmp, &ln->lobbies[loop_index(l)].waiting)
        stream_kill(container_of(it, struct unbegun, link)->s, false);
}

static void stop_on(void *ctx, struct loop *l)
{
    struct listener *ln = ctx;
    struct acceptor *a = ln->acceptors[loop_index(l)];
    int i;

    if (!a)
        return;
    ln->acceptors[loop_index(l)] = NULL;
    /* Those that the kernel has taken for us already are not reset; a flood of them is. */
    for (i = 0; i < (ln->o.backlog > 0 ? ln->o.backlog : BACKLOG_DEFAULT) && accept_one(a); i++)
        ;
    stop_unbegun(ln, l);
    timer_stop(&a->back_off);
    uv_close((uv_handle_t *)&a->poll, on_acceptor_closed);
    close(a->fd);
    a->fd = -1;
}

void listener_close(struct listener *l)
{
    struct stat st;

    workers_each(l->workers, stop_on, l);
    if (!addr_is_unix(&l->bound))
        return;
    /* Descriptors that worker 0 passed on before it stopped have arrived when this returns. */
    workers_each(l->workers, stop_unbegun, l);
    if (lstat(unix_path(&l->bound), &st) == 0 && st.st_dev == l->unix_dev &&
        st.st_ino == l->unix_ino)
        unlink(unix_path(&l->bound));
}

void listener_free(struct listener *l)
{
    if (!l)
        return;
    assert(atomic_load(&l->open) == 0);
    peers_free(l->peers);
    mem_free((char *)(uintptr_t)l->alpn.p);
    mem_free(l->lobbies);
    mem_free(l->acceptors);
    mem_free(l->fds);
    mem_free(l);
}

const struct addr *listener_addr(const struct listener *l)
{
    return &l->bound;
}

uint64_t listener_open_count(const struct listener *l)
{
    return atomic_load(&l->open);
}

uint64_t listener_refused_count(const struct listener *l)
{
    return atomic_load(&l->refused);
}

uint64_t listener_failed_count(const struct listener *l)
{
    return atomic_load(&l->failed);
}
