/*
 * The decisions about logins, publications and subscriptions.
 *
 * Names and passwords of the configuration are compared in constant time, and an unknown name costs
 * a comparison as well. With a password file every login by name is answered later, those of the
 * configuration too: the time of an answer tells nothing about who exists.
 *
 * A node that sends its journal here needs a login and no rule: it publishes below $wayside/up/ and
 * $wayside/live/ and subscribes to its own place below $wayside/have/. Nor does a client that says whether it is
 * connected (mqtt/sys_topics.h). A rule that denies those holds all the same.
 */
#include "node/access.h"

#include "base/mem.h"
#include "mqtt/sys_topics.h"
#include "wire/mqtt_topic.h"

struct access *access_new(const struct access_user *users, size_t user_count, struct acl *acl,
                          struct passwd *passwd)
{
    struct access *a = NEW(struct access);

    *a = (struct access){ users, user_count, acl, passwd, identity_new(ROLE_ANONYMOUS, STR_NONE) };
    return a;
}

void access_free(struct access *a)
{
    if (!a)
        return;
    acl_free(a->acl);
    passwd_free(a->passwd);
    identity_unref(a->anonymous);
    mem_free(a);
}

bool access_has_no_users(const struct access *a)
{
    return a->user_count == 0 && (!a->passwd || passwd_users(a->passwd) == 0);
}

/* ---- logins ---- */

static bool anonymous_allowed(const struct authz_login *l)
{
    if (l->anonymous != ANONYMOUS_LOCAL)
        return l->anonymous == ANONYMOUS_ALLOW;
    return l->peer && addr_is_local(l->peer);
}

struct identity *access_identity(struct str user)
{
    return identity_new(ROLE_OPERATOR, user);
}

/* *out_known: the configuration has such a name, whatever the password. */
static bool in_configuration(const struct access *a, struct str user, struct str password,
                             bool *out_known)
{
    bool good = false;

    *out_known = false;
    for (size_t i = 0; i < a->user_count; i++) {
        bool name = str_eq_secret(a->users[i].name, user);
        bool same = str_eq_secret(a->users[i].password, password);

        *out_known |= name;
        good |= name && same;
    }
    return good;
}

bool access_verify(const struct access *a, struct str user, struct str password)
{
    bool known, good = in_configuration(a, user, password, &known);
    bool in_file = a->passwd && passwd_verify(a->passwd, user, password);

    return known ? good : in_file;
}

int access_login(const struct access *a, const struct authz_login *l, struct identity **out_id)
{
    bool known;

    if (l->certified.n > 0) {
        *out_id = identity_new(ROLE_OPERATOR, l->certified);
        (*out_id)->certified = true;
        return 0;
    }
    if (!l->has_user) {
        if (!anonymous_allowed(l))
            return ERR_REFUSED;
        *out_id = identity_ref(a->anonymous);
        return 0;
    }
    if (!l->has_password)
        return ERR_REFUSED;
    if (a->passwd)
        return AUTHZ_LATER;
    if (!in_configuration(a, l->user, l->password, &known))
        return ERR_REFUSED;
    *out_id = access_identity(l->user);
    return 0;
}

bool access_stands(const struct access *before, const struct access *now,
                   const struct identity *who)
{
    bool known;

    if (who->role == ROLE_ANONYMOUS || who->role == ROLE_NODE || who->certified)
        return true;
    (void)in_configuration(now, who->name, STR_NONE, &known);
    return known || passwd_same(before->passwd, now->passwd, who->name);
}

/* ---- rules ---- */

static bool is_node_topic(struct str topic)
{
    return str_starts(topic, STR("$wayside/up/")) || str_starts(topic, STR("$wayside/live/"));
}

static bool is_node_filter(struct str filter)
{
    return str_starts(filter, STR("$wayside/have/")) && mqtt_filter_is_plain(filter);
}

bool access_is_reserved(struct str topic)
{
    struct str first = str_cut(&topic, '/');

    return str_eq(first, STR("$SYS")) || str_eq(first, STR("$share")) ||
           str_eq(first, STR("$wayside"));
}

static bool may_publish(const struct acl *acl, const struct acl_who *who, struct str topic)
{
    if (is_node_topic(topic) || sys_is_state(topic, who->client_id))
        return !acl || !acl_is_denied(acl, who, topic);
    if (access_is_reserved(topic))
        return false;
    return !acl || acl_may_publish(acl, who, topic);
}

static bool may_subscribe(const struct acl *acl, const struct acl_who *who, struct str filter)
{
    struct str group;

    if (!acl)
        return true;
    if (mqtt_share_split(filter, &group, &filter) == MQTT_SHARE_BAD)
        return false;
    if (is_node_filter(filter))
        return !acl_is_denied(acl, who, filter);
    return acl_may_subscribe(acl, who, filter);
}

int access_check(const struct access *a, const struct authz_check *c)
{
    struct acl_who who = { .client_id = c->client_id };
    bool may = true;

    if (c->who && c->who->role == ROLE_NODE) /* a part of this program */
        return 0;
    if (c->who && c->who->role != ROLE_ANONYMOUS) {
        who.has_user = true;
        who.user = c->who->name;
    }
    switch (c->action) {
    case AUTHZ_PUBLISH:
        may = may_publish(a->acl, &who, c->object);
        break;
    case AUTHZ_SUBSCRIBE:
        may = may_subscribe(a->acl, &who, c->object);
        break;
    case AUTHZ_HTTP_READ:
    case AUTHZ_HTTP_WRITE:
        break;
    }
    return may ? 0 : ERR_REFUSED;
}

bool access_has_user(const struct access *a, struct str user)
{
    bool known;

    (void)in_configuration(a, user, STR_NONE, &known);
    return known || passwd_same(a->passwd, a->passwd, user);
}

bool access_is_nodes(struct str object, bool publish)
{
    return publish ? is_node_topic(object) : is_node_filter(object);
}
