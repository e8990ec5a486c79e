#ifndef NODE_ACCESS_H
#define NODE_ACCESS_H
/*
 * Who may do what until accounts exist: users of the configuration with their passwords, and
 * clients without a name where their listener allows them (by default: from this machine only).
 * Pure;
 * immutable while it is used.
 */
#include "trust/authz.h"

struct access_user {
    struct str name, password;
};
struct access {
    const struct access_user *users; /* outlive it */
    size_t user_count;
    struct authz authz; /* hand out &a->authz */
};

void access_init(struct access *a, const struct access_user *users, size_t user_count);

#endif
