/*
 * A loop over libuv: turns, mail from other threads, work put off to the end of a turn, signals.
 *
 * A turn is: timers, then what was put off (prepare), then waiting for sockets and mail, then again
 * what was put off (check), then the callbacks of what was closed. So nothing that was produced in
 * a turn waits for the kernel while the loop sleeps: what timers and closing produce leaves in
 * prepare, what reading and mail produce leaves in check.
 *
 * The loop is kept alive by its wake-up handle, so it runs until it is stopped. Streams lie in an epoll
 * of the loop's own, which libuv polls as one descriptor, and do their own recvmsg and sendmsg: one
 * read per stream and turn (libuv's own streams read up to 32 times in a row, which lets one sender
 * starve the others), and without the 160 bytes and the extra epoll_ctl calls of a uv_poll_t each.
 */
#include "net/loop_impl.h"

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/chain.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static void append(struct later *d, struct later ***last)
{
    d->next = NULL;
    **last = d;
    *last = &d->next;
}

static struct later *take(struct later **first, struct later ***last)
{
    struct later *d = *first;

    *first = d->next;
    if (!*first)
        *last = first;
    d->next = NULL;
    return d;
}

static void run_later(struct loop *l)
{
    while (l->later_first) {
        struct later *d = take(&l->later_first, &l->later_last);

        d->queued = false;
        d->run(d);
    }
}

/* What was put off, then what has ended meanwhile, and what follows from that. */
static void run_all(struct loop *l)
{
    run_later(l);
    while (l->ended_first) {
        struct later *d = take(&l->ended_first, &l->ended_last);

        d->run(d);
        run_later(l);
    }
}

static void deliver_mail(struct loop *l)
{
    struct queue_node *n = queue_take(&l->mail);

    while (n) {
        struct mail *m = container_of(n, struct mail, node);

        n = n->next; /* before the mail is freed by its own delivery */
        m->deliver(m, l);
    }
}

static void on_wake(uv_async_t *h)
{
    deliver_mail(h->data);
}

static void on_prepare(uv_prepare_t *h)
{
    struct loop *l = h->data;

    run_all(l);
    timers_arm(l);
}

static void on_check(uv_check_t *h)
{
    struct loop *l = h->data;

    run_all(l);
    l->turn++;
}

static void on_ready(uv_poll_t *h, int status, int events)
{
    (void)status;
    (void)events;
    streams_ready(h->data);
}

static void must(int rc, const char *what)
{
    if (rc == 0)
        return;
    log_error("net", "the event loop cannot start", lf_text("step", what), lf_err("error", rc));
    abort();
}

struct loop *loop_new_indexed(unsigned index)
{
    struct loop *l = NEW(struct loop);

    l->index = index;
    l->owner = pthread_self();
    l->later_last = &l->later_first;
    l->ended_last = &l->ended_first;
    l->alarm_ms = UINT64_MAX;
    queue_init(&l->mail);
    must(uv_loop_init(&l->uv), "loop");
    l->wake.data = l->prepare.data = l->check.data = l->alarm.data = l->ready.data = l;
    must(uv_async_init(&l->uv, &l->wake, on_wake), "wake-up");
    must(uv_prepare_init(&l->uv, &l->prepare), "prepare");
    must(uv_prepare_start(&l->prepare, on_prepare), "prepare");
    must(uv_check_init(&l->uv, &l->check), "check");
    must(uv_check_start(&l->check, on_check), "check");
    must(uv_timer_init(&l->uv, &l->alarm), "timer");
    l->streams = epoll_create1(EPOLL_CLOEXEC);
    must(l->streams < 0 ? -errno : 0, "sockets");
    must(uv_poll_init(&l->uv, &l->ready, l->streams), "sockets");
    must(uv_poll_start(&l->ready, UV_READABLE, on_ready), "sockets");
    l->events = mem_new_array(LOOP_EVENTS, sizeof(*l->events));
    l->read_buffer = mem_resize(NULL, LOOP_READ_SIZE);
    return l;
}

struct loop *loop_new(void)
{
    return loop_new_indexed(0);
}

void loop_adopt(struct loop *l)
{
    l->owner = pthread_self();
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    loop_adopt(l); /* a worker's thread has ended by now */
    while (!queue_is_empty(&l->mail) || l->later_first || l->ended_first) {
        deliver_mail(l);
        run_all(l);
    }
    assert(l->heap_count == 0);
    /* What was closed in the last turn has its callback still to come, and a name look-up that
     * nobody waits for any more ends by itself. */
    while (l->open_count > 0) {
        bool closing = l->uv.closing_handles, looking_up = l->uv.active_reqs.count > 0;

        assert((closing || looking_up) && "a loop is freed while something on it is open");
        uv_run(&l->uv, closing ? UV_RUN_NOWAIT : UV_RUN_ONCE);
        run_all(l);
    }
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->alarm, NULL);
    uv_close((uv_handle_t *)&l->ready, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&l->uv), "close");
    close(l->streams);
    chunks_fini(l);
    mem_free(l->events);
    mem_free(l->heap);
    mem_free(l->read_buffer);
    mem_free(l->plain_buffer);
    mem_free(l->record_buffer);
    mem_free(l->addrs);
    mem_free(l);
}

void loop_run(struct loop *l)
{
    loop_assert_mine(l);
    l->running = true;
    uv_run(&l->uv, UV_RUN_DEFAULT);
    l->running = false;
}

void loop_turn(struct loop *l, bool wait)
{
    loop_assert_mine(l);
    l->running = true;
    uv_run(&l->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    run_all(l); /* of what was closed, and of timers after the wait */
    l->running = false;
}

void loop_turn_until(struct loop *l, uint64_t mono_ns)
{
    struct pollfd fd = { .fd = uv_backend_fd(&l->uv), .events = POLLIN };
    uint64_t now = clock_mono_ns(), ns = mono_ns > now ? mono_ns - now : 0;
    struct timespec left = { .tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000) };
    int most_ms;

    loop_assert_mine(l);
    l->running = true;
    run_all(l);
    timers_arm(l);
    uv_update_time(&l->uv);
    most_ms = uv_backend_timeout(&l->uv); /* -1: no timer */
    if (most_ms >= 0 && (uint64_t)most_ms * 1000000 < ns)
        left = (struct timespec){ most_ms / 1000, most_ms % 1000 * 1000000L };
    ppoll(&fd, 1, &left, NULL);
    loop_turn(l, false);
}

void loop_stop(struct loop *l)
{
    loop_assert_mine(l);
    uv_stop(&l->uv);
}

uint64_t loop_now_ms(const struct loop *l)
{
    return uv_now(&l->uv);
}

void loop_assert_mine(const struct loop *l)
{
    assert(pthread_equal(l->owner, pthread_self()));
}

void loop_later(struct loop *l, struct later *d)
{
    loop_assert_mine(l);
    if (d->queued)
        return;
    d->queued = true;
    append(d, &l->later_last);
}

void loop_at_end(struct loop *l, struct later *d)
{
    append(d, &l->ended_last);
}

void loop_post(struct loop *l, struct mail *m)
{
    if (queue_push(&l->mail, &m->node))
        uv_async_send(&l->wake);
}

unsigned loop_index(const struct loop *l)
{
    return l->index;
}

/* ---- signals ---- */

struct loop_signal {
    uv_signal_t handle;
    struct loop *loop;
    void (*on)(void *ctx, int signum);
    void *ctx;
};

static void on_signal(uv_signal_t *h, int signum)
{
    struct loop_signal *s = container_of(h, struct loop_signal, handle);

    s->on(s->ctx, signum);
}

static void on_signal_closed(uv_handle_t *h)
{
    struct loop_signal *s = container_of(h, struct loop_signal, handle);

    s->loop->open_count--;
    mem_free(s);
}

struct loop_signal *loop_signal_open(struct loop *l, int signum, void (*on)(void *ctx, int signum),
                                     void *ctx)
{
    struct loop_signal *s = NEW(struct loop_signal);

    loop_assert_mine(l);
    s->loop = l;
    s->on = on;
    s->ctx = ctx;
    must(uv_signal_init(&l->uv, &s->handle), "signal");
    must(uv_signal_start(&s->handle, on_signal, signum), "signal");
    l->open_count++;
    return s;
}

void loop_signal_close(struct loop_signal *s)
{
    if (!s)
        return;
    loop_assert_mine(s->loop);
    uv_close((uv_handle_t *)&s->handle, on_signal_closed);
}
