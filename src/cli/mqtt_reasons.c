/*
 * Advice for each refusal that a person can do something about. Reason codes are those of MQTT 5
 * (section 2.4); the five return codes of a 3.1.1 CONNACK are first turned into them.
 */
#include "cli/mqtt_reasons.h"

#include "base/mem.h"
#include "cli/safe_text.h"

#include <errno.h>

#define IN(what) (1u << REFUSED_##what)
#define ANYWHERE (IN(LOGIN) | IN(PUBLISH) | IN(PUBLISH_SYS) | IN(SUBSCRIBE))

static const struct {
    unsigned reason, where;
    const char *advice;
} rows[] = {
    { MQTT_REASON_BAD_VERSION, IN(LOGIN), "try --protocol 3.1.1" },
    { MQTT_REASON_BAD_CLIENT_ID, IN(LOGIN), "try another --id" },
    { MQTT_REASON_BAD_LOGIN, IN(LOGIN), "see -u and --password-file" },
    { MQTT_REASON_NOT_AUTHORIZED, IN(LOGIN),
      "the server wants a user (-u, --password-file) or does not take this one from here" },
    { MQTT_REASON_NOT_AUTHORIZED, IN(PUBLISH),
      "this user may not publish there; log in as another (-u) or have the server allow it" },
    { MQTT_REASON_NOT_AUTHORIZED, IN(PUBLISH_SYS),
      "below $SYS/ the server alone publishes; take another topic" },
    { MQTT_REASON_NOT_AUTHORIZED, IN(SUBSCRIBE),
      "this user may not read there; log in as another (-u) or have the server allow it" },
    { MQTT_REASON_UNAVAILABLE, IN(LOGIN), "try again later" },
    { MQTT_REASON_BUSY, IN(LOGIN), "try again later" },
    { MQTT_REASON_BANNED, IN(LOGIN), "ask whoever runs the server" },
    { MQTT_REASON_TAKEN_OVER, IN(LOGIN),
      "another client connected with the same id; give each its own --id" },
    { MQTT_REASON_ADMINISTRATIVE, IN(LOGIN), "whoever runs the server ended this connection" },
    { MQTT_REASON_USE_ANOTHER, IN(LOGIN), "connect to the server that it names" },
    { MQTT_REASON_MOVED, IN(LOGIN), "connect to the server that it names" },
    { MQTT_REASON_CONNECT_RATE, IN(LOGIN), "connect less often" },
    { MQTT_REASON_TOO_LARGE, ANYWHERE, "send less at once" },
    { MQTT_REASON_NO_RETAIN, ANYWHERE, "leave --retain out" },
    { MQTT_REASON_BAD_QOS, ANYWHERE, "try a lower -q" },
    { MQTT_REASON_BAD_TOPIC, ANYWHERE, "the server does not take this topic: see its limits" },
    { MQTT_REASON_BAD_FILTER, ANYWHERE, "the server does not take this filter: see its limits" },
    { MQTT_REASON_QUOTA, ANYWHERE, "the server has no room: try again later, or raise its limit" },
    { MQTT_REASON_BAD_PAYLOAD, IN(PUBLISH),
      "the server wants another payload on this topic, on a hub usually a JSON object" },
    { MQTT_REASON_NO_SHARED, IN(SUBSCRIBE), "subscribe without $share/" },
    { MQTT_REASON_NO_WILDCARD, IN(SUBSCRIBE), "subscribe without + and #" },
};

/* A 3.1.1 server's number as MQTT 5 calls it. */
static unsigned reason_of(enum mqtt_refused what, enum mqtt_version v, unsigned reason)
{
    static const unsigned char connack[] = {
        MQTT_REASON_SUCCESS,     MQTT_REASON_BAD_VERSION, MQTT_REASON_BAD_CLIENT_ID,
        MQTT_REASON_UNAVAILABLE, MQTT_REASON_BAD_LOGIN,   MQTT_REASON_NOT_AUTHORIZED
    };

    if (v == MQTT_V311 && what == REFUSED_LOGIN && reason < sizeof(connack))
        return connack[reason];
    return reason;
}

void mqtt_reason_say(enum mqtt_refused what, enum mqtt_version v, unsigned reason, struct str told,
                     struct buf *out)
{
    unsigned r = reason_of(what, v, reason);
    const char *text = mqtt_reason_text(r);

    buf_printf(out, "0x%02x %s", reason, text);
    if (told.n > 0 && !str_eq(told, str_of(text))) {
        buf_put(out, STR(" ("));
        safe_text(told, out);
        buf_put(out, STR(")"));
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].reason == r && (rows[i].where >> what & 1))
            buf_printf(out, "; %s", rows[i].advice);
    /* A 3.1.1 server has one number for every refused filter. */
    if (v == MQTT_V311 && what == REFUSED_SUBSCRIBE && r == MQTT_REASON_UNSPECIFIED)
        buf_put(out, STR("; most likely this user may not read there"));
}

static void say_tls(const struct mqtt_down *d, struct buf *out)
{
    buf_printf(out, "no TLS with %s", d->server);
    if (d->text.n > 0) {
        buf_put(out, STR(": "));
        safe_text(d->text, out);
    }
    buf_put(out,
            STR("; --ca FILE names who signs its certificate, and HOST must be its name there"));
}

bool mqtt_down_is_closed(int code)
{
    return code == ERR_CLOSED || code == -ECONNRESET || code == -EPIPE;
}

static void say_closed(const struct mqtt_down *d, struct buf *out)
{
    if (d->mute_sessions > 0 && d->reason < 0x80) {
        buf_printf(out,
                   "%s ended the connection %u times in a row before it answered; most likely it "
                   "does not take what is sent: is a message too large for it, a topic too long or "
                   "not allowed to this user?",
                   d->server, d->mute_sessions);
    } else if (d->reason >= 0x80) {
        buf_printf(out, "%s ended the connection: ", d->server);
        mqtt_reason_say(REFUSED_LOGIN, MQTT_V5, d->reason, d->text, out);
    } else if (d->was_up) {
        buf_printf(out, "the connection to %s broke", d->server);
        if (d->twin) { /* older servers do not say so */
            buf_put(out, STR(" again; does another client use the id '"));
            safe_text(str_of(d->twin), out);
            buf_put(out, STR("'?"));
        }
    } else {
        buf_printf(out,
                   "%s closed the connection without a word; is it an MQTT port, and is it %s?",
                   d->server, d->tls ? "one with TLS" : "one without TLS (else: mqtts://)");
    }
}

void mqtt_down_say(const struct mqtt_down *d, struct buf *out)
{
    switch (d->code) {
    case ERR_REFUSED:
        buf_printf(out, "%s refused the connection: ", d->server);
        mqtt_reason_say(REFUSED_LOGIN, d->version, d->reason, d->text, out);
        break;
    case ERR_VERSION:
        buf_printf(out, "%s does not speak MQTT 5; try --protocol 3.1.1", d->server);
        break;
    case ERR_TLS:
        say_tls(d, out);
        break;
    case ERR_CLOSED:
    case -ECONNRESET:
    case -EPIPE:
        say_closed(d, out);
        break;
    case ERR_PROTO:
        buf_printf(out, "what %s says is not MQTT: ", d->server);
        safe_text(d->text, out);
        break;
    case -ECONNREFUSED:
    case -ENOENT:
        buf_printf(out, "nobody listens at %s; is the server running, and is this its port?",
                   d->server);
        break;
    case -ETIMEDOUT:
        buf_printf(out, "%s does not answer", d->server);
        break;
    default:
        buf_printf(out, "%s: %s", d->server, err_text(d->code));
    }
}

bool mqtt_reason_is_final(enum mqtt_version v, int code, unsigned reason)
{
    if (code == ERR_VERSION || code == ERR_PROTO)
        return true;
    if (code != ERR_REFUSED && code != ERR_CLOSED)
        return false;
    switch (code == ERR_REFUSED ? reason_of(REFUSED_LOGIN, v, reason) : reason) {
    case MQTT_REASON_BAD_VERSION:
    case MQTT_REASON_BAD_CLIENT_ID:
    case MQTT_REASON_BAD_LOGIN:
    case MQTT_REASON_NOT_AUTHORIZED:
    case MQTT_REASON_BANNED:
    case MQTT_REASON_BAD_AUTH_METHOD:
    case MQTT_REASON_TAKEN_OVER:
    case MQTT_REASON_ADMINISTRATIVE:
    case MQTT_REASON_TOO_LARGE:
    case MQTT_REASON_NO_RETAIN:
    case MQTT_REASON_BAD_QOS:
    case MQTT_REASON_BAD_TOPIC:
    case MQTT_REASON_BAD_FILTER:
    case MQTT_REASON_BAD_PAYLOAD:
    case MQTT_REASON_NO_SHARED:
    case MQTT_REASON_NO_WILDCARD:
    case MQTT_REASON_MALFORMED:
    case MQTT_REASON_PROTOCOL:
    case MQTT_REASON_USE_ANOTHER:
    case MQTT_REASON_MOVED:
        return true;
    default:
        return false;
    }
}
