#ifndef NODE_ACCESS_ASK_H
#define NODE_ACCESS_ASK_H
/*
 * What people ask and change about users and rules, by command or by the REST interface: the question,
 * its checks, the changed text of a file, the answer in JSON. Pure. node/access_desk_server.h puts it to
 * a running node.
 */
#include "node/access.h"
#include "trust/passwd_edit.h"

enum access_op {
    ACCESS_USERS,
    ACCESS_USER_ADD,
    ACCESS_USER_PASSWD, /* another password */
    ACCESS_USER_REMOVE,
    ACCESS_RULES,
    ACCESS_RULE_ADD,
    ACCESS_RULE_REMOVE,
    ACCESS_WHY,
};

struct access_ask {
    enum access_op op;
    bool has_user; /* false: a client without a user name, or (ACCESS_RULES) all */
    bool pattern;  /* a rule for everybody */
    struct str user, password;
    struct str access; /* read, write, readwrite, deny */
    struct str topic;  /* a rule's filter; ACCESS_WHY: a topic or a filter */
    struct str client; /* ACCESS_WHY: the client id; n 0: the user's name */
};

/* Why not, and which member of the question is to blame (constant; NULL: none). */
struct access_blame {
    const char *field;
    struct fault fault;
};

#define ACCESS_PASSWORD_MIN 8u /* bytes; as mqtt.users */
#define ACCESS_PASSWORD_MAX 256u

/* What can be said without looking anywhere. 0 or ERR_VALUE. */
MUST_USE int access_ask_check(const struct access_ask *a, struct access_blame *b);
/* Whether it changes the password file, or the access file. */
bool access_ask_edits_users(const struct access_ask *a);
bool access_ask_edits_rules(const struct access_ask *a);

/* One change of a file's text, appended to *out. name: of the file, for faults. A text that has a mistake
 * already is refused with its place. ERR_EXISTS, ERR_UNKNOWN. */
struct access_means {
    unsigned char salt[PASSWD_SALT]; /* at random */
    uint64_t iterations_max;
};
MUST_USE int access_edit_users(const struct access_ask *a, const struct access_means *m,
                               struct str text, const char *name, struct buf *out,
                               struct access_blame *b);
/* *out_line: where the rule stands. */
MUST_USE int access_edit_rules(const struct access_ask *a, struct str text, const char *name,
                               struct buf *out, unsigned *out_line, struct access_blame *b);

/* The answers. */
void access_put_users(const struct access *now, struct buf *out);
void access_put_rules(const struct access_ask *a, const struct access *now, struct buf *out);
void access_put_why(const struct access_ask *a, const struct access *now, struct buf *out);
/* Of a change; line 0: it is no rule. now: what the files say then; in_force: and what holds. */
void access_put_done(const struct access_ask *a, const struct access *now, unsigned line,
                     bool in_force, struct buf *out);

#endif
