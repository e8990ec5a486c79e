/*
 * Bridges out of the settings: each with its TLS context, the rules of its topics, and a worker of its own as
 * far as there are enough.
 */
#include "node/bridges_io.h"

#include "base/log.h"
#include "base/mem.h"
#include "node/tls_io.h"

#include <assert.h>
#include <stdio.h>

struct one {
    struct bridge *bridge;
    struct tls_context *tls;
    char *host;
};
struct bridges {
    struct one of[SETTINGS_BRIDGES_MAX];
    size_t count;
};

static struct bridge_rule *rules_of(const struct bridge_settings *s)
{
    struct bridge_rule *rules = mem_new_array(s->topics.count + 1, sizeof(*rules));

    for (size_t i = 0; i < s->topics.count; i++) {
        const struct bridge_topic_settings *t =
            CONF_ITEM_AT(s->topics, struct bridge_topic_settings, i);

        rules[i] = (struct bridge_rule){ .filter = t->filter,
                                         .local_prefix = t->local_prefix,
                                         .remote_prefix = t->remote_prefix,
                                         .direction = t->direction,
                                         .qos = (unsigned char)t->qos };
    }
    return rules;
}

static int make_one(struct bridges *all, const struct bridge_settings *s, const struct limits *l,
                    struct broker *b, struct workers *w, struct metrics *m, struct str node_id,
                    struct fault *f)
{
    struct one *k = &all->of[all->count];
    struct bridge_options o = { .name = s->name,
                                .server_name = settings_or_none(s->server_name),
                                .alpn = settings_or_none(s->alpn),
                                .version = (enum mqtt_version)s->version,
                                .client_id = s->client_id,
                                .username = s->user,
                                .password = s->password,
                                .clean_session = s->clean_session,
                                .try_private = s->try_private,
                                .session_expiry_s = (uint32_t)(s->session_expiry_ms / 1000),
                                .keep_alive_s = (unsigned)(s->keep_alive_ms / 1000),
                                .ack_timeout_ms = (unsigned)s->ack_timeout_ms,
                                .inflight_max = (unsigned)settings_bridge_inflight_max(s),
                                .packet_max_bytes = s->packet_max_bytes,
                                .rule_count = s->topics.count,
                                .queue_max_messages = s->queue_max,
                                .queue_max_bytes = s->quota_bytes,
                                .when_full = (enum bridge_full)s->when_full,
                                .notify = (enum bridge_notify)s->notify,
                                .limits = l,
                                .metrics = m,
                                .worker = (unsigned)all->count };
    struct bridge_rule *rules;
    struct str host;
    char id[256];
    bool tls;
    int rc;

    if (settings_bridge_address(s->address, &host, &o.port, &tls))
        assert(false && "checked by the row");
    all->count++;
    k->host = str_dup(host);
    o.host = k->host;
    rc = tls_io_bridge(s, &k->tls, f);
    if (rc)
        return rc;
    o.tls = k->tls;
    if (s->client_id.n == 0) {
        snprintf(id, sizeof(id), "wayside-%.*s-%.*s", STR_ARG(node_id), STR_ARG(s->name));
        o.client_id = str_of(id);
    }
    rules = rules_of(s);
    o.rules = rules;
    k->bridge = bridge_new(b, w, &o);
    mem_free(rules);
    return 0;
}

int bridges_new(const struct settings *s, const struct limits *l, struct broker *b,
                struct workers *w, struct metrics *m, struct str node_id, struct bridges **out,
                struct fault *f)
{
    const struct conf_list *list = &s->mqtt.bridges;
    struct bridges *all;
    int rc = 0;

    *out = NULL;
    if (list->count == 0)
        return 0;
    all = *out = NEW(struct bridges);
    for (size_t i = 0; i < list->count && !rc; i++)
        rc = make_one(all, CONF_ITEM_AT(*list, struct bridge_settings, i), l, b, w, m, node_id, f);
    if (!rc && s->mqtt.durability == BROKER_MEMORY)
        log_warn("bridge",
                 "with mqtt.durability: memory, what waits for a bridge ends with the program");
    return rc;
}

int bridges_start(struct bridges *all, struct fault *f)
{
    int rc = 0;

    for (size_t i = 0; all && i < all->count && !rc; i++)
        rc = bridge_prepare(all->of[i].bridge, f);
    return rc;
}

void bridges_stop(struct bridges *all)
{
    for (size_t i = 0; all && i < all->count; i++)
        if (all->of[i].bridge)
            bridge_stop(all->of[i].bridge);
}

void bridges_free(struct bridges *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < all->count; i++) {
        bridge_free(all->of[i].bridge);
        tls_free(all->of[i].tls);
        mem_free(all->of[i].host);
    }
    mem_free(all);
}

void bridges_reload_tls(struct bridges *all)
{
    for (size_t i = 0; all && i < all->count; i++) {
        struct fault f = { 0 };

        if (all->of[i].tls && tls_reload(all->of[i].tls, &f))
            log_error("tls", "the old certificate stays in use", lf_text("file", f.file),
                      lf_text("why", f.text));
    }
}

size_t bridges_count(const struct bridges *all)
{
    return all ? all->count : 0;
}

void bridges_status(const struct bridges *all, size_t i, struct bridge_status *out)
{
    bridge_status(all->of[i].bridge, out);
}
