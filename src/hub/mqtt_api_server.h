#ifndef HUB_MQTT_API_SERVER_H
#define HUB_MQTT_API_SERVER_H
/* The broker in the REST interface: clients, subscriptions, counts, and ending a connection. */
#include "http/server.h"
#include "mqtt/broker.h"

struct mqtt_api;

/* log: the broker's journal, or NULL. All outlive it. Not from a worker, as all here. */
struct mqtt_api *mqtt_api_new(struct workers *w, struct broker *b, const struct journal *log);
/* Adds the routes; before the server listens. */
void mqtt_api_mount(struct mqtt_api *a, struct http_server *s);
/* After the server was stopped, while the workers run. */
void mqtt_api_free(struct mqtt_api *a); /* NULL is legal */

/* Requests that change who may do what, or end what others do, come from this machine, until there are
 * accounts. False: it was answered with 403. */
bool mqtt_api_is_local(struct http_request *r);

#endif
