#ifndef TRUST_ACL_TREE_H
#define TRUST_ACL_TREE_H
/* The rules of one user, or of all, as a tree of topic levels. For trust/acl.c only. Pure. */
#include "trust/acl.h"

enum acl_access { ACL_READ = 1, ACL_WRITE = 2, ACL_DENY = 4 };

/* All zero: a tree without rules. */
struct acl_node {
    struct str level;            /* borrowed from the text that was read */
    struct acl_node **named;     /* plain levels, sorted */
    struct acl_node **templates; /* levels with %c or %u */
    struct acl_node *any;        /* + */
    uint32_t named_count, named_cap, template_count, template_cap;
    uint8_t here, below; /* bits of enum acl_access: rules that end here, or with # below */
    bool wants_user;     /* a template with %u */
};

/* One more rule. filter: valid, at most ACL_LEVELS_MAX levels; it outlives the tree. pattern: %c and
 * %u stand for the client. */
void acl_tree_grow(struct acl_node *root, struct str filter, bool pattern, unsigned access);
void acl_tree_fini(struct acl_node *root);

/* What is asked, by whom. */
struct acl_asking {
    const struct acl_who *who;
    struct str filter; /* or name */
    bool odd;          /* the client's texts cannot stand for one level: every template is filled */
    bool dollar;       /* the filter begins with '$' */
};
struct acl_asking acl_asking_init(const struct acl_who *who, struct str filter);
/* The bits of all rules that match whatever the filter matches. */
unsigned acl_tree_covering(const struct acl_asking *k, const struct acl_node *root);
/* Does a deny match anything that the filter matches? */
bool acl_tree_touching(const struct acl_asking *k, const struct acl_node *root);

#endif
