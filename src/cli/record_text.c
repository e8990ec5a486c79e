/*
 * What `journal cat` and `journal export` print. The payload of a record without a content type is
 * JSON, as its device sent it: it stays as it is, on one line. But some came from other nodes that
 * were not asked whether it is, so each is looked at; one that is no JSON goes as a text.
 */
#include "cli/record_text.h"

#include "base/base64.h"
#include "base/rfc3339.h"
#include "store/leaves.h"
#include "wire/json.h"

static void put_payload(const struct record *r, struct json_writer *w)
{
    size_t start;

    if (record_is_data(r) && r->content_type.n == 0 &&
        leaves_each(r->payload, NULL, NULL, NULL) == 0) {
        json_key(w, "payload");
        start = w->out->n;
        json_raw(w, r->payload);
        /* A line break in JSON is nothing but a space: in its strings there are none. */
        for (size_t i = start; i < w->out->n; i++)
            if (w->out->p[i] == '\n' || w->out->p[i] == '\r')
                w->out->p[i] = ' ';
    } else if (utf8_valid(r->payload)) {
        json_key(w, "payload");
        json_str(w, r->payload);
    } else {
        struct buf text = buf_init(r->payload.n * 2 + 4);

        base64_put(&text, r->payload);
        json_key(w, "payload_base64");
        json_str(w, buf_str(&text));
        buf_fini(&text);
    }
}

void record_text_json(const struct record *r, struct buf *out)
{
    struct json_writer w = json_writer_init(out);
    char origin[UUID_TEXT_LEN + 1];

    json_begin_object(&w);
    json_put_u64(&w, "seq", r->seq);
    json_key(&w, "kind");
    json_text(&w, record_kind_name(r->kind));
    json_key(&w, "device");
    json_str(&w, r->device);
    json_key(&w, "stream");
    json_str(&w, r->stream);
    if (r->content_type.n > 0) {
        json_key(&w, "content_type");
        json_str(&w, r->content_type);
    }
    json_key(&w, "time");
    if (r->kind == RECORD_GAP && r->wall_ns == 0)
        json_nil(&w);
    else
        json_time(&w, r->wall_ns);
    if (r->flags & RECORD_CORRECTED) {
        json_key(&w, "sent_time");
        json_time(&w, r->sent_ns);
    }
    json_key(&w, "origin");
    json_text(&w, uuid_format(&r->origin, origin));
    json_put_u64(&w, "origin_epoch", r->origin_epoch);
    json_put_u64(&w, "origin_seq", r->origin_seq);
    if (r->kind == RECORD_GAP) {
        json_put_u64(&w, "first", r->first);
    }
    put_payload(r, &w);
    json_end_object(&w);
    buf_u8(out, '\n');
}

/* Quoted where that is needed, quotes doubled. */
static void csv_field(struct buf *out, struct str s)
{
    bool plain = true;

    for (size_t i = 0; i < s.n && plain; i++)
        plain = s.p[i] != ',' && s.p[i] != '"' && s.p[i] != '\n' && s.p[i] != '\r';
    if (plain) {
        buf_put(out, s);
        return;
    }
    buf_u8(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            buf_u8(out, '"');
        buf_u8(out, (uint8_t)s.p[i]);
    }
    buf_u8(out, '"');
}

void record_text_csv(const struct record *r, struct buf *out)
{
    char when[RFC3339_SIZE] = "", origin[UUID_TEXT_LEN + 1];

    if (r->kind != RECORD_GAP || r->wall_ns != 0)
        rfc3339_format(r->wall_ns, when);
    buf_printf(out, "%llu,%s,%.*s,%s,%.*s,", (unsigned long long)r->seq, when, STR_ARG(r->device),
               record_kind_name(r->kind), STR_ARG(r->stream));
    csv_field(out, r->content_type);
    buf_printf(out, ",%s,%llu,%llu,", uuid_format(&r->origin, origin),
               (unsigned long long)r->origin_epoch, (unsigned long long)r->origin_seq);
    if (r->kind == RECORD_GAP)
        buf_printf(out, "\"%llu to %llu missing: ", (unsigned long long)r->first,
                   (unsigned long long)r->origin_seq);
    if (r->kind == RECORD_GAP) {
        for (size_t i = 0; i < r->payload.n; i++)
            buf_u8(out, (uint8_t)(r->payload.p[i] == '"' ? '\'' : r->payload.p[i]));
        buf_u8(out, '"');
    } else {
        csv_field(out, r->payload);
    }
    buf_put(out, STR("\r\n"));
}

/* ---- which ---- */

int record_wanted_place(struct record_wanted *w, struct str text, bool to)
{
    char day[32];
    uint64_t seq;
    int64_t ns;

    if (str_to_u64(text, &seq) == 0) {
        *(to ? &w->to_seq : &w->from_seq) = seq;
        return to && seq == 0 ? ERR_SYNTAX : 0;
    }
    if (text.n == 10) {
        struct buf b = { day, 0, sizeof(day), sizeof(day), false };

        buf_put(&b, text);
        buf_put(&b, STR("T00:00:00Z"));
        text = buf_str(&b);
    }
    if (rfc3339_parse(text, &ns) < 0)
        return ERR_SYNTAX;
    /* 0 is "no end": before 1970 there is nothing. */
    *(to ? &w->to_ns : &w->from_ns) = ns == 0 ? 1 : ns;
    return 0;
}

enum record_verdict record_wanted(const struct record_wanted *w, const struct record *r,
                                  bool *after)
{
    bool in_time;

    if (r->kind == RECORD_MARK || r->seq < w->from_seq)
        return RECORD_NO;
    if (r->kind == RECORD_GAP) {
        /* One of this journal reaches back; one that came from elsewhere has one number here. */
        uint64_t first = r->origin_seq == r->seq ? r->first : r->seq;

        if (w->to_seq && first > w->to_seq)
            return RECORD_NO;
        return *after || (w->from_ns == 0 && w->to_ns == 0) ? RECORD_YES : RECORD_AS_NEXT;
    }
    in_time = r->wall_ns >= w->from_ns && (w->to_ns == 0 || r->wall_ns < w->to_ns);
    *after = in_time;
    if (!in_time || (w->to_seq && r->seq > w->to_seq) ||
        (w->device.n > 0 && !str_eq(r->device, w->device)) ||
        (w->stream.n > 0 && !str_eq(r->stream, w->stream)))
        return RECORD_NO;
    return RECORD_YES;
}
