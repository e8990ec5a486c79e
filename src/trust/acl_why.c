/*
 * The explanation asks each rule for itself, by the same tree walk that decides: so it cannot tell
 * another story than the decision, which is the sum of these answers.
 */
#include "trust/acl_why.h"

bool acl_rule_next(struct textfile *at, struct str *user, struct acl_line *out)
{
    struct str line;

    while (textfile_next(at, &line)) {
        if (acl_line_read(at, line, out, NULL))
            continue; /* the file was read before: there is none */
        if (out->kind != ACL_LINE_USER)
            return true;
        *user = out->text;
    }
    return false;
}

static bool is_about(const struct acl_line *rule, struct str block, const struct acl_who *who)
{
    if (rule->kind == ACL_LINE_PATTERN)
        return true;
    return who->has_user ? block.p && str_eq(block, who->user) : !block.p;
}

struct acl_why acl_why(const struct acl *a, const struct acl_who *who, enum acl_asked asked,
                       struct str object)
{
    struct acl_asking k = acl_asking_init(who, object);
    unsigned access = asked == ACL_ASKED_PUBLISH ? ACL_WRITE : ACL_READ;
    struct textfile t = textfile_of(acl_text(a), acl_name(a));
    struct acl_why why = { 0 };
    struct str block = STR_NONE;
    struct acl_line rule;

    while (acl_rule_next(&t, &block, &rule)) {
        bool pattern = rule.kind == ACL_LINE_PATTERN, denies;
        struct acl_node root = { 0 };
        unsigned bits;

        if (!is_about(&rule, block, who))
            continue;
        acl_tree_grow(&root, rule.text, pattern, rule.access);
        bits = acl_tree_covering(&k, &root);
        denies = bits & ACL_DENY || (asked == ACL_ASKED_SUBSCRIBE && acl_tree_touching(&k, &root));
        acl_tree_fini(&root);
        if (denies)
            return (struct acl_why){ false, t.line, rule };
        if (bits & access && !(pattern && k.odd) && !why.allowed)
            why = (struct acl_why){ true, t.line, rule };
    }
    return why;
}
