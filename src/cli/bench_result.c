/*
 * CPU is told for a million messages, since that is what stays the same when a machine is faster or
 * shared. A worker's phases begin and end when they do: rates are added, and the CPU of the server is
 * that of the first worker's time, related to its length.
 */
#include "cli/bench_result.h"

#include "base/mem.h"
#include "cli/show.h"
#include "wire/json.h"

#include <stdio.h>

#define LABEL 17

void bench_result_merge(struct bench_result *into, const struct bench_result *from)
{
    for (unsigned i = 0; i < into->phase_count; i++) {
        struct bench_phase *p = &into->phases[i];
        const struct bench_phase *q = &from->phases[i];

        p->count += q->count;
        p->ns = q->ns > p->ns ? q->ns : p->ns;
        p->per_s += q->per_s;
        p->own_cores += q->own_cores;
        histogram_merge(&p->latency, &q->latency);
    }
    into->sent += from->sent;
    into->expected += from->expected;
    into->received += from->received;
    into->lost += from->lost;
    into->repeated += from->repeated;
    into->interrupted |= from->interrupted;
}

int bench_result_verdict(const struct bench_result *r)
{
    return r->lost || r->repeated ? EXIT_PROBLEMS : EXIT_DONE;
}

double bench_result_per_million(double cores, double per_s)
{
    return per_s > 0 ? cores * 1e6 / per_s : 0;
}

/* ---- for people ---- */

/* 1234567 as 1,234,567. */
static void put_number(struct buf *out, double v)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%.0f", v);

    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            buf_u8(out, ',');
        buf_u8(out, (uint8_t)text[i]);
    }
}

static void put_label(struct buf *out, const char *label)
{
    buf_printf(out, "  %-*s", LABEL, label);
}

static void put_cpu(struct buf *out, const char *label, double cores, const struct bench_phase *p)
{
    put_label(out, label);
    buf_printf(out, "%.2f s per million %s (%.0f %% of a core)\n",
               bench_result_per_million(cores, p->per_s), p->unit, cores * 100);
}

static void put_latency(struct buf *out, const struct bench_phase *p)
{
    static const struct {
        const char *name;
        double part;
    } columns[] = {
        { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99.9", 0.999 }, { "max", 1 }
    };

    if (!p->latency_of || p->latency.count == 0)
        return;
    buf_u8(out, '\n');
    put_label(out, p->latency_of);
    for (size_t i = 0; i < COUNT_OF(columns); i++)
        buf_printf(out, "%10s", columns[i].name);
    buf_u8(out, '\n');
    put_label(out, "");
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        struct buf time = buf_init(32);

        histogram_time(i + 1 < COUNT_OF(columns) ? histogram_at(&p->latency, columns[i].part)
                                                 : p->latency.max,
                       &time);
        buf_printf(out, "%10.*s", STR_ARG(buf_str(&time)));
        buf_fini(&time);
    }
    buf_put(out, STR("\n\n"));
    histogram_plot(&p->latency, 2, out);
}

static void put_phase(struct buf *out, const struct bench_phase *p, const struct bench_args *a)
{
    bool payloads = strcmp(p->unit, "messages") == 0 && !a->message;

    buf_u8(out, '\n');
    put_label(out, p->name);
    put_number(out, (double)p->count);
    buf_printf(out, " %s in %.2f s\n", p->unit, (double)p->ns / 1e9);
    put_label(out, "rate");
    put_number(out, p->per_s);
    buf_printf(out, "/s");
    if (payloads) {
        buf_put(out, STR(", "));
        show_bytes((uint64_t)(p->per_s * (double)a->size), out);
        buf_put(out, STR("/s of payload"));
    }
    buf_u8(out, '\n');
    if (p->server_cores >= 0)
        put_cpu(out, "server's CPU", p->server_cores, p);
    put_cpu(out, "our own CPU", p->own_cores, p);
    put_latency(out, p);
}

static void put_head(struct buf *out, const struct bench_args *a, const char *server)
{
    buf_printf(out, "%s, %s, ", bench_mode_text(a->mode), server);
    put_number(out, (double)a->clients);
    buf_printf(out, " %s",
               a->mode == BENCH_FANOUT                             ? "subscribers"
               : a->mode == BENCH_QUEUE                            ? "sessions"
               : a->mode == BENCH_PING || a->mode == BENCH_CONNECT ? "clients"
               : a->mode == BENCH_IDLE                             ? "connections"
               : a->mode == BENCH_PAIRS                            ? "pairs"
                                                                   : "publishers");
    if (a->mode != BENCH_PING && a->mode != BENCH_CONNECT)
        buf_printf(out, ", QoS %u", a->qos);
    if (a->mode <= BENCH_PUBLISH || a->mode >= BENCH_RETAINED)
        buf_printf(out, ", %llu bytes",
                   (unsigned long long)(a->message ? strlen(a->message) : a->size));
    if (a->rate)
        buf_printf(out, ", %llu a second asked for", (unsigned long long)a->rate);
    buf_printf(out, ", MQTT %s\n", a->login.version == MQTT_V5 ? "5" : "3.1.1");
}

void bench_result_table(const struct bench_result *r, const struct bench_args *a,
                        const char *server, struct buf *out)
{
    put_head(out, a, server);
    for (unsigned i = 0; i < r->phase_count; i++)
        put_phase(out, &r->phases[i], a);
    buf_u8(out, '\n');
    if (r->expected > 0) {
        put_label(out, "lost");
        put_number(out, (double)r->lost);
        buf_put(out, STR(" of "));
        put_number(out, (double)r->expected);
        buf_u8(out, '\n');
    }
    if (r->repeated) {
        put_label(out, "twice or late");
        put_number(out, (double)r->repeated);
        buf_u8(out, '\n');
    }
    if (r->memory) {
        put_label(out, "server's memory");
        show_bytes(r->memory, out);
        if (r->has_each)
            buf_printf(out, ", %.0f bytes for each more", r->bytes_each);
        buf_u8(out, '\n');
    }
    if (r->interrupted)
        buf_put(out, STR("  it was interrupted\n"));
}

/* ---- for programs ---- */

static void put_member(struct json_writer *w, const char *name, double v)
{
    json_key(w, name);
    json_double(w, v);
}

static void put_json_phase(struct json_writer *w, const struct bench_phase *p)
{
    const struct histogram *h = &p->latency;

    json_begin_object(w);
    json_key(w, "name");
    json_text(w, p->name);
    json_key(w, "unit");
    json_text(w, p->unit);
    json_put_u64(w, "count", p->count);
    put_member(w, "seconds", (double)p->ns / 1e9);
    put_member(w, "per_s", p->per_s);
    if (p->server_cores >= 0)
        put_member(w, "server_cpu_s_per_m", bench_result_per_million(p->server_cores, p->per_s));
    put_member(w, "own_cpu_s_per_m", bench_result_per_million(p->own_cores, p->per_s));
    if (p->latency_of && h->count > 0) {
        json_key(w, "latency_us");
        json_begin_object(w);
        put_member(w, "p50", (double)histogram_at(h, 0.5) / 1e3);
        put_member(w, "p90", (double)histogram_at(h, 0.9) / 1e3);
        put_member(w, "p99", (double)histogram_at(h, 0.99) / 1e3);
        put_member(w, "p999", (double)histogram_at(h, 0.999) / 1e3);
        put_member(w, "max", (double)h->max / 1e3);
        json_put_u64(w, "count", h->count);
        json_end_object(w);
    }
    json_end_object(w);
}

void bench_result_json(const struct bench_result *r, const struct bench_args *a, const char *server,
                       struct buf *out)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    json_key(&w, "mode");
    json_text(&w, bench_mode_text(a->mode));
    json_key(&w, "server");
    json_text(&w, server);
    json_put_u64(&w, "clients", a->clients);
    json_put_u64(&w, "qos", a->qos);
    json_put_u64(&w, "size", a->message ? strlen(a->message) : a->size);
    json_put_u64(&w, "window", a->window);
    json_put_u64(&w, "workers", a->workers);
    json_put_u64(&w, "rate", a->rate);
    json_key(&w, "phases");
    json_begin_array(&w);
    for (unsigned i = 0; i < r->phase_count; i++)
        put_json_phase(&w, &r->phases[i]);
    json_end_array(&w);
    json_put_u64(&w, "sent", r->sent);
    json_put_u64(&w, "expected", r->expected);
    json_put_u64(&w, "received", r->received);
    json_put_u64(&w, "lost", r->lost);
    json_put_u64(&w, "repeated", r->repeated);
    json_put_bool(&w, "interrupted", r->interrupted);
    if (r->memory)
        json_put_u64(&w, "server_memory_bytes", r->memory);
    if (r->has_each)
        put_member(&w, "bytes_each", r->bytes_each);
    json_end_object(&w);
    buf_u8(out, '\n');
}
