#ifndef TRUST_PASSWD_EDIT_H
#define TRUST_PASSWD_EDIT_H
/* Changes one user of a password file's text and leaves every other byte as it is. Pure. */
#include "base/buf.h"
#include "trust/passwd.h"

#define PASSWD_USER_MAX   128u  /* bytes; as mqtt.users */
#define PASSWD_SALT       12u   /* bytes, as mosquitto_passwd has it */
#define PASSWD_ITERATIONS 1000u /* what a new line costs; mosquitto 2.1 writes the same */

/* Can it be a user of a password file? ERR_VALUE: *out_text (constant) says why not, after the name. */
MUST_USE int passwd_user_check(struct str user, const char **out_text);
/* Appends "user:$7$…", without a line feed. Slow on purpose. salt: at random. */
void passwd_put_line(struct buf *out, struct str user, struct str password, unsigned iterations,
                     const unsigned char salt[PASSWD_SALT]);

/* text: one that passwd_read() takes. The user's line becomes `line`, or is put at the end when there is
 * none; the new text is appended to *out (check it for `over`). */
void passwd_edit_set(struct str text, struct str user, struct str line, struct buf *out);
/* ERR_UNKNOWN: there is no such user. */
MUST_USE int passwd_edit_remove(struct str text, struct str user, struct buf *out);
bool passwd_edit_has(struct str text, struct str user);
/* Steps through the users: *at as textfile_of(). False at the end. */
struct textfile;
bool passwd_edit_next(struct textfile *at, struct str *out_user, struct str *out_hash);

#endif
