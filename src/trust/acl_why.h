#ifndef TRUST_ACL_WHY_H
#define TRUST_ACL_WHY_H
/* Which rule of an access file decides, for people who ask why. Pure. */
#include "trust/acl_line.h"

enum acl_asked { ACL_ASKED_PUBLISH, ACL_ASKED_SUBSCRIBE };
struct acl_why {
    bool allowed;         /* as acl_may_publish() and acl_may_subscribe() say */
    unsigned line;        /* of the rule that denies or else grants; 0: none does */
    struct acl_line rule; /* of that line; views of acl_text() */
};
/* Reads all rules, so it is for no loop. object: a valid name, or a filter when a subscription is asked
 * about. */
struct acl_why acl_why(const struct acl *a, const struct acl_who *who, enum acl_asked asked,
                       struct str object);

/* Steps through the rules in their order: *at as textfile_of(acl_text(), acl_name()); *user is that of
 * the block (p NULL before the first), kept between calls. False at the end. */
bool acl_rule_next(struct textfile *at, struct str *user, struct acl_line *out);

#endif
