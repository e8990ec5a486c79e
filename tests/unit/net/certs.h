/* Certificates for tests, made afresh in a scratch folder with OpenSSL. */
#ifndef TESTS_NET_CERTS_H
#define TESTS_NET_CERTS_H
#include "unit/unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct issuer {
    EVP_PKEY *key;
    X509 *cert;
};

static char certs_dir[64];

static inline const char *certs_path(const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", certs_dir, name);
    return out;
}

static inline void certs_begin(void)
{
    snprintf(certs_dir, sizeof(certs_dir), "/tmp/wayside-tls-XXXXXX");
    assert_non_null(mkdtemp(certs_dir));
}

static inline void certs_write_key(EVP_PKEY *key, const char *name, const char *password)
{
    char path[128];
    FILE *f = fopen(certs_path(name, path), "w");

    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, password ? EVP_aes_128_cbc() : NULL, NULL, 0,
                                          NULL, (void *)(uintptr_t)password),
                     1);
    fclose(f);
}

static inline void certs_write_cert(X509 *cert, const char *name)
{
    char path[128];
    FILE *f = fopen(certs_path(name, path), "w");

    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, cert), 1);
    fclose(f);
}

static inline void certs_extend(X509 *c, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(e);
    X509_add_ext(c, e, -1);
    X509_EXTENSION_free(e);
}

/* names: "DNS:one.test,IP:127.0.0.1", or NULL for a CA. by: NULL for itself. */
static inline struct issuer certs_make(const char *cn, const char *names, const struct issuer *by,
                                       long from_s, long until_s)
{
    struct issuer is = { EVP_EC_gen("P-256"), X509_new() };
    static long serial = 1;
    X509_NAME *name = X509_get_subject_name(is.cert);

    X509_set_version(is.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(is.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(is.cert), from_s);
    X509_gmtime_adj(X509_getm_notAfter(is.cert), until_s);
    X509_set_pubkey(is.cert, is.key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(is.cert, by ? X509_get_subject_name(by->cert) : name);
    if (names)
        certs_extend(is.cert, NID_subject_alt_name, names);
    else
        certs_extend(is.cert, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(is.cert, by ? by->key : is.key, EVP_sha256()) > 0);
    return is;
}

static inline void issuer_free(struct issuer *is)
{
    EVP_PKEY_free(is->key);
    X509_free(is->cert);
}

/* Makes NAME.crt and NAME.key. */
static inline void certs_issue(const char *file, const char *names, const struct issuer *by,
                               long from_s, long until_s)
{
    struct issuer is = certs_make(file, names, by, from_s, until_s);
    char name[64];

    snprintf(name, sizeof(name), "%s.crt", file);
    certs_write_cert(is.cert, name);
    snprintf(name, sizeof(name), "%s.key", file);
    certs_write_key(is.key, name, NULL);
    issuer_free(&is);
}

static inline struct issuer certs_ca(const char *file)
{
    struct issuer ca = certs_make(file, NULL, NULL, -3600, 3600);
    char name[64];

    snprintf(name, sizeof(name), "%s.crt", file);
    certs_write_cert(ca.cert, name);
    return ca;
}

#endif
