#ifndef MQTT_BRIDGE_CLIENT_H
#define MQTT_BRIDGE_CLIENT_H
/*
 * A bridge: messages go from the local broker to another server and come from there, by topic maps, and
 * none that was acknowledged is lost on the way, whatever happens to the other server or the path to it.
 * mqtt/bridge_relay.h says how.
 *
 *     b = bridge_new(broker, workers, &options);    before broker_restore()
 *     bridge_prepare(b, &fault);                    before broker_listen(): nothing is missed from here on
 *     …
 *     bridge_stop(b);                               before broker_stop()
 *     bridge_free(b);
 */
#include "base/metrics.h"
#include "mqtt/bridge_map.h"
#include "mqtt/broker.h"
#include "wire/mqtt.h"

struct bridge;
struct tls_context;

enum bridge_full { BRIDGE_REFUSE, BRIDGE_DROP };
enum bridge_notify { BRIDGE_NOTIFY_LOCAL, BRIDGE_NOTIFY_BOTH, BRIDGE_NOTIFY_NONE };

struct bridge_options {
    struct str name; /* letters, digits, '_', '-', '.' */
    const char *host;
    uint16_t port;
    struct tls_context *tls;        /* NULL: plain; borrowed */
    const char *server_name, *alpn; /* for TLS; NULL: host, none */
    enum mqtt_version version;
    struct str client_id, username, password;
    bool clean_session; /* the far server is to forget us when the connection ends */
    bool try_private;   /* 3.1.1: say that it is a bridge, and if that is refused, do not */
    uint32_t session_expiry_s;
    unsigned keep_alive_s, ack_timeout_ms, inflight_max;
    size_t packet_max_bytes;         /* to the far server at most, whatever it says */
    const struct bridge_rule *rules; /* usable ones; copied */
    size_t rule_count;
    size_t queue_max_messages, queue_max_bytes;
    enum bridge_full when_full;
    enum bridge_notify notify; /* who gets $SYS/broker/connection/NAME/state */
    const struct limits *limits;
    struct metrics *metrics;
    unsigned worker; /* on which it runs */
};

/* Texts are copied. Not from a worker's thread, as everything here. */
struct bridge *bridge_new(struct broker *b, struct workers *w, const struct bridge_options *o);
/* Its session stands at the local broker, with all its subscriptions, when this returns 0; then it begins to
 * connect. */
MUST_USE int bridge_prepare(struct bridge *b, struct fault *f);
/* Ends both connections in order; the sessions stay. */
void bridge_stop(struct bridge *b);
void bridge_free(struct bridge *b); /* NULL is legal */

/* From any thread. */
struct bridge_status {
    const char *name, *host;
    uint16_t port;
    bool connected;
    uint64_t queued, queued_bytes; /* messages that wait, those on their way included */
    bool full;
    uint64_t sent, taken, refused, dropped, connects;
    uint64_t closed; /* filters that the far server refuses, as of the last connection */
};
void bridge_status(const struct bridge *b, struct bridge_status *out);

#endif
