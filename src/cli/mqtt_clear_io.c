/*
 * `mqtt pub --clear`: which topics? A plain topic is meant as it is. A filter is subscribed to, what the
 * server keeps is collected and shown, and nothing happens without a yes. The connection is closed while
 * the question waits for its answer, so the server does not wait with us.
 */
#include "cli/mqtt_io.h"

#include "base/mem.h"
#include "cli/mqtt_link_io.h"
#include "cli/mqtt_reasons.h"
#include "cli/safe_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEAR_TOPICS_MAX 1000000

struct finder {
    const struct mqtt_pub_args *a;
    struct mqtt_link link;
    struct mqtt_clear_list *list;
    uint64_t bytes;
    int status;
};

static void add(struct mqtt_clear_list *l, struct str topic)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->topics = mem_resize(l->topics, l->cap * sizeof(*l->topics));
    }
    l->topics[l->count++] = str_dup(topic);
}

void mqtt_clear_free(struct mqtt_clear_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        mem_free(l->topics[i]);
    mem_free(l->topics);
}

static void end(struct finder *f, int status)
{
    if (!f->link.client)
        return;
    f->status = status;
    mqtt_link_end(&f->link);
}

static unsigned wildcards(const struct mqtt_pub_args *a)
{
    unsigned n = 0;

    for (size_t i = 0; i < a->filter_count; i++)
        n += !mqtt_filter_is_plain(a->filters[i]);
    return n;
}

static void on_connected(void *ctx, bool session_present)
{
    struct finder *f = ctx;

    (void)session_present;
    mqtt_link_up(&f->link);
    mqtt_link_quiet(&f->link, wildcards(f->a));
}

static void on_disconnected(void *ctx, int code, unsigned reason, struct str text,
                            unsigned retry_ms)
{
    struct finder *f = ctx;

    (void)retry_ms;
    f->link.was_up = false; /* half a list is none: better begin again */
    (void)mqtt_link_down(&f->link, code, reason, text);
    end(f, EXIT_FAILED);
}

static void on_subscribed(void *ctx, struct str filter, unsigned code)
{
    struct finder *f = ctx;
    struct buf b = buf_init(2048);

    if (code < 0x80) {
        mqtt_link_quiet_subscribed(&f->link);
        return;
    }
    safe_text(filter, &b);
    buf_put(&b, STR(": refused: "));
    mqtt_reason_say(REFUSED_SUBSCRIBE, f->a->login.version, code, STR_NONE, &b);
    mqtt_link_say(&f->link, "%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
    end(f, EXIT_FAILED);
}

static void on_message(void *ctx, const struct mqtt_client_delivery *m)
{
    struct finder *f = ctx;

    if (!m->retain || m->payload.n == 0)
        return;
    mqtt_link_quiet_message(&f->link);
    if (f->list->count == CLEAR_TOPICS_MAX) {
        mqtt_link_say(&f->link, "more than %d topics; clear them by narrower filters",
                      CLEAR_TOPICS_MAX);
        end(f, EXIT_FAILED);
        return;
    }
    f->bytes += m->payload.n;
    add(f->list, m->topic);
}

static void on_ponged(void *ctx)
{
    struct finder *f = ctx;

    mqtt_link_quiet_ponged(&f->link);
}

static void on_all_came(void *ctx)
{
    end(ctx, EXIT_DONE);
}

static void on_stop(void *ctx, int signum)
{
    (void)signum;
    end(ctx, EXIT_FAILED);
}

static const struct mqtt_client_handler handler = { .connected = on_connected,
                                                    .disconnected = on_disconnected,
                                                    .message = on_message,
                                                    .subscribed = on_subscribed,
                                                    .ponged = on_ponged };

static int find(struct finder *f)
{
    struct mqtt_link_options o = {
        .command = "mqtt pub",
        .login = &f->a->login,
        .handler = &handler,
        .stop = on_stop,
        .all_came = on_all_came,
        .ctx = f,
    };
    int rc = mqtt_link_open(&f->link, &o);

    if (rc == EXIT_DONE) {
        for (size_t i = 0; i < f->a->filter_count; i++)
            if (!mqtt_filter_is_plain(f->a->filters[i]) &&
                mqtt_client_subscribe(f->link.client, f->a->filters[i], 0)) {
                mqtt_link_say(&f->link, "'%.*s' cannot be subscribed to",
                              STR_ARG(f->a->filters[i]));
                end(f, EXIT_FAILED);
                break;
            }
        mqtt_link_run(&f->link);
        rc = f->status;
    }
    mqtt_link_close(&f->link);
    return rc;
}

/* ---- showing and asking ---- */

static int compare(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* Two filters may have found the same topic. */
static void sort_unique(struct mqtt_clear_list *l)
{
    size_t kept = 0;

    if (l->count == 0)
        return;
    qsort(l->topics, l->count, sizeof(*l->topics), compare);
    for (size_t i = 0; i < l->count; i++) {
        if (kept > 0 && strcmp(l->topics[kept - 1], l->topics[i]) == 0)
            mem_free(l->topics[i]);
        else
            l->topics[kept++] = l->topics[i];
    }
    l->count = kept;
}

static void show(const struct mqtt_clear_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        struct buf b = buf_init(65536 * 8);

        safe_text(str_of(l->topics[i]), &b);
        printf("%.*s\n", STR_ARG(buf_str(&b)));
        buf_fini(&b);
    }
    fflush(stdout);
}

static int ask(const struct mqtt_clear_list *l)
{
    char line[16];

    if (!isatty(STDIN_FILENO)) {
        fprintf(stderr, "wayside mqtt pub: these %zu topics would be cleared; add --yes to do it\n",
                l->count);
        return EXIT_FAILED;
    }
    fprintf(stderr, "Clear %zu retained topic%s? [y/N] ", l->count, l->count == 1 ? "" : "s");
    if (fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y'))
        return EXIT_DONE;
    fprintf(stderr, "nothing was cleared\n");
    return EXIT_FAILED;
}

int mqtt_clear_find(const struct mqtt_pub_args *a, struct mqtt_clear_list *out)
{
    struct finder f = { .a = a, .list = out };
    int rc = EXIT_DONE;

    if (wildcards(a) > 0)
        rc = find(&f);
    for (size_t i = 0; i < a->filter_count && rc == EXIT_DONE; i++)
        if (mqtt_filter_is_plain(a->filters[i]))
            add(out, a->filters[i]);
    sort_unique(out);
    if (rc != EXIT_DONE || wildcards(a) == 0 || out->count == 0)
        return rc;
    show(out);
    return a->yes ? EXIT_DONE : ask(out);
}
