/*
 * A connection of mosquitto.conf becomes a bridge of ours. Its parts are decided together, since whether the
 * address means TLS is said by others of them.
 *
 * Refused is what would connect less safely than the lines ask (keys that are shared before, certificates that
 * are not checked), or carry something else.
 */
#include "base/mem.h"
#include "conf/mosquitto_impl.h"

#include <assert.h>
#include <stdio.h>

#define WORDS_MAX 6

enum part_kind {
    PART_TEXT,
    PART_FILE,
    PART_SECONDS,
    PART_SIZE, /* bytes; 0: no limit */
    PART_BOOL,
    PART_IGNORE,
    PART_WARN,   /* unless the value is `only` */
    PART_REFUSE, /* the same */
    PART_VERSION,
    PART_ADDRESS,
    PART_TOPIC,
    PART_NOTIFICATIONS,
};
struct part {
    const char *name;
    enum part_kind kind;
    const char *key; /* of ours */
    const char *only, *say, *mend;
};

#define AGAIN   "a bridge connects at once and again and again, with growing pauses"
#define NO_PSK  "there are no pre-shared keys here: it could not connect as safely"
#define INSIDE  "a bridge is a part of the hub and logs in nowhere here"
#define BY_SELF "bridges here have what they need without it"

/* clang-format off */
static const struct part parts[] = {
    { "address", PART_ADDRESS, "address" },
    { "addresses", PART_ADDRESS, "address" },
    { "bridge_alpn", PART_TEXT, "alpn" },
    { "bridge_attempt_unsubscribe", PART_IGNORE, .say = "what no rule lets in is not taken, whoever sends it" },
    { "bridge_bind_address", PART_WARN, .say = "the system chooses the address that a bridge connects from" },
    { "bridge_cafile", PART_FILE, "ca" },
    { "bridge_capath", PART_REFUSE, .say = "authorities are one file here", .mend = "bridge_cafile FILE" },
    { "bridge_certfile", PART_FILE, "cert" },
    { "bridge_ciphers", PART_WARN, .say = "TLS 1.2 here has ciphers with forward secrecy and authentication only" },
    { "bridge_ciphers_tls1.3", PART_WARN, .say = "TLS 1.3 has its own ciphers, all of them good" },
    { "bridge_identity", PART_REFUSE, .say = NO_PSK, .mend = "use certificates: bridge_cafile FILE" },
    { "bridge_insecure", PART_REFUSE, .only = "false", .say = "the other broker's certificate is always verified",
      .mend = "leave it out, and give its authority by bridge_cafile" },
    { "bridge_keyfile", PART_FILE, "key" },
    { "bridge_max_packet_size", PART_SIZE, "packet_max" },
    { "bridge_max_topic_alias", PART_IGNORE, .say = BY_SELF },
    { "bridge_outgoing_retain", PART_REFUSE, .only = "true", .say = "retain flags are kept", .mend = "leave it out" },
    { "bridge_protocol_version", PART_VERSION, "version" },
    { "bridge_psk", PART_REFUSE, .say = NO_PSK, .mend = "use certificates: bridge_cafile FILE" },
    { "bridge_receive_maximum", PART_IGNORE, .say = BY_SELF },
    { "bridge_reload_type", PART_WARN, .say = "bridges change at the next start" },
    { "bridge_require_ocsp", PART_REFUSE, .only = "false", .say = "certificates are not asked about by OCSP",
      .mend = "leave it out" },
    { "bridge_session_expiry_interval", PART_SECONDS, "session_expiry" },
    { "bridge_tcp_keepalive", PART_IGNORE, .say = BY_SELF },
    { "bridge_tcp_user_timeout", PART_IGNORE, .say = BY_SELF },
    { "bridge_tls_use_os_certs", PART_IGNORE, .say = "without bridge_cafile the system's authorities count" },
    { "bridge_tls_version", PART_IGNORE, .say = "TLS 1.2 and 1.3 are spoken" },
    { "cleansession", PART_BOOL, "clean_session" },
    { "clientid", PART_TEXT, "client_id" },
    { "idle_timeout", PART_IGNORE, .say = AGAIN },
    { "keepalive_interval", PART_SECONDS, "keep_alive" },
    { "local_cleansession", PART_WARN, .only = "false", .say = "what waits to go out is always kept" },
    { "local_clientid", PART_IGNORE, .say = INSIDE },
    { "local_password", PART_IGNORE, .say = INSIDE },
    { "local_username", PART_IGNORE, .say = INSIDE },
    { "notification_topic", PART_WARN, .say = "it is $SYS/broker/connection/NAME/state" },
    { "notifications", PART_NOTIFICATIONS },
    { "notifications_local_only", PART_NOTIFICATIONS },
    { "password", PART_TEXT, "password" },
    { "remote_clientid", PART_TEXT, "client_id" },
    { "remote_password", PART_TEXT, "password" },
    { "remote_username", PART_TEXT, "user" },
    { "restart_timeout", PART_IGNORE, .say = AGAIN },
    { "round_robin", PART_IGNORE, .say = "the first address counts" },
    { "start_type", PART_WARN, .only = "automatic", .say = AGAIN },
    { "threshold", PART_IGNORE, .say = AGAIN },
    { "topic", PART_TOPIC, "topics" },
    { "try_private", PART_BOOL, "try_private" },
    { "username", PART_TEXT, "user" },
};
/* clang-format on */

bool mosquitto_has_bridges(const struct mosquitto *m)
{
    return mosquitto_target(m, "mqtt.bridges[].topics") != NULL;
}

static const struct part *part_of(const struct mosquitto_line *l)
{
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (strcmp(parts[i].name, l->row->name) == 0)
            return &parts[i];
    assert(false && "a row of a bridge without a part");
    return NULL;
}

static void set(struct mosquitto *m, struct mosquitto_bridge *b, const char *key, struct str value,
                struct mosquitto_line *l)
{
    struct mosquitto_setting *s = arena_take(&m->arena, sizeof(*s)),
                             **at = str_eq(str_of(key), STR("topics")) ? &b->topics : &b->settings;

    assert(s);
    while (*at) {
        if (!str_eq(str_of(key), STR("topics")) && str_eq((*at)->key, str_of(key))) {
            mosquitto_mistake(m, l, "keep one of the two", "'%s' says again what line %u says",
                              l->row->name, (*at)->line ? (*at)->line->at.line : 0);
            return;
        }
        at = &(*at)->next;
    }
    *s = (struct mosquitto_setting){ .key = str_of(key), .value = value, .line = l };
    *at = s;
    if (l)
        mosquitto_fate(m, l, FATE_UNDERSTOOD, "mqtt.bridges[].%s", key);
}

/* ---- values ---- */

static bool take_bool(struct mosquitto *m, struct mosquitto_line *l, bool *out)
{
    *out = str_eq(l->value, STR("true")) || str_eq(l->value, STR("1"));
    if (*out || str_eq(l->value, STR("false")) || str_eq(l->value, STR("0")))
        return true;
    mosquitto_mistake(m, l, NULL, "'%s' must be true or false, not '%s'", l->row->name,
                      report_show(l->value).text);
    return false;
}

static void take_seconds(struct mosquitto *m, struct mosquitto_bridge *b, struct mosquitto_line *l,
                         const char *key)
{
    uint64_t s;

    if (str_to_u64(l->value, &s))
        mosquitto_mistake(m, l, NULL, "'%s' must be a number of seconds, not '%s'", l->row->name,
                          report_show(l->value).text);
    else
        set(m, b, key, arena_printf(&m->arena, "%llus", (unsigned long long)s), l);
}

static void take_size(struct mosquitto *m, struct mosquitto_bridge *b, struct mosquitto_line *l,
                      const char *key)
{
    uint64_t n;

    if (str_to_u64(l->value, &n))
        mosquitto_mistake(m, l, NULL, "'%s' must be a number of bytes, not '%s'", l->row->name,
                          report_show(l->value).text);
    else if (n == 0)
        mosquitto_fate(m, l, FATE_UNDERSTOOD, "as it is here anyway");
    else
        set(m, b, key, l->value, l);
}

static void take_version(struct mosquitto *m, struct mosquitto_bridge *b, struct mosquitto_line *l)
{
    if (str_eq(l->value, STR("mqttv50")))
        set(m, b, "version", STR("\"5\""), l);
    else if (str_eq(l->value, STR("mqttv311")))
        set(m, b, "version", STR("\"3.1.1\""), l);
    else if (str_eq(l->value, STR("mqttv31")))
        mosquitto_refuse(m, l, "mqttv311, or mqttv50", "a bridge does not speak MQTT 3.1");
    else
        mosquitto_mistake(m, l, NULL, "'%s' can be mqttv311 or mqttv50, not '%s'", l->row->name,
                          report_show(l->value).text);
}

static void take_address(struct mosquitto *m, struct mosquitto_bridge *b, struct mosquitto_line *l)
{
    struct str rest = l->value, first = str_cut(&rest, ' ');
    size_t colon = str_find(first, ':');
    const char *scheme = b->tls ? "mqtts" : "mqtt", *port = colon < first.n ? "" : ":1883";

    set(m, b, "address",
        mosquitto_quoted(m, arena_printf(&m->arena, "%s://%.*s%s", scheme, STR_ARG(first), port)),
        l);
    if (str_trim(rest).n > 0 && l->fate == FATE_UNDERSTOOD)
        mosquitto_fate(m, l, FATE_REFUSED, "only the first address counts");
}

/* topic PATTERN [DIRECTION [QOS [LOCAL [REMOTE]]]]; "" is nothing. */
static void take_topic(struct mosquitto *m, struct mosquitto_bridge *b, struct mosquitto_line *l)
{
    struct str word[WORDS_MAX] = { { 0 } }, rest = l->value;
    size_t n = 0;

    while (rest.n > 0 && n < WORDS_MAX) {
        word[n] = str_cut(&rest, ' ');
        rest = str_trim(rest);
        if (str_eq(word[n], STR("\"\"")))
            word[n] = STR_NONE;
        n++;
    }
    if (n == WORDS_MAX) {
        mosquitto_mistake(
            m, l, NULL, "'topic' has a pattern, a direction, a QoS and two prefixes, and no more");
        return;
    }
    if (n < 2)
        word[1] = STR("out");
    if (n < 3)
        word[2] = STR("0");
    if (!str_eq(word[1], STR("out")) && !str_eq(word[1], STR("in")) &&
        !str_eq(word[1], STR("both"))) {
        mosquitto_mistake(m, l, NULL, "the direction can be out, in or both, not '%s'",
                          report_show(word[1]).text);
        return;
    }
    if (!str_eq(word[2], STR("0")) && !str_eq(word[2], STR("1")) && !str_eq(word[2], STR("2"))) {
        mosquitto_mistake(m, l, NULL, "the QoS can be 0, 1 or 2, not '%s'",
                          report_show(word[2]).text);
        return;
    }
    set(m, b, "topics",
        arena_printf(&m->arena,
                     "%.*s, direction: %.*s, qos: %.*s, local_prefix: %.*s, remote_prefix: %.*s}",
                     STR_ARG(mosquitto_quoted(m, word[0])), STR_ARG(word[1]), STR_ARG(word[2]),
                     STR_ARG(mosquitto_quoted(m, word[3])), STR_ARG(mosquitto_quoted(m, word[4]))),
        l);
}

static void take_notifications(struct mosquitto *m, struct mosquitto_bridge *b,
                               struct mosquitto_line *l)
{
    bool on;

    if (!take_bool(m, l, &on))
        return;
    if (str_eq(str_of(l->row->name), STR("notifications")))
        b->silent = !on;
    else
        b->local_only = on;
    mosquitto_fate(m, l, FATE_UNDERSTOOD, "mqtt.bridges[].notifications");
}

/* ---- one bridge ---- */

static void decide_part(struct mosquitto *m, struct mosquitto_bridge *b, struct mosquitto_line *l)
{
    const struct part *p = part_of(l);
    bool as_here = p->only && str_eq(l->value, str_of(p->only)), on;

    switch (p->kind) {
    case PART_TEXT:
        set(m, b, p->key, mosquitto_quoted(m, l->value), l);
        break;
    case PART_FILE:
        if (mosquitto_readable(m, l))
            set(m, b, p->key, mosquitto_quoted(m, mosquitto_path(m, l->value)), l);
        break;
    case PART_SECONDS:
        take_seconds(m, b, l, p->key);
        break;
    case PART_SIZE:
        take_size(m, b, l, p->key);
        break;
    case PART_BOOL:
        if (take_bool(m, l, &on))
            set(m, b, p->key, on ? STR("true") : STR("false"), l);
        break;
    case PART_VERSION:
        take_version(m, b, l);
        break;
    case PART_ADDRESS:
        take_address(m, b, l);
        break;
    case PART_TOPIC:
        take_topic(m, b, l);
        break;
    case PART_NOTIFICATIONS:
        take_notifications(m, b, l);
        break;
    case PART_IGNORE:
        mosquitto_fate(m, l, FATE_IGNORED, "%s", p->say);
        break;
    case PART_WARN:
        mosquitto_fate(m, l, as_here ? FATE_UNDERSTOOD : FATE_REFUSED, "%s",
                       as_here ? "as it is here anyway" : p->say);
        break;
    case PART_REFUSE:
        if (as_here)
            mosquitto_fate(m, l, FATE_UNDERSTOOD, "as it is here anyway");
        else
            mosquitto_refuse(m, l, p->mend, "%s", p->say);
        break;
    }
}

static bool means_tls(const struct mosquitto_line *l)
{
    struct str name = str_of(l->row->name);

    if (str_eq(name, STR("bridge_tls_use_os_certs")))
        return str_eq(l->value, STR("true"));
    return str_eq(name, STR("bridge_cafile")) || str_eq(name, STR("bridge_capath")) ||
           str_eq(name, STR("bridge_certfile")) || str_eq(name, STR("bridge_psk"));
}

static bool has(const struct mosquitto_bridge *b, const char *key)
{
    for (const struct mosquitto_setting *s = b->settings; s; s = s->next)
        if (str_eq(s->key, str_of(key)))
            return true;
    return false;
}

static void decide_bridge(struct mosquitto *m, struct mosquitto_line *l)
{
    struct mosquitto_bridge *b = arena_take(&m->arena, sizeof(*b));

    assert(b);
    *b = (struct mosquitto_bridge){ .line = l };
    *m->bridges_end = b;
    m->bridges_end = &b->next;
    for (struct mosquitto_line *p = m->lines; p; p = p->next)
        b->tls |= p->whole == l && means_tls(p);
    for (struct mosquitto_line *p = m->lines; p; p = p->next)
        if (p->whole == l && !p->done)
            decide_part(m, b, p);
    if (!has(b, "version"))
        set(m, b, "version", STR("\"3.1.1\""), NULL);
    set(m, b, "notifications",
        b->silent       ? STR("none")
        : b->local_only ? STR("local")
                        : STR("both"),
        NULL);
    mosquitto_fate(m, l, FATE_UNDERSTOOD, "a bridge: mqtt.bridges");
    if (!has(b, "address"))
        mosquitto_mistake(m, l, "address HOST:PORT", "'connection %s' has no address",
                          report_show(l->value).text);
    else if (!b->topics)
        mosquitto_mistake(m, l, "topic # out 1",
                          "'connection %s' has no topic: nothing would cross it",
                          report_show(l->value).text);
}

void mosquitto_decide_bridges(struct mosquitto *m)
{
    for (struct mosquitto_line *l = m->lines; l; l = l->next)
        if (l->row && l->row->id == ID_CONNECTION && !l->done)
            decide_bridge(m, l);
}
