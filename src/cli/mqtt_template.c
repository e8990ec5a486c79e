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

enum field {
    FIELD_TEXT, /* of the template itself */
    FIELD_TOPIC,
    FIELD_PAYLOAD,
    FIELD_RAW,
    FIELD_HEX,
    FIELD_BASE64,
    FIELD_SIZE,
    FIELD_JSON,
    FIELD_QOS,
    FIELD_RETAIN,
    FIELD_DUP,
    FIELD_TIME,
    FIELD_UNIX,
    FIELD_NUMBER,
    FIELD_TYPE,
    FIELD_RESPONSE,
    FIELD_CORRELATION,
    FIELD_EXPIRY,
    FIELD_USER,
};

/* May something stand behind a dot? */
enum arg { ARG_NO, ARG_MAY, ARG_MUST };

static const struct {
    const char *name;
    enum arg arg;
} fields[] = {
    [FIELD_TEXT] = { "", ARG_NO },
    [FIELD_TOPIC] = { "topic", ARG_MAY },
    [FIELD_PAYLOAD] = { "payload", ARG_NO },
    [FIELD_RAW] = { "raw", ARG_NO },
    [FIELD_HEX] = { "hex", ARG_NO },
    [FIELD_BASE64] = { "base64", ARG_NO },
    [FIELD_SIZE] = { "size", ARG_NO },
    [FIELD_JSON] = { "json", ARG_MAY },
    [FIELD_QOS] = { "qos", ARG_NO },
    [FIELD_RETAIN] = { "retain", ARG_NO },
    [FIELD_DUP] = { "dup", ARG_NO },
    [FIELD_TIME] = { "time", ARG_NO },
    [FIELD_UNIX] = { "unix", ARG_NO },
    [FIELD_NUMBER] = { "number", ARG_NO },
    [FIELD_TYPE] = { "type", ARG_NO },
    [FIELD_RESPONSE] = { "response", ARG_NO },
    [FIELD_CORRELATION] = { "correlation", ARG_NO },
    [FIELD_EXPIRY] = { "expiry", ARG_NO },
    [FIELD_USER] = { "user", ARG_MUST },
};

struct piece {
    enum field field;
    struct str arg;  /* FIELD_TEXT: the text; else what stands behind the dot, or empty */
    uint64_t number; /* {topic.N} */
};

struct mqtt_template {
    struct piece *pieces;
    size_t count, cap;
    struct buf text; /* escapes of the template itself, one byte each */
};

/* ---- reading ---- */

static struct piece *add(struct mqtt_template *t)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 8;
        t->pieces = mem_resize(t->pieces, t->cap * sizeof(*t->pieces));
    }
    t->pieces[t->count] = (struct piece){ .field = FIELD_TEXT };
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

    for (size_t i = 1; i < COUNT_OF(fields); i++)
        names[i - 1] = fields[i].name;
    near = conf_guess(name, names, COUNT_OF(fields) - 1);
    return fault_set(f, ERR_SYNTAX, "--format, column %zu: there is no field {%.*s}%s%s%s", at + 1,
                     (int)(name.n < 100 ? name.n : 100), name.p, near ? "; did you mean {" : "",
                     near ? near : "", near ? "}?" : "");
}

/* {NAME} or {NAME.ARG}, inside the braces. */
static int take_field(struct mqtt_template *t, struct str inside, size_t at, struct fault *f)
{
    struct str arg = inside, name = str_cut(&arg, '.');
    struct piece *p;

    for (size_t i = 1; i < COUNT_OF(fields); i++) {
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
        p->field = (enum field)i;
        p->arg = arg;
        if (i == FIELD_TOPIC && arg.p && (str_to_u64(arg, &p->number) || p->number == 0))
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
    if (t->count > 0 && t->pieces[t->count - 1].field == FIELD_TEXT) {
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

/* ---- writing ---- */

static void put_hex(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++)
        buf_printf(out, "%02x", (unsigned char)s.p[i]);
}

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
static void put_json(struct str payload, struct str path, struct buf *out)
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

static void put_user(struct str raw, struct str wanted, struct buf *out)
{
    struct str name, value;
    size_t at = 0;

    while (mqtt_props_user(raw, &at, &name, &value)) {
        if (str_eq(name, wanted)) {
            safe_text(value, out);
            return;
        }
    }
}

static void put_field(const struct piece *p, const struct mqtt_message *m, struct buf *out)
{
    const struct mqtt_props *props = m->props;
    char when[RFC3339_SIZE];

    switch (p->field) {
    case FIELD_TEXT:
        buf_put(out, p->arg);
        break;
    case FIELD_TOPIC:
        if (p->number > 0)
            put_level(m->topic, p->number, out);
        else
            safe_text(m->topic, out);
        break;
    case FIELD_PAYLOAD:
        safe_text(m->payload, out);
        break;
    case FIELD_RAW:
        buf_put(out, m->payload);
        break;
    case FIELD_HEX:
        put_hex(m->payload, out);
        break;
    case FIELD_BASE64:
        base64_put(out, m->payload);
        break;
    case FIELD_SIZE:
        buf_printf(out, "%zu", m->payload.n);
        break;
    case FIELD_JSON:
        put_json(m->payload, p->arg, out);
        break;
    case FIELD_QOS:
        buf_printf(out, "%u", m->qos);
        break;
    case FIELD_RETAIN:
        buf_put(out, m->retain ? STR("true") : STR("false"));
        break;
    case FIELD_DUP:
        buf_put(out, m->dup ? STR("true") : STR("false"));
        break;
    case FIELD_TIME:
        buf_put(out, str_from(when, rfc3339_format(m->wall_ns, when)));
        break;
    case FIELD_UNIX:
        buf_printf(out, "%lld.%03d", (long long)(m->wall_ns / 1000000000),
                   (int)(m->wall_ns / 1000000 % 1000));
        break;
    case FIELD_NUMBER:
        buf_printf(out, "%llu", (unsigned long long)m->number);
        break;
    case FIELD_TYPE:
        if (props->has & MQTT_HAS(CONTENT_TYPE))
            safe_text(props->content_type, out);
        break;
    case FIELD_RESPONSE:
        if (props->has & MQTT_HAS(RESPONSE_TOPIC))
            safe_text(props->response_topic, out);
        break;
    case FIELD_CORRELATION:
        if (props->has & MQTT_HAS(CORRELATION_DATA))
            safe_text(props->correlation_data, out);
        break;
    case FIELD_EXPIRY:
        if (props->has & MQTT_HAS(MESSAGE_EXPIRY))
            buf_printf(out, "%u", (unsigned)props->message_expiry_s);
        break;
    case FIELD_USER:
        put_user(props->raw, p->arg, out);
        break;
    }
}

void mqtt_template_put(const struct mqtt_template *t, const struct mqtt_message *m, struct buf *out)
{
    for (size_t i = 0; i < t->count; i++)
        put_field(&t->pieces[i], m, out);
}
