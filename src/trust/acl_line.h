#ifndef TRUST_ACL_LINE_H
#define TRUST_ACL_LINE_H
/* What one line of an access file (trust/acl.h) says. Pure. */
#include "trust/acl_tree.h"
#include "trust/textfile.h"

enum acl_line_kind { ACL_LINE_USER, ACL_LINE_TOPIC, ACL_LINE_PATTERN };
struct acl_line {
    enum acl_line_kind kind;
    unsigned access; /* bits of enum acl_access; of a user: 0 */
    struct str text; /* the user's name, or the filter; a view of the line */
};
/* line: as textfile_next() gave it. ERR_VALUE with the place and how to mend it. */
MUST_USE int acl_line_read(const struct textfile *t, struct str line, struct acl_line *out,
                           struct fault *f);

/* read, write, readwrite, deny. */
bool acl_access_from(struct str word, unsigned *out);
const char *acl_access_word(unsigned access); /* "" for what is no such word */
/* Can it stand in a file as a rule's filter? ERR_VALUE: *out_text (constant) goes on after the filter's
 * name and says why not. */
MUST_USE int acl_filter_check(struct str filter, const char **out_text);

#endif
