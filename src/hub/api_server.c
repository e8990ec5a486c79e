/*
 * The REST handlers. Each question goes to the store's reader threads with the journal's head as
 * it stands now: the answer waits (bounded) until the store has reached it, so whoever posted and
 * was answered sees it in the next GET. The JSON is made on the reader's thread (hub/render.c);
 * the loop only sends it.
 *
 * /api/v1 answers mistakes as problem+json with the field; the older paths keep their shapes.
 */
#include "hub/api_server.h"

#include "base/log.h"
#include "base/mem.h"
#include "hub/query.h"
#include "hub/render.h"

#define API_WAIT_MS 2000 /* for the store to catch up with what was acknowledged */

struct api {
    struct api_options o;
};

/* A question on its way: the request's answer comes when the store has rendered it. */
struct question {
    struct api *api;
    struct http_request *r;
    struct store_job job;
    struct render render;
    enum render_shape shape;
    bool older;        /* an older path: its own words when the device is unknown */
    bool then_devices; /* newest values were asked first; the list of devices follows */
    struct str after;  /* page of that list */
    size_t limit;
};

static void finish(struct question *q)
{
    render_fini(&q->render);
    mem_free(q);
}

static void answer_failure(struct question *q, int code)
{
    switch (code) {
    case ERR_UNKNOWN:
        http_respond_error(q->r, 404, "Device not found");
        break;
    case ERR_VALUE:
        http_respond_error(q->r, 422, "%s", q->job.answer.text);
        break;
    case ERR_LIMIT:
        http_respond_error(q->r, 503,
                           "the answer would be too large or takes too long; ask for a shorter "
                           "time, fewer rows or a larger step");
        break;
    case ERR_STOPPED:
        http_add(q->r, "Retry-After", STR("2"));
        http_respond_error(q->r, 503, "the hub is shutting down");
        break;
    default:
        log_error("api", "the store did not answer", lf_err("error", code),
                  lf_text("text", q->job.answer.text));
        http_add(q->r, "Retry-After", STR("5"));
        http_respond_error(q->r, 503, "the store cannot answer now; /ready says why");
        break;
    }
}

static void on_answer(struct store_job *job)
{
    struct question *q = container_of(job, struct question, job);
    int code = job->answer.code;

    /* For a filter an unknown device is no rows; on the older path it is the thing asked for. */
    if (code == ERR_UNKNOWN && !q->older) {
        code = 0;
        job->answer.next[0] = '\0';
    }
    if (!code && q->then_devices) {
        q->then_devices = false;
        job->query.what = STORE_DEVICES;
        job->query.after = q->after;
        job->query.limit = q->limit;
        job->render = &render_devices;
        render_devices_begin(&q->render);
        store_ask(q->api->o.store, job);
        return;
    }
    /* The older list of a device that is known but has nothing to show is an empty list. */
    if (!code)
        code = render_end(&q->render, q->shape, job->answer.next);
    if (code) {
        answer_failure(q, code);
    } else {
        if (job->answer.behind)
            http_add(q->r, "Wayside-Behind", STR("true"));
        http_respond_buf_take(q->r, 200, "application/json", &q->render.out);
    }
    finish(q);
}

static struct question *ask_new(struct api *a, struct http_request *r)
{
    struct question *q = NEW(struct question);

    q->api = a;
    q->r = r;
    render_init(&q->render);
    q->render.senders = uplink_server_senders(hub_ingest_uplink(a->o.ingest));
    q->job.ctx = &q->render;
    q->job.loop = http_loop(r);
    q->job.done = on_answer;
    q->job.wait_seq = journal_head(a->o.journal);
    q->job.wait_ms = API_WAIT_MS;
    return q;
}

/* Checks what the route's rows could not, then asks. */
static void ask(struct question *q)
{
    const char *field = NULL;
    struct fault f = { 0 };

    if (store_query_check(&q->job.query, &field, &f)) {
        struct field_error e = { .text = f.text, .type = "value_error" };

        /* The store goes on after a token, a reader of newest first asks for what is before. */
        if (field && strcmp(field, "after") == 0)
            field = "before";
        if (field)
            memcpy(e.field, field, strlen(field) < sizeof(e.field) ? strlen(field) + 1 : 0);
        http_respond_invalid(q->r, "query", &e, 1);
        finish(q);
        return;
    }
    store_ask(q->api->o.store, &q->job);
}

/* ---- GET /api/v1/devices ---- */

static void on_devices(struct http_request *r, void *ctx)
{
    struct question *q = ask_new(ctx, r);

    q->job.query = (struct store_query){
        .what = STORE_LATEST,
        .device = http_param_str(r, "device"),
        .limit = STORE_LIMIT_MAX,
    };
    q->job.render = &render_lasts;
    q->then_devices = true;
    q->after = http_param_str(r, "after");
    q->limit = (size_t)http_param_i64(r, "limit", STORE_LIMIT_MAX);
    ask(q);
}

/* ---- GET /api/v1/nodes ---- */

static void on_nodes(struct http_request *r, void *ctx)
{
    struct api *a = ctx;
    struct buf b = buf_init(RENDER_MAX);

    render_senders(&b, uplink_server_senders(hub_ingest_uplink(a->o.ingest)));
    http_respond_buf_take(r, 200, "application/json", &b);
}

/* ---- GET /api/v1/gaps ---- */

static void on_gaps(struct http_request *r, void *ctx)
{
    struct question *q = ask_new(ctx, r);

    q->job.query = (struct store_query){
        .what = STORE_GAPS,
        .device = http_param_str(r, "device"),
        .from_ns = http_param_time(r, "from", 0),
        .to_ns = http_param_time(r, "to", 0),
        .limit = (size_t)http_param_i64(r, "limit", STORE_LIMIT_DEFAULT),
        .after = http_param_str(r, "before"),
    };
    q->job.render = &render_gaps;
    render_gaps_begin(&q->render);
    ask(q);
}

/* ---- GET /api/v1/readings ---- */

static bool parse_step(struct http_request *r, struct question *q)
{
    struct str step = http_param_str(r, "step");
    struct field_error e = { .field = "step", .type = "value_error" };

    if (query_step(step, &q->job.query.step_ns) == 0)
        return true;
    e.text = "must be a whole number and a unit, such as 500ms, 10s, 5m, 1h or 1d";
    http_respond_invalid(r, "query", &e, 1);
    finish(q);
    return false;
}

static void on_readings(struct http_request *r, void *ctx)
{
    struct question *q = ask_new(ctx, r);
    struct str kind = http_param_str(r, "kind");
    bool series = http_param_str(r, "step").p != NULL;

    q->job.query = (struct store_query){
        .what = series ? STORE_SERIES : STORE_RECORDS,
        .device = http_param_str(r, "device"),
        .stream = http_param_str(r, "stream"),
        .kinds = kind.n > 0 ? 1u << record_kind_from(kind) : 0,
        .from_ns = http_param_time(r, "from", 0),
        .to_ns = http_param_time(r, "to", 0),
        .limit = (size_t)http_param_i64(r, "limit", STORE_LIMIT_DEFAULT),
        .after = http_param_str(r, "before"),
        .field = http_param_str(r, "field"),
    };
    if (kind.n > 0 && record_kind_from(kind) == 0) {
        struct field_error e = { .field = "kind",
                                 .text = "must be reading, detection, status, event or result",
                                 .type = "value_error" };

        http_respond_invalid(r, "query", &e, 1);
        finish(q);
        return;
    }
    if (series) {
        if (!parse_step(r, q))
            return;
        if (q->job.query.to_ns == 0)
            q->job.query.to_ns = http_wall_ns(r) + 1;
        q->job.query.limit = STORE_LIMIT_MAX;
        q->job.render = &render_series;
        q->shape = RENDER_SERIES;
        render_series_begin(&q->render, &q->job.query);
    } else {
        q->job.render = &render_readings;
        render_readings_begin(&q->render);
    }
    ask(q);
}

/* ---- GET /sensor-data/{device_id} ---- */

static void on_sensor_list(struct http_request *r, void *ctx)
{
    struct question *q = ask_new(ctx, r);

    q->older = true;
    q->shape = RENDER_ARRAY;
    q->job.query = (struct store_query){
        .what = STORE_RECORDS,
        .device = http_param_str(r, "device_id"),
        .stream = STR("env"),
        .limit = (size_t)http_param_i64(r, "limit", STORE_LIMIT_DEFAULT),
    };
    q->job.render = &render_payloads;
    render_payloads_begin(&q->render);
    ask(q);
}

/* ---- taking readings ---- */

struct post {
    struct http_request *r;
    bool stored; /* answer what was stored (the older route), else {"status":"success"} */
};

static void on_stored(void *ctx, int code)
{
    struct post *p = ctx;

    if (code == ERR_FULL) {
        http_add(p->r, "Retry-After", STR("5"));
        http_respond_error(p->r, 503, "the journal is full; nothing was stored, send it again");
    } else if (code == ERR_LIMIT || code == ERR_VALUE) {
        http_respond_error(p->r, 422, "the journal does not take such a record");
    } else if (code) {
        http_add(p->r, "Retry-After", STR("5"));
        http_respond_error(p->r, 503,
                           "the disk does not take it; nothing was stored, send it again");
    } else if (p->stored) {
        http_respond(p->r, 200, "application/json", http_body(p->r));
    } else {
        http_respond(p->r, 200, "application/json", STR("{\"status\":\"success\"}"));
    }
    mem_free(p);
}

static void refuse(struct api *a, struct http_request *r, const struct refusal *why)
{
    struct buf b = buf_init(8192);
    char peer[ADDR_TEXT_SIZE];
    bool older = http_route_of(r)->flags & HTTP_STYLE_DETAIL;

    hub_ingest_refused(a->o.ingest, http_loop(r), str_of(addr_format_host(http_peer(r), peer)),
                       http_path(r), why, http_body(r));
    if (older)
        render_detail(&b, why);
    else
        render_problem(&b, 422, why);
    http_respond_buf_take(r, 422, older ? "application/json" : "application/problem+json", &b);
}

static void take(struct api *a, struct http_request *r, enum ingest_route route)
{
    struct refusal why = { 0 };
    struct record rec = { 0 };
    struct post *p;

    if (ingest_body(route, a->o.limits, http_body(r), http_wall_ns(r), http_arena(r), &rec, &why)) {
        refuse(a, r, &why);
        return;
    }
    p = NEW(struct post);
    p->r = r;
    p->stored = route == INGEST_SENSOR_DATA;
    hub_ingest_record(a->o.ingest, http_loop(r), &rec, on_stored, p);
}

static void on_post_sensor(struct http_request *r, void *ctx)
{
    take(ctx, r, INGEST_SENSOR_DATA);
}

static void on_post_data(struct http_request *r, void *ctx)
{
    take(ctx, r, INGEST_API_DATA);
}

/* ---- the table ---- */

#define DEVICE_CHARS "a-zA-Z0-9_-"
#define STREAM_CHARS "a-zA-Z0-9_.-"

static const struct http_param devices_params[] = {
    { "device", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = RECORD_DEVICE_MAX,
      .charset = DEVICE_CHARS, .help = "only this device" },
    { "limit", HTTP_IN_QUERY, HTTP_INTEGER, .least = 1, .most = STORE_LIMIT_MAX,
      .help = "devices at most; 10000 when absent" },
    { "after", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = STORE_TOKEN_SIZE,
      .help = "the token `next` of the page before" },
    { 0 },
};
static const struct http_param readings_params[] = {
    { "device", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = RECORD_DEVICE_MAX,
      .charset = DEVICE_CHARS, .help = "only of this device" },
    { "stream", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = RECORD_STREAM_MAX,
      .charset = STREAM_CHARS, .help = "only of this stream" },
    { "kind", HTTP_IN_QUERY, HTTP_STRING, .help = "reading, detection, status, event or result" },
    { "from", HTTP_IN_QUERY, HTTP_TIME, .help = "not older than this time" },
    { "to", HTTP_IN_QUERY, HTTP_TIME, .help = "older than this time" },
    { "limit", HTTP_IN_QUERY, HTTP_INTEGER, .least = 1, .most = STORE_LIMIT_MAX,
      .help = "rows at most; 100 when absent" },
    { "before", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = STORE_TOKEN_SIZE,
      .help = "the token `next` of the page before" },
    { "step", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = 24,
      .help = "sum up in steps (10s, 5m, 1h) for a chart; needs device, stream and field" },
    { "field", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = 96,
      .help =
          "the numeric leaf to sum up, as in the stream's list of fields; @lag: the seconds from "
          "a record's time to its arrival" },
    { 0 },
};
static const struct http_param gaps_params[] = {
    { "device", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = RECORD_DEVICE_MAX,
      .charset = DEVICE_CHARS, .help = "only of the journal that its records come from" },
    { "from", HTTP_IN_QUERY, HTTP_TIME, .help = "told not before this time" },
    { "to", HTTP_IN_QUERY, HTTP_TIME, .help = "told before this time" },
    { "limit", HTTP_IN_QUERY, HTTP_INTEGER, .least = 1, .most = STORE_LIMIT_MAX,
      .help = "rows at most; 100 when absent" },
    { "before", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = STORE_TOKEN_SIZE,
      .help = "the token `next` of the page before" },
    { 0 },
};
static const struct http_param sensor_params[] = {
    { "device_id", HTTP_IN_PATH, HTTP_STRING, .least = 1, .most = RECORD_DEVICE_MAX,
      .charset = DEVICE_CHARS, .help = "the device" },
    { "limit", HTTP_IN_QUERY, HTTP_INTEGER, .least = 1, .most = STORE_LIMIT_MAX,
      .help = "rows at most; 100 when absent" },
    { 0 },
};

static const struct http_route routes[] = {
    { HTTP_GET, "/api/v1/devices", on_devices, .params = devices_params, .tag = "readings",
      .summary = "Devices with their streams and newest values" },
    { HTTP_GET, "/api/v1/gaps", on_gaps, .params = gaps_params, .tag = "nodes",
      .summary =
          "Records that are lost (dropped at a quota, damaged on a disk), the last told first" },
    { HTTP_GET, "/api/v1/nodes", on_nodes, .tag = "nodes",
      .summary = "Nodes that send their journals here: backlog, drops, clock, last contact" },
    { HTTP_GET, "/api/v1/readings", on_readings, .params = readings_params, .tag = "readings",
      .summary = "Readings, newest first; with step and field: minimum, average, maximum" },
    { HTTP_POST, "/api/v1/data", on_post_data, .flags = HTTP_BODY_JSON | HTTP_BODY_NEEDED,
      .body_max = KIB(256), .tag = "readings", .body_schema = "{\"type\":\"object\"}",
      .summary = "Store any JSON object; answered when it is on disk" },
    { HTTP_POST, "/sensor-data", on_post_sensor,
      .flags = HTTP_BODY_JSON | HTTP_BODY_NEEDED | HTTP_STYLE_DETAIL, .body_max = KIB(256),
      .tag = "older clients",
      .body_schema =
          "{\"type\":\"object\",\"required\":[\"device_id\",\"temperature\",\"humidity\","
          "\"timestamp\"],\"properties\":{\"device_id\":{\"type\":\"string\",\"pattern\":"
          "\"^[A-Za-z0-9_-]{1,50}$\"},\"temperature\":{\"type\":\"number\",\"minimum\":-50,"
          "\"maximum\":100},\"humidity\":{\"type\":\"number\",\"minimum\":0,\"maximum\":100},"
          "\"timestamp\":{\"type\":\"string\",\"format\":\"date-time\"}}}",
      .summary = "Store one reading; answers it when it is on disk" },
    { HTTP_GET, "/sensor-data/{device_id}", on_sensor_list, .params = sensor_params,
      .flags = HTTP_STYLE_DETAIL, .tag = "older clients",
      .summary = "Readings of a device as they were sent, newest first" },
};

struct api *api_new(const struct api_options *o)
{
    struct api *a = NEW(struct api);

    a->o = *o;
    return a;
}

void api_free(struct api *a)
{
    mem_free(a);
}

void api_mount(struct api *a, struct http_server *s)
{
    http_server_mount(s, routes, COUNT_OF(routes), a);
}
