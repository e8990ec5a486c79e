#ifndef TRUST_CERT_NAME_H
#define TRUST_CERT_NAME_H
/* Which name of a certificate says who its owner is. */
enum cert_name {
    CERT_NAME_NONE,
    CERT_NAME_COMMON,
    CERT_NAME_SUBJECT, /* the whole subject as RFC 2253 writes it: "CN=t1,O=Works" */
};

#endif
