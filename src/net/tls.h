#ifndef NET_TLS_H
#define NET_TLS_H
/*
 * TLS 1.2 and 1.3 contexts over OpenSSL 3. A context is immutable while it is used; reloading
 * swaps what new handshakes see and leaves connections alone. Any thread may reload.
 */
#include "base/err.h"
#include "base/str.h"

struct tls_context;
enum tls_peer { TLS_PEER_NONE, TLS_PEER_OPTIONAL, TLS_PEER_REQUIRED };

struct tls_server_options {
    const char *cert_file; /* PEM, leaf first, chain after it */
    const char *key_file;  /* PEM */
    const char *ca_file;   /* for client certificates; NULL: none are asked for */
    enum tls_peer peer;
    const char *crl_file; /* PEM: certificates that the CA took back; NULL: none. Needs ca_file */
};
/* f names the file and what is wrong (missing, unreadable, key does not match, expired …). */
MUST_USE int tls_server_new(const struct tls_server_options *o, struct tls_context **out,
                            struct fault *f);
/* A further certificate, chosen by SNI for its DNS names. Before the context is used. */
MUST_USE int tls_server_add(struct tls_context *t, const char *cert_file, const char *key_file,
                            struct fault *f);
/* Reads all files again; on failure the old ones stay in use. */
MUST_USE int tls_reload(struct tls_context *t, struct fault *f);

struct tls_client_options {
    const char *ca_file;   /* NULL: the system's bundle */
    const char *cert_file; /* client certificate; NULL: none */
    const char *key_file;
};
MUST_USE int tls_client_new(const struct tls_client_options *o, struct tls_context **out,
                            struct fault *f);
void tls_free(struct tls_context *t);

#endif
