#ifndef HUB_API_SERVER_H
#define HUB_API_SERVER_H
/* The REST interface of a hub: devices, readings, taking readings. */
#include "http/server.h"
#include "hub/ingest_server.h"
#include "store/store.h"

struct api;

struct api_options {
    struct hub_ingest *ingest;
    struct journal *journal;
    struct store *store;
    const struct limits *limits; /* outlives it */
};
struct api *api_new(const struct api_options *o);
void api_free(struct api *a); /* after the server was stopped */
/* Adds the routes; before the server listens. */
void api_mount(struct api *a, struct http_server *s);

#endif
