/*
 * The answers to authz questions out of the configuration. Everything is in memory, so every
 * answer comes at once. Names and passwords are compared in constant time, and an unknown name
 * costs a comparison as well.
 */
#include "node/access.h"

static bool anonymous_allowed(const struct authz_login *l)
{
    if (l->anonymous != ANONYMOUS_LOCAL)
        return l->anonymous == ANONYMOUS_ALLOW;
    return l->peer && addr_is_local(l->peer);
}

static int login(void *ctx, struct authz_login *l, struct identity **out_id)
{
    struct access *a = ctx;
    bool good = false;

    if (l->certified.n > 0) {
        *out_id = identity_new(ROLE_OPERATOR, l->certified);
        return 0;
    }
    if (!l->has_user) {
        if (!anonymous_allowed(l))
            return ERR_REFUSED;
        *out_id = identity_new(ROLE_ANONYMOUS, l->client_id);
        return 0;
    }
    for (size_t i = 0; i < a->user_count; i++) {
        bool name = str_eq_secret(a->users[i].name, l->user);
        bool password = str_eq_secret(a->users[i].password, l->password);

        good |= name && password && l->has_password;
    }
    if (!good)
        return ERR_REFUSED;
    *out_id = identity_new(ROLE_OPERATOR, l->user);
    return 0;
}

/* $SYS and the rest below '$' are written by nodes only; everything else is open to whoever was
 * let in, until devices have certificates. */
static int check(void *ctx, struct authz_check *c)
{
    (void)ctx;
    if (c->action == AUTHZ_PUBLISH && c->object.n > 0 && c->object.p[0] == '$' &&
        !str_starts(c->object, STR("$wayside/up/")) &&
        !str_starts(c->object, STR("$wayside/live/")))
        return ERR_REFUSED;
    return 0;
}

static void cancel_login(void *ctx, struct authz_login *l)
{
    (void)ctx;
    (void)l; /* nothing is ever answered later here */
}

static void cancel_check(void *ctx, struct authz_check *c)
{
    (void)ctx;
    (void)c;
}

void access_init(struct access *a, const struct access_user *users, size_t user_count)
{
    *a = (struct access){ .users = users, .user_count = user_count };
    a->authz = (struct authz){ a, login, check, cancel_login, cancel_check };
}
