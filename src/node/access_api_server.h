#ifndef NODE_ACCESS_API_SERVER_H
#define NODE_ACCESS_API_SERVER_H
/* Users and rules in the REST interface, for this machine (hub/mqtt_api_server.h). */
#include "http/server.h"

struct access_desk;

/* Adds the routes; before the server listens. d outlives it. */
void access_api_mount(struct access_desk *d, struct http_server *s);

#endif
