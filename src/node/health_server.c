/*
 * Probes and scrapes. /health says that the process answers; /ready says whether it can take work
 * and why not (503 then), which is what load balancers and orchestrators ask; /metrics is the text
 * exposition format 0.0.4.
 */
#include "node/health_server.h"

#include "base/mem.h"

#define METRICS_TEXT_MAX (8u << 20)

static void on_health(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_respond_const(r, 200, "text/plain; charset=utf-8", STR("OK"));
}

static void on_health_json(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_respond_const(r, 200, "application/json",
                       STR("{\"status\":\"healthy\",\"version\":\"" WAYSIDE_VERSION "\"}"));
}

static void on_ready(struct http_request *r, void *ctx)
{
    struct health *h = ctx;
    struct buf b = buf_init(2048);

    state_refresh(h->state);
    state_text(h->state, &b);
    http_respond_buf_take(r, state_is_ready(h->state) ? 200 : 503, "text/plain; charset=utf-8", &b);
}

static void on_metrics(struct http_request *r, void *ctx)
{
    struct health *h = ctx;
    struct buf b = buf_init(METRICS_TEXT_MAX);

    metrics_render(h->metrics, &b);
    if (h->more_metrics)
        h->more_metrics(h->ctx, &b);
    http_respond_buf_take(r, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
}

#define PROBE (HTTP_NO_AUTH | HTTP_NO_HOST_CHECK | HTTP_QUERY_OPEN | HTTP_QUIET)

static const struct http_route on_health_port[] = {
    { HTTP_GET, "/health", on_health, .flags = PROBE, .tag = "health",
      .summary = "OK while the process answers" },
    { HTTP_GET, "/ready", on_ready, .flags = PROBE, .tag = "health",
      .summary = "READY, or 503 and NOT_READY with the reason in the second line" },
    { HTTP_GET, "/metrics", on_metrics, .flags = PROBE, .tag = "health",
      .summary = "Metrics for Prometheus" },
};
static const struct http_route on_api_port[] = {
    { HTTP_GET, "/health", on_health_json, .flags = PROBE, .tag = "health",
      .summary = "Status and version" },
    { HTTP_GET, "/ready", on_ready, .flags = PROBE, .tag = "health",
      .summary = "READY, or 503 and NOT_READY with the reason in the second line" },
    { HTTP_GET, "/metrics", on_metrics, .flags = HTTP_QUERY_OPEN | HTTP_QUIET, .tag = "health",
      .summary = "Metrics for Prometheus" },
};

void health_mount(struct health *h, struct http_server *s)
{
    http_server_mount(s, on_health_port, COUNT_OF(on_health_port), h);
}

void health_mount_api(struct health *h, struct http_server *s)
{
    http_server_mount(s, on_api_port, COUNT_OF(on_api_port), h);
}
