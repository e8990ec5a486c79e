/* TLS over real sockets: our server on a worker, our client on the test's loop; where a peer must
 * misbehave, OpenSSL by itself on a thread. Certificates are made for each run. */
#include "unit/net/rig.h"

#include "net/listener.h"
#include "net/loop_impl.h"
#include "net/tls.h"
#include "unit/net/certs.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <stdatomic.h>

#define LARGE ((size_t)1024 * 1024)

static char path_a[128], path_b[128], path_c[128];
#define A(name) certs_path(name, path_a)
#define B(name) certs_path(name, path_b)
#define C(name) certs_path(name, path_c)

static int setup(void **state)
{
    struct issuer ca, other;

    (void)state;
    certs_begin();
    ca = certs_ca("ca");
    other = certs_ca("other");
    certs_issue("one", "DNS:one.test,IP:127.0.0.1", &ca, -60, 3600);
    certs_issue("two", "DNS:two.test,DNS:*.two.test", &ca, -60, 3600);
    certs_issue("foreign", "DNS:one.test", &other, -60, 3600);
    certs_issue("expired", "DNS:one.test", &ca, -7200, -3600);
    certs_issue("early", "DNS:one.test", &ca, 3600, 7200);
    certs_issue("client", "DNS:client.test", &ca, -60, 3600);
    issuer_free(&ca);
    issuer_free(&other);
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = { "one", "two", "foreign", "expired", "early", "client" };
    char name[64];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(names); i++) {
        snprintf(name, sizeof(name), "%s.crt", names[i]);
        unlink(A(name));
        snprintf(name, sizeof(name), "%s.key", names[i]);
        unlink(A(name));
    }
    unlink(A("ca.crt"));
    unlink(A("other.crt"));
    unlink(A("secret.key"));
    unlink(A("live.crt"));
    unlink(A("live.key"));
    return rmdir(certs_dir);
}

/* ---- the server: echoes ---- */

struct server {
    struct workers *w;
    struct listener *ln;
    struct tls_context *tls;
    atomic_uint accepted, closed;
    atomic_int last_code;
    char alpn[32];                     /* written before `accepted` is counted */
    char common_name[64], subject[64]; /* the same; "" without */
};

static size_t echo_data(void *ctx, struct stream *s, struct str bytes)
{
    (void)ctx;
    stream_send(s, bytes);
    return bytes.n;
}

static void echo_closed(void *ctx, struct stream *s, int code)
{
    struct server *v = ctx;

    (void)s;
    atomic_store(&v->last_code, code);
    atomic_fetch_add(&v->closed, 1);
}
static const struct stream_handler echo = { .data = echo_data, .closed = echo_closed };

static void note_name(const struct stream *s, enum cert_name which, char out[64])
{
    struct buf b = buf_init(63);
    int rc = stream_cert_name(s, which, &b);

    snprintf(out, 64, "%s", rc == 0 ? buf_cstr(&b) : "");
    buf_fini(&b);
}

static void accepted(void *ctx, struct loop *l, struct stream *s)
{
    struct server *v = ctx;

    (void)l;
    assert_true(stream_is_tls(s));
    snprintf(v->alpn, sizeof(v->alpn), "%.*s", STR_ARG(stream_alpn(s)));
    note_name(s, CERT_NAME_COMMON, v->common_name);
    note_name(s, CERT_NAME_SUBJECT, v->subject);
    stream_set(s, &echo, v, 1000);
    stream_set_marks(s, 4 * LARGE, LARGE, 8 * LARGE);
    atomic_fetch_add(&v->accepted, 1);
}

static struct server *server_new(const char *cert, const char *key, const char *ca,
                                 enum tls_peer peer, const char *alpn)
{
    struct server *v = NEW(struct server);
    struct tls_server_options to = { .peer = peer };
    struct listener_options o = { .accepted = accepted, .ctx = v, .alpn = alpn };
    struct fault f = { 0 };

    to.cert_file = A(cert);
    to.key_file = B(key);
    to.ca_file = ca ? C(ca) : NULL;
    if (tls_server_new(&to, &v->tls, &f))
        fail_msg("%s: %s", f.file, f.text);
    o.tls = v->tls;
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &o.addr), 0);
    v->w = workers_start(1);
    if (listener_open(v->w, &o, &v->ln, &f))
        fail_msg("%s", f.text);
    return v;
}

#define EVENTUALLY(cond)                                                                           \
    do {                                                                                           \
        uint64_t until_ = clock_mono_ns() + 20ull * 1000 * 1000 * 1000;                            \
                                                                                                   \
        while (!(cond) && clock_mono_ns() < until_)                                                \
            poll(NULL, 0, 1);                                                                      \
        assert_true(cond);                                                                         \
    } while (0)

static void server_free(struct server *v)
{
    listener_close(v->ln);
    EVENTUALLY(listener_open_count(v->ln) == 0);
    listener_free(v->ln);
    workers_free(v->w);
    tls_free(v->tls);
    mem_free(v);
}

/* ---- the client ---- */

struct client {
    struct rig *r;
    struct tls_context *tls;
    char why[128];
    char alpn[32];
};
static struct client *current;

static void client_closed(void *ctx, struct stream *s, int code)
{
    snprintf(current->why, sizeof(current->why), "%s", stream_tls_error(s));
    rig_closed(ctx, s, code);
}

static void client_connected(void *ctx, struct stream *s)
{
    snprintf(current->alpn, sizeof(current->alpn), "%.*s", STR_ARG(stream_alpn(s)));
    rig_connected(ctx, s);
}

static const struct stream_handler client_handler = {
    .connected = client_connected,
    .data = rig_data,
    .eof = rig_eof,
    .drained = rig_drained,
    .closed = client_closed,
};

static struct client *client_new(uint16_t port, const char *ca, const char *name, const char *alpn,
                                 const char *cert, const char *key)
{
    struct client *c = NEW(struct client);
    struct tls_client_options to = { .ca_file = A(ca) };
    struct connect_options o = { .host = "127.0.0.1", .port = port, .alpn = alpn };
    struct fault f = { 0 };

    to.cert_file = cert ? B(cert) : NULL;
    to.key_file = key ? C(key) : NULL;
    if (tls_client_new(&to, &c->tls, &f))
        fail_msg("%s: %s", f.file, f.text);
    current = c;
    c->r = rig_new_loop();
    o.tls = c->tls;
    o.server_name = name;
    c->r->s = stream_connect(c->r->l, &o, &client_handler, c->r, 2 * LARGE);
    stream_set_marks(c->r->s, 4 * LARGE, LARGE, 8 * LARGE);
    return c;
}

static void client_free(struct client *c)
{
    rig_free(c->r);
    tls_free(c->tls);
    mem_free(c);
}

static struct client *to_server(struct server *v, const char *ca, const char *name)
{
    return client_new(addr_port(listener_addr(v->ln)), ca, name, NULL, NULL, NULL);
}

static void expect_failure(struct client *c, const char *why)
{
    UNTIL(c->r, c->r->code != NONE);
    assert_int_equal(c->r->code, ERR_TLS);
    assert_int_equal(c->r->connected, 0);
    if (!strstr(c->why, why))
        fail_msg("failed with \"%s\", expected \"%s\"", c->why, why);
    client_free(c);
}

static void expect_echo(struct client *c, struct str text)
{
    size_t before = c->r->got.n;

    stream_send(c->r->s, text);
    UNTIL(c->r, c->r->got.n == before + text.n || c->r->code != NONE);
    assert_int_equal(c->r->code, NONE);
    assert_memory_equal(c->r->got.p + before, text.p, text.n);
}

/* ---- tests ---- */

static void a_megabyte_goes_both_ways(void **state)
{
    struct server *v = server_new("one.crt", "one.key", NULL, TLS_PEER_NONE, NULL);
    struct client *c = to_server(v, "ca.crt", "one.test");
    struct blob *b = blob_alloc(LARGE);
    size_t i;

    (void)state;
    for (i = 0; i < LARGE; i++)
        b->bytes[i] = (char)(i * 31 + i / 253);
    /* Before the handshake is done, in small pieces and as one: all of it in order. */
    for (i = 0; i < 10000; i += 10)
        stream_send(c->r->s, str_from(b->bytes + i, 10));
    stream_send_blob(c->r->s, b, 10000, LARGE - 10000);
    UNTIL(c->r, c->r->got.n == LARGE || c->r->code != NONE);
    assert_int_equal(c->r->got.n, LARGE);
    assert_memory_equal(c->r->got.p, b->bytes, LARGE);
    assert_true(stream_is_tls(c->r->s));
    assert_int_equal(atomic_load(&b->refs), 1);
    blob_unref(b);
    client_free(c);
    server_free(v);
}

static void an_address_can_be_verified(void **state)
{
    struct server *v = server_new("one.crt", "one.key", NULL, TLS_PEER_NONE, NULL);
    struct client *c = to_server(v, "ca.crt", NULL); /* as 127.0.0.1 */

    (void)state;
    expect_echo(c, STR("by address"));
    client_free(c);
    server_free(v);
}

static void a_certificate_of_another_ca_is_refused(void **state)
{
    struct server *v = server_new("one.crt", "one.key", NULL, TLS_PEER_NONE, NULL);

    (void)state;
    expect_failure(to_server(v, "other.crt", "one.test"), "unable to get local issuer");
    EVENTUALLY(listener_open_count(v->ln) == 0);
    assert_int_equal(atomic_load(&v->accepted), 0);
    server_free(v);
}

static void a_certificate_for_another_name_is_refused(void **state)
{
    struct server *v = server_new("two.crt", "two.key", NULL, TLS_PEER_NONE, NULL);
    struct client *c;

    (void)state;
    expect_failure(to_server(v, "ca.crt", "one.test"), "hostname mismatch");
    expect_failure(to_server(v, "ca.crt", NULL), "IP address mismatch");
    expect_failure(to_server(v, "ca.crt", "a.b.two.test"), "hostname mismatch");
    c = to_server(v, "ca.crt", "a.two.test");
    expect_echo(c, STR("a wildcard covers one label"));
    client_free(c);
    server_free(v);
}

static void alpn_is_chosen_by_the_server(void **state)
{
    struct server *v = server_new("one.crt", "one.key", NULL, TLS_PEER_NONE, "h2,http/1.1");
    uint16_t port = addr_port(listener_addr(v->ln));
    struct client *c = client_new(port, "ca.crt", "one.test", "http/1.1,h2", NULL, NULL);

    (void)state;
    expect_echo(c, STR("x"));
    assert_string_equal(c->alpn, "h2");
    assert_string_equal(v->alpn, "h2");
    client_free(c);
    c = client_new(port, "ca.crt", "one.test", NULL, NULL, NULL);
    expect_echo(c, STR("x"));
    assert_string_equal(c->alpn, "");
    client_free(c);
    expect_failure(client_new(port, "ca.crt", "one.test", "mqtt", NULL, NULL), "alert");
    server_free(v);
}

static void sni_chooses_the_certificate(void **state)
{
    struct server *v = server_new("one.crt", "one.key", NULL, TLS_PEER_NONE, "mqtt");
    struct fault f = { 0 };
    struct client *c;

    (void)state;
    assert_int_equal(tls_server_add(v->tls, A("two.crt"), B("one.key"), &f), ERR_VALUE);
    if (tls_server_add(v->tls, A("two.crt"), B("two.key"), &f))
        fail_msg("%s", f.text);
    c = client_new(addr_port(listener_addr(v->ln)), "ca.crt", "x.two.test", "mqtt", NULL, NULL);
    expect_echo(c, STR("two"));
    assert_string_equal(c->alpn, "mqtt");
    client_free(c);
    c = to_server(v, "ca.crt", "one.test");
    expect_echo(c, STR("one"));
    client_free(c);
    expect_failure(to_server(v, "ca.crt", "three.test"), "hostname mismatch");
    server_free(v);
}

static void copy(const char *from, const char *to)
{
    char block[8192];
    FILE *in = fopen(A(from), "r"), *out = fopen(B(to), "w");
    size_t n = fread(block, 1, sizeof(block), in);

    assert_int_equal(fwrite(block, 1, n, out), n);
    fclose(in);
    fclose(out);
}

static void a_reload_changes_new_connections_only(void **state)
{
    struct server *v;
    struct client *before, *after;
    struct fault f = { 0 };

    (void)state;
    copy("one.crt", "live.crt");
    copy("one.key", "live.key");
    v = server_new("live.crt", "live.key", NULL, TLS_PEER_NONE, NULL);
    before = to_server(v, "ca.crt", "one.test");
    expect_echo(before, STR("before"));
    /* A key that does not fit: what is there stays. */
    copy("foreign.crt", "live.crt");
    assert_int_equal(tls_reload(v->tls, &f), ERR_VALUE);
    assert_non_null(strstr(f.text, "does not belong"));
    after = to_server(v, "ca.crt", "one.test");
    expect_echo(after, STR("still the old one"));
    client_free(after);
    copy("foreign.key", "live.key");
    assert_int_equal(tls_reload(v->tls, &f), 0);
    expect_failure(to_server(v, "ca.crt", "one.test"), "unable to get local issuer");
    after = to_server(v, "other.crt", "one.test");
    expect_echo(after, STR("after"));
    client_free(after);
    current = before;
    expect_echo(before, STR("lives on"));
    client_free(before);
    server_free(v);
}

static void a_client_certificate_can_be_required(void **state)
{
    struct server *v = server_new("one.crt", "one.key", "ca.crt", TLS_PEER_REQUIRED, NULL);
    uint16_t port = addr_port(listener_addr(v->ln));
    struct client *c = client_new(port, "ca.crt", "one.test", NULL, "client.crt", "client.key");

    (void)state;
    expect_echo(c, STR("known"));
    client_free(c);
    /* In TLS 1.3 the client is done before it learns that the server is not. */
    c = client_new(port, "ca.crt", "one.test", NULL, NULL, NULL);
    UNTIL(c->r, c->r->code != NONE);
    assert_int_equal(c->r->code, ERR_TLS);
    assert_non_null(strstr(c->why, "certificate required"));
    client_free(c);
    c = client_new(port, "ca.crt", "one.test", NULL, "foreign.crt", "foreign.key");
    UNTIL(c->r, c->r->code != NONE);
    assert_int_equal(c->r->code, ERR_TLS);
    client_free(c);
    EVENTUALLY(listener_open_count(v->ln) == 0);
    assert_int_equal(atomic_load(&v->accepted), 1);
    server_free(v);
}

static void a_certificate_names_its_owner(void **state)
{
    struct server *v = server_new("one.crt", "one.key", "ca.crt", TLS_PEER_OPTIONAL, NULL);
    uint16_t port = addr_port(listener_addr(v->ln));
    struct client *c = client_new(port, "ca.crt", "one.test", NULL, "client.crt", "client.key");

    (void)state;
    expect_echo(c, STR("x"));
    assert_string_equal(v->common_name, "client");
    assert_string_equal(v->subject, "CN=client");
    client_free(c);
    c = to_server(v, "ca.crt", "one.test");
    expect_echo(c, STR("x"));
    assert_string_equal(v->common_name, "");
    assert_string_equal(v->subject, "");
    client_free(c);
    server_free(v);
}

static void pausing_loses_nothing(void **state)
{
    struct server *v = server_new("one.crt", "one.key", NULL, TLS_PEER_NONE, NULL);
    struct client *c = to_server(v, "ca.crt", "one.test");
    struct blob *b = blob_alloc(LARGE);
    uint64_t until = clock_mono_ns() + 10ull * 1000 * 1000 * 1000;
    size_t i;

    (void)state;
    for (i = 0; i < LARGE; i++)
        b->bytes[i] = (char)(i * 17 + i / 255);
    c->r->pause_in_data = true;
    c->r->most = 5000;
    stream_send_blob(c->r->s, b, 0, LARGE);
    while (c->r->got.n < LARGE && clock_mono_ns() < until) {
        loop_turn(c->r->l, !stream_is_paused(c->r->s));
        stream_resume(c->r->s);
    }
    assert_int_equal(c->r->got.n, LARGE);
    assert_memory_equal(c->r->got.p, b->bytes, LARGE);
    blob_unref(b);
    client_free(c);
    server_free(v);
}

static void bytes_that_are_no_tls_end_the_connection(void **state)
{
    struct server *v = server_new("one.crt", "one.key", NULL, TLS_PEER_NONE, NULL);
    const struct addr *a = listener_addr(v->ln);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char in[100];

    (void)state;
    assert_int_equal(connect(fd, (const struct sockaddr *)&a->ss, a->len), 0);
    assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
    while (recv(fd, in, sizeof(in), 0) > 0)
        ;
    close(fd);
    EVENTUALLY(listener_open_count(v->ln) == 0);
    assert_int_equal(listener_failed_count(v->ln), 1);
    assert_int_equal(atomic_load(&v->accepted), 0);
    server_free(v);
}

static int silent_client(struct server *v)
{
    const struct addr *a = listener_addr(v->ln);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)&a->ss, a->len), 0);
    EVENTUALLY(listener_open_count(v->ln) == 1);
    return fd;
}

static void let_ten_seconds_pass(void *ctx, struct loop *l)
{
    (void)ctx;
    l->uv.time += 10000;
    timers_fire(l);
}

static void a_handshake_that_does_not_end_is_ended(void **state)
{
    struct server *v = server_new("one.crt", "one.key", NULL, TLS_PEER_NONE, NULL);
    int fd = silent_client(v);
    char in[1];

    (void)state;
    workers_each(v->w, let_ten_seconds_pass, NULL);
    assert_int_equal(recv(fd, in, 1, 0), 0);
    close(fd);
    server_free(v);
}

static void closing_the_listener_ends_unfinished_handshakes(void **state)
{
    struct server *v = server_new("one.crt", "one.key", NULL, TLS_PEER_NONE, NULL);
    int fd = silent_client(v);
    uint64_t before = clock_mono_ns();

    (void)state;
    server_free(v); /* waits until no connection is open */
    assert_true(clock_mono_ns() - before < 5ull * 1000 * 1000 * 1000);
    close(fd);
}

/* ---- against OpenSSL by itself ---- */

struct odd_server {
    int listen_fd;
    const char *cert, *key;
    bool close_notify;
};

static void odd_run(void *ctx)
{
    struct odd_server *o = ctx;
    SSL_CTX *sc = SSL_CTX_new(TLS_server_method());
    char path[128];
    SSL *ssl;
    int fd;

    SSL_CTX_use_certificate_file(sc, certs_path(o->cert, path), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(sc, certs_path(o->key, path), SSL_FILETYPE_PEM);
    fd = accept(o->listen_fd, NULL, NULL);
    ssl = SSL_new(sc);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        SSL_write(ssl, "bye", 3);
        if (o->close_notify)
            SSL_shutdown(ssl);
    }
    shutdown(fd, SHUT_WR);
    (void)!read(fd, path, sizeof(path)); /* until the client ends too */
    SSL_free(ssl);
    close(fd);
    SSL_CTX_free(sc);
}

static void an_expired_certificate_is_refused(void **state)
{
    struct odd_server o = { .cert = "expired.crt", .key = "expired.key" };
    uint16_t port;
    struct thread *t;

    (void)state;
    o.listen_fd = rig_listen(&port);
    t = thread_start("odd", odd_run, &o);
    expect_failure(client_new(port, "ca.crt", "one.test", NULL, NULL, NULL), "expired");
    thread_join(t);
    close(o.listen_fd);
}

static void only_a_close_notify_is_an_end_to_believe(void **state)
{
    int clean;

    (void)state;
    for (clean = 0; clean <= 1; clean++) {
        struct odd_server o = { .cert = "one.crt", .key = "one.key", .close_notify = clean };
        uint16_t port;
        struct client *c;
        struct thread *t;

        o.listen_fd = rig_listen(&port);
        t = thread_start("odd", odd_run, &o);
        c = client_new(port, "ca.crt", "one.test", NULL, NULL, NULL);
        c->r->eof_closes = true;
        UNTIL(c->r, c->r->code != NONE);
        assert_str(buf_str(&c->r->got), "bye");
        assert_int_equal(c->r->eofs, clean);
        assert_int_equal(c->r->code, clean ? 0 : ERR_CLOSED);
        thread_join(t);
        client_free(c);
        close(o.listen_fd);
    }
}

/* ---- loading ---- */

static void refused(const char *cert, const char *key, const char *ca, const char *file,
                    const char *text)
{
    struct tls_server_options o = { .peer = TLS_PEER_OPTIONAL };
    struct tls_context *t = NULL;
    struct fault f = { 0 };

    o.cert_file = A(cert);
    o.key_file = B(key);
    o.ca_file = ca ? C(ca) : NULL;
    assert_true(tls_server_new(&o, &t, &f) < 0);
    assert_null(t);
    if (!strstr(f.file, file) || !strstr(f.text, text))
        fail_msg("%s: %s; expected %s: %s", f.file, f.text, file, text);
}

static void what_cannot_be_loaded_is_said(void **state)
{
    struct issuer secret = certs_make("secret", "DNS:one.test", NULL, -60, 3600);
    struct tls_server_options o = { 0 };
    struct tls_context *t;
    struct fault f;

    (void)state;
    certs_write_key(secret.key, "secret.key", "password");
    issuer_free(&secret);
    refused("missing.crt", "one.key", NULL, "missing.crt", "No such file");
    refused("one.crt", "missing.key", NULL, "missing.key", "No such file");
    refused("one.key", "one.key", NULL, "one.key", "no PEM certificate");
    refused("one.crt", "one.crt", NULL, "one.crt", "no PEM private key");
    refused("one.crt", "two.key", NULL, "two.key", "does not belong");
    refused("one.crt", "secret.key", NULL, "secret.key", "without a password");
    refused("expired.crt", "expired.key", NULL, "expired.crt", "expired on ");
    refused("one.crt", "one.key", "one.key", "one.key", "no PEM file of CA");
    o = (struct tls_server_options){ .cert_file = A("one.crt"), .key_file = B("one.key") };
    o.ca_file = C("ca.crt");
    o.crl_file = o.ca_file;
    assert_int_equal(tls_server_new(&o, &t, &f), ERR_VALUE);
    assert_non_null(strstr(f.text, "no PEM file of revocation lists"));
    o.ca_file = NULL;
    assert_int_equal(tls_server_new(&o, &t, &f), ERR_VALUE);
    o = (struct tls_server_options){ 0 };
    /* Not valid yet: the clock of this machine may be the one that is wrong. */
    o.cert_file = A("early.crt");
    o.key_file = B("early.key");
    assert_int_equal(tls_server_new(&o, &t, &f), 0);
    tls_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_megabyte_goes_both_ways),
        TEST(an_address_can_be_verified),
        TEST(a_certificate_of_another_ca_is_refused),
        TEST(a_certificate_for_another_name_is_refused),
        TEST(alpn_is_chosen_by_the_server),
        TEST(sni_chooses_the_certificate),
        TEST(a_reload_changes_new_connections_only),
        TEST(a_client_certificate_can_be_required),
        TEST(a_certificate_names_its_owner),
        TEST(pausing_loses_nothing),
        TEST(bytes_that_are_no_tls_end_the_connection),
        TEST(a_handshake_that_does_not_end_is_ended),
        TEST(closing_the_listener_ends_unfinished_handshakes),
        TEST(an_expired_certificate_is_refused),
        TEST(only_a_close_notify_is_an_end_to_believe),
        TEST(what_cannot_be_loaded_is_said),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
