/*
 * A stream under TLS. OpenSSL reads from the bytes that just arrived, where they lie, and writes
 * into the stream's chain, through a BIO of our own: a memory BIO would cost 20 KiB per active
 * connection, a socket BIO a system call per record.
 *
 *     socket ─► loop's buffer ─► SSL_read ─► loop's plain buffer ─► protocol, kept
 *     protocol ─► stream's chain (plain) ─► SSL_write at the flush ─► chain of records ─► socket
 *
 * Plain bytes are gathered for the turn and encrypted at its end, up to 16 KiB to a record, so that
 * a hundred small messages are one record. At most RECORDS_READY bytes are encrypted ahead of the
 * socket; the rest waits as references.
 *
 * The BIO never refuses a write, so SSL_write never waits; it says "later" when what arrived is
 * read up, and OpenSSL keeps the part of a record by itself. Bytes are left lying only when the
 * protocol pauses.
 *
 * A peer that ends the connection without close_notify may have been cut off by somebody else
 * (RFC 8446, 6.1): eof() is not called then, only closed().
 */
#include "net/tls_impl.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/metrics.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define RECORD_MAX    ((size_t)16384) /* RFC 8446, 5.1 */
#define RECORDS_READY ((size_t)64 * 1024)
/* Refused handshakes are logged, but a port scan must not fill the log. */
#define LOG_EVERY_MS 1000

/* ---- the BIO ---- */

static int bio_write(BIO *b, const char *p, size_t n, size_t *out_n)
{
    struct stream_tls *t = BIO_get_data(b);

    chain_put(t->unbegun.s->loop, &t->out, str_from(p, n));
    *out_n = n;
    return 1;
}

static int bio_read(BIO *b, char *p, size_t n, size_t *out_n)
{
    struct stream_tls *t = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    if (t->in.n == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    if (n > t->in.n)
        n = t->in.n;
    memcpy(p, t->in.p, n);
    t->in = str_skip(t->in, n);
    *out_n = n;
    return 1;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void method_free(void)
{
    BIO_meth_free(method);
}

static void method_init(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wayside stream");
    assert(method);
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_ctrl(method, bio_ctrl);
    atexit(method_free);
}

static struct stream_tls *begin(struct stream *s, struct tls_context *ctx)
{
    struct stream_tls *t = NEW(struct stream_tls);
    BIO *b;

    pthread_once(&method_once, method_init);
    if (!s->loop->plain_buffer) {
        s->loop->plain_buffer = mem_resize(NULL, LOOP_READ_SIZE);
        s->loop->record_buffer = mem_resize(NULL, RECORD_MAX);
    }
    b = BIO_new(method);
    assert(b); /* fails for want of memory only */
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    t->ssl = tls_connection(ctx);
    t->unbegun.s = s;
    list_init(&t->unbegun.link);
    SSL_set_bio(t->ssl, b, b);
    SSL_set_app_data(t->ssl, t);
    s->tls = t;
    return t;
}

/* ---- failing ---- */

static void note_why(struct stream_tls *t)
{
    long verify = SSL_get_verify_result(t->ssl);
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    if (verify != X509_V_OK)
        text = X509_verify_cert_error_string(verify);
    mem_free(t->why);
    t->why = str_dup(str_of(text ? text : "the handshake failed"));
    ERR_clear_error();
}

static void log_refused(struct stream *s)
{
    uint64_t now = loop_now_ms(s->loop);
    char peer[ADDR_TEXT_SIZE];

    if (s->loop->tls_logged_ms && now - s->loop->tls_logged_ms < LOG_EVERY_MS)
        return;
    s->loop->tls_logged_ms = now;
    log_info("tls", "handshake failed", lf_text("peer", addr_format(stream_peer(s), peer)),
             lf_text("why", s->tls->why));
}

/* The alert that OpenSSL made of it is still sent, so that the peer can tell its user. */
static void fail(struct stream *s)
{
    struct stream_tls *t = s->tls;

    note_why(t);
    if (s->listener && s->state == STREAM_SHAKING)
        log_refused(s);
    t->ended = true;
    chain_clear(s->loop, &s->out);
    stream_finish(s, ERR_TLS);
}

/* ---- handshake ---- */

static void shake(struct stream *s)
{
    struct stream_tls *t = s->tls;
    int rc;

    ERR_clear_error();
    rc = SSL_do_handshake(t->ssl);
    if (t->out.n > 0)
        loop_later(s->loop, &s->later);
    if (rc == 1) {
        listener_wait_over(&t->unbegun);
        stream_opened(s);
    } else if (SSL_get_error(t->ssl, rc) != SSL_ERROR_WANT_READ) {
        fail(s);
    }
}

int stream_tls_client(struct stream *s, struct tls_context *ctx, const char *name, struct str alpn)
{
    struct stream_tls *t = begin(s, ctx);
    char host[ADDR_TEXT_SIZE];
    struct addr a;
    bool ok;

    if (str_starts(str_of(name), STR("unix:"))) {
        t->why = str_dup(STR("TLS over a Unix socket needs server_name"));
        return ERR_TLS;
    }
    if (addr_parse(str_of(name), 0, &a) == 0) {
        ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), addr_format_host(&a, host));
    } else {
        SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = SSL_set1_host(t->ssl, name) && SSL_set_tlsext_host_name(t->ssl, name);
    }
    if (ok && alpn.n > 0) /* this one gives 0 for success */
        ok = SSL_set_alpn_protos(t->ssl, (const unsigned char *)alpn.p, (unsigned)alpn.n) == 0;
    if (!ok) {
        note_why(t);
        return ERR_TLS;
    }
    shake(s);
    return 0;
}

void stream_tls_server(struct stream *s, struct tls_context *ctx, struct str alpn)
{
    struct stream_tls *t = begin(s, ctx);

    t->alpn = alpn;
    listener_wait(&t->unbegun, s);
}

/* ---- in ---- */

/* Decrypts and delivers until what arrived is read up or the protocol wants no more. */
static void pump(struct stream *s)
{
    struct stream_tls *t = s->tls;
    int error = SSL_ERROR_NONE;

    while (error == SSL_ERROR_NONE && s->state == STREAM_OPEN && !(s->flags & STREAM_PAUSED)) {
        char *to = s->loop->plain_buffer;
        size_t n = 0, got;

        while (error == SSL_ERROR_NONE && n < LOOP_READ_SIZE) {
            ERR_clear_error();
            if (SSL_read_ex(t->ssl, to + n, LOOP_READ_SIZE - n, &got) == 1)
                n += got;
            else
                error = SSL_get_error(t->ssl, 0);
        }
        if (n > 0)
            stream_take(s, str_from(to, n));
    }
    if (s->state != STREAM_OPEN)
        return;
    if (t->out.n > 0) /* OpenSSL's own answers; a peer that asks and does not read is cut off */
        loop_later(s->loop, &s->later);
    if (error == SSL_ERROR_ZERO_RETURN)
        stream_take_eof(s, true);
    else if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ)
        fail(s);
    else if (stream_pending(s) > s->send_max)
        stream_close(s, STREAM_NOW, ERR_LIMIT);
}

static void run(struct stream *s, struct str bytes)
{
    struct stream_tls *t = s->tls;

    t->in = bytes;
    if (s->state == STREAM_SHAKING)
        shake(s);
    if (s->state == STREAM_OPEN)
        pump(s);
    if (s->state == STREAM_OPEN)
        kept_append(&t->kept, t->in); /* the protocol paused */
    t->in = STR_NONE;
}

void stream_tls_input(struct stream *s, struct str bytes)
{
    if (!s->tls->kept) {
        run(s, bytes);
        return;
    }
    /* The protocol has resumed in this turn and what was left lying was not offered yet. */
    kept_append(&s->tls->kept, bytes);
    stream_tls_again(s);
}

void stream_tls_again(struct stream *s)
{
    struct stream_tls *t = s->tls;
    struct kept *k = t->kept;

    if (s->state != STREAM_OPEN || s->flags & STREAM_PAUSED || (!k && !SSL_has_pending(t->ssl)))
        return;
    t->kept = NULL;
    run(s, kept_str(k));
    kept_drop(&k);
}

/* ---- out ---- */

/* One record's worth of what waits, in one piece. */
static struct str next_piece(struct stream *s)
{
    struct str front = chain_front(&s->out);
    struct iovec iov[CHAIN_IOV_MAX];
    size_t n = 0, all;
    int count, i;

    if (front.n >= RECORD_MAX || front.n == s->out.n)
        return str_sub(front, 0, RECORD_MAX);
    count = chain_iov(&s->out, iov, &all);
    for (i = 0; i < count && n < RECORD_MAX; i++) {
        size_t part = iov[i].iov_len < RECORD_MAX - n ? iov[i].iov_len : RECORD_MAX - n;

        memcpy(s->loop->record_buffer + n, iov[i].iov_base, part);
        n += part;
    }
    return str_from(s->loop->record_buffer, n);
}

struct chain *stream_tls_output(struct stream *s)
{
    struct stream_tls *t = s->tls;

    if (s->state < STREAM_OPEN || t->ended)
        return &t->out;
    while (s->out.n > 0 && t->out.n < RECORDS_READY) {
        struct str piece = next_piece(s);
        size_t n = 0;

        ERR_clear_error();
        if (SSL_write_ex(t->ssl, piece.p, piece.n, &n) != 1) {
            fail(s);
            break;
        }
        chain_consume(s->loop, &s->out, n);
    }
    return &t->out;
}

bool stream_tls_end(struct stream *s)
{
    struct stream_tls *t = s->tls;

    if (t->ended)
        return false;
    t->ended = true;
    ERR_clear_error();
    SSL_shutdown(t->ssl); /* queues close_notify; the peer's is not waited for */
    return true;
}

void stream_tls_drop(struct stream *s)
{
    if (!s->tls)
        return;
    s->tls->ended = true;
    listener_wait_over(&s->tls->unbegun);
    chain_clear(s->loop, &s->tls->out);
    kept_drop(&s->tls->kept);
}

void stream_tls_free(struct stream *s)
{
    if (!s->tls)
        return;
    SSL_free(s->tls->ssl);
    mem_free(s->tls->why);
    mem_free(s->tls);
    s->tls = NULL;
}

/* ---- what it is ---- */

bool stream_is_tls(const struct stream *s)
{
    return s->tls != NULL;
}

struct str stream_alpn(const struct stream *s)
{
    const unsigned char *p = NULL;
    unsigned n = 0;

    if (s->tls)
        SSL_get0_alpn_selected(s->tls->ssl, &p, &n);
    return str_from(p, n);
}

/* Two readers could take two common names in two ways, so such a certificate has none. */
static int put_common_name(const X509_NAME *name, struct buf *out)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1), n;
    unsigned char *utf8 = NULL;
    int rc = 0;

    if (at < 0)
        return ERR_UNKNOWN;
    if (X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
        return ERR_VALUE;
    n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (n <= 0)
        rc = ERR_VALUE;
    else
        buf_put_bytes(out, utf8, (size_t)n);
    OPENSSL_free(utf8);
    return rc;
}

static int put_subject(const X509_NAME *name, struct buf *out)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *text = NULL;
    int rc = 0;
    long n;

    assert(b); /* fails for want of memory only */
    /* RFC 2253, but UTF-8 as it is and not byte by byte. */
    if (X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0)
        rc = ERR_VALUE;
    n = BIO_get_mem_data(b, &text);
    if (rc == 0 && n > 0)
        buf_put_bytes(out, text, (size_t)n);
    else if (rc == 0)
        rc = ERR_UNKNOWN;
    BIO_free(b);
    return rc;
}

int stream_cert_name(const struct stream *s, enum cert_name which, struct buf *out)
{
    X509 *cert = s->tls ? SSL_get0_peer_certificate(s->tls->ssl) : NULL;
    int rc;

    if (which == CERT_NAME_NONE || !cert || SSL_get_verify_result(s->tls->ssl) != X509_V_OK)
        return ERR_UNKNOWN;
    ERR_clear_error();
    rc = which == CERT_NAME_SUBJECT ? put_subject(X509_get_subject_name(cert), out)
                                    : put_common_name(X509_get_subject_name(cert), out);
    ERR_clear_error();
    if (rc == 0 && (buf_check(out) || !utf8_valid_mqtt(buf_str(out))))
        rc = ERR_VALUE;
    return rc;
}

const char *stream_tls_error(const struct stream *s)
{
    return s->tls && s->tls->why ? s->tls->why : "";
}
