/*
 * Listeners of mosquitto.conf: where they listen, by which protocol, with which certificate, and who may
 * use them.
 *
 * A listener without an address is two of ours, one for each kind of address. Where no line asks for a
 * listener, mosquitto takes clients of this machine only and lets them in; with one it lets in nobody
 * without a name unless a line says so. A setting about a listener that cannot be kept is refused, since
 * the others would take its clients in on other terms.
 */
#include "base/addr.h"
#include "base/mem.h"
#include "conf/mosquitto_impl.h"

#include <assert.h>

#define PORT_DEFAULT 1883

/* The line about this listener, or about all. */
static struct mosquitto_line *said(const struct mosquitto *m, const struct mosquitto_listener *n,
                                   enum mosquitto_id id)
{
    return n->has[id] ? n->has[id] : m->has[id];
}

static bool is_on(const struct mosquitto_listener *n, enum mosquitto_id id)
{
    return n->has[id] && n->has[id]->fate != FATE_MISTAKE && n->has[id]->on;
}

static void say_once(struct mosquitto *m, struct mosquitto_line *l, enum mosquitto_fate fate,
                     const char *text)
{
    if (l && !l->done)
        mosquitto_fate(m, l, fate, "%s", text);
}

/* ---- where ---- */

static void add_address(struct mosquitto *m, struct mosquitto_listener *n, const char *host,
                        uint16_t port)
{
    assert(n->address_count < COUNT_OF(n->addresses));
    n->addresses[n->address_count++] =
        mosquitto_quoted(m, arena_printf(&m->arena, "%s:%u", host, port));
}

enum domain { DOMAIN_BOTH, DOMAIN_IPV4, DOMAIN_IPV6 };
static enum domain domain_of(struct mosquitto *m, const struct mosquitto_listener *n)
{
    struct mosquitto_line *l = n->has[ID_SOCKET_DOMAIN];

    if (!l || l->fate == FATE_MISTAKE)
        return DOMAIN_BOTH;
    if (str_eq(l->value, STR("ipv4")) || str_eq(l->value, STR("ipv6"))) {
        say_once(m, l, FATE_UNDERSTOOD, "only such addresses");
        return str_eq(l->value, STR("ipv4")) ? DOMAIN_IPV4 : DOMAIN_IPV6;
    }
    mosquitto_mistake(m, l, NULL, "'socket_domain' must be ipv4 or ipv6, not '%s'",
                      report_show(l->value).text);
    return DOMAIN_BOTH;
}

static void add_any(struct mosquitto *m, struct mosquitto_listener *n, enum domain domain,
                    uint16_t port, bool loopback)
{
    if (domain != DOMAIN_IPV6)
        add_address(m, n, loopback ? "127.0.0.1" : "0.0.0.0", port);
    if (domain == DOMAIN_IPV6 || (domain == DOMAIN_BOTH && m->world->ipv6))
        add_address(m, n, loopback ? "[::1]" : "[::]", port);
}

/* l: the line that names the host. */
static void add_host(struct mosquitto *m, struct mosquitto_listener *n, struct str host,
                     uint16_t port, struct mosquitto_line *l)
{
    enum domain domain = domain_of(m, n);
    struct addr a;
    char text[ADDR_TEXT_SIZE];
    bool six;

    if (str_eq(host, STR("localhost"))) {
        add_any(m, n, domain, port, true);
        return;
    }
    if (str_starts(host, STR("unix:")) || addr_parse(host, port, &a)) {
        mosquitto_mistake(m, l, "write the address of this machine that it stands for",
                          "'%s' is no address, and names are not looked up for a listener",
                          report_show(host).text);
        return;
    }
    six = addr_format(&a, text)[0] == '[';
    if (domain != DOMAIN_BOTH && six != (domain == DOMAIN_IPV6)) {
        mosquitto_mistake(m, n->has[ID_SOCKET_DOMAIN], "leave one of the two out",
                          "'%s' is an address of the other kind", report_show(host).text);
        return;
    }
    n->addresses[n->address_count++] = mosquitto_quoted(m, str_of(text));
}

static bool take_port(struct mosquitto *m, struct mosquitto_line *l, struct str word, uint16_t *out)
{
    uint64_t port;

    if (str_to_u64(word, &port) || port > UINT16_MAX) {
        mosquitto_mistake(m, l, NULL, "'%s' is no port: 1 to 65535, or 0 for a Unix socket",
                          report_show(word).text);
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

/* "PORT [ADDRESS or path of a Unix socket]"; a path may hold no blanks, as in mosquitto. */
static void take_listener(struct mosquitto *m, struct mosquitto_listener *n)
{
    struct mosquitto_line *l = n->line;
    struct str rest = l->value, word = str_cut(&rest, ' '), host, more;
    uint16_t port;

    if (l->done || !take_port(m, l, word, &port))
        return;
    more = str_trim(rest);
    host = str_cut(&more, ' ');
    more = str_trim(more);
    if (host.n > 0 && host.p[0] == '#') {
        host = STR_NONE;
        more = STR_NONE;
    }
    if (more.n > 0 && more.p[0] != '#') {
        mosquitto_mistake(m, l, NULL, "'listener' takes a port and an address, not '%s'",
                          report_show(more).text);
        return;
    }
    if (port == 0 && host.n == 0)
        mosquitto_mistake(m, l, NULL, "port 0 is a Unix socket: its path is missing");
    else if (port == 0)
        n->addresses[n->address_count++] = mosquitto_quoted(
            m, arena_printf(&m->arena, "unix:%.*s", STR_ARG(mosquitto_path(m, host))));
    else if (host.n > 0)
        add_host(m, n, host, port, l);
    else
        add_any(m, n, domain_of(m, n), port, false);
}

static void take_standard(struct mosquitto *m)
{
    struct mosquitto_listener *n = &m->standard;
    struct mosquitto_line *port = m->has[ID_PORT], *bind = m->has[ID_BIND_ADDRESS];
    uint16_t number = port && port->fate != FATE_MISTAKE ? (uint16_t)port->number : PORT_DEFAULT;

    if (bind && bind->fate != FATE_MISTAKE)
        add_host(m, n, bind->value, number, bind);
    else if (!bind)
        add_any(m, n, domain_of(m, n), number, !m->explicit);
}

/* ---- protocol and certificates ---- */

static void take_protocol(struct mosquitto *m, struct mosquitto_listener *n,
                          struct mosquitto_line *line)
{
    struct mosquitto_line *l = n->has[ID_PROTOCOL];
    bool ws = l && str_eq(l->value, STR("websockets"));

    if (l && !l->done && !ws && !str_eq(l->value, STR("mqtt"))) {
        mosquitto_mistake(m, l, NULL, "'protocol' must be mqtt or websockets, not '%s'",
                          report_show(l->value).text);
        return;
    }
    mosquitto_set(m, n, "mqtt.listeners[].protocol", ws ? STR("websocket") : STR("mqtt"),
                  l ? l : line);
    say_once(
        m, l, FATE_UNDERSTOOD,
        ws ? "protocol: websocket, at / and /mqtt; pages of other sites need its origins, and on "
             "loopback other names of this hub its hosts"
           : "protocol: mqtt");
}

/* What is only about certificates of clients. */
static void take_client_certificates(struct mosquitto *m, struct mosquitto_listener *n)
{
    static const char unused[] =
        "it is about certificates of clients, and without require_certificate none is asked for";
    static const enum mosquitto_id others[] = { ID_CAFILE, ID_CAPATH, ID_CRLFILE };
    struct mosquitto_line *require = n->has[ID_REQUIRE_CERTIFICATE], *l;

    if (!is_on(n, ID_REQUIRE_CERTIFICATE)) {
        say_once(m, require, FATE_UNDERSTOOD, "as it is here anyway");
        for (size_t i = 0; i < COUNT_OF(others); i++)
            say_once(m, n->has[others[i]], FATE_IGNORED, unused);
        return;
    }
    if (!require->done)
        mosquitto_set_line(m, require);
    l = n->has[ID_CAFILE];
    if (l && !l->done)
        mosquitto_set_line(m, l);
    l = n->has[ID_CAPATH];
    if (l && !l->done)
        mosquitto_refuse(m, l, "put the certificates into one file: cafile PATH",
                         "authorities of clients are one file here, not a folder");
    l = n->has[ID_CRLFILE];
    if (l && !l->done)
        mosquitto_set_line(m, l);
    if (!n->has[ID_CAFILE] && !n->has[ID_CAPATH])
        mosquitto_mistake(m, require, "add cafile PATH",
                          "'require_certificate' needs the authority that signs them");
}

/* `identity_from` takes one of several words; which it has for this is asked of the schema. */
static void take_identity(struct mosquitto *m, struct mosquitto_listener *n, enum mosquitto_id id,
                          const char *const *words)
{
    struct mosquitto_line *l = n->has[id];
    const struct conf_row *row;

    if (!l || l->done)
        return;
    if (!l->on) {
        say_once(m, l, FATE_UNDERSTOOD, "as it is here anyway");
        return;
    }
    if (!is_on(n, ID_REQUIRE_CERTIFICATE)) {
        mosquitto_mistake(m, l, "add require_certificate true",
                          "'%s' lets nobody in where no certificate is asked for", l->row->name);
        return;
    }
    row = mosquitto_target(m, l->row->to);
    for (const struct conf_name *name = row ? row->names : NULL; name && name->text; name++) {
        for (const char *const *word = words; *word; word++) {
            if (strcmp(name->text, *word) != 0)
                continue;
            mosquitto_set(m, n, l->row->to, mosquitto_quoted(m, str_of(name->text)), l);
            mosquitto_fate(m, l, FATE_UNDERSTOOD, "identity_from: \"%s\"", name->text);
            return;
        }
    }
    mosquitto_refuse(m, l, "give clients a name and a password",
                     "it needs a word for it in the setting %s, which this version does not have",
                     l->row->to);
}

static void take_tls_version(struct mosquitto *m, struct mosquitto_listener *n)
{
    struct mosquitto_line *l = n->has[ID_TLS_VERSION];

    if (!l || l->done)
        return;
    if (str_eq(l->value, STR("tlsv1.2")))
        say_once(m, l, FATE_UNDERSTOOD, "as it is here anyway: TLS 1.2 and 1.3");
    else if (str_eq(l->value, STR("tlsv1.1")) || str_eq(l->value, STR("tlsv1")))
        say_once(m, l, FATE_REFUSED, "no version before TLS 1.2 is spoken");
    else if (str_eq(l->value, STR("tlsv1.3")))
        mosquitto_refuse(m, l, "write tlsv1.2", "listeners take TLS 1.2 too");
    else
        mosquitto_mistake(m, l, NULL, "'tls_version' must be tlsv1.2 or tlsv1.3, not '%s'",
                          report_show(l->value).text);
}

static void take_tls(struct mosquitto *m, struct mosquitto_listener *n)
{
    static const char *const names[] = { "common_name", "cn", NULL };
    static const char *const subjects[] = { "subject", "dn", NULL };
    struct mosquitto_line *cert = n->has[ID_CERTFILE], *key = n->has[ID_KEYFILE];
    struct mosquitto_line *one = cert ? cert : key;

    if (one && !(cert && key))
        mosquitto_mistake(m, one, "give both",
                          "'certfile' and 'keyfile' belong together; mosquitto would serve without "
                          "TLS here");
    if (cert && !cert->done)
        mosquitto_set_line(m, cert);
    if (key && !key->done)
        mosquitto_set_line(m, key);
    if (is_on(n, ID_REQUIRE_CERTIFICATE) && !one)
        mosquitto_mistake(m, n->has[ID_REQUIRE_CERTIFICATE], "add certfile and keyfile",
                          "'require_certificate' needs a listener with TLS");
    take_client_certificates(m, n);
    if (is_on(n, ID_USE_IDENTITY))
        say_once(m, n->has[ID_USE_SUBJECT], FATE_IGNORED, "use_identity_as_username goes first");
    take_identity(m, n, ID_USE_IDENTITY, names);
    take_identity(m, n, ID_USE_SUBJECT, subjects);
    take_tls_version(m, n);
}

/* ---- who ---- */

/* Whether clients without a name are let in. */
static bool lets_in(const struct mosquitto *m, const struct mosquitto_listener *n)
{
    const struct mosquitto_line *l = said(m, n, ID_ALLOW_ANONYMOUS);

    return l ? l->fate != FATE_MISTAKE && l->on : !m->explicit;
}

static void take_anonymous(struct mosquitto *m, struct mosquitto_listener *n,
                           struct mosquitto_line *line)
{
    struct mosquitto_line *l = said(m, n, ID_ALLOW_ANONYMOUS);

    mosquitto_set(m, n, "mqtt.listeners[].anonymous", lets_in(m, n) ? STR("allow") : STR("deny"),
                  l ? l : line);
    if (l && !m->explicit && !l->on)
        say_once(m, l, FATE_UNDERSTOOD,
                 "anonymous: deny (mosquitto lets them in while no listener is given)");
    else if (l && l->on && !said(m, n, ID_PASSWORD_FILE))
        say_once(
            m, l, FATE_UNDERSTOOD,
            "anonymous: allow; a client that sends a name must send a known one with its password, "
            "where mosquitto takes any");
    else
        say_once(m, l, FATE_UNDERSTOOD, l && l->on ? "anonymous: allow" : "anonymous: deny");
}

static const char *without(const struct mosquitto *m, enum mosquitto_id id,
                           const struct mosquitto_listener *n)
{
    if (id == ID_ACL_FILE)
        return "its clients would be bound by that file";
    return lets_in(m, n) ? NULL : "that file's users would get in there";
}

/* One file for all listeners: `to` is about the whole broker. The listeners must agree, or their
 * difference must not matter. */
static void take_common_file(struct mosquitto *m, struct mosquitto_listener *const *all,
                             size_t count, enum mosquitto_id id)
{
    struct mosquitto_line *first = NULL;
    bool whole = true;

    for (size_t i = 0; i < count; i++) {
        struct mosquitto_line *l = all[i]->has[id];

        if (l && !l->done && !first)
            first = l;
        else if (l && !l->done && !str_eq(first->value, l->value)) {
            mosquitto_refuse(m, l, "make one file of them, or run two hubs",
                             "all listeners share one file, and line %u names another one",
                             first->at.line);
            whole = false;
        }
    }
    for (size_t i = 0; first && whole && i < count; i++) {
        const char *why = all[i]->has[id] ? NULL : without(m, id, all[i]);

        if (why && !first->done)
            mosquitto_refuse(m, first, "name it below every listener, or run two hubs",
                             "all listeners share one file, and there is one without: %s", why);
    }
    for (size_t i = 0; first && i < count; i++) {
        struct mosquitto_line *l = all[i]->has[id];

        if (!l || l->done)
            continue;
        if (l == first) {
            l->listener = NULL; /* of all */
            mosquitto_set_line(m, l);
        } else {
            say_once(m, l, first->fate, "as in the listener above");
        }
    }
}

static void take_files(struct mosquitto *m, struct mosquitto_listener *const *all, size_t count,
                       enum mosquitto_id id)
{
    if (m->has[id] && !m->has[id]->done)
        mosquitto_set_line(m, m->has[id]);
    take_common_file(m, all, count, id);
}

static void note_rules(struct mosquitto *m)
{
    for (const struct mosquitto_line *l = m->lines; l; l = l->next) {
        if (!l->row || l->row->id != ID_ACL_FILE || l->fate != FATE_UNDERSTOOD)
            continue;
        buf_put(&m->notes,
                STR("acl_file: a subscription wider than what it grants is refused (0x87; "
                    "3.1.1: 0x80), where mosquitto grants it and filters\n"));
        return;
    }
}

/* ---- all of one listener ---- */

static const char *who_text(const struct mosquitto *m, const struct mosquitto_listener *n)
{
    if (lets_in(m, n))
        return "clients without a name are let in";
    if (said(m, n, ID_PASSWORD_FILE) || is_on(n, ID_USE_IDENTITY) || is_on(n, ID_USE_SUBJECT))
        return "clients without a name are refused";
    return "nobody is let in, unless mqtt.users names them: there is no allow_anonymous true and no "
           "password_file";
}

static void explain_listener(struct mosquitto *m, const struct mosquitto_listener *n)
{
    struct buf b = buf_init(400);

    for (size_t i = 0; i < n->address_count; i++)
        buf_printf(&b, "%s%.*s", i ? " and " : "listens on ", STR_ARG(n->addresses[i]));
    buf_printf(&b, "; %s", who_text(m, n));
    if (n->line)
        say_once(m, n->line, FATE_UNDERSTOOD, buf_cstr(&b));
    else
        buf_printf(&m->notes, "the default listener %s\n", buf_cstr(&b));
    buf_fini(&b);
}

static void take_mount_point(struct mosquitto *m, struct mosquitto_listener *n)
{
    struct mosquitto_line *l = n->has[ID_MOUNT_POINT];

    if (!l || l->done)
        return;
    if (str_find(l->value, '+') < l->value.n || str_find(l->value, '#') < l->value.n)
        mosquitto_mistake(m, l, NULL, "'mount_point' may hold no + and no #");
    else
        mosquitto_set_line(m, l);
}

static void take_all(struct mosquitto *m, struct mosquitto_listener *n, struct mosquitto_line *line)
{
    take_protocol(m, n, line);
    take_anonymous(m, n, line);
    take_tls(m, n);
    take_mount_point(m, n);
    (void)domain_of(m, n); /* also where no address asked for it */
    if (n->address_count > 0)
        explain_listener(m, n);
    say_once(m, n->line, FATE_MISTAKE, "it has no address because of another line");
}

/* The first listener of ours that is one too many is told by its own line. */
static void count_listeners(struct mosquitto *m, struct mosquitto_listener *const *all,
                            size_t count)
{
    const struct conf_row *row = mosquitto_target(m, "mqtt.listeners");
    size_t most = row && row->max > 0 ? (size_t)row->max : SIZE_MAX, n = 0;

    for (size_t i = 0; i < count; i++) {
        n += all[i]->address_count;
        if (n <= most)
            continue;
        if (all[i]->line)
            mosquitto_mistake(m, all[i]->line, "name an address: listener PORT ADDRESS",
                              "more than %zu listeners, of which one without an address is two",
                              most);
        return;
    }
}

void mosquitto_decide_listeners(struct mosquitto *m)
{
    struct mosquitto_line *port = m->has[ID_PORT], *bind = m->has[ID_BIND_ADDRESS];
    struct mosquitto_line *by = port ? port : bind ? bind : m->standard.started;
    struct mosquitto_listener **all =
        mem_new_array(m->line_count + 1, sizeof(struct mosquitto_listener *));
    size_t count = 0;

    m->standard.started = by;
    if (!m->explicit || by)
        all[count++] = &m->standard;
    for (struct mosquitto_listener *n = m->listeners; n; n = n->next)
        all[count++] = n;
    for (size_t i = 0; i < count; i++) {
        if (all[i]->line)
            take_listener(m, all[i]);
        else
            take_standard(m);
        take_all(m, all[i], all[i]->line ? all[i]->line : by);
    }
    count_listeners(m, all, count);
    take_files(m, all, count, ID_PASSWORD_FILE);
    take_files(m, all, count, ID_ACL_FILE);
    note_rules(m);
    say_once(m, port, FATE_UNDERSTOOD, "of the default listener");
    say_once(m, bind, FATE_UNDERSTOOD, "of the default listener");
    mem_free(all);
}
