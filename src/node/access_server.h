#ifndef NODE_ACCESS_SERVER_H
#define NODE_ACCESS_SERVER_H
/*
 * node/access.h on the workers: answers the services' questions (trust/authz.h) out of a snapshot
 * that each worker has for itself, so a publish costs no lock. Passwords of a file are looked at on
 * a thread of their own. All functions are for the main thread, which is no worker.
 */
#include "base/limits.h"
#include "base/metrics.h"
#include "net/workers.h"
#include "node/access.h"

struct broker;
struct access_server;

/* first (taken): what holds at the beginning. Of limits it takes mqtt_logins_pending_max: a login by
 * name beyond it is answered ERR_LIMIT. */
struct access_server *access_server_new(struct workers *w, const struct limits *l,
                                        struct metrics *m, struct access *first);
const struct authz *access_server_authz(const struct access_server *s);
/* Whose connections are looked at again when the rules change. */
void access_server_set_broker(struct access_server *s, struct broker *b);
/* What holds from now on. */
const struct access *access_server_now(const struct access_server *s);
/* fresh (taken) holds on every worker when this returns, for what is open there as well. */
void access_server_change(struct access_server *s, struct access *fresh);
/* Nobody asks any more; while the workers still run. */
void access_server_stop(struct access_server *s);
void access_server_free(struct access_server *s); /* after the workers were freed */

#endif
