#ifndef TRUST_ACL_H
#define TRUST_ACL_H
/*
 * Who may publish and subscribe what, out of a file as mosquitto has it (mosquitto.conf(5),
 * acl_file):
 *
 *     topic read status/#                    before any `user`: clients without a user name
 *     user ann
 *     topic [read|write|readwrite|deny] FILTER       without a word: readwrite
 *     pattern [read|write|readwrite|deny] FILTER     for everybody; %c client id, %u user name
 *
 * What no rule grants is not allowed. A rule whose text does not begin with '$' says nothing about
 * names that do. No pattern grants anything to a client whose id or user name is empty or holds
 * '+', '#' or '/', and %u says nothing about clients without a name.
 *
 * Stricter than mosquitto: `deny` wins over everything, wherever it stands; and a subscription is
 * decided when it is made, so its filter must lie within one granted filter and touch none that is
 * denied. (mosquitto grants every subscription and looks at each message.)
 *
 * Pure, and immutable once it is read: any thread may ask.
 */
#include "base/str.h"

#define ACL_LEVELS_MAX 1024u /* of one rule; as many as limits.mqtt_topic_levels_max may be */

struct acl;
struct acl_who {
    bool has_user; /* false: a client without user name */
    struct str user, client_id;
};

/* Reads a file's text; name: of the file, for the fault. ERR_VALUE with line, column and how to
 * mend the first mistake. */
MUST_USE int acl_read(struct str text, const char *name, struct acl **out, struct fault *f);
void acl_free(struct acl *a); /* NULL is legal */
size_t acl_rules(const struct acl *a);
/* What was read, and from where. Valid as long as a. */
struct str acl_text(const struct acl *a);
const char *acl_name(const struct acl *a);

/* topic: a valid name. */
bool acl_may_publish(const struct acl *a, const struct acl_who *who, struct str topic);
bool acl_may_receive(const struct acl *a, const struct acl_who *who, struct str topic);
/* filter: a valid one, without $share. May everything be received that it can match? */
bool acl_may_subscribe(const struct acl *a, const struct acl_who *who, struct str filter);
/* Does a deny say something about a name that the filter (or name) matches? */
bool acl_is_denied(const struct acl *a, const struct acl_who *who, struct str filter);

#endif
