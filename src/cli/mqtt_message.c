/*
 * A message as one line. The line for people is made for eyes: nothing in it is an order to the
 * terminal (safe_text.h). The line for programs keeps everything: numbers in JSON stay as they were
 * sent, and bytes that are no text come back from base64 whole.
 */
#include "cli/mqtt_message.h"

#include "base/base64.h"
#include "cli/safe_text.h"
#include "wire/json.h"

static void put_payload(struct str payload, bool colour, struct buf *out)
{
    if (safe_is_json(payload)) {
        safe_json(payload, colour, out);
    } else if (utf8_valid(payload) || payload.n <= MESSAGE_BYTES_SHOWN) {
        safe_text(payload, out);
    } else {
        safe_text(str_sub(payload, 0, MESSAGE_BYTES_SHOWN), out);
        buf_printf(out, "… (%zu bytes)", payload.n);
    }
}

void mqtt_message_line(const struct mqtt_message *m, bool colour, struct buf *out)
{
    buf_put(out, colour ? STR(COLOUR_TOPIC) : STR(""));
    safe_text(m->topic, out);
    buf_put(out, colour ? STR(COLOUR_OFF "  ") : STR("  "));
    put_payload(m->payload, colour, out);
    if (colour && m->retain)
        buf_put(out, STR("  " COLOUR_DIM "(retained)" COLOUR_OFF));
    buf_u8(out, '\n');
}

/* Bytes under `name`, or `name`_base64 when they are no text. */
static void put_bytes(struct json_writer *w, const char *name, struct str s)
{
    struct buf text = buf_init(s.n * 2 + 64); /* name and suffix, or four digits for three bytes */

    if (utf8_valid_mqtt(s)) { /* many readers of JSON stop at U+0000 */
        json_key(w, name);
        json_str(w, s);
    } else {
        buf_printf(&text, "%s_base64", name);
        json_key_str(w, buf_str(&text));
        buf_clear(&text);
        base64_put(&text, s);
        json_str(w, buf_str(&text));
    }
    buf_fini(&text);
}

static void put_json_payload(struct json_writer *w, struct str payload)
{
    size_t start;

    if (!safe_is_json(payload)) {
        put_bytes(w, "payload", payload);
        return;
    }
    json_key(w, "payload");
    start = w->out->n;
    json_raw(w, payload);
    /* A line break in JSON is nothing but a space: in its strings there are none. */
    for (size_t i = start; i < w->out->n; i++)
        if (w->out->p[i] == '\n' || w->out->p[i] == '\r')
            w->out->p[i] = ' ';
}

static void put_users(struct json_writer *w, struct str raw)
{
    struct str name, value;
    size_t at = 0;
    bool any = false;

    while (mqtt_props_user(raw, &at, &name, &value)) {
        if (!any) {
            json_key(w, "user");
            json_begin_array(w); /* pairs: a name may come twice, and their order counts */
            any = true;
        }
        json_begin_array(w);
        json_str(w, name);
        json_str(w, value);
        json_end_array(w);
    }
    if (any)
        json_end_array(w);
}

static void put_properties(struct json_writer *w, const struct mqtt_props *p)
{
    struct str name, value;
    size_t at = 0;
    uint64_t known = MQTT_HAS(CONTENT_TYPE) | MQTT_HAS(PAYLOAD_FORMAT) | MQTT_HAS(MESSAGE_EXPIRY) |
                     MQTT_HAS(RESPONSE_TOPIC) | MQTT_HAS(CORRELATION_DATA);

    if (!(p->has & known) && !mqtt_props_user(p->raw, &at, &name, &value))
        return;
    json_key(w, "properties");
    json_begin_object(w);
    if (p->has & MQTT_HAS(CONTENT_TYPE)) {
        json_key(w, "content_type");
        json_str(w, p->content_type);
    }
    if (p->has & MQTT_HAS(PAYLOAD_FORMAT))
        json_put_u64(w, "payload_format", p->payload_format);
    if (p->has & MQTT_HAS(MESSAGE_EXPIRY))
        json_put_u64(w, "message_expiry_s", p->message_expiry_s);
    if (p->has & MQTT_HAS(RESPONSE_TOPIC)) {
        json_key(w, "response_topic");
        json_str(w, p->response_topic);
    }
    if (p->has & MQTT_HAS(CORRELATION_DATA))
        put_bytes(w, "correlation_data", p->correlation_data);
    put_users(w, p->raw);
    json_end_object(w);
}

void mqtt_message_json(const struct mqtt_message *m, struct buf *out)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    json_key(&w, "time");
    json_time(&w, m->wall_ns);
    json_key(&w, "topic");
    json_str(&w, m->topic);
    json_put_u64(&w, "qos", m->qos);
    json_put_bool(&w, "retain", m->retain);
    put_json_payload(&w, m->payload);
    put_properties(&w, m->props);
    json_end_object(&w);
    buf_u8(out, '\n');
}
