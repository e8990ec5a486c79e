/* Tables and sentences out of the control socket's JSON. */
#include "cli/show.h"

#include "base/mem.h"
#include "cli/safe_text.h"
#include "cli/show_json.h"

#include <stdlib.h>

void show_bytes(uint64_t n, struct buf *out)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double v = (double)n;
    unsigned u = 0;

    for (; v >= 1024 && u < 6; u++)
        v /= 1024;
    if (u == 0)
        buf_printf(out, "%llu B", (unsigned long long)n);
    else
        buf_printf(out, "%.1f %s", v, units[u]);
}

void show_seconds(uint64_t s, struct buf *out)
{
    unsigned long long n = s;

    if (n < 60)
        buf_printf(out, "%llu s", n);
    else if (n < 3600)
        buf_printf(out, "%llu min", n / 60);
    else if (n < 86400)
        buf_printf(out, "%llu h %llu min", n / 3600, n / 60 % 60);
    else
        buf_printf(out, "%llu d %llu h", n / 86400, n / 3600 % 24);
}

uint64_t show_u64(const struct json_t *v, const char *name)
{
    const struct json_t *m = json_member(v, name);

    return m && json_kind(m) == JSON_KIND_INTEGER && json_to_i64(m) > 0 ? (uint64_t)json_to_i64(m)
                                                                        : 0;
}

struct str show_str(const struct json_t *v, const char *name)
{
    const struct json_t *m = json_member(v, name);

    return m && json_kind(m) == JSON_KIND_STRING ? json_to_str(m) : STR("");
}

bool show_bool(const struct json_t *v, const char *name)
{
    const struct json_t *m = json_member(v, name);

    return m && json_kind(m) == JSON_KIND_BOOL && json_to_bool(m);
}

/* A stranger's text, `cut` columns of it at most, filled up to `width`. */
static void put_cell(struct buf *out, struct str s, size_t width, size_t cut)
{
    struct buf cell = buf_init(8 * 65536);
    struct str text;
    size_t columns = 0, n = 0;

    safe_text(s, &cell);
    text = buf_str(&cell);
    while (n < text.n && (columns < cut || ((unsigned char)text.p[n] & 0xc0) == 0x80)) {
        columns += ((unsigned char)text.p[n] & 0xc0) != 0x80;
        n++;
    }
    buf_put(out, str_sub(text, 0, n));
    buf_printf(out, "%*s ", columns < width ? (int)(width - columns) : 0, "");
    buf_fini(&cell);
}

void show_cell(struct buf *out, struct str s, size_t width)
{
    put_cell(out, s, width, width);
}

int show_parse(struct str json, struct json_t **v, struct buf *out)
{
    static const struct json_limits limits = { .depth_max = 16, .values_max = 2000000 };

    if (json_parse(json, &limits, v, NULL, NULL)) {
        buf_put(out, STR("the node's answer cannot be read; is it of another version?"));
        return ERR_SYNTAX;
    }
    if (json_member(*v, "error")) {
        safe_text(show_str(*v, "error"), out);
        json_free(*v);
        return ERR_VALUE;
    }
    return 0;
}

static void put_journal(const struct json_t *j, struct buf *out)
{
    struct str error = show_str(j, "error");

    buf_printf(out, "journal   records %llu to %llu in %llu segments, ",
               (unsigned long long)show_u64(j, "oldest"), (unsigned long long)show_u64(j, "head"),
               (unsigned long long)show_u64(j, "segments"));
    show_bytes(show_u64(j, "bytes"), out);
    buf_put(out, STR(" of "));
    show_bytes(show_u64(j, "quota_bytes"), out);
    buf_printf(out, "\n          dropped %llu, damaged %llu\n",
               (unsigned long long)show_u64(j, "dropped"),
               (unsigned long long)show_u64(j, "damaged"));
    if (error.n > 0)
        buf_printf(out, "          refuses records: %.*s\n", STR_ARG(error));
}

static void put_uplink(const struct json_t *u, struct buf *out)
{
    struct str oldest = show_str(u, "oldest");

    buf_printf(out, "uplink    %s %.*s, %llu records to send",
               show_bool(u, "connected") ? "connected to" : "NOT connected to",
               STR_ARG(show_str(u, "hub")), (unsigned long long)show_u64(u, "backlog"));
    if (oldest.n > 0)
        buf_printf(out, ", the oldest of %.*s", STR_ARG(oldest));
    buf_put(out, STR("\n"));
    if (show_u64(u, "rewinds") > 0)
        buf_printf(out, "          the hub had lost what it had acknowledged %llu times\n",
                   (unsigned long long)show_u64(u, "rewinds"));
}

static void put_bridges(const struct json_t *all, struct buf *out)
{
    for (size_t i = 0; i < json_count(all); i++) {
        const struct json_t *b = json_element(all, i);
        uint64_t gone = show_u64(b, "refused") + show_u64(b, "dropped");

        buf_put(out, i == 0 ? STR("bridges   ") : STR("          "));
        put_cell(out, show_str(b, "name"), 16, SIZE_MAX);
        buf_put(out, show_bool(b, "connected") ? STR("connected to ") : STR("NOT connected to "));
        safe_text(show_str(b, "server"), out);
        buf_printf(out, ", %llu messages wait%s\n", (unsigned long long)show_u64(b, "queued"),
                   show_bool(b, "full") ? ": FULL" : "");
        if (gone > 0)
            buf_printf(
                out, "          %16s %llu messages were refused for good, or have no place there\n",
                "", (unsigned long long)gone);
        if (show_u64(b, "filters_refused") > 0)
            buf_printf(out,
                       "          %16s %llu filters are refused there: nothing comes in by them\n",
                       "", (unsigned long long)show_u64(b, "filters_refused"));
    }
}

/* Nodes that send their journals here. */
static void put_nodes(const struct json_t *nodes, struct buf *out)
{
    if (json_count(nodes) > 0)
        buf_printf(out, "\n%-24s %10s %10s %8s  %s\n", "NODE", "BACKLOG", "DROPPED", "CLOCK",
                   "LAST CONTACT");
    for (size_t i = 0; i < json_count(nodes); i++) {
        const struct json_t *n = json_element(nodes, i), *m = json_member(n, "clock_error_ms");
        struct str name = show_str(n, "name"), when = show_str(n, "last_contact");
        int64_t error_ms = m && json_kind(m) == JSON_KIND_INTEGER ? json_to_i64(m) : 0;

        put_cell(out, name.n > 0 ? name : show_str(n, "journal"), 24, SIZE_MAX);
        buf_printf(out, "%10llu %10llu %+7llds  %.*s\n", (unsigned long long)show_u64(n, "backlog"),
                   (unsigned long long)show_u64(n, "dropped"), (long long)(error_ms / 1000),
                   STR_ARG(when.n > 0 ? when : STR("not since this hub's start")));
    }
}

int show_error(struct str json, struct buf *out)
{
    struct json_t *v = NULL;
    int rc = show_parse(json, &v, out);

    if (rc == 0)
        json_free(v);
    return rc;
}

int show_waiting(struct str json, char *dir, size_t cap, uint64_t *out_after)
{
    struct json_t *v = NULL;
    struct buf waste = buf_init(4096);
    const struct json_t *u;
    struct str path;
    int rc = show_parse(json, &v, &waste);

    buf_fini(&waste);
    if (rc)
        return rc;
    u = json_member(v, "uplink");
    path = show_str(json_member(v, "journal"), "path");
    rc = u && show_u64(u, "backlog") > 0 && path.n > 0 && path.n < cap ? 0 : ERR_UNKNOWN;
    if (rc == 0) {
        memcpy(dir, path.p, path.n);
        dir[path.n] = '\0';
        *out_after = show_u64(u, "acked");
    }
    json_free(v);
    return rc;
}

int show_status(struct str json, struct buf *out)
{
    struct json_t *v = NULL;
    const struct json_t *services, *part;
    int rc = show_parse(json, &v, out);

    if (rc)
        return rc;
    buf_printf(out, "%.*s      wayside %.*s, process %llu, up ", STR_ARG(show_str(v, "id")),
               STR_ARG(show_str(v, "version")), (unsigned long long)show_u64(v, "pid"));
    show_seconds(show_u64(v, "uptime_s"), out);
    buf_printf(out, "\nstate     %s%s%.*s\n", show_bool(v, "ready") ? "ready" : "NOT READY",
               show_bool(v, "ready") ? "" : ": ", STR_ARG(show_str(v, "reason")));
    services = json_member(v, "services");
    for (size_t i = 0; i < json_count(services); i++) {
        const struct json_t *s = json_element(services, i);

        buf_printf(out, "%s%-16.*s %.*s\n", i == 0 ? "services  " : "          ",
                   STR_ARG(show_str(s, "name")), STR_ARG(show_str(s, "address")));
    }
    part = json_member(v, "journal");
    if (part)
        put_journal(part, out);
    part = json_member(v, "store");
    if (part) {
        uint64_t head = show_u64(json_member(v, "journal"), "head");
        uint64_t position = show_u64(part, "position"); /* asked for later, so it may be ahead */

        buf_printf(out, "store     has records up to %llu (%llu behind)\n",
                   (unsigned long long)position,
                   (unsigned long long)(head > position ? head - position : 0));
    }
    if (json_member(v, "mqtt_clients"))
        buf_printf(out, "clients   %llu by MQTT\n",
                   (unsigned long long)show_u64(v, "mqtt_clients"));
    put_bridges(json_member(v, "bridges"), out);
    part = json_member(v, "uplink");
    if (part)
        put_uplink(part, out);
    put_nodes(json_member(v, "nodes"), out);
    json_free(v);
    return 0;
}

static int by_client(const void *a, const void *b)
{
    const struct json_t *const *x = a, *const *y = b;

    return str_cmp(show_str(*x, "client"), show_str(*y, "client"));
}

static void put_session(const struct json_t *s, struct buf *out)
{
    show_cell(out, show_str(s, "client"), 24);
    show_cell(out, show_str(s, "user"), 12);
    show_cell(out, show_bool(s, "connected") ? show_str(s, "peer") : STR("(away)"), 22);
    buf_printf(
        out, "%-9.*s %-5s %6llu %8llu %8llu %8llu %10llu %10llu  %.*s\n",
        STR_ARG(show_str(s, "transport")),
        !show_bool(s, "connected")    ? ""
        : show_u64(s, "version") == 5 ? "5"
                                      : "3.1.1",
        (unsigned long long)show_u64(s, "subscriptions"), (unsigned long long)show_u64(s, "queued"),
        (unsigned long long)show_u64(s, "inflight"), (unsigned long long)show_u64(s, "dropped"),
        (unsigned long long)show_u64(s, "received"), (unsigned long long)show_u64(s, "sent"),
        STR_ARG(show_str(s, "since")));
}

static void put_next(const struct json_t *v, struct buf *next)
{
    buf_clear(next);
    buf_put(next, show_str(v, "next"));
}

int show_sessions(struct str json, struct buf *out)
{
    struct buf next = buf_init(65536);
    int rc = show_session_page(json, true, out, &next);

    buf_fini(&next);
    return rc;
}

int show_session_items(struct str json, bool first, struct buf *out, struct buf *next)
{
    struct json_t *v = NULL;
    const struct json_t *all;
    int rc = show_parse(json, &v, out);

    if (rc)
        return rc;
    all = json_member(v, "sessions");
    for (size_t i = 0; i < json_count(all); i++) {
        struct json_writer w = json_writer_init(out);

        if (!first || i > 0)
            buf_u8(out, ',');
        json_value(&w, json_element(all, i));
    }
    put_next(v, next);
    json_free(v);
    return 0;
}

int show_session_page(struct str json, bool first, struct buf *out, struct buf *next)
{
    const struct json_t **sorted;
    struct json_t *v = NULL;
    const struct json_t *all;
    size_t count;
    int rc = show_parse(json, &v, out);

    if (rc)
        return rc;
    all = json_member(v, "sessions");
    put_next(v, next);
    count = json_count(all);
    if (count == 0) {
        if (first)
            buf_put(
                out,
                STR("there is no such MQTT client, connected or with a session that is kept\n"));
        json_free(v);
        return 0;
    }
    sorted = mem_new_array(count, sizeof(*sorted));
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_element(all, i);
    qsort(sorted, count, sizeof(*sorted), by_client);
    if (first)
        buf_printf(out, "%-24s %-12s %-22s %-9s %-5s %6s %8s %8s %8s %10s %10s  %s\n", "CLIENT",
                   "USER", "PEER", "TRANSPORT", "MQTT", "SUBS", "QUEUED", "INFLIGHT", "DROPPED",
                   "IN", "OUT", "SINCE");
    for (size_t i = 0; i < count; i++)
        put_session(sorted[i], out);
    mem_free(sorted);
    json_free(v);
    return 0;
}

int show_client(struct str json, struct buf *out)
{
    struct json_t *v = NULL;
    const struct json_t *all;
    int rc = show_sessions(json, out);

    if (rc || show_parse(json, &v, out))
        return rc;
    all = json_member(json_element(json_member(v, "sessions"), 0), "filters");
    if (json_count(all) > 0)
        buf_put(out, STR("\nQOS  FILTER\n"));
    for (size_t i = 0; i < json_count(all); i++) {
        const struct json_t *f = json_element(all, i);

        buf_printf(out, "%3llu  ", (unsigned long long)show_u64(f, "qos"));
        safe_text(show_str(f, "filter"), out);
        buf_u8(out, '\n');
    }
    json_free(v);
    return 0;
}
