#ifndef TRUST_ACL_EDIT_H
#define TRUST_ACL_EDIT_H
/* Changes one rule of an access file's text and leaves every other byte as it is. Pure. */
#include "base/buf.h"
#include "trust/acl_line.h"

struct acl_rule {
    bool pattern;      /* for everybody */
    bool has_user;     /* else, without it: clients without a user name */
    struct str user;   /* text without line breaks and without blanks at its ends */
    unsigned access;   /* one of the words' */
    struct str filter; /* by acl_filter_check() */
};
/* text: one that acl_read() takes. The new text is appended to *out (check it for `over`); the rule stands
 * behind the last of its user, in a block of its own at the end when there is none. *out_line: where it
 * stands. ERR_EXISTS (with *out_line): it is there already. */
MUST_USE int acl_edit_add(struct str text, const struct acl_rule *r, struct buf *out,
                          unsigned *out_line);
/* Takes every line away that says exactly that. ERR_UNKNOWN: none does. */
MUST_USE int acl_edit_remove(struct str text, const struct acl_rule *r, struct buf *out);
/* Rules that stand below that user's name. */
size_t acl_edit_count(struct str text, struct str user);

#endif
