#ifndef TRUST_AUTHZ_H
#define TRUST_AUTHZ_H
/*
 * Who may do what, as the services ask it. node/ provides the answers; the services only know
 * this table. An answer may come at once or later (password hashing and remote directories never
 * run on a loop), so whoever asks must be able to wait.
 */
#include "base/addr.h"
#include "base/str.h"

#include <stdatomic.h>

enum authz_role { ROLE_ANONYMOUS, ROLE_DEVICE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN, ROLE_NODE };

/* Who somebody turned out to be. Immutable, counted, shared by the workers. */
struct identity {
    atomic_uint refs;
    enum authz_role role;
    bool certified;  /* by a certificate of its own, not by a password */
    struct str name; /* user or device; points behind the structure */
    char text[];
};
struct identity *identity_new(enum authz_role role, struct str name);
struct identity *identity_ref(struct identity *id);
void identity_unref(struct identity *id); /* NULL is legal */
/* May the one have what was the other's? Those without a name may: nothing tells them apart. */
bool identity_is_same(const struct identity *a, const struct identity *b);

/* Whom the listener lets in without a name. */
enum authz_anonymous {
    ANONYMOUS_LOCAL, /* clients on this machine */
    ANONYMOUS_ALLOW,
    ANONYMOUS_DENY,
};

enum authz_action {
    AUTHZ_PUBLISH,   /* object: topic name */
    AUTHZ_SUBSCRIBE, /* object: topic filter */
    AUTHZ_HTTP_READ, /* object: path */
    AUTHZ_HTTP_WRITE,
};

/* AUTHZ_LATER from a call means that done() follows, on the thread that called and never from
 * inside the call. Any other value is the answer and done() is not called. */
#define AUTHZ_LATER 1

struct authz_login {
    struct str client_id, user, password; /* valid until the answer */
    bool has_user, has_password;
    bool tls;
    /* Who it is by its certificate, which was verified: no password is asked for, and what else the
     * client says of itself does not count. n 0: the listener does not take names from there. */
    struct str certified;
    enum authz_anonymous anonymous; /* of the listener it came through */
    const struct addr *peer, *local;
    void *loop; /* the caller's struct loop, where done() is to be delivered */
    /* code 0: *id is a new reference, the caller's to drop. ERR_REFUSED: not these credentials. */
    void (*done)(struct authz_login *l, int code, struct identity *id);
    void *asked; /* for whoever answers */
};
struct authz_check {
    const struct identity *who;
    enum authz_action action;
    struct str object; /* valid until the answer */
    struct str client_id;
    void *loop;
    void (*done)(struct authz_check *c, int code);
};

struct authz {
    void *ctx;
    /* 0 with *out_id set, ERR_REFUSED, AUTHZ_LATER, or another error: it cannot be said now. */
    int (*login)(void *ctx, struct authz_login *l, struct identity **out_id);
    /* 0, ERR_REFUSED, or AUTHZ_LATER. */
    int (*check)(void *ctx, struct authz_check *c);
    /* The question that was answered AUTHZ_LATER is no longer of interest; done() will not come. */
    void (*cancel_login)(void *ctx, struct authz_login *l);
    void (*cancel_check)(void *ctx, struct authz_check *c);

    /* The rules may change while connections are open (both NULL: they do not). Answered at once,
     * 0 or ERR_REFUSED, on the caller's loop; done is not used. */
    /* May it still be done? */
    int (*check_again)(void *ctx, const struct authz_check *c);
    /* Is the login that gave this identity still good? Asked while the rules change. */
    int (*login_again)(void *ctx, const struct identity *who, void *loop);
};

#endif
