/*
 * The JSON of the REST interface. Payloads that are JSON go out as they are stored (they were
 * checked when they came in); others as text with their content type.
 */
#include "hub/render.h"

#include "base/mem.h"

void render_init(struct render *r)
{
    *r = (struct render){ .out = buf_init(RENDER_MAX),
                          .min = buf_init(RENDER_MAX),
                          .avg = buf_init(RENDER_MAX),
                          .max = buf_init(RENDER_MAX),
                          .lasts_arena = arena_init(RENDER_LASTS_MAX) };
    map_init(&r->lasts);
}

void render_fini(struct render *r)
{
    buf_fini(&r->out);
    buf_fini(&r->min);
    buf_fini(&r->avg);
    buf_fini(&r->max);
    arena_fini(&r->lasts_arena);
    map_fini(&r->lasts);
}

static void begin_items(struct render *r)
{
    r->w = json_writer_init(&r->out);
    json_begin_object(&r->w);
    json_key(&r->w, "items");
    json_begin_array(&r->w);
}

static int fits(const struct render *r)
{
    return buf_check(&r->out);
}

/* ---- readings ---- */

void render_readings_begin(struct render *r)
{
    begin_items(r);
}

static void put_value(struct json_writer *w, const struct store_row *row)
{
    json_key(w, "value");
    if (row->content_type.n == 0) {
        json_raw(w, row->payload);
        return;
    }
    json_str(w, row->payload);
    json_key(w, "content_type");
    json_str(w, row->content_type);
}

static int on_reading(void *ctx, const struct store_row *row)
{
    struct render *r = ctx;

    json_begin_object(&r->w);
    json_key(&r->w, "device");
    json_str(&r->w, row->device);
    json_key(&r->w, "stream");
    json_str(&r->w, row->stream);
    json_key(&r->w, "kind");
    json_text(&r->w, record_kind_name(row->kind));
    json_key(&r->w, "time");
    json_time(&r->w, row->wall_ns);
    json_key(&r->w, "received");
    json_time(&r->w, row->received_ns);
    json_put_u64(&r->w, "seq", row->origin_seq);
    if (row->corrected) {
        json_key(&r->w, "sent_time");
        json_time(&r->w, row->sent_ns);
    }
    put_value(&r->w, row);
    json_end_object(&r->w);
    return fits(r);
}
const struct store_render render_readings = { .row = on_reading };

/* ---- the older list ---- */

void render_payloads_begin(struct render *r)
{
    r->w = json_writer_init(&r->out);
    json_begin_array(&r->w);
}

static int on_payload(void *ctx, const struct store_row *row)
{
    struct render *r = ctx;

    if (row->content_type.n == 0)
        json_raw(&r->w, row->payload);
    return fits(r);
}
const struct store_render render_payloads = { .row = on_payload };

/* ---- nodes ---- */

void render_sender(struct json_writer *w, const struct sender *s)
{
    char uuid[UUID_TEXT_LEN + 1];
    uint64_t heard_ms = cell_get(&s->heard_ms);

    json_begin_object(w);
    json_key(w, "journal");
    json_text(w, uuid_format(&s->journal, uuid));
    json_key(w, "name");
    json_text(w, sender_name(s));
    json_put_u64(w, "backlog", sender_backlog(s));
    json_put_u64(w, "dropped", cell_get(&s->dropped));
    json_put_u64(w, "have", cell_get(&s->have_seq));
    json_put_u64(w, "head", cell_get(&s->head_seq));
    json_key(w, "last_contact");
    if (heard_ms > 0)
        json_time(w, (int64_t)heard_ms * 1000000);
    else
        json_nil(w);
    json_key(w, "clock_error_ms");
    json_i64(w, (int64_t)cell_get(&s->clock_error_ms));
    json_put_u64(w, "batches", cell_get(&s->batches));
    json_put_u64(w, "records", cell_get(&s->records));
    json_put_u64(w, "holes", cell_get(&s->holes));
    json_end_object(w);
}

void render_senders(struct buf *out, const struct senders *all)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    json_key(&w, "items");
    json_begin_array(&w);
    for (uint64_t i = 0; i < cell_get(&all->shown_count); i++)
        render_sender(&w, all->shown[i]);
    json_end_array(&w);
    json_key(&w, "next");
    json_nil(&w);
    json_end_object(&w);
}

/* ---- devices ---- */

static struct str last_key(struct arena *a, struct str device, struct str stream,
                           enum record_kind kind)
{
    /* A device's name holds no slash, so the three are one key. */
    return arena_printf(a, "%.*s/%u/%.*s", STR_ARG(device), kind, STR_ARG(stream));
}

static int on_last(void *ctx, const struct store_row *row)
{
    struct render *r = ctx;
    struct str key;
    struct str *value;

    if (row->content_type.n > 0 || row->payload.n > RENDER_LAST_MAX)
        return 0;
    key = last_key(&r->lasts_arena, row->device, row->stream, row->kind);
    value = arena_take(&r->lasts_arena, sizeof(*value));
    if (!key.p || !value)
        return 0; /* the list goes without this value */
    *value = arena_dup(&r->lasts_arena, row->payload);
    if (value->p)
        map_put(&r->lasts, key, value);
    return 0;
}
const struct store_render render_lasts = { .row = on_last };

void render_devices_begin(struct render *r)
{
    begin_items(r);
}

static void put_optional(struct json_writer *w, const char *key, struct str s)
{
    if (s.n == 0)
        return;
    json_key(w, key);
    json_str(w, s);
}

static void put_stream(struct render *r, struct str device, const struct store_stream *s)
{
    char key[RECORD_DEVICE_MAX + RECORD_STREAM_MAX + 8];
    struct buf b = buf_init(sizeof(key));
    const struct str *last;

    json_begin_object(&r->w);
    json_key(&r->w, "stream");
    json_str(&r->w, s->name);
    json_key(&r->w, "kind");
    json_text(&r->w, record_kind_name(s->kind));
    json_key(&r->w, "last_time");
    json_time(&r->w, s->last_wall_ns);
    json_put_u64(&r->w, "count", s->count);
    json_key(&r->w, "fields");
    json_raw(&r->w, s->fields.n > 0 ? s->fields : STR("[]"));
    buf_printf(&b, "%.*s/%u/%.*s", STR_ARG(device), s->kind, STR_ARG(s->name));
    last = buf_check(&b) ? NULL : map_get(&r->lasts, buf_str(&b));
    if (last) {
        json_key(&r->w, "last");
        json_raw(&r->w, *last);
    }
    json_end_object(&r->w);
    buf_fini(&b);
}

/* The journal that the device's records come from, and the node whose it is. */
static void put_journal(struct render *r, const struct store_device *d)
{
    const struct sender *node = NULL;
    char uuid[UUID_TEXT_LEN + 1];

    json_key(&r->w, "journal");
    if (uuid_is_zero(&d->origin))
        json_nil(&r->w);
    else
        json_text(&r->w, uuid_format(&d->origin, uuid));
    json_put_u64(&r->w, "gaps", d->gaps);
    json_put_u64(&r->w, "lost", d->lost);
    json_put_u64(&r->w, "forks", d->forks);
    json_key(&r->w, "node");
    for (uint64_t i = 0; r->senders && !node && i < cell_get(&r->senders->shown_count); i++)
        if (uuid_eq(&r->senders->shown[i]->journal, &d->origin))
            node = r->senders->shown[i];
    if (node)
        render_sender(&r->w, node);
    else
        json_nil(&r->w);
}

static int on_device(void *ctx, const struct store_device *d)
{
    struct render *r = ctx;

    json_begin_object(&r->w);
    json_key(&r->w, "device");
    json_str(&r->w, d->name);
    put_optional(&r->w, "name", d->title);
    put_optional(&r->w, "location", d->location);
    json_key(&r->w, "first_seen");
    json_time(&r->w, d->first_seen_ns);
    json_key(&r->w, "last_seen");
    json_time(&r->w, d->last_seen_ns);
    json_key(&r->w, "last_time");
    json_time(&r->w, d->last_wall_ns);
    put_journal(r, d);
    json_key(&r->w, "streams");
    json_begin_array(&r->w);
    for (size_t i = 0; i < d->stream_count; i++)
        put_stream(r, d->name, &d->streams[i]);
    json_end_array(&r->w);
    json_end_object(&r->w);
    return fits(r);
}
const struct store_render render_devices = { .device = on_device };

/* ---- gaps ---- */

void render_gaps_begin(struct render *r)
{
    begin_items(r);
}

static int on_gap(void *ctx, const struct store_gap *g)
{
    struct render *r = ctx;
    char uuid[UUID_TEXT_LEN + 1];

    json_begin_object(&r->w);
    json_key(&r->w, "journal");
    json_text(&r->w, uuid_format(&g->origin, uuid));
    json_put_u64(&r->w, "first", g->first);
    json_put_u64(&r->w, "last", g->last);
    json_key(&r->w, "reason");
    json_str(&r->w, g->reason);
    json_key(&r->w, "time");
    json_time(&r->w, g->received_ns);
    json_end_object(&r->w);
    return fits(r);
}
const struct store_render render_gaps = { .gap = on_gap };

/* ---- series ---- */

void render_series_begin(struct render *r, const struct store_query *q)
{
    r->w = json_writer_init(&r->out);
    json_begin_object(&r->w);
    json_key(&r->w, "device");
    json_str(&r->w, q->device);
    json_key(&r->w, "stream");
    json_str(&r->w, q->stream);
    json_key(&r->w, "field");
    json_str(&r->w, q->field);
    json_key(&r->w, "step_ms");
    json_i64(&r->w, q->step_ns / 1000000);
    json_key(&r->w, "t");
    json_begin_array(&r->w);
}

static void put_number(struct buf *b, double v)
{
    struct json_writer w = json_writer_init(b);

    if (b->n > 0)
        buf_u8(b, ',');
    json_double(&w, v);
}

static int on_point(void *ctx, const struct store_point *p)
{
    struct render *r = ctx;

    json_i64(&r->w, p->t_ns / 1000000);
    put_number(&r->min, p->min);
    put_number(&r->avg, p->avg);
    put_number(&r->max, p->max);
    return fits(r);
}
const struct store_render render_series = { .point = on_point };

static void put_array(struct json_writer *w, const char *key, const struct buf *numbers)
{
    json_key(w, key);
    buf_u8(w->out, '[');
    buf_put(w->out, buf_str(numbers));
    json_raw(w, STR("]"));
}

int render_end(struct render *r, enum render_shape shape, const char *next)
{
    json_end_array(&r->w);
    if (shape == RENDER_ITEMS) {
        json_key(&r->w, "next");
        json_text(&r->w, *next ? next : NULL);
        json_end_object(&r->w);
    } else if (shape == RENDER_SERIES) {
        put_array(&r->w, "min", &r->min);
        put_array(&r->w, "avg", &r->avg);
        put_array(&r->w, "max", &r->max);
        json_end_object(&r->w);
    }
    return buf_check(&r->out) || buf_check(&r->min) || buf_check(&r->avg) || buf_check(&r->max)
               ? ERR_LIMIT
               : 0;
}

/* ---- refusals ---- */

void render_detail(struct buf *out, const struct refusal *why)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    json_key(&w, "detail");
    json_begin_array(&w);
    json_begin_object(&w);
    json_key(&w, "loc");
    json_begin_array(&w);
    json_text(&w, "body");
    if (why->field[0])
        json_text(&w, why->field);
    json_end_array(&w);
    json_key(&w, "msg");
    json_text(&w, why->text);
    json_key(&w, "type");
    json_text(&w, why->type);
    if (why->has_limit) {
        json_key(&w, "ctx");
        json_begin_object(&w);
        json_key(&w, "limit_value");
        json_double(&w, why->limit);
        json_end_object(&w);
    }
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
}

void render_problem(struct buf *out, int status, const struct refusal *why)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    json_key(&w, "type");
    json_text(&w, "about:blank");
    json_key(&w, "title");
    json_text(&w, "Unprocessable Content");
    json_key(&w, "status");
    json_i64(&w, status);
    json_key(&w, "detail");
    json_text(&w, why->text);
    if (why->field[0]) {
        json_key(&w, "field");
        json_text(&w, why->field);
    }
    json_end_object(&w);
}
