/*
 * `mqtt pub`: one message, one many times, a message per line, or an empty retained one for each topic
 * to be cleared. Status 0 promises something: with QoS 1 and 2 that the server has acknowledged every
 * message, with QoS 0 that it has read them all, which a PINGREQ behind them finds out.
 *
 * What is not acknowledged when a connection breaks goes out again by itself (the client keeps it),
 * within the session that the server keeps for us with QoS 2, so that nothing comes twice. MQTT 3.1.1
 * has no session that ends by itself: there a broken connection leaves QoS 2 undecided, and we say so.
 */
#include "cli/mqtt_io.h"

#include "base/mem.h"
#include "cli/mqtt_lines_io.h"
#include "cli/mqtt_link_io.h"
#include "cli/mqtt_reasons.h"
#include "cli/safe_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How long a QoS 2 session outlives its connection: longer than any retry takes. */
#define PUB_SESSION_S 300

struct pub {
    const struct mqtt_pub_args *a;
    struct mqtt_link link;
    struct mqtt_clear_list topics; /* PUB_CLEAR */
    struct mqtt_lines *lines;      /* PUB_LINES */
    struct blob *payload;          /* PUB_MESSAGE, PUB_FILE, PUB_STDIN */
    struct str line;               /* held until it is taken */
    bool has_line;

    uint64_t made;      /* messages that were begun with: the number of the next, from 0 */
    uint64_t waiting;   /* of QoS 1 and 2, without an answer */
    uint64_t unsure;    /* of QoS 0, not yet known to be read */
    uint64_t pinged;    /* how many of them the ping that is out vouches for */
    uint64_t good, bad; /* acknowledged or read; refused or lost */
    bool input_ended, stopped;
    bool lost;             /* this session took messages with it that are not sent again */
    struct timer next;     /* --every */
    struct timer patience; /* --timeout */
    uint64_t next_at_ms;
    int status;
};

/* One publication of QoS 1 or 2 on its way. */
struct sent {
    struct pub *pub;
    uint64_t number;
    size_t bytes;
};

static void pump(struct pub *p);

/* ---- ends ---- */

static void end(struct pub *p, int status)
{
    if (!p->link.client)
        return;
    if (status != EXIT_DONE)
        p->status = status;
    timer_stop(&p->next);
    timer_stop(&p->patience);
    mqtt_link_end(&p->link);
}

static bool is_owing(const struct pub *p)
{
    return p->waiting > 0 || p->unsure > 0;
}

static void progress(struct pub *p)
{
    if (p->link.client)
        timer_start(&p->patience, p->a->timeout_ms);
}

static void on_patience(struct timer *t)
{
    struct pub *p = container_of(t, struct pub, patience);

    if (!is_owing(p) && mqtt_client_is_connected(p->link.client)) {
        progress(p); /* there is nothing to be answered */
        return;
    }
    mqtt_link_say(&p->link,
                  "%s has not answered for %g s: %llu of %llu messages may not have arrived",
                  p->link.server, (double)p->a->timeout_ms / 1000,
                  (unsigned long long)(p->waiting + p->unsure), (unsigned long long)p->made);
    end(p, EXIT_FAILED);
}

/* All is published: ends when all is answered. */
static void settle(struct pub *p)
{
    if (!p->input_ended || p->waiting > 0 || !p->link.client)
        return;
    if (p->unsure > 0) {
        if (p->pinged == 0 && mqtt_client_is_connected(p->link.client)) {
            p->pinged = p->unsure;
            mqtt_client_ping(p->link.client);
        }
        return;
    }
    end(p, p->bad > 0 ? EXIT_FAILED : EXIT_DONE);
}

/* ---- what the server says ---- */

static struct str topic_of(const struct pub *p, uint64_t number)
{
    return p->a->from == PUB_CLEAR ? str_of(p->topics.topics[number]) : p->a->topic;
}

static void say_which(const struct pub *p, uint64_t number, struct buf *out)
{
    if (p->a->from == PUB_LINES)
        buf_printf(out, "message %llu to ", (unsigned long long)number + 1);
    safe_text(topic_of(p, number), out);
}

static void say_refused(struct pub *p, const struct sent *s, int code, unsigned reason,
                        struct str text)
{
    bool sys = str_starts(topic_of(p, s->number), STR("$SYS/"));
    struct buf b = buf_init(4096);

    say_which(p, s->number, &b);
    if (code == ERR_CLOSED || code == ERR_STOPPED) {
        buf_put(&b, STR(": the connection ended before the answer; it may have arrived or not"));
    } else {
        buf_put(&b, STR(": refused: "));
        mqtt_reason_say(sys ? REFUSED_PUBLISH_SYS : REFUSED_PUBLISH, p->a->login.version, reason,
                        text, &b);
    }
    mqtt_link_say(&p->link, "%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

static void on_done(void *ctx, int code, unsigned reason, struct str text)
{
    struct sent *s = ctx;
    struct pub *p = s->pub;
    bool ending = !p->link.client;

    p->waiting--;
    if (code == ERR_CLOSED)
        p->lost = true;
    else if (code != ERR_STOPPED)
        mqtt_link_answered(&p->link);
    if (code == 0) {
        p->good++;
        if (p->a->verbose) {
            struct buf b = buf_init(4096);

            say_which(p, s->number, &b);
            mqtt_link_say(&p->link, "%.*s: %zu bytes acknowledged, 0x%02x %s", STR_ARG(buf_str(&b)),
                          s->bytes, reason, mqtt_reason_text(reason));
            buf_fini(&b);
        }
    } else {
        p->bad++;
        if (!ending)
            say_refused(p, s, code, reason, text);
    }
    mem_free(s);
    if (ending)
        return;
    progress(p);
    pump(p);
}

static void on_ponged(void *ctx)
{
    struct pub *p = ctx;

    p->unsure -= p->pinged;
    p->good += p->pinged;
    p->pinged = 0;
    mqtt_link_answered(&p->link);
    progress(p);
    pump(p);
}

static void on_connected(void *ctx, bool session_present)
{
    struct pub *p = ctx;

    (void)session_present;
    mqtt_link_up(&p->link);
    if (p->link.mute_sessions == 0) /* else this may be the next one in vain */
        progress(p);
    pump(p);
}

static void on_disconnected(void *ctx, int code, unsigned reason, struct str text,
                            unsigned retry_ms)
{
    struct pub *p = ctx;
    bool again;

    (void)retry_ms;
    if (!is_owing(p) && !p->lost)
        mqtt_link_answered(&p->link);
    p->lost = false;
    again = mqtt_link_down(&p->link, code, reason, text);
    if (p->unsure > 0) {
        mqtt_link_say(&p->link, "%llu messages of QoS 0 may be lost; -q 1 would send them again",
                      (unsigned long long)p->unsure);
        p->bad += p->unsure;
        p->unsure = p->pinged = 0;
    }
    if (!again)
        end(p, EXIT_FAILED);
    else
        settle(p);
}

static void on_ready(void *ctx)
{
    pump(ctx);
}

static const struct mqtt_client_handler handler = { .connected = on_connected,
                                                    .disconnected = on_disconnected,
                                                    .ready = on_ready,
                                                    .ponged = on_ponged };

/* ---- what is published ---- */

static bool next_line(struct pub *p)
{
    int code = 0;

    while (!p->has_line) {
        switch (mqtt_lines_next(p->lines, &p->line, &code)) {
        case LINES_LINE:
            p->has_line = p->line.n > 0; /* an empty message means "clear": not by accident */
            break;
        case LINES_WAIT:
            /* Whoever feeds us slowly wants to know now what became of the last ones. */
            if (p->unsure > 0 && p->pinged == 0 && mqtt_client_is_connected(p->link.client)) {
                p->pinged = p->unsure;
                mqtt_client_ping(p->link.client);
            }
            return false;
        case LINES_TOO_LONG:
            mqtt_link_say(&p->link, "message %llu is longer than MQTT allows (%u bytes)",
                          (unsigned long long)p->made + 1, MQTT_ARGS_PAYLOAD_MAX);
            p->bad++;
            p->input_ended = true;
            return false;
        case LINES_FAILED:
            mqtt_link_say(&p->link, "standard input: %s", err_text(code));
            p->bad++;
            p->input_ended = true;
            return false;
        case LINES_END:
            p->input_ended = true;
            return false;
        }
    }
    return true;
}

/* Fills in the next message; false: there is none, or not yet. */
static bool next_message(struct pub *p, struct mqtt_client_message *m)
{
    if (p->input_ended)
        return false;
    switch (p->a->from) {
    case PUB_LINES:
        if (!next_line(p))
            return false;
        m->payload = p->line;
        break;
    case PUB_CLEAR:
        if (p->made == p->topics.count) {
            p->input_ended = true;
            return false;
        }
        m->topic = str_of(p->topics.topics[p->made]);
        m->retain = true;
        break;
    case PUB_MESSAGE:
    case PUB_FILE:
    case PUB_STDIN:
        if (p->a->repeat > 0 && p->made == p->a->repeat) {
            p->input_ended = true;
            return false;
        }
        m->blob = p->payload;
        break;
    }
    return true;
}

static void say_not_taken(struct pub *p, int code, size_t bytes)
{
    if (code == ERR_LIMIT)
        mqtt_link_say(&p->link, "a message of %zu bytes is larger than %s takes", bytes,
                      p->link.server);
    else if (p->a->retain)
        mqtt_link_say(
            &p->link,
            "%s takes no retained messages, or none of QoS %u; leave --retain out or try a "
            "lower -q",
            p->link.server, p->a->qos);
    else
        mqtt_link_say(&p->link, "%s takes no messages of QoS %u; try a lower -q", p->link.server,
                      p->a->qos);
}

/* False: it waits for room or for the connection. */
static bool publish(struct pub *p, struct mqtt_client_message *m)
{
    struct sent *s = m->qos > 0 ? NEW(struct sent) : NULL;
    size_t bytes = m->blob ? m->blob->n : m->payload.n;
    int rc;

    if (s) {
        *s = (struct sent){ .pub = p, .number = p->made, .bytes = bytes };
        m->done = on_done;
        m->done_ctx = s;
    }
    rc = mqtt_client_publish(p->link.client, m);
    if (rc)
        mem_free(s);
    if (rc == ERR_FULL || rc == ERR_CLOSED)
        return false;
    if (rc) {
        say_not_taken(p, rc, bytes);
        p->bad++;
    } else if (s) {
        p->waiting++;
    } else {
        p->unsure++;
    }
    if (rc == 0 && !s && p->a->verbose)
        mqtt_link_say(&p->link, "%zu bytes sent", bytes);
    p->made++;
    p->has_line = false;
    p->next_at_ms = loop_now_ms(p->link.loop) + p->a->every_ms;
    return true;
}

static void pump(struct pub *p)
{
    while (p->link.client && mqtt_client_is_connected(p->link.client)) {
        struct mqtt_client_message m = { .topic = p->a->topic,
                                         .qos = p->a->qos,
                                         .retain = p->a->retain,
                                         .props = buf_str(&p->a->props) };

        if (!p->input_ended && p->made > 0 && loop_now_ms(p->link.loop) < p->next_at_ms) {
            timer_start_at(&p->next, p->next_at_ms);
            break;
        }
        if (!next_message(p, &m) || !publish(p, &m))
            break;
    }
    settle(p);
}

static void on_next(struct timer *t)
{
    pump(container_of(t, struct pub, next));
}

static void on_more(void *ctx)
{
    struct pub *p = ctx;

    if (p->link.client)
        pump(p);
}

/* The first time it publishes nothing more and waits for the answers; the second time it just ends. */
static void on_stop(void *ctx, int signum)
{
    struct pub *p = ctx;

    (void)signum;
    if (!p->link.client)
        return;
    if (p->stopped || !mqtt_client_is_connected(p->link.client)) {
        mqtt_link_say(&p->link, "interrupted: %llu of %llu messages may not have arrived",
                      (unsigned long long)(p->waiting + p->unsure), (unsigned long long)p->made);
        end(p, EXIT_FAILED);
        return;
    }
    p->stopped = true;
    /* Only what was to go on until it is ended is done by that. */
    if (!p->input_ended && !(p->a->repeat == 0 || p->a->from == PUB_LINES)) {
        mqtt_link_say(&p->link, "interrupted after %llu messages", (unsigned long long)p->made);
        p->status = EXIT_FAILED;
    }
    p->input_ended = true;
    settle(p);
}

/* ---- begin ---- */

/* Blocking: nothing is connected yet. */
static int read_whole(struct pub *p)
{
    const char *name = p->a->from == PUB_STDIN ? "standard input" : p->a->file;
    int fd = p->a->from == PUB_STDIN ? STDIN_FILENO : open(p->a->file, O_RDONLY | O_CLOEXEC);
    struct buf b = buf_init(MQTT_ARGS_PAYLOAD_MAX);
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0 || (n < 0 && fd >= 0 && errno == EINTR)) {
        size_t room = b.max - b.n < 65536 ? b.max - b.n : 65536;
        char *to = room > 0 ? buf_reserve(&b, room) : NULL;

        if (!to) {
            errno = EFBIG;
            n = -1;
            break;
        }
        n = read(fd, to, room);
        if (n > 0)
            buf_commit(&b, (size_t)n);
    }
    if (n < 0)
        fprintf(stderr, "wayside mqtt pub: %s: %s\n", name,
                errno == EFBIG ? "longer than MQTT allows (255 MiB)" : err_text(-errno));
    else
        p->payload = blob_new(buf_str(&b));
    if (fd > STDERR_FILENO)
        close(fd);
    buf_fini(&b);
    return n < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int prepare(struct pub *p)
{
    switch (p->a->from) {
    case PUB_MESSAGE:
        p->payload = blob_new(str_of(p->a->message));
        return EXIT_DONE;
    case PUB_FILE:
    case PUB_STDIN:
        return read_whole(p);
    case PUB_CLEAR:
        return mqtt_clear_find(p->a, &p->topics);
    case PUB_LINES:
        break;
    }
    return EXIT_DONE;
}

static int publish_all(struct pub *p)
{
    bool keep = p->a->qos == 2 && p->a->login.version == MQTT_V5;
    struct mqtt_link_options o = {
        .command = "mqtt pub",
        .login = &p->a->login,
        .handler = &handler,
        .stop = on_stop,
        .ctx = p,
        .keep_session = keep,
        .session_expiry_s = PUB_SESSION_S,
        .resend = p->a->qos == 1 || keep,
        .packet_max_bytes = 65536, /* we subscribe to nothing */
    };
    int rc = mqtt_link_open(&p->link, &o);

    if (rc == EXIT_DONE) {
        timer_init(&p->next, p->link.loop, on_next);
        timer_init(&p->patience, p->link.loop, on_patience);
        progress(p);
        if (p->a->from == PUB_LINES)
            p->lines =
                mqtt_lines_open(p->link.loop, STDIN_FILENO, MQTT_ARGS_PAYLOAD_MAX, on_more, p);
        if (p->a->from == PUB_LINES && !p->lines) {
            mqtt_link_say(&p->link, "no pipe can be made: %s", err_text(-errno));
            end(p, EXIT_FAILED);
        }
        mqtt_link_run(&p->link);
        mqtt_lines_close(p->lines);
        rc = p->status;
    }
    mqtt_link_close(&p->link);
    return rc;
}

int mqtt_pub(const struct command_call *c)
{
    struct mqtt_env env = mqtt_env_get();
    struct mqtt_pub_args a;
    struct pub p = { .a = &a };
    struct fault f = { 0 };
    int rc;

    if (mqtt_pub_args_read(c, &env, &a, &f)) {
        rc = mqtt_usage(c, &f);
        goto out;
    }
    rc = prepare(&p);
    if (rc == EXIT_DONE && !(a.from == PUB_CLEAR && p.topics.count == 0))
        rc = publish_all(&p);
    if (rc == EXIT_DONE && a.from == PUB_CLEAR)
        printf("%zu retained topic%s cleared\n", p.topics.count, p.topics.count == 1 ? "" : "s");
    else if (a.verbose && p.made > 1)
        fprintf(stderr, "wayside mqtt pub: %llu messages: %llu %s, %llu not\n",
                (unsigned long long)p.made, (unsigned long long)p.good,
                a.qos > 0 ? "acknowledged" : "read by the server", (unsigned long long)p.bad);
out:
    mqtt_clear_free(&p.topics);
    blob_unref(p.payload);
    mqtt_pub_args_fini(&a);
    return rc;
}
