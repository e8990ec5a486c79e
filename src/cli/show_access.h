#ifndef CLI_SHOW_ACCESS_H
#define CLI_SHOW_ACCESS_H
/* Answers about users and rules (node/access_ask.h) as text for people. Pure. As the functions of
 * cli/show.h. */
#include "base/buf.h"

MUST_USE int show_users(struct str json, struct buf *out);
MUST_USE int show_rules(struct str json, struct buf *out);
MUST_USE int show_why(struct str json, struct buf *out);
/* What became of a change. */
MUST_USE int show_user_added(struct str json, struct buf *out);
MUST_USE int show_user_passwd(struct str json, struct buf *out);
MUST_USE int show_user_removed(struct str json, struct buf *out);
MUST_USE int show_rule_added(struct str json, struct buf *out);
MUST_USE int show_rule_removed(struct str json, struct buf *out);
/* Out of an answer to `acl check`: is anything of it allowed? */
bool show_why_allows(struct str json);

#endif
