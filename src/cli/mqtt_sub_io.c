/*
 * `mqtt sub`: prints what comes, one line a message, until it is ended. Lines are flushed at the end of
 * each turn of the loop. Nobody reading any more (a closed pipe) is an end like any other; it is looked
 * for once a second too, since a quiet topic writes nothing to find out by.
 *
 * A message is acknowledged when it was printed: behind the last of --count nothing is taken, so that a
 * kept session has the rest for the next time.
 */
#include "cli/mqtt_io.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/mqtt_link_io.h"
#include "cli/mqtt_reasons.h"
#include "cli/safe_text.h"
#include "cli/show.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOOK_MS 1000 /* how often a closed standard output is looked for */

struct sub {
    const struct mqtt_sub_args *a;
    struct mqtt_link link;
    bool colour, full, summary;
    uint64_t count, retained, bytes, start_ns;
    size_t refused;
    struct buf line;
    struct later flush, done;
    struct timer timeout, look;
    int status;
};

static void end(struct sub *s, int status)
{
    if (!s->link.client)
        return;
    if (status != EXIT_DONE)
        s->status = status;
    timer_stop(&s->timeout);
    timer_stop(&s->look);
    mqtt_link_end(&s->link);
}

/* It ends before --count messages came. */
static void end_early(struct sub *s)
{
    end(s, s->a->count > 0 && s->count < s->a->count ? EXIT_FAILED : EXIT_DONE);
}

/* ---- standard output ---- */

static void output_failed(struct sub *s)
{
    if (errno != EPIPE) {
        mqtt_link_say(&s->link, "standard output: %s", err_text(-errno));
        s->status = EXIT_FAILED;
    }
    end(s, EXIT_DONE);
}

static void on_flush(struct later *d)
{
    struct sub *s = container_of(d, struct sub, flush);

    if (fflush(stdout))
        output_failed(s);
}

static void on_look(struct timer *t)
{
    struct sub *s = container_of(t, struct sub, look);
    struct pollfd p = { .fd = STDOUT_FILENO };

    if (poll(&p, 1, 0) == 1 && (p.revents & POLLERR)) {
        end(s, EXIT_DONE);
        return;
    }
    timer_start(t, LOOK_MS);
}

static void print(struct sub *s, const struct mqtt_message *m)
{
    buf_clear(&s->line);
    switch (s->a->as) {
    case SUB_LINE:
        mqtt_message_line(m, s->colour, &s->line);
        break;
    case SUB_JSON:
        mqtt_message_json(m, &s->line);
        break;
    case SUB_FORMAT:
        mqtt_template_put(s->a->format, m, &s->line);
        buf_u8(&s->line, '\n');
        break;
    case SUB_RAW:
        buf_put(&s->line, m->payload);
        break;
    }
    if (buf_check(&s->line)) {
        mqtt_link_say(&s->link, "a message of %zu bytes is too large to be shown so; use --raw",
                      m->payload.n);
        s->status = EXIT_FAILED;
        return;
    }
    errno = 0;
    if (s->line.n > 0 && fwrite(s->line.p, 1, s->line.n, stdout) != s->line.n)
        output_failed(s);
    else
        loop_later(s->link.loop, &s->flush);
}

/* ---- what comes ---- */

static void on_done(struct later *d)
{
    end(container_of(d, struct sub, done), EXIT_DONE);
}

static void on_message(void *ctx, const struct mqtt_client_delivery *d)
{
    struct sub *s = ctx;
    struct mqtt_message m = { .topic = d->topic,
                              .payload = d->payload,
                              .qos = d->qos,
                              .retain = d->retain,
                              .dup = d->dup,
                              .props = d->props,
                              .wall_ns = clock_wall_ns() / 1000000 * 1000000 };

    if (s->full) {
        end(s, EXIT_DONE); /* not acknowledged */
        return;
    }
    if (d->retain)
        mqtt_link_quiet_message(&s->link);
    if ((s->a->retained_only && !d->retain) || (s->a->no_retained && d->retain))
        return;
    m.number = ++s->count;
    s->retained += d->retain;
    s->bytes += d->payload.n;
    print(s, &m);
    if (s->a->count > 0 && s->count == s->a->count) {
        s->full = true;
        loop_later(s->link.loop, &s->done); /* then this one is acknowledged */
    }
}

static void on_subscribed(void *ctx, struct str filter, unsigned code)
{
    struct sub *s = ctx;
    struct buf b = buf_init(2048);

    mqtt_link_answered(&s->link);
    mqtt_link_quiet_subscribed(&s->link);
    if (code < 0x80)
        return;
    safe_text(filter, &b);
    buf_put(&b, STR(": refused: "));
    mqtt_reason_say(REFUSED_SUBSCRIBE, s->a->login.version, code, STR_NONE, &b);
    mqtt_link_say(&s->link, "%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
    s->status = EXIT_FAILED;
    if (++s->refused >= s->a->filter_count)
        end(s, EXIT_FAILED);
}

static void on_connected(void *ctx, bool session_present)
{
    struct sub *s = ctx;

    (void)session_present;
    s->refused = 0;
    mqtt_link_up(&s->link);
    if (s->a->retained_only)
        mqtt_link_quiet(&s->link, (unsigned)s->a->filter_count);
}

static void on_disconnected(void *ctx, int code, unsigned reason, struct str text,
                            unsigned retry_ms)
{
    struct sub *s = ctx;

    (void)retry_ms;
    if (!mqtt_link_down(&s->link, code, reason, text))
        end(s, EXIT_FAILED);
}

static void on_ponged(void *ctx)
{
    struct sub *s = ctx;

    mqtt_link_quiet_ponged(&s->link);
}

static void on_all_came(void *ctx)
{
    end_early(ctx);
}

static void on_timeout(struct timer *t)
{
    struct sub *s = container_of(t, struct sub, timeout);

    if (s->a->count > 0 && s->count < s->a->count)
        mqtt_link_say(&s->link, "%llu of %llu messages came within %g s",
                      (unsigned long long)s->count, (unsigned long long)s->a->count,
                      (double)s->a->timeout_ms / 1000);
    end_early(s);
}

static void on_stop(void *ctx, int signum)
{
    struct sub *s = ctx;

    (void)signum;
    s->summary = true;
    end_early(s);
}

static const struct mqtt_client_handler handler = { .connected = on_connected,
                                                    .disconnected = on_disconnected,
                                                    .message = on_message,
                                                    .subscribed = on_subscribed,
                                                    .ponged = on_ponged };

/* ---- begin and end ---- */

static void say_summary(const struct sub *s)
{
    struct buf b = buf_init(256);

    buf_printf(&b, "%llu message%s", (unsigned long long)s->count, s->count == 1 ? "" : "s");
    if (s->retained > 0)
        buf_printf(&b, " (%llu retained)", (unsigned long long)s->retained);
    buf_put(&b, STR(", "));
    show_bytes(s->bytes, &b);
    buf_put(&b, STR(" in "));
    show_seconds((clock_mono_ns() - s->start_ns) / 1000000000, &b);
    fprintf(stderr, "%s%.*s\n", isatty(STDERR_FILENO) ? "\n" : "", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

static void subscribe(struct sub *s)
{
    for (size_t i = 0; i < s->a->filter_count; i++) {
        struct mqtt_sub sub = { .filter = s->a->filters[i],
                                .qos = s->a->qos,
                                .retain_handling = s->a->no_retained ? 2 : 0 };

        if (mqtt_client_subscribe_as(s->link.client, &sub)) {
            mqtt_link_say(&s->link, "'%.*s' cannot be subscribed to", STR_ARG(sub.filter));
            end(s, EXIT_FAILED);
            return;
        }
    }
}

static bool wants_colour(const struct mqtt_sub_args *a)
{
    const char *never = getenv("NO_COLOR"), *term = getenv("TERM");

    if (a->colour != COLOUR_AUTO)
        return a->colour == COLOUR_ALWAYS;
    return isatty(STDOUT_FILENO) && !(never && *never) && !(term && strcmp(term, "dumb") == 0);
}

static int run(struct sub *s)
{
    struct mqtt_link_options o = {
        .command = "mqtt sub",
        .login = &s->a->login,
        .handler = &handler,
        .stop = on_stop,
        .all_came = on_all_came,
        .ctx = s,
        .keep_session = s->a->keep_session,
        .session_expiry_s = s->a->session_expiry_s,
    };
    int rc = mqtt_link_open(&s->link, &o);

    if (rc == EXIT_DONE) {
        timer_init(&s->timeout, s->link.loop, on_timeout);
        timer_init(&s->look, s->link.loop, on_look);
        if (s->a->timeout_ms > 0)
            timer_start(&s->timeout, s->a->timeout_ms);
        timer_start(&s->look, LOOK_MS);
        subscribe(s);
        mqtt_link_run(&s->link);
        rc = s->status;
    }
    mqtt_link_close(&s->link);
    return rc;
}

int mqtt_sub(const struct command_call *c)
{
    struct mqtt_env env = mqtt_env_get();
    struct mqtt_sub_args a;
    struct sub s = { .a = &a,
                     .line = buf_init((size_t)4 * MQTT_VARINT_MAX),
                     .flush = { .run = on_flush },
                     .done = { .run = on_done },
                     .start_ns = clock_mono_ns() };
    struct fault f = { 0 };
    int rc;

    if (mqtt_sub_args_read(c, &env, &a, &f)) {
        rc = mqtt_usage(c, &f);
    } else {
        s.colour = wants_colour(&a);
        rc = run(&s);
    }
    if (s.summary)
        say_summary(&s);
    buf_fini(&s.line);
    mqtt_sub_args_fini(&a);
    return rc;
}
