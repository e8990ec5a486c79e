#ifndef NODE_ACCESS_H
#define NODE_ACCESS_H
/*
 * Who may do what: users of the configuration with their passwords, users of a password file, clients
 * without a name where their listener allows them (by default: from this machine only), and the
 * rules of an access file for all of them. Pure; immutable while it is used, by any thread.
 * node/access_server.h makes the answers to the services' questions of it.
 *
 * A name of the configuration is not looked for in the password file. Without an access file whoever
 * was let in may subscribe to everything and publish all but what is reserved.
 */
#include "trust/acl.h"
#include "trust/authz.h"
#include "trust/passwd.h"

struct access_user {
    struct str name, password;
};
struct access {
    const struct access_user *users; /* outlive it */
    size_t user_count;
    struct acl *acl;            /* NULL: no access file */
    struct passwd *passwd;      /* NULL: no password file */
    struct identity *anonymous; /* of all who log in without a name */
};

/* Takes acl and passwd, which may be NULL. */
struct access *access_new(const struct access_user *users, size_t user_count, struct acl *acl,
                          struct passwd *passwd);
void access_free(struct access *a); /* NULL is legal */
/* Nobody can log in by name. */
bool access_has_no_users(const struct access *a);

/* 0 with *out_id set, or ERR_REFUSED. AUTHZ_LATER: access_verify() knows, on a thread that may
 * work for long. */
MUST_USE int access_login(const struct access *a, const struct authz_login *l,
                          struct identity **out_id);
bool access_verify(const struct access *a, struct str user, struct str password);
struct identity *access_identity(struct str user);
/* 0 or ERR_REFUSED. */
MUST_USE int access_check(const struct access *a, const struct authz_check *c);
/* Is a login that was good with `before` good with `now`, for all that is known of it? Not when its
 * user has gone, or has another password in the file. */
bool access_stands(const struct access *before, const struct access *now,
                   const struct identity *who);

/* Somebody may log in by that name, with a password. */
bool access_has_user(const struct access *a, struct str user);
/* What nodes publish, or (publish false) subscribe to, without a rule. */
bool access_is_nodes(struct str object, bool publish);
/* Below $SYS, $share or $wayside: no client publishes there, whatever a rule says, but what
 * access_is_nodes(). (Below $wayside/have/ it could tell an edge that its records are kept.) */
bool access_is_reserved(struct str topic);

#endif
