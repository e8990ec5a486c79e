/*
 * A template is read once into pieces, so that each mistake is told before anything is subscribed.
 * What comes from a message is escaped (safe_text.h) but for {raw}, whoever asks for that wants the
 * bytes.
 */
#include "cli/mqtt_template.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/rfc3339.h"
#include "cli/safe_text.h"
#include "conf/conf.h"
#include "wire/json.h"

/* May something stand behind a dot? */
enum arg { ARG_NO, ARG_MAY, ARG_MUST };

struct piece {
    void (*put)(const struct piece *p, const struct mqtt_message *m, struct buf *out);
    struct str arg;  /* put_text: the text; else what stands behind the dot, or empty */
    uint64_t number; /* {topic.N} */
};

struct mqtt_template {
    struct piece *pieces;
    size_t count, cap;
    struct buf text; /* escapes of the template itself, one byte each */
};

/* ---- what each field puts ---- */

static void put_level(struct str topic, uint64_t number, struct buf *out)
{
    while (topic.p) {
        struct str level = str_cut(&topic, '/');

        if (--number == 0) {
            safe_text(level, out);
            return;
        }
    }
}

static const struct json_t *step(const struct json_t *v, struct str name)
{
    char key[256];
    uint64_t index;

    if (json_kind(v) == JSON_KIND_ARRAY)
        return str_to_u64(name, &index) == 0 ? json_element(v, (size_t)index) : NULL;
    if (name.n >= sizeof(key))
        return NULL;
    memcpy(key, name.p, name.n);
    key[name.n] = '\0';
    return json_member(v, key);
}

/* A value inside the payload: a text without its quotes, anything else as JSON. */
static void put_json_at(struct str payload, struct str path, struct buf *out)
{
    static const struct json_limits limits = { .depth_max = 48 };
    struct json_t *all = NULL;
    const struct json_t *v;
    struct buf text = buf_init(payload.n * 8 + 64);
    struct json_writer w = json_writer_init(&text);

    if (path.n == 0) {
        if (safe_is_json(payload))
            safe_json(payload, false, out);
        return;
    }
    if (json_parse(payload, &limits, &all, NULL, NULL))
        return;
    for (v = all; v && path.p;)
        v = step(v, str_cut(&path, '.'));
    if (v && json_kind(v) == JSON_KIND_STRING) {
        safe_text(json_to_str(v), out);
    } else if (v) {
        json_value(&w, v);
        safe_json(buf_str(&text), false, out);
    }
    buf_fini(&text);
    json_free(all);
}

static void put_text(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)m;
    buf_put(out, p->arg);
}

static void put_topic(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    if (p->number > 0)
        put_level(m->topic, p->number, out);
    else
        safe_text(m->topic, out);
}

static void put_payload(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    safe_text(m->payload, out);
}

static void put_raw(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    buf_put(out, m->payload);
}

static void put_hex(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    for (size_t i = 0; i < m->payload.n; i++)
        buf_printf(out, "%02x", (unsigned char)m->payload.p[i]);
}

static void put_base64(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    base64_put(out, m->payload);
}

static void put_size(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    buf_printf(out, "%zu", m->payload.n);
}

static void put_json(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    put_json_at(m->payload, p->arg, out);
}

static void put_qos(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    buf_printf(out, "%u", m->qos);
}

static void put_retain(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    buf_put(out, m->retain ? STR("true") : STR("false"));
}

static void put_dup(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    buf_put(out, m->dup ? STR("true") : STR("false"));
}

static void put_time(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    char when[RFC3339_SIZE];

    (void)p;
    buf_put(out, str_from(when, rfc3339_format(m->wall_ns, when)));
}

static void put_unix(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    buf_printf(out, "%lld.%03d", (long long)(m->wall_ns / 1000000000),
               (int)(m->wall_ns / 1000000 % 1000));
}

static void put_number(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    buf_printf(out, "%llu", (unsigned long long)m->number);
}

static void put_type(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    if (m->props->has & MQTT_HAS(CONTENT_TYPE))
        safe_text(m->props->content_type, out);
}

static void put_response(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    if (m->props->has & MQTT_HAS(RESPONSE_TOPIC))
        safe_text(m->props->response_topic, out);
}

static void put_correlation(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    if (m->props->has & MQTT_HAS(CORRELATION_DATA))
        safe_text(m->props->correlation_data, out);
}

static void put_expiry(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    (void)p;
    if (m->props->has & MQTT_HAS(MESSAGE_EXPIRY))
        buf_printf(out, "%u", (unsigned)m->props->message_expiry_s);
}

static void put_user(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    struct str name, value;
    size_t at = 0;

    while (mqtt_props_user(m->props->raw, &at, &name, &value)) {
        if (str_eq(name, p->arg)) {
            safe_text(value, out);
            return;
        }
    }
}

static const struct {
    const char *name;
    enum arg arg;
    void (*put)(const struct piece *p, const struct mqtt_message *m, struct buf *out);
} fields[] = {
    { "topic", ARG_MAY, put_topic },      { "payload", ARG_NO, put_payload },
    { "raw", ARG_NO, put_raw },           { "hex", ARG_NO, put_hex },
    { "base64", ARG_NO, put_base64 },     { "size", ARG_NO, put_size },
    { "json", ARG_MAY, put_json },        { "qos", ARG_NO, put_qos },
    { "retain", ARG_NO, put_retain },     { "dup", ARG_NO, put_dup },
    { "time", ARG_NO, put_time },         { "unix", ARG_NO, put_unix },
    { "number", ARG_NO, put_number },     { "type", ARG_NO, put_type },
    { "response", ARG_NO, put_response }, { "correlation", ARG_NO, put_correlation },
    { "expiry", ARG_NO, put_expiry },     { "user", ARG_MUST, put_user },
};

/* ---- reading ---- */

static struct piece *add(struct mqtt_template *t)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 8;
        t->pieces = mem_resize(t->pieces, t->cap * sizeof(*t->pieces));
    }
    t->pieces[t->count] = (struct piece){ .put = put_text };
    return &t->pieces[t->count++];
}

static int wrong(struct fault *f, size_t at, const char *what, struct str which)
{
    return fault_set(f, ERR_SYNTAX, "--format, column %zu: %s%.*s", at + 1, what,
                     STR_ARG(str_sub(which, 0, 200)));
}

static int unknown_field(struct fault *f, struct str name, size_t at)
{
    const char *names[COUNT_OF(fields)], *near;

    for (size_t i = 0; i < COUNT_OF(fields); i++)
        names[i] = fields[i].name;
    near = conf_guess(name, names, COUNT_OF(fields));
    return fault_set(f, ERR_SYNTAX, "--format, column %zu: there is no field {%.*s}%s%s%s", at + 1,
                     (int)(name.n < 100 ? name.n : 100), name.p, near ? "; did you mean {" : "",
                     near ? near : "", near ? "}?" : "");
}

/* {NAME} or {NAME.ARG}, inside the braces. */
static int take_field(struct mqtt_template *t, struct str inside, size_t at, struct fault *f)
{
    struct str arg = inside, name = str_cut(&arg, '.');
    struct piece *p;

    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (!str_eq(name, str_of(fields[i].name)))
            continue;
        if (arg.p && (fields[i].arg == ARG_NO || arg.n == 0))
            return wrong(f, at,
                         arg.n == 0 ? "nothing stands behind the dot of "
                                    : "nothing goes behind the dot of ",
                         name);
        if (!arg.p && fields[i].arg == ARG_MUST)
            return wrong(f, at, "a name is needed, as in {user.NAME}: ", inside);
        p = add(t);
        p->put = fields[i].put;
        p->arg = arg;
        if (p->put == put_topic && arg.p && (str_to_u64(arg, &p->number) || p->number == 0))
            return wrong(f, at, "a level of the topic is a number from 1: ", inside);
        return 0;
    }
    return unknown_field(f, name, at);
}

/* The byte that \c stands for; -1: none. */
static int escape_of(char c)
{
    static const char from[] = "ntr0e\\{}", to[] = "\n\t\r\0\x1b\\{}";
    const char *at = c ? strchr(from, c) : NULL;

    return at ? (unsigned char)to[at - from] : -1;
}

static void put_byte(struct mqtt_template *t, char c)
{
    struct piece *p;

    /* room was made for all of them: the views stay good */
    buf_u8(&t->text, (uint8_t)c);
    if (t->count > 0 && t->pieces[t->count - 1].put == put_text) {
        t->pieces[t->count - 1].arg.n++;
        return;
    }
    p = add(t);
    p->arg = str_from(t->text.p + t->text.n - 1, 1);
}

static int read_all(struct mqtt_template *t, struct str text, struct fault *f)
{
    size_t at = 0, end;
    int c, rc;

    while (at < text.n) {
        char next = at + 1 < text.n ? text.p[at + 1] : '\0';

        if (text.p[at] == '\\') {
            c = escape_of(next);
            if (c < 0)
                return wrong(f, at, "a backslash stands before n, t, r, 0, e, \\, { or }",
                             STR_NONE);
            put_byte(t, (char)c);
            at += 2;
        } else if ((text.p[at] == '{' || text.p[at] == '}') && next == text.p[at]) {
            put_byte(t, next);
            at += 2;
        } else if (text.p[at] == '{') {
            end = at + str_find(str_skip(text, at), '}');
            if (end >= text.n)
                return wrong(f, at, "this { has no }", STR_NONE);
            rc = take_field(t, str_sub(text, at + 1, end - at - 1), at, f);
            if (rc)
                return rc;
            at = end + 1;
        } else if (text.p[at] == '}') {
            return wrong(f, at, "this } has no {; a plain one is written }}", STR_NONE);
        } else {
            put_byte(t, text.p[at++]);
        }
    }
    return 0;
}

int mqtt_template_new(struct str text, struct mqtt_template **out, struct fault *f)
{
    struct mqtt_template *t = NEW(struct mqtt_template);
    int rc;

    t->text = buf_init(text.n + 1);
    buf_reserve(&t->text, text.n + 1);
    rc = read_all(t, text, f);
    if (rc) {
        mqtt_template_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void mqtt_template_free(struct mqtt_template *t)
{
    if (!t)
        return;
    buf_fini(&t->text);
    mem_free(t->pieces);
    mem_free(t);
}

void mqtt_template_put(const struct mqtt_template *t, const struct mqtt_message *m, struct buf *out)
{
    for (size_t i = 0; i < t->count; i++)
        t->pieces[i].put(&t->pieces[i], m, out);
}
