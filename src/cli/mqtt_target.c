/*
 * Reads URLs of MQTT servers. Only what the client can do is taken, and what is near it (ws://,
 * ssl://, a topic behind the host) is answered with how to write what was meant. User and password
 * may be percent-encoded (RFC 3986, 3.2.1).
 */
#include "cli/mqtt_target.h"

#include "base/mem.h"
#include "wire/uri.h"

bool mqtt_target_is_url(struct str word)
{
    return str_find_str(word, STR("://")) < word.n || str_starts(word, STR("unix:"));
}

static int scheme_parse(struct str scheme, struct mqtt_target *out, struct fault *f)
{
    static const struct {
        struct str scheme;
        const char *mend;
    } others[] = {
        { STR("tcp"), "write mqtt:// for it" },
        { STR("ssl"), "write mqtts:// for it" },
        { STR("tls"), "write mqtts:// for it" },
        { STR("ws"), "WebSocket is for browsers; use the server's mqtt:// listener" },
        { STR("wss"), "WebSocket is for browsers; use the server's mqtts:// listener" },
    };

    if (str_eq_nocase(scheme, STR("mqtt")) || str_eq_nocase(scheme, STR("mqtts"))) {
        out->tls = scheme.n == 5;
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (str_eq_nocase(scheme, others[i].scheme))
            return fault_set(f, ERR_VALUE, "'%.*s://' is not known here: %s", STR_ARG(scheme),
                             others[i].mend);
    return fault_set(
        f, ERR_VALUE,
        "'%.*s://' is not known here; mqtt://HOST:PORT, mqtts://HOST:PORT or unix:/PATH",
        STR_ARG(scheme));
}

static int put_decoded(struct str raw, char out[MQTT_TARGET_TEXT_MAX], const char *what,
                       struct fault *f)
{
    size_t n = 0;

    if (raw.n >= MQTT_TARGET_TEXT_MAX)
        return fault_set(f, ERR_VALUE, "the %s is longer than %d characters", what,
                         MQTT_TARGET_TEXT_MAX - 1);
    if (uri_decode(raw, out, &n, NULL) || memchr(out, '\0', n))
        return fault_set(f, ERR_VALUE, "the %s is not well encoded; %%%% is written %%25", what);
    out[n] = '\0';
    return 0;
}

/* USER[:PASSWORD] */
static int login_parse(struct str login, struct mqtt_target *out, struct fault *f)
{
    struct str user = str_cut(&login, ':');
    int rc;

    if (user.n == 0)
        return fault_set(f, ERR_VALUE, "there is no user before the '@'");
    rc = put_decoded(user, out->user, "user", f);
    out->has_user = true;
    if (!rc && login.p) {
        rc = put_decoded(login, out->password, "password", f);
        out->has_password = true;
    }
    return rc;
}

static int unix_parse(struct str url, struct mqtt_target *out, struct fault *f)
{
    if (url.n <= 5 || url.p[5] != '/' || url.n - 5 > 107 || memchr(url.p, '\0', url.n))
        return fault_set(f, ERR_VALUE, "unix: needs an absolute path of at most 107 characters");
    memcpy(out->host, url.p, url.n);
    out->host[url.n] = '\0';
    return 0;
}

int mqtt_target_parse(struct str url, struct mqtt_target *out, struct fault *f)
{
    struct mqtt_target t = { 0 };
    struct uri_authority a;
    struct str rest, path, login;
    size_t at;
    int rc;

    if (str_starts(url, STR("unix:"))) {
        rc = unix_parse(url, &t, f);
        goto out;
    }
    at = str_find_str(url, STR("://"));
    if (at == url.n)
        return fault_set(f, ERR_VALUE,
                         "mqtt://HOST:PORT, mqtts://HOST:PORT or unix:/PATH is meant");
    rc = scheme_parse(str_sub(url, 0, at), &t, f);
    if (rc)
        return rc;
    rest = str_skip(url, at + 3);
    at = str_find(rest, '/');
    path = str_skip(rest, at);
    rest = str_sub(rest, 0, at);
    if (path.n > 1)
        return fault_set(f, ERR_VALUE, "a topic does not go into the URL; give it with -t");
    for (at = rest.n; at > 0 && rest.p[at - 1] != '@';)
        at--;
    if (at > 0) {
        login = str_sub(rest, 0, at - 1);
        rest = str_skip(rest, at);
        rc = login_parse(login, &t, f);
        if (rc)
            return rc;
    }
    if (uri_authority_parse(rest, &a, NULL) || a.host.n == 0 || a.host.n >= sizeof(t.host) ||
        (a.has_port && a.port == 0))
        return fault_set(f, ERR_VALUE, "'%.*s' is not HOST:PORT", STR_ARG(rest));
    memcpy(t.host, a.host.p, a.host.n);
    t.host[a.host.n] = '\0';
    t.port = a.has_port ? a.port : 0;
out:
    if (rc == 0)
        *out = t;
    return rc;
}

void mqtt_target_text(const struct mqtt_target *t, struct buf *out)
{
    if (str_starts(str_of(t->host), STR("unix:")))
        buf_printf(out, "%s", t->host);
    else
        buf_printf(out, strchr(t->host, ':') ? "[%s]:%u" : "%s:%u", t->host, (unsigned)t->port);
}
