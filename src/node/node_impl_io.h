#ifndef NODE_NODE_IMPL_IO_H
#define NODE_NODE_IMPL_IO_H
/*
 * What the files of a node share: node_io.c, which starts and stops it, and node_mqtt_io.c, its broker with all
 * that lets clients in. Main thread.
 */
#include "base/metrics.h"
#include "http/ws_server.h"
#include "hub/api_server.h"
#include "hub/mqtt_api_server.h"
#include "hub/sink_io.h"
#include "net/tls.h"
#include "node/access_desk_server.h"
#include "node/access_server.h"
#include "node/bridges_io.h"
#include "node/broker_io.h"
#include "node/health_server.h"
#include "node/node_io.h"
#include "node/status_server.h"

#define NODE_SERVERS_MAX 16 /* api, health, and the listeners that mqtt.listeners may have */
#define NODE_NAMES_MAX   64

/* MQTT over WebSocket on one listener. */
struct ws_door {
    struct node *node;
    const struct broker_rules *rules;
};

struct node {
    const struct settings *settings;
    struct limits limits; /* the settings', or less where something else is in the way */
    const char *hosts[NODE_NAMES_MAX + 3], *origins[NODE_NAMES_MAX + 1]; /* end with NULL */
    char host_name[128], host_local[136];
    struct buf id, data, journal_dir;
    struct node_state state;
    struct metrics *metrics;
    struct listener_places places; /* of all listeners but health's and the two local sockets */
    struct listener_places health_places;
    struct workers *workers;
    struct access_server *access;
    struct access_user *users;
    struct access_desk *desk;
    struct journal *journal;
    struct journal *mqtt_log; /* the broker's */
    struct store *store;
    struct topics *topics;
    struct refused *refused;
    struct hub_ingest *ingest;
    struct sink *sink;
    struct broker *broker;
    struct bridges *bridges;
    struct api *api;
    struct mqtt_api *mqtt_api;
    struct health health;
    struct http_server *servers[NODE_SERVERS_MAX]; /* api, health, MQTT over WebSocket */
    size_t server_count;
    struct ws_door doors[NODE_SERVERS_MAX];
    size_t door_count;
    struct tls_context *tls[NODE_SERVERS_MAX];
    size_t tls_count;
    struct addr_net *nets[NODE_SERVERS_MAX]; /* trusted proxies of the listeners that have some */
    size_t nets_count;
    struct host *host;
    struct cell host_on;
    struct socket_server *socket;
    struct uplink_client *uplink;
    struct status_server *status;
};

/* ---- small steps ---- */

/* fallback when s is empty. */
const char *node_or_default(struct str s, const char *fallback);
/* The permissions that the digits of a setting say. */
unsigned node_octal(struct str digits);
/* DATA/name as a path that lives as long as b. */
const char *node_data_path(const struct node *n, struct buf *b, const char *name);
void node_say_listening(struct node *n, const char *service, const struct addr *a);
/* The node's from now on; NULL is legal. */
void node_keep_tls(struct node *n, struct tls_context *tls);

/* ---- MQTT ---- */

/* Who may do what, before the broker is made, which asks it. */
MUST_USE int node_make_access(struct node *n, struct fault *f);
/* The broker with its log and its bridges; nobody gets in yet. */
MUST_USE int node_make_broker(struct node *n, struct fault *f);
/* The listeners of mqtt.listeners. */
MUST_USE int node_start_mqtt(struct node *n, struct fault *f);
/* MQTT over WebSocket as one of the routes of the API. */
void node_mount_mqtt(struct node *n, struct http_server *api, const struct broker_rules *rules);

#endif
