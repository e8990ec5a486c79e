/*
 * One client, one loop, one thread: what fails is said in a sentence that leads on. The first attempt
 * must succeed, since a mistyped host would otherwise be waited for in silence; once a session stood, a
 * lost connection is made again by the client itself, unless the server said that this is pointless, or
 * shows it: a 3.1.1 server that does not take a message has no other word than to close, each time.
 */
#include "cli/mqtt_link_io.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "cli/mqtt_io.h"
#include "cli/mqtt_login_io.h"
#include "cli/mqtt_reasons.h"
#include "net/tls.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SAY_MAX 4096
/* Two clients of one id throw each other out; each comes back within the client's retry. */
#define SHORT_SESSION_MS 5000
#define SHORT_SESSIONS   3
#define MUTE_SESSIONS    5

void mqtt_link_say(const struct mqtt_link *l, const char *fmt, ...)
{
    char text[SAY_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    fprintf(stderr, "wayside %s: %s\n", l->command, text);
}

/* ---- opening ---- */

static void make_id(struct mqtt_link *l)
{
    uint32_t random;

    random_bytes(&random, sizeof(random));
    snprintf(l->id, sizeof(l->id), "wayside-%s-%08x", l->command + 5, (unsigned)random);
}

static void on_quiet(struct timer *t);

static void open_client(struct mqtt_link *l, const struct mqtt_link_options *o, struct str password)
{
    const struct mqtt_login *login = o->login;
    struct mqtt_client_options co = {
        .host = login->to.host,
        .port = login->to.port,
        .tls = l->tls,
        .version = login->version,
        .client_id = str_of(login->id ? login->id : l->id),
        .username = login->to.has_user ? str_of(login->to.user) : STR_NONE,
        .password = password,
        .keep_session = o->keep_session,
        .session_expiry_s = o->session_expiry_s,
        .resend = o->resend,
        .packet_max_bytes = o->packet_max_bytes ? o->packet_max_bytes : MQTT_VARINT_MAX,
        .handler = o->handler,
        .ctx = o->ctx,
    };

    l->client = mqtt_client_open(l->loop, &co);
}

int mqtt_link_open(struct mqtt_link *l, const struct mqtt_link_options *o)
{
    static const int numbers[] = { SIGINT, SIGTERM };
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    struct buf password = buf_init(MQTT_PASSWORD_MAX), server = buf_init(sizeof(l->server) - 1);
    struct fault f = { 0 };
    int rc;

    *l = (struct mqtt_link){
        .command = o->command, .login = o->login, .all_came = o->all_came, .ctx = o->ctx
    };
    log_setup(LOG_OFF, LOG_LOGFMT, STDERR_FILENO); /* each failure is said by mqtt_link_down() */
    sigaction(SIGPIPE, &ignore, NULL);
    mqtt_target_text(&o->login->to, &server);
    snprintf(l->server, sizeof(l->server), "%.*s", STR_ARG(buf_str(&server)));
    make_id(l);
    l->loop = loop_new();
    timer_init(&l->quiet, l->loop, on_quiet);
    rc = mqtt_login_open(o->login, &password, &l->tls, &f);
    if (rc) {
        mqtt_link_say(l, "%s", f.text);
    } else {
        for (size_t i = 0; i < COUNT_OF(numbers); i++)
            l->signals[i] = loop_signal_open(l->loop, numbers[i], o->stop, o->ctx);
        open_client(l, o, buf_str(&password));
    }
    buf_fini(&server);
    buf_fini(&password);
    return rc ? EXIT_FAILED : EXIT_DONE;
}

/* ---- running ---- */

void mqtt_link_run(struct mqtt_link *l)
{
    if (l->client)
        loop_run(l->loop);
}

static void on_closed(void *ctx)
{
    struct mqtt_link *l = ctx;

    loop_stop(l->loop);
}

void mqtt_link_end(struct mqtt_link *l)
{
    struct mqtt_client *client = l->client;

    l->client = NULL;
    timer_stop(&l->quiet);
    if (client)
        mqtt_client_close(client, on_closed, l);
}

void mqtt_link_close(struct mqtt_link *l)
{
    for (size_t i = 0; i < COUNT_OF(l->signals); i++)
        loop_signal_close(l->signals[i]);
    timer_stop(&l->quiet);
    loop_free(l->loop);
    tls_free(l->tls);
}

/* ---- the session comes and goes ---- */

void mqtt_link_up(struct mqtt_link *l)
{
    if (l->was_up)
        mqtt_link_say(l, "connected again");
    l->was_up = l->is_up = true;
    l->told = l->answered = false;
    l->up_at_ms = loop_now_ms(l->loop);
}

void mqtt_link_answered(struct mqtt_link *l)
{
    l->answered = true;
    l->mute_sessions = 0;
}

/* A session that stood was broken, by the server as far as one can see. */
static void count_session(struct mqtt_link *l)
{
    bool is_short = loop_now_ms(l->loop) - l->up_at_ms < SHORT_SESSION_MS;

    l->short_sessions = is_short ? l->short_sessions + 1 : 0;
    l->mute_sessions = is_short && !l->answered ? l->mute_sessions + 1 : 0;
}

bool mqtt_link_down(struct mqtt_link *l, int code, unsigned reason, struct str text)
{
    struct buf b = buf_init(SAY_MAX);
    bool again;

    timer_stop(&l->quiet);
    if (l->is_up && mqtt_down_is_closed(code))
        count_session(l);
    l->is_up = false;
    again = l->was_up && l->mute_sessions < MUTE_SESSIONS &&
            !mqtt_reason_is_final(l->login->version, code, reason);
    if (again && l->told)
        return true;
    l->told = true;
    mqtt_down_say(
        &(struct mqtt_down){ .server = l->server,
                             .version = l->login->version,
                             .tls = l->tls != NULL,
                             .was_up = l->was_up,
                             .code = code,
                             .reason = reason,
                             .text = text,
                             .mute_sessions = again ? 0 : l->mute_sessions,
                             .twin = l->short_sessions >= SHORT_SESSIONS ? l->login->id : NULL },
        &b);
    mqtt_link_say(l, "%.*s%s", STR_ARG(buf_str(&b)), again ? "; trying again" : "");
    buf_fini(&b);
    return again;
}

/* ---- have all retained messages come? ---- */

static void on_quiet(struct timer *t)
{
    struct mqtt_link *l = container_of(t, struct mqtt_link, quiet);

    if (!l->client)
        return;
    l->asked = true;
    l->news = false;
    mqtt_client_ping(l->client);
}

static void quiet_again(struct mqtt_link *l)
{
    l->news = true;
    if (l->quiet_on && l->waiting == 0 && !l->asked)
        timer_start(&l->quiet, MQTT_LINK_QUIET_MS);
}

void mqtt_link_quiet(struct mqtt_link *l, unsigned subscriptions)
{
    l->quiet_on = true;
    l->asked = false;
    l->waiting = subscriptions;
    quiet_again(l);
}

void mqtt_link_quiet_subscribed(struct mqtt_link *l)
{
    if (l->waiting > 0)
        l->waiting--;
    quiet_again(l);
}

void mqtt_link_quiet_message(struct mqtt_link *l)
{
    quiet_again(l);
}

void mqtt_link_quiet_ponged(struct mqtt_link *l)
{
    if (!l->quiet_on || !l->asked)
        return;
    l->asked = false;
    if (l->news) {
        quiet_again(l);
        return;
    }
    l->quiet_on = false;
    l->all_came(l->ctx);
}

/* ---- the command line ---- */

int mqtt_usage(const struct command_call *c, const struct fault *f)
{
    fprintf(stderr, "wayside %s: %s\nSee 'wayside help %s'.\n", c->command->name, f->text,
            c->command->name);
    return EXIT_USAGE;
}

struct mqtt_env mqtt_env_get(void)
{
    return (struct mqtt_env){ .url = getenv("WAYSIDE_MQTT_URL"),
                              .password = getenv("WAYSIDE_MQTT_PASSWORD") };
}
