/*
 * The client's subscriptions: what its owner asked for, sent again whenever a session begins. One
 * SUBSCRIBE carries one filter, so that each answer belongs to one filter whatever else happened
 * meanwhile. They are sent also when the server kept the session: it may have been restored from
 * an older state, and a repeated SUBSCRIBE changes nothing (MQTT 5, 3.8.4-3).
 */
#include "mqtt/client_part.h"

#include "base/mem.h"

static struct str filter_of(const struct client_sub *s)
{
    return str_from(s->filter, s->filter_n);
}

static struct client_sub *find(struct client *c, struct str filter)
{
    for (size_t i = 0; i < c->sub_count; i++)
        if (str_eq(filter_of(&c->subs[i]), filter))
            return &c->subs[i];
    return NULL;
}

void client_subs_fini(struct client *c)
{
    for (size_t i = 0; i < c->sub_count; i++)
        mem_free(c->subs[i].filter);
    mem_free(c->subs);
    c->subs = NULL;
    c->sub_count = c->sub_cap = 0;
}

void client_subs_down(struct client *c)
{
    for (size_t i = 0; i < c->sub_count; i++)
        c->subs[i].pending_id = 0;
}

static uint16_t next_id(struct client *c)
{
    c->last_sub_id = c->last_sub_id < CLIENT_SUB_ID || c->last_sub_id == UINT16_MAX
                         ? (uint16_t)CLIENT_SUB_ID
                         : (uint16_t)(c->last_sub_id + 1);
    return c->last_sub_id;
}

/* `list` holds the one entry. */
static uint16_t send_list(struct client *c, enum mqtt_type type, struct buf *list, uint64_t now_ms)
{
    struct mqtt_packet p = { .type = type };

    p.subscribe.packet_id = next_id(c);
    p.subscribe.list = buf_str(list);
    mqtt_encode(&p, c->cfg.connect.version, &c->out);
    buf_fini(list);
    c->tx_at_ms = now_ms;
    return p.subscribe.packet_id;
}

static void send_subscribe(struct client *c, struct client_sub *s, uint64_t now_ms)
{
    struct buf list = buf_init(UINT16_MAX + 16);
    struct mqtt_sub sub = { .filter = filter_of(s), .qos = s->qos };

    if (c->cfg.connect.version == MQTT_V5) {
        sub.no_local = s->no_local;
        sub.retain_as_published = s->retain_as_published;
        sub.retain_handling = s->retain_handling;
    }
    mqtt_sub_put(&list, &sub);
    s->pending_id = send_list(c, MQTT_SUBSCRIBE, &list, now_ms);
}

void client_subs_up(struct client *c, uint64_t now_ms)
{
    for (size_t i = 0; i < c->sub_count; i++)
        send_subscribe(c, &c->subs[i], now_ms);
}

int client_subscribe(struct client *c, const struct mqtt_sub *sub, uint64_t now_ms)
{
    struct str filter = sub->filter, name, rest;
    struct client_sub *s;

    if (!mqtt_filter_valid(filter) || sub->qos > 2 || sub->retain_handling > 2 ||
        mqtt_share_split(filter, &name, &rest) == MQTT_SHARE_BAD)
        return ERR_VALUE;
    s = find(c, filter);
    if (!s) {
        if (c->sub_count >= c->cfg.subscriptions_max)
            return ERR_FULL;
        if (c->sub_count == c->sub_cap) {
            c->sub_cap = c->sub_cap ? c->sub_cap * 2 : 4;
            c->subs = mem_resize(c->subs, c->sub_cap * sizeof(*c->subs));
        }
        s = &c->subs[c->sub_count++];
        *s = (struct client_sub){ .filter = str_dup(filter), .filter_n = (uint16_t)filter.n };
    }
    s->qos = sub->qos;
    s->no_local = sub->no_local;
    s->retain_as_published = sub->retain_as_published;
    s->retain_handling = sub->retain_handling;
    c->qos2_wanted |= sub->qos == 2;
    if (c->state == CLIENT_OPEN)
        send_subscribe(c, s, now_ms);
    return 0;
}

int client_unsubscribe(struct client *c, struct str filter, uint64_t now_ms)
{
    struct client_sub *s = find(c, filter);
    struct buf list = buf_init(UINT16_MAX + 16);

    if (!s)
        return ERR_UNKNOWN;
    if (c->state == CLIENT_OPEN) {
        mqtt_unsub_put(&list, filter);
        (void)send_list(c, MQTT_UNSUBSCRIBE, &list, now_ms);
    }
    mem_free(s->filter);
    *s = c->subs[--c->sub_count];
    return 0;
}

bool client_subs_acked(struct client *c, const struct mqtt_suback *a, struct client_event *out)
{
    for (size_t i = 0; i < c->sub_count; i++) {
        struct client_sub *s = &c->subs[i];

        if (s->pending_id != a->packet_id)
            continue;
        s->pending_id = 0;
        out->filter = filter_of(s);
        out->reason = (unsigned char)a->codes.p[0];
        return true;
    }
    return false;
}
