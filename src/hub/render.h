#ifndef HUB_RENDER_H
#define HUB_RENDER_H
/*
 * Rows of the store as the JSON of the REST interface. Pure; runs on the store's reader threads,
 * so that no loop spends its time on text. A render is begun, fed by the store, and ended.
 */
#include "base/arena.h"
#include "base/map.h"
#include "hub/senders.h"
#include "ingest/ingest.h"
#include "store/store.h"
#include "wire/json.h"

/* An answer's size at most: 10,000 rows of a few KiB; beyond it the client is told to ask for
 * less. */
#define RENDER_MAX       (64u << 20)
#define RENDER_LAST_MAX  2048u /* a newest value that is longer is left out of the list */
#define RENDER_LASTS_MAX (8u << 20)

struct render {
    struct buf out;
    struct json_writer w;
    struct buf min, avg, max; /* of a series */
    struct arena lasts_arena; /* newest values by "device/stream" */
    struct map lasts;
    const struct senders *senders; /* for the list of devices; may be NULL */
};

void render_init(struct render *r);
void render_fini(struct render *r);

/* {"items":[…],"next":…}: readings, newest first. */
void render_readings_begin(struct render *r);
extern const struct store_render render_readings;
/* The older list: an array of payloads. */
void render_payloads_begin(struct render *r);
extern const struct store_render render_payloads;
/* Newest values, kept for the list of devices that is rendered after it. */
extern const struct store_render render_lasts;
/* {"items":[{device, streams …}],"next":…} */
void render_devices_begin(struct render *r);
extern const struct store_render render_devices;
/* {"items":[{journal, first, last, reason, time}],"next":…} */
void render_gaps_begin(struct render *r);
extern const struct store_render render_gaps;
/* {"device","stream","field","step_ms","t":[ms],"min":[],"avg":[],"max":[]} */
void render_series_begin(struct render *r, const struct store_query *q);
extern const struct store_render render_series;

/* One node that sends its journal here: {journal, name, backlog, …}. From any thread. */
void render_sender(struct json_writer *w, const struct sender *s);
/* {"items":[…],"next":null} of all of them. */
void render_senders(struct buf *out, const struct senders *all);

/* Closes what was begun; next: the token of the page after, "" none. 0 or ERR_LIMIT. */
enum render_shape { RENDER_ITEMS, RENDER_ARRAY, RENDER_SERIES };
MUST_USE int render_end(struct render *r, enum render_shape shape, const char *next);

/* {"detail":[{"loc":["body",field],"msg":…,"type":…}]}, as older clients read it. */
void render_detail(struct buf *out, const struct refusal *why);
/* problem+json (RFC 9457) with the field. */
void render_problem(struct buf *out, int status, const struct refusal *why);

#endif
