#ifndef NODE_ACCESS_H
#define NODE_ACCESS_H
/*
 * Who may do what until accounts exist: users of the configuration with their passwords, and
 * clients without a name where the listener allows them (by default: on loopback only). Pure;
 * immutable while it is used.
 */
#include "trust/authz.h"

#define ACCESS_LISTENERS_MAX 32

struct access_user {
    struct str name, password;
};
struct access {
    const struct access_user *users; /* outlive it */
    size_t user_count;
    struct {
        uint16_t port; /* of the bound address */
        bool anonymous;
    } listeners[ACCESS_LISTENERS_MAX];
    size_t listener_count;
    struct authz authz; /* hand out &a->authz */
};

void access_init(struct access *a, const struct access_user *users, size_t user_count);
/* Clients without a name may connect to this port. Others: from this machine only. */
void access_listener(struct access *a, uint16_t port, bool anonymous);

#endif
