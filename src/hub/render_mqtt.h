#ifndef HUB_RENDER_MQTT_H
#define HUB_RENDER_MQTT_H
/* The broker's clients, subscriptions and counts as JSON. Pure. */
#include "mqtt/broker.h"
#include "wire/json.h"

/* One client, as an object. subs: its subscriptions as `filters`; NULL: without them. */
void render_mqtt_session(struct json_writer *w, const struct broker_session_info *s,
                         const struct broker_looked *subs);
/* {"items":[…],"next":…,"total":…} */
void render_mqtt_sessions(struct buf *out, const struct broker_looked *found);
void render_mqtt_subscriptions(struct buf *out, const struct broker_looked *found);

/* The token of a page of subscriptions: behind this place of this client. ERR_VALUE: none of ours. */
MUST_USE int render_mqtt_place(struct str token, struct str *out_client, uint32_t *out_at);

/* Publications per second, one number for each second. */
#define RENDER_MQTT_RATES 300u
struct render_mqtt_rates {
    int64_t end_wall_ns; /* of the last second */
    size_t count;        /* at most RENDER_MQTT_RATES; oldest first */
    uint64_t received[RENDER_MQTT_RATES], sent[RENDER_MQTT_RATES], dropped[RENDER_MQTT_RATES];
};
struct render_mqtt_log {
    bool there, low;
    uint64_t bytes, quota_bytes;
};
void render_mqtt_stats(struct buf *out, const struct broker_stats *s,
                       const struct render_mqtt_log *log, const struct render_mqtt_rates *rates);
/* All that was dropped, for whatever cause. */
uint64_t render_mqtt_dropped(const struct broker_stats *s);

#endif
