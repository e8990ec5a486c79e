/*
 * Reads which server is meant and as whom to log in: from a URL, options and the environment, in this
 * order. A password is never taken from the command line, where everybody could read it.
 */
#include "cli/mqtt_login.h"

#include "cli/values.h"

#include <stdio.h>

static int get_host(const struct command_call *c, struct mqtt_target *to, struct fault *f)
{
    const char *host = command_value(c, "host");
    size_t n;

    if (!host)
        return 0;
    if (mqtt_target_is_url(str_of(host)))
        return mqtt_target_parse(str_of(host), to, f);
    n = strlen(host);
    if (n == 0 || n + 6 > sizeof(to->host))
        return fault_set(f, ERR_VALUE, "--host: this is no name of a host");
    snprintf(to->host, sizeof(to->host), host[0] == '/' ? "unix:%s" : "%s", host);
    if (host[0] == '/')
        return mqtt_target_parse(str_of(to->host), to, f);
    return 0;
}

static int get_port(const struct command_call *c, struct mqtt_target *to, struct fault *f)
{
    const char *text = command_value(c, "port");
    uint64_t port;

    if (text) {
        if (str_to_u64(str_of(text), &port) || port == 0 || port > UINT16_MAX)
            return fault_set(f, ERR_VALUE, "--port: '%s' is no port; 1 to 65535", text);
        to->port = (uint16_t)port;
    }
    if (to->port == 0)
        to->port = to->tls ? MQTT_PORT_TLS : MQTT_PORT;
    return 0;
}

static int get_user(const struct command_call *c, const struct mqtt_env *env, struct mqtt_login *l,
                    struct fault *f)
{
    const char *user = command_value(c, "user");
    struct mqtt_target *to = &l->to;

    l->password_file = command_value(c, "password-file");
    if (user) {
        if (!*user || strlen(user) >= sizeof(to->user))
            return fault_set(f, ERR_VALUE, "--user: 1 to %d characters", MQTT_TARGET_TEXT_MAX - 1);
        snprintf(to->user, sizeof(to->user), "%s", user);
        to->has_user = true;
    }
    if (!l->password_file && env->password && !to->has_password) {
        if (strlen(env->password) >= sizeof(to->password))
            return fault_set(f, ERR_VALUE, "WAYSIDE_MQTT_PASSWORD is longer than %d characters",
                             MQTT_TARGET_TEXT_MAX - 1);
        snprintf(to->password, sizeof(to->password), "%s", env->password);
        to->has_password = true;
    }
    /* The variable may be set for everything: without a user it is not meant. */
    if (!to->has_user && !l->password_file)
        to->has_password = false;
    if (l->password_file && !to->has_user)
        return fault_set(f, ERR_VALUE, "--password-file: whose password is it? Add --user NAME");
    return 0;
}

static int get_tls(const struct command_call *c, struct mqtt_login *l, struct fault *f)
{
    l->ca = command_value(c, "ca");
    l->cert = command_value(c, "cert");
    l->key = command_value(c, "key");
    if (!l->cert != !l->key)
        return fault_set(f, ERR_VALUE, "--cert and --key belong together");
    if (command_value(c, "tls") || l->ca || l->cert)
        l->to.tls = true;
    if (l->to.tls && str_starts(str_of(l->to.host), STR("unix:")))
        return fault_set(f, ERR_VALUE,
                         "a Unix socket needs no TLS: leave --tls, --ca and --cert out");
    return 0;
}

int mqtt_login_read(const struct command_call *c, const struct mqtt_env *env, const char *url,
                    struct mqtt_login *l, struct fault *f)
{
    const char *version = command_value(c, "protocol");
    struct fault why = { 0 };
    int rc = 0;

    *l = (struct mqtt_login){ .to = { .host = "127.0.0.1" }, .version = MQTT_V5 };
    if (url && command_value(c, "host"))
        return fault_set(f, ERR_VALUE, "a URL and --host: one of them is meant");
    if (url && mqtt_target_parse(str_of(url), &l->to, &why))
        return fault_set(f, ERR_VALUE, "%s", why.text);
    if (url && l->to.has_password)
        return fault_set(
            f, ERR_VALUE,
            "everybody on this machine can read a password on the command line (ps); use "
            "--password-file FILE, or set WAYSIDE_MQTT_PASSWORD or WAYSIDE_MQTT_URL");
    if (!url && !command_value(c, "host") && env->url && *env->url &&
        mqtt_target_parse(str_of(env->url), &l->to, &why))
        return fault_set(f, ERR_VALUE, "WAYSIDE_MQTT_URL: %s", why.text);
    if (version && strcmp(version, "3.1.1") == 0)
        l->version = MQTT_V311;
    else if (version && strcmp(version, "5") != 0)
        return fault_set(f, ERR_VALUE, "--protocol: '%s' is not known; 5 or 3.1.1", version);
    l->id = command_value(c, "id");
    if (l->id && (!utf8_valid_mqtt(str_of(l->id)) || strlen(l->id) > UINT16_MAX))
        return fault_set(f, ERR_VALUE, "--id: this is no text");
    rc = get_host(c, &l->to, f);
    if (!rc)
        rc = get_tls(c, l, f);
    if (!rc)
        rc = get_port(c, &l->to, f);
    if (!rc)
        rc = get_user(c, env, l, f);
    return rc;
}
