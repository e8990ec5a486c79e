/* What the broker says of itself, in the words of the REST interface and of `wayside sessions --json`. */
#include "hub/render_mqtt.h"

#include "mqtt/tree.h"

/* NULL when it is not connected. */
static const char *transport_of(const struct broker_session_info *s)
{
    if (!s->connected)
        return NULL;
    if (s->websocket)
        return s->tls ? "wss" : "ws";
    if (s->tls)
        return "tls";
    return str_starts(str_of(s->peer), STR("unix")) ? "unix" : "tcp";
}

static void put_str(struct json_writer *w, const char *key, struct str s)
{
    json_key(w, key);
    if (s.p)
        json_str(w, s);
    else
        json_nil(w);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_text(w, text);
}

static void put_filter(struct json_writer *w, const struct broker_subscription_info *s)
{
    static const char *const handling[] = { "send", "send_if_new", "none", "none" };

    put_str(w, "filter", s->filter);
    json_put_u64(w, "qos", s->options & TREE_QOS);
    json_put_bool(w, "no_local", (s->options & TREE_NO_LOCAL) != 0);
    json_put_bool(w, "retain_as_published", (s->options & TREE_AS_PUBLISHED) != 0);
    put_text(w, "retained", handling[s->options >> 4 & 3]); /* MQTT 5, 3.8.3.1 */
    json_put_bool(w, "shared", str_starts(s->filter, STR("$share/")));
    json_key(w, "id");
    if (s->sub_id != 0)
        json_u64(w, s->sub_id);
    else
        json_nil(w);
}

static void put_filters(struct json_writer *w, const struct broker_looked *subs)
{
    json_key(w, "filters");
    json_begin_array(w);
    for (size_t i = 0; i < subs->subscription_count; i++) {
        json_begin_object(w);
        put_filter(w, &subs->subscriptions[i]);
        json_end_object(w);
    }
    json_end_array(w);
}

void render_mqtt_session(struct json_writer *w, const struct broker_session_info *s,
                         const struct broker_looked *subs)
{
    json_begin_object(w);
    put_str(w, "client", s->client_id);
    put_str(w, "user", s->user);
    put_text(w, "peer", s->peer);
    json_put_bool(w, "connected", s->connected);
    put_text(w, "transport", transport_of(s));
    json_put_bool(w, "websocket", s->websocket);
    json_put_bool(w, "tls", s->tls);
    json_put_u64(w, "version", s->version);
    json_key(w, "since");
    json_time(w, s->since_wall_ns);
    json_put_u64(w, "subscriptions", s->subscriptions);
    json_put_u64(w, "queued", s->queued);
    json_put_u64(w, "queued_bytes", s->queued_bytes);
    json_put_u64(w, "inflight", s->inflight);
    json_put_u64(w, "received", s->received);
    json_put_u64(w, "sent", s->sent);
    json_put_u64(w, "dropped", s->dropped);
    json_put_u64(w, "throttled", s->throttled);
    json_put_u64(w, "keep_alive_s", s->keep_alive_s);
    json_key(w, "expiry_s");
    if (s->expiry_s == UINT32_MAX)
        json_nil(w);
    else
        json_u64(w, s->expiry_s);
    json_put_bool(w, "will", s->will);
    if (subs)
        put_filters(w, subs);
    json_end_object(w);
}

static void put_end(struct json_writer *w, const struct broker_looked *found)
{
    json_put_u64(w, "total", found->total);
    json_end_object(w);
}

void render_mqtt_sessions(struct buf *out, const struct broker_looked *found)
{
    struct json_writer w = json_writer_init(out);
    size_t n = found->session_count;

    json_begin_object(&w);
    json_key(&w, "items");
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        render_mqtt_session(&w, &found->sessions[i], NULL);
    json_end_array(&w);
    put_str(&w, "next", found->more && n > 0 ? found->sessions[n - 1].client_id : STR_NONE);
    put_end(&w, found);
}

void render_mqtt_subscriptions(struct buf *out, const struct broker_looked *found)
{
    struct json_writer w = json_writer_init(out);
    size_t n = found->subscription_count;

    json_begin_object(&w);
    json_key(&w, "items");
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&w);
        put_str(&w, "client", found->subscriptions[i].client_id);
        put_filter(&w, &found->subscriptions[i]);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_key(&w, "next");
    if (found->more && n > 0)
        json_printf(&w, "%u.%.*s", found->subscriptions[n - 1].at,
                    STR_ARG(found->subscriptions[n - 1].client_id));
    else
        json_nil(&w);
    put_end(&w, found);
}

int render_mqtt_place(struct str token, struct str *out_client, uint32_t *out_at)
{
    uint64_t at;

    if (str_find(token, '.') == token.n || str_to_u64(str_cut(&token, '.'), &at) || at > UINT32_MAX)
        return ERR_VALUE;
    *out_client = token;
    *out_at = (uint32_t)at;
    return 0;
}

/* ---- counts ---- */

uint64_t render_mqtt_dropped(const struct broker_stats *s)
{
    return s->dropped_slow + s->dropped_queue + s->dropped_size + s->dropped_expired +
           s->dropped_retained + s->dropped_mount + s->dropped_oldest + s->dropped_offline;
}

static void put_by_qos(struct json_writer *w, const char *key, const uint64_t n[3])
{
    json_key(w, key);
    json_begin_object(w);
    json_put_u64(w, "qos0", n[0]);
    json_put_u64(w, "qos1", n[1]);
    json_put_u64(w, "qos2", n[2]);
    json_end_object(w);
}

static void put_series(struct json_writer *w, const char *key, const uint64_t *values, size_t count)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        json_u64(w, values[i]);
    json_end_array(w);
}

static void put_rates(struct json_writer *w, const struct render_mqtt_rates *r)
{
    json_key(w, "rates");
    json_begin_object(w);
    json_key(w, "until");
    json_time(w, r->end_wall_ns);
    json_put_u64(w, "step_ms", 1000);
    put_series(w, "received", r->received, r->count);
    put_series(w, "sent", r->sent, r->count);
    put_series(w, "dropped", r->dropped, r->count);
    json_end_object(w);
}

static void put_log(struct json_writer *w, const struct render_mqtt_log *log)
{
    json_key(w, "log");
    if (!log->there) {
        json_nil(w);
        return;
    }
    json_begin_object(w);
    json_put_u64(w, "bytes", log->bytes);
    json_put_u64(w, "quota_bytes", log->quota_bytes);
    json_put_bool(w, "full", log->low);
    json_end_object(w);
}

void render_mqtt_stats(struct buf *out, const struct broker_stats *s,
                       const struct render_mqtt_log *log, const struct render_mqtt_rates *rates)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    json_put_u64(&w, "connected", s->connected);
    json_put_u64(&w, "sessions", s->sessions);
    json_put_u64(&w, "subscriptions", s->subscriptions);
    json_put_u64(&w, "shared_subscriptions", s->shared);
    json_put_u64(&w, "retained", s->retained);
    put_by_qos(&w, "received", s->received);
    put_by_qos(&w, "sent", s->sent);
    json_put_u64(&w, "received_bytes", s->received_bytes);
    json_key(&w, "dropped");
    json_begin_object(&w);
    json_put_u64(&w, "slow", s->dropped_slow);
    json_put_u64(&w, "queue", s->dropped_queue);
    json_put_u64(&w, "size", s->dropped_size);
    json_put_u64(&w, "expired", s->dropped_expired);
    json_put_u64(&w, "retained", s->dropped_retained);
    json_put_u64(&w, "mount", s->dropped_mount);
    json_put_u64(&w, "oldest_qos0", s->dropped_oldest);
    json_put_u64(&w, "offline", s->dropped_offline);
    json_end_object(&w);
    json_key(&w, "refused");
    json_begin_object(&w);
    json_put_u64(&w, "publish", s->denied_publish);
    json_put_u64(&w, "subscribe", s->denied_subscribe);
    json_put_u64(&w, "ingest", s->refused_ingest);
    json_put_u64(&w, "connect", s->connects_refused);
    json_end_object(&w);
    json_put_u64(&w, "connects", s->connects);
    json_put_u64(&w, "taken_over", s->taken_over);
    json_put_u64(&w, "keep_alive_timeouts", s->keep_alive_timeouts);
    json_put_u64(&w, "protocol_errors", s->protocol_errors);
    put_log(&w, log);
    put_rates(&w, rates);
    json_end_object(&w);
}
