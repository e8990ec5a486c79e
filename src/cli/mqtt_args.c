/*
 * What a command line of `mqtt pub` or `mqtt sub` means, checked before anything is connected, so
 * that a mistake never costs a half-done job. Letters are those of mosquitto's tools where they have
 * one, but for -h, which is help everywhere.
 */
#include "cli/mqtt_args.h"

#include "cli/values.h"

#include <stdio.h>

#define PUB_TIMEOUT_MS     30000
#define PUB_EXPIRY_S_MAX   UINT32_MAX
#define REPEAT_EVERY_MS    1000
#define PROPERTY_BYTES_MAX 65535 /* of one text; and all of them together */

/* clang-format off */
const struct command_option mqtt_pub_options[] = {
    MQTT_OPTIONS_SERVER,
    { "topic", 't', "TOPIC", "where to" },
    { "message", 'm', "TEXT", "what; may be empty" },
    { "file", 'f', "FILE", "the content of a file" },
    { "stdin", 's', NULL, "all of standard input as one message" },
    { "lines", 'l', NULL, "each line of standard input as a message; empty ones are left out" },
    { "qos", 'q', "QOS", "0: sent once (default), 1: acknowledged, 2: acknowledged and never twice" },
    { "retain", 'r', NULL, "the server keeps it for those who subscribe later" },
    { "clear", 0, NULL, "remove the retained messages of the given topics; a filter lists what it would remove and asks" },
    { "yes", 'y', NULL, "with --clear: do not ask" },
    { "user-property", 'U', "NAME=VALUE", "MQTT 5: a property of one's own; may be repeated" },
    { "content-type", 0, "TYPE", "MQTT 5: what the payload is, as text/plain" },
    { "expiry", 0, "TIME", "MQTT 5: drop it when it was not delivered by then" },
    { "response-topic", 0, "TOPIC", "MQTT 5: where an answer is expected" },
    { "correlation", 0, "TEXT", "MQTT 5: what the answer is to carry" },
    { "repeat", 0, "N", "publish it N times; 0: until it is ended" },
    { "every", 0, "TIME", "pause between two messages; with --repeat 1 s" },
    { "timeout", 0, "TIME", "give up when nothing was acknowledged for so long; 30 s" },
    { "verbose", 'v', NULL, "say what the server answered to each message" },
    MQTT_OPTIONS_LOGIN,
    { 0 },
};
const struct command_option mqtt_sub_options[] = {
    MQTT_OPTIONS_SERVER,
    { "topic", 't', "FILTER", "what to listen to; may be repeated. + is one level, # all that follow" },
    { "qos", 'q', "QOS", "highest QoS that the server may use (0; with --keep-session 1)" },
    { "json", 0, NULL, "one JSON object for each message" },
    { "format", 'F', "TEMPLATE", "one line for each message, see below" },
    { "raw", 0, NULL, "only the payloads, byte for byte, nothing between them" },
    { "count", 'C', "N", "end after N messages" },
    { "timeout", 'W', "TIME", "end after this time; status 1 when --count was not reached" },
    { "retained-only", 0, NULL, "only what the server keeps now; ends when that has come" },
    { "no-retained", 'R', NULL, "only what is published from now on" },
    { "keep-session", 'c', NULL, "the server keeps the session, and what comes at QoS 1 meanwhile; needs --id" },
    { "session-expiry", 'x', "TIME", "for how long (a day); implies --keep-session" },
    { "color", 0, "WHEN", "auto (default: on a terminal, unless NO_COLOR is set), always, never" },
    MQTT_OPTIONS_LOGIN,
    { 0 },
};
/* clang-format on */

const char mqtt_pub_more[] =
    "  wayside mqtt pub -t wayside/door-1/reading/open -m true -q 1\n"
    "  wayside mqtt pub mqtts://pi@hub.example.org -P pi.password -t lamp/set -m on\n"
    "  tail -f app.log | wayside mqtt pub -t logs/app --lines -q 1\n"
    "  wayside mqtt pub -t test/load -m x --repeat 100 --every 50ms -q 1 -v\n"
    "  wayside mqtt pub -t jobs/7 -f job.json -U from=me --content-type application/json\n"
    "  wayside mqtt pub --clear 'old/#'\n\n"
    "Exit status 0 means: every message was acknowledged (QoS 1 and 2), or read by the server (QoS 0).\n"
    "1: one was refused or may be lost, and why. 2: wrong usage. When the connection breaks it is made\n"
    "again, and what was not acknowledged is sent again; not when the server will never take it, because it\n"
    "says so (MQTT 5) or breaks one connection after the other before it has answered.\n\n"
    "The URL may come from WAYSIDE_MQTT_URL: mqtt://USER@HOST:PORT, mqtts://HOST or unix:/PATH. Times are\n"
    "written 250ms, 1.5s, 2m, 1h; without a unit they are seconds.";

const char mqtt_sub_more[] =
    "  wayside mqtt sub '#'\n"
    "  wayside mqtt sub mqtts://pi@hub.example.org -P pi.password 'wayside/+/reading/#'\n"
    "  wayside mqtt sub --json 'sensor/#' | jq .payload.temperature\n"
    "  wayside mqtt sub -F '{time}  {topic.2}  {json.temperature} °C' 'wayside/+/reading/env'\n"
    "  wayside mqtt sub --raw --count 1 camera/still > still.jpg\n"
    "  wayside mqtt sub --retained-only '#'\n\n"
    "Fields of a template: {topic} {topic.N} {payload} {raw} {hex} {base64} {size} {json}\n"
    "{json.NAME.NAME.0} {qos} {retain} {dup} {time} {unix} {number}, and of MQTT 5 {type} {response}\n"
    "{correlation} {expiry} {user.NAME}. Escapes: \\n \\t \\e \\\\ {{ }}. A line feed is added.\n\n"
    "Bytes that are no text, and characters that would command the terminal, are shown as \\xNN. With\n"
    "--json and {raw} nothing is changed. When the connection breaks it is made again, and standard error\n"
    "says so. Ctrl-C ends it with a summary. Status 1: the server refused, or broke one connection after the\n"
    "other before it had answered, or --count was not reached.\n\n"
    "The URL may come from WAYSIDE_MQTT_URL. Times are written 250ms, 1.5s, 2m, 1h; without a unit they\n"
    "are seconds.";

/* Words that are no URL are topics: they are put behind those of -t. */
static const char *split_words(const struct command_call *c, struct str *topics, size_t *count)
{
    const char *topic, *url = NULL;

    for (size_t i = 0; (topic = command_value_at(c, "topic", i)); i++)
        topics[(*count)++] = str_of(topic);
    for (size_t i = 0; i < c->arg_count; i++) {
        if (!url && mqtt_target_is_url(str_of(c->args[i])))
            url = c->args[i];
        else
            topics[(*count)++] = str_of(c->args[i]);
    }
    return url;
}

static int check_filters(const struct str *filters, size_t count, struct fault *f)
{
    struct str name, rest;

    for (size_t i = 0; i < count; i++) {
        if (mqtt_filter_valid(filters[i]) &&
            mqtt_share_split(filters[i], &name, &rest) != MQTT_SHARE_BAD)
            continue;
        return fault_set(
            f, ERR_VALUE,
            "'%.*s' is no filter: + stands for a whole level, # for all levels at the end",
            (int)(filters[i].n < 200 ? filters[i].n : 200), filters[i].p);
    }
    return 0;
}

/* ---- pub ---- */

static int get_text_property(const struct command_call *c, const char *name, enum mqtt_prop id,
                             struct buf *props, struct fault *f)
{
    const char *text = command_value(c, name);

    if (!text)
        return 0;
    if (!utf8_valid_mqtt(str_of(text)) || strlen(text) > PROPERTY_BYTES_MAX)
        return fault_set(f, ERR_VALUE, "--%s: this is no text of at most %d bytes", name,
                         PROPERTY_BYTES_MAX);
    if (id == MQTT_PROP_RESPONSE_TOPIC && !mqtt_topic_valid(str_of(text)))
        return fault_set(f, ERR_VALUE, "--%s: '%s' is no topic; it has no + and no #", name, text);
    mqtt_props_put_text(props, id, str_of(text));
    return 0;
}

static int read_props(const struct command_call *c, struct mqtt_pub_args *a, struct fault *f)
{
    uint32_t expiry_s = 0;
    const char *pair;
    int rc = get_text_property(c, "content-type", MQTT_PROP_CONTENT_TYPE, &a->props, f);

    if (!rc)
        rc = get_text_property(c, "response-topic", MQTT_PROP_RESPONSE_TOPIC, &a->props, f);
    if (!rc)
        rc = get_text_property(c, "correlation", MQTT_PROP_CORRELATION_DATA, &a->props, f);
    if (!rc)
        rc = values_seconds(c, "expiry", &expiry_s, f);
    if (rc)
        return rc;
    if (expiry_s > 0)
        mqtt_props_put_number(&a->props, MQTT_PROP_MESSAGE_EXPIRY, expiry_s);
    for (size_t i = 0; (pair = command_value_at(c, "user-property", i)); i++) {
        struct str value = str_of(pair), name = str_cut(&value, '=');

        if (!value.p || name.n == 0 || !utf8_valid_mqtt(str_of(pair)) ||
            strlen(pair) > PROPERTY_BYTES_MAX)
            return fault_set(f, ERR_VALUE, "--user-property: NAME=VALUE is meant, not '%.100s'",
                             pair);
        mqtt_props_put_user(&a->props, name, value);
    }
    if (buf_check(&a->props))
        return fault_set(f, ERR_VALUE, "the properties are longer than %d bytes together",
                         PROPERTY_BYTES_MAX);
    if (a->props.n > 0 && a->login.version != MQTT_V5)
        return fault_set(f, ERR_VALUE,
                         "MQTT 3.1.1 has no properties; leave them or --protocol out");
    return 0;
}

/* Which of the sources was named: exactly one. */
static int read_source(const struct command_call *c, struct mqtt_pub_args *a, struct fault *f)
{
    static const struct {
        const char *name;
        enum mqtt_pub_from from;
    } all[] = { { "message", PUB_MESSAGE },
                { "file", PUB_FILE },
                { "stdin", PUB_STDIN },
                { "lines", PUB_LINES },
                { "clear", PUB_CLEAR } };
    const char *first = NULL;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!command_value(c, all[i].name))
            continue;
        if (first)
            return fault_set(f, ERR_VALUE, "--%s and --%s: one of them is meant", first,
                             all[i].name);
        first = all[i].name;
        a->from = all[i].from;
    }
    if (!first)
        return fault_set(f, ERR_VALUE,
                         "what is to be published? -m TEXT, -f FILE, --stdin, --lines, or --clear");
    a->message = command_value(c, "message");
    a->file = command_value(c, "file");
    return 0;
}

static int check_topic(struct mqtt_pub_args *a, struct fault *f)
{
    if (a->from == PUB_CLEAR) {
        if (a->filter_count == 0)
            return fault_set(f, ERR_VALUE, "--clear: which topics? --clear TOPIC…, filters too");
        return check_filters(a->filters, a->filter_count, f);
    }
    if (a->filter_count != 1)
        return fault_set(f, ERR_VALUE,
                         a->filter_count == 0 ? "where to? Add -t TOPIC"
                                              : "one topic is meant, not several");
    a->topic = a->filters[0];
    if (!mqtt_topic_valid(a->topic))
        return fault_set(f, ERR_VALUE, "'%.*s' is no topic: it is text without + and #",
                         (int)(a->topic.n < 200 ? a->topic.n : 200), a->topic.p);
    return 0;
}

static int read_repeat(const struct command_call *c, struct mqtt_pub_args *a, struct fault *f)
{
    bool repeat = command_value(c, "repeat");
    int rc;

    if (repeat && (a->from == PUB_LINES || a->from == PUB_CLEAR))
        return fault_set(f, ERR_VALUE, "--repeat is for one message: -m, -f or --stdin");
    a->repeat = 1;
    rc = values_number(c, "repeat", 0, &a->repeat, f);
    a->every_ms = repeat ? REPEAT_EVERY_MS : 0;
    if (!rc)
        rc = values_ms(c, "every", 0, &a->every_ms, f);
    a->timeout_ms = PUB_TIMEOUT_MS;
    if (!rc)
        rc = values_ms(c, "timeout", 1, &a->timeout_ms, f);
    return rc;
}

int mqtt_pub_args_read(const struct command_call *c, const struct mqtt_env *env,
                       struct mqtt_pub_args *a, struct fault *f)
{
    const char *url;
    int rc;

    *a = (struct mqtt_pub_args){ .props = buf_init(PROPERTY_BYTES_MAX),
                                 .retain = command_value(c, "retain") != NULL,
                                 .yes = command_value(c, "yes") != NULL,
                                 .verbose = command_value(c, "verbose") != NULL };
    url = split_words(c, a->filters, &a->filter_count);
    rc = mqtt_login_read(c, env, url, &a->login, f);
    if (!rc)
        rc = read_source(c, a, f);
    if (!rc)
        rc = check_topic(a, f);
    if (!rc)
        rc = values_qos(c, &a->qos, f);
    if (!rc)
        rc = read_repeat(c, a, f);
    if (!rc)
        rc = read_props(c, a, f);
    /* Whether the server took it is the point of clearing. */
    if (!rc && a->from == PUB_CLEAR && a->qos == 0)
        a->qos = 1;
    return rc;
}

void mqtt_pub_args_fini(struct mqtt_pub_args *a)
{
    buf_fini(&a->props);
}

/* ---- sub ---- */

static int read_output(const struct command_call *c, struct mqtt_sub_args *a, struct fault *f)
{
    const char *format = command_value(c, "format"), *colour = command_value(c, "color");
    bool json = command_value(c, "json"), raw = command_value(c, "raw");

    if (json + raw + (format != NULL) > 1)
        return fault_set(f, ERR_VALUE, "--json, --format and --raw: one of them is meant");
    a->as = json ? SUB_JSON : raw ? SUB_RAW : format ? SUB_FORMAT : SUB_LINE;
    if (colour && strcmp(colour, "auto") != 0) {
        if (strcmp(colour, "always") != 0 && strcmp(colour, "never") != 0)
            return fault_set(f, ERR_VALUE, "--color: '%s' is not known; auto, always or never",
                             colour);
        a->colour = colour[0] == 'a' ? COLOUR_ALWAYS : COLOUR_NEVER;
    }
    return format ? mqtt_template_new(str_of(format), &a->format, f) : 0;
}

static int read_session(const struct command_call *c, struct mqtt_sub_args *a, struct fault *f)
{
    int rc = values_seconds(c, "session-expiry", &a->session_expiry_s, f);

    if (rc)
        return rc;
    a->keep_session = command_value(c, "keep-session") || a->session_expiry_s > 0;
    if (a->keep_session && !command_value(c, "qos"))
        a->qos = 1; /* of QoS 0 nothing is kept */
    if (a->keep_session && !a->login.id)
        return fault_set(f, ERR_VALUE,
                         "--keep-session: by which name will you come back? Add --id ID");
    if (a->session_expiry_s > 0 && a->login.version != MQTT_V5)
        return fault_set(f, ERR_VALUE, "MQTT 3.1.1 has no --session-expiry: the server decides");
    a->retained_only = command_value(c, "retained-only") != NULL;
    a->no_retained = command_value(c, "no-retained") != NULL;
    if (a->retained_only && a->no_retained)
        return fault_set(f, ERR_VALUE, "--retained-only and --no-retained: one of them is meant");
    return 0;
}

int mqtt_sub_args_read(const struct command_call *c, const struct mqtt_env *env,
                       struct mqtt_sub_args *a, struct fault *f)
{
    const char *url;
    int rc;

    *a = (struct mqtt_sub_args){ 0 };
    url = split_words(c, a->filters, &a->filter_count);
    rc = mqtt_login_read(c, env, url, &a->login, f);
    if (!rc && a->filter_count == 0)
        rc = fault_set(f, ERR_VALUE, "which topics? Add filters, as 'sensor/#'; '#' is all");
    if (!rc)
        rc = check_filters(a->filters, a->filter_count, f);
    if (!rc)
        rc = values_qos(c, &a->qos, f);
    if (!rc)
        rc = values_number(c, "count", 1, &a->count, f);
    if (!rc)
        rc = values_ms(c, "timeout", 1, &a->timeout_ms, f);
    if (!rc)
        rc = read_session(c, a, f);
    if (!rc)
        rc = read_output(c, a, f);
    return rc;
}

void mqtt_sub_args_fini(struct mqtt_sub_args *a)
{
    mqtt_template_free(a->format);
}
