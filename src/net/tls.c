/*
 * TLS contexts over OpenSSL 3: certificates, keys and what is allowed with them.
 *
 * Allowed are TLS 1.2 and 1.3 with forward secrecy and authenticated ciphers only; no
 * renegotiation, no compression, no early data. The DHE suites of the list need parameters that a
 * server does not set here: a peer that asks for nothing else would make us do the dearest
 * exchange there is with every hello. Resumption is by ticket; there is no cache to lock.
 *
 * A context is an SSL_CTX behind a pointer that a reload swaps under a lock; connections hold a
 * count of the one with which they began. Further certificates (SNI) are contexts of their own,
 * owned by the first one, so all are swapped and freed together.
 *
 * Refused when loading, with a sentence: files that are missing, unreadable or no PEM, keys that
 * are encrypted or belong to another certificate, expired certificates. One that is not valid yet
 * is taken: devices without a clock battery start in 1970.
 */
#include "net/tls_impl.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"

struct pair {
    char *cert_file, *key_file;
};

struct tls_context {
    pthread_mutex_t lock;
    SSL_CTX *current;
    bool is_server;
    struct pair *pairs; /* the first is the one without a name */
    size_t pair_count;
    char *ca_file, *crl_file;
    enum tls_peer peer;
};

/* The further certificates of a server's SSL_CTX. */
struct others {
    SSL_CTX **ctx;
    size_t count;
};

static int others_index = -1;
static pthread_once_t others_once = PTHREAD_ONCE_INIT;

static void others_free(void *parent, void *value, CRYPTO_EX_DATA *ad, int idx, long argl,
                        void *argp)
{
    struct others *o = value;
    size_t i;

    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (!o)
        return;
    for (i = 0; i < o->count; i++)
        SSL_CTX_free(o->ctx[i]);
    mem_free(o->ctx);
    mem_free(o);
}

static void others_init(void)
{
    others_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, others_free);
    assert(others_index >= 0);
}

/* ---- what is chosen during a handshake ---- */

/* RFC 6066, 3: the certificate that covers the name; without one the first. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *first = SSL_get_SSL_CTX(ssl);
    struct others *o = SSL_CTX_get_ex_data(first, others_index);
    size_t i, n = name ? strlen(name) : 0;

    (void)alert, (void)arg;
    if (!name || !o || X509_check_host(SSL_CTX_get0_certificate(first), name, n, 0, NULL) == 1)
        return name ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
    for (i = 0; i < o->count; i++)
        if (X509_check_host(SSL_CTX_get0_certificate(o->ctx[i]), name, n, 0, NULL) == 1) {
            SSL_set_SSL_CTX(ssl, o->ctx[i]);
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_NOACK;
}

/* RFC 7301, 3.2: ours in our order; none in common ends the handshake, since a peer that means
 * another protocol must not be answered in ours. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                   const unsigned char *in, unsigned in_n, void *arg)
{
    struct stream_tls *t = SSL_get_app_data(ssl);
    unsigned char *chosen;

    (void)arg;
    if (t->alpn.n == 0)
        return SSL_TLSEXT_ERR_NOACK;
    if (SSL_select_next_proto(&chosen, out_n, (const unsigned char *)t->alpn.p, (unsigned)t->alpn.n,
                              in, in_n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

struct str tls_alpn_wire(const char *names)
{
    struct str rest = str_of(names);
    size_t n = 0;
    char *wire;

    if (!names)
        return STR_NONE;
    wire = mem_new(rest.n + 2);
    while (rest.p) {
        struct str name = str_trim(str_cut(&rest, ','));

        assert(name.n > 0 && name.n < 256);
        wire[n++] = (char)name.n;
        memcpy(wire + n, name.p, name.n);
        n += name.n;
    }
    return str_from(wire, n);
}

/* ---- loading ---- */

static int no_password(char *buf, int size, int writing, void *ctx)
{
    (void)buf, (void)size, (void)writing, (void)ctx;
    return -1; /* never ask at the terminal */
}

static int readable(const char *file, struct fault *f)
{
    if (access(file, R_OK) == 0)
        return 0;
    return fault_at(f, -errno, file, 0, 0, "cannot be read: %s", err_text(-errno));
}

static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text ? text : "unknown reason";
}

static int not_expired(SSL_CTX *ctx, const char *file, struct fault *f)
{
    const ASN1_TIME *until = X509_get0_notAfter(SSL_CTX_get0_certificate(ctx));
    struct tm tm = { 0 };

    if (X509_cmp_current_time(until) > 0)
        return 0;
    if (!ASN1_TIME_to_tm(until, &tm))
        return fault_at(f, ERR_VALUE, file, 0, 0, "has no valid end of validity");
    return fault_at(f, ERR_VALUE, file, 0, 0,
                    "the certificate expired on %04d-%02d-%02d; put a new one in its place",
                    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static int use_pair(SSL_CTX *ctx, const struct pair *p, struct fault *f)
{
    int rc = readable(p->cert_file, f);

    rc = rc ? rc : readable(p->key_file, f);
    if (rc)
        return rc;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, p->cert_file) != 1)
        return fault_at(f, ERR_VALUE, p->cert_file, 0, 0, "is no PEM certificate: %s", reason());
    if (SSL_CTX_use_PrivateKey_file(ctx, p->key_file, SSL_FILETYPE_PEM) != 1) {
        unsigned long e = ERR_peek_last_error();

        if (ERR_GET_LIB(e) == ERR_LIB_X509)
            return fault_at(f, ERR_VALUE, p->key_file, 0, 0,
                            "the key does not belong to the certificate %s", p->cert_file);
        return fault_at(f, ERR_VALUE, p->key_file, 0, 0,
                        "is no PEM private key without a password: %s", reason());
    }
    return not_expired(ctx, p->cert_file, f);
}

static int use_ca(SSL_CTX *ctx, const char *file, bool is_server, struct fault *f)
{
    STACK_OF(X509_NAME) * names;
    int rc = readable(file, f);

    if (rc)
        return rc;
    ERR_clear_error();
    names = is_server ? SSL_load_client_CA_file(file) : NULL;
    if ((is_server && !names) || SSL_CTX_load_verify_file(ctx, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fault_at(f, ERR_VALUE, file, 0, 0, "is no PEM file of CA certificates: %s",
                        reason());
    }
    if (is_server)
        SSL_CTX_set_client_CA_list(ctx, names); /* takes them */
    return 0;
}

/* From then on a certificate whose issuer has no valid list is refused as well. */
static int use_crl(SSL_CTX *ctx, const char *file, struct fault *f)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    X509_LOOKUP *lookup;
    int rc = readable(file, f);

    if (rc)
        return rc;
    ERR_clear_error();
    lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (!lookup || X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) < 1)
        return fault_at(f, ERR_VALUE, file, 0, 0, "is no PEM file of revocation lists: %s",
                        reason());
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return 0;
}

static int verify_mode(const struct tls_context *t)
{
    if (!t->is_server)
        return SSL_VERIFY_PEER;
    if (!t->ca_file || t->peer == TLS_PEER_NONE)
        return SSL_VERIFY_NONE;
    return SSL_VERIFY_PEER | (t->peer == TLS_PEER_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
}

/* One SSL_CTX with the pair (which may be NULL for clients). */
static int make(const struct tls_context *t, const struct pair *p, SSL_CTX **out, struct fault *f)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    int rc = 0;

    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1 ||
        SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"wayside", 7) != 1) {
        rc = fault_set(f, ERR_TLS, "OpenSSL cannot be set up: %s", reason());
        goto out;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_verify(ctx, verify_mode(t), NULL);
    if (p)
        rc = use_pair(ctx, p, f);
    if (rc == 0 && t->ca_file)
        rc = use_ca(ctx, t->ca_file, t->is_server, f);
    else if (rc == 0 && !t->is_server && SSL_CTX_set_default_verify_paths(ctx) != 1)
        rc = fault_set(f, ERR_TLS, "the system's CA certificates cannot be read: %s", reason());
    if (rc == 0 && t->crl_file)
        rc = use_crl(ctx, t->crl_file, f);
    if (t->is_server) {
        SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
        SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    }
    if (rc == 0) {
        *out = ctx;
        ctx = NULL;
    }
out:
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return rc;
}

/* All of the context's certificates, as one SSL_CTX that owns the others. */
static int make_all(const struct tls_context *t, SSL_CTX **out, struct fault *f)
{
    struct others *o;
    SSL_CTX *first = NULL;
    size_t i;
    int rc = make(t, t->pair_count > 0 ? &t->pairs[0] : NULL, &first, f);

    if (rc || t->pair_count < 2) {
        *out = first;
        return rc;
    }
    o = NEW(struct others);
    o->ctx = mem_new_array(t->pair_count - 1, sizeof(SSL_CTX *));
    pthread_once(&others_once, others_init);
    SSL_CTX_set_ex_data(first, others_index, o);
    for (i = 1; i < t->pair_count && rc == 0; i++) {
        rc = make(t, &t->pairs[i], &o->ctx[o->count], f);
        o->count += rc == 0;
    }
    if (rc)
        SSL_CTX_free(first);
    else
        *out = first;
    return rc;
}

/* ---- contexts ---- */

static struct tls_context *context_new(bool is_server)
{
    struct tls_context *t = NEW(struct tls_context);

    pthread_once(&others_once, others_init);
    pthread_mutex_init(&t->lock, NULL);
    t->is_server = is_server;
    return t;
}

static void pair_add(struct tls_context *t, const char *cert_file, const char *key_file)
{
    t->pairs = mem_resize(t->pairs, (t->pair_count + 1) * sizeof(*t->pairs));
    t->pairs[t->pair_count].cert_file = str_dup(str_of(cert_file));
    t->pairs[t->pair_count].key_file = str_dup(str_of(key_file));
    t->pair_count++;
}

void tls_free(struct tls_context *t)
{
    size_t i;

    if (!t)
        return;
    for (i = 0; i < t->pair_count; i++) {
        mem_free(t->pairs[i].cert_file);
        mem_free(t->pairs[i].key_file);
    }
    mem_free(t->pairs);
    mem_free(t->ca_file);
    mem_free(t->crl_file);
    SSL_CTX_free(t->current);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

static int context_out(struct tls_context *t, struct tls_context **out, struct fault *f)
{
    int rc = make_all(t, &t->current, f);

    if (rc)
        tls_free(t);
    else
        *out = t;
    return rc;
}

int tls_server_new(const struct tls_server_options *o, struct tls_context **out, struct fault *f)
{
    struct tls_context *t;

    if (!o->cert_file || !o->key_file)
        return fault_set(f, ERR_VALUE, "TLS needs a certificate file and a key file");
    if (!o->ca_file && o->peer == TLS_PEER_REQUIRED)
        return fault_set(f, ERR_VALUE, "client certificates are required, but no CA file is given");
    if (!o->ca_file && o->crl_file)
        return fault_set(f, ERR_VALUE, "a revocation list needs the CA file that it belongs to");
    t = context_new(true);
    pair_add(t, o->cert_file, o->key_file);
    t->ca_file = o->ca_file ? str_dup(str_of(o->ca_file)) : NULL;
    t->crl_file = o->crl_file ? str_dup(str_of(o->crl_file)) : NULL;
    t->peer = o->peer;
    return context_out(t, out, f);
}

int tls_client_new(const struct tls_client_options *o, struct tls_context **out, struct fault *f)
{
    struct tls_context *t;

    if (!o->cert_file != !o->key_file)
        return fault_set(f, ERR_VALUE, "a client certificate needs a certificate and a key file");
    t = context_new(false);
    if (o->cert_file)
        pair_add(t, o->cert_file, o->key_file);
    t->ca_file = o->ca_file ? str_dup(str_of(o->ca_file)) : NULL;
    return context_out(t, out, f);
}

int tls_server_add(struct tls_context *t, const char *cert_file, const char *key_file,
                   struct fault *f)
{
    int rc;

    assert(t->is_server);
    pair_add(t, cert_file, key_file);
    rc = tls_reload(t, f);
    if (rc) {
        t->pair_count--;
        mem_free(t->pairs[t->pair_count].cert_file);
        mem_free(t->pairs[t->pair_count].key_file);
    }
    return rc;
}

int tls_reload(struct tls_context *t, struct fault *f)
{
    SSL_CTX *fresh, *old;
    int rc = make_all(t, &fresh, f);

    if (rc)
        return rc;
    pthread_mutex_lock(&t->lock);
    old = t->current;
    t->current = fresh;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old);
    return 0;
}

SSL *tls_connection(struct tls_context *t)
{
    SSL *ssl;

    pthread_mutex_lock(&t->lock);
    ssl = SSL_new(t->current); /* counts it */
    pthread_mutex_unlock(&t->lock);
    assert(ssl); /* fails for want of memory only */
    if (t->is_server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}
