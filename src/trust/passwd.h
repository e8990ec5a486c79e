#ifndef TRUST_PASSWD_H
#define TRUST_PASSWD_H
/*
 * Users and their passwords out of a file as mosquitto_passwd writes it:
 *
 *     ann:$7$101$SALT$HASH    PBKDF2-HMAC-SHA512 of so many iterations
 *     bob:$6$SALT$HASH        SHA-512 of password and salt (mosquitto before 2.0)
 *
 * Pure, and immutable once it is read: any thread may ask. Asking is slow on purpose, so no loop
 * asks (node/access_server.h has a thread for it).
 */
#include "base/str.h"

struct passwd;

/* Reads a file's text; name: of the file, for the fault. ERR_VALUE with line, column and how to
 * mend the first mistake; no part of a password or hash is in it. iterations_max: what one line may
 * ask for; at least 1. */
MUST_USE int passwd_read(struct str text, const char *name, uint64_t iterations_max,
                         struct passwd **out, struct fault *f);
void passwd_free(struct passwd *p); /* NULL is legal */
size_t passwd_users(const struct passwd *p);
/* What was read, and from where. Valid as long as p. */
struct str passwd_text(const struct passwd *p);
const char *passwd_name(const struct passwd *p);

/* Is it the password of that user? Costs the same for every user and for nobody: as much as the
 * costliest line of the file. */
bool passwd_verify(const struct passwd *p, struct str user, struct str password);
/* Has that user, in both, the same line? (Either may be NULL.) */
bool passwd_same(const struct passwd *a, const struct passwd *b, struct str user);

#endif
