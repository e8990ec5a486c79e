#ifndef TRUST_TEXTFILE_H
#define TRUST_TEXTFILE_H
/* Files of lines as mosquitto has them: a rule or a user a line, comments that begin with '#', empty
 * lines, LF or CRLF. Pure. */
#include "base/err.h"
#include "base/str.h"

struct textfile {
    const char *name; /* for faults */
    struct str rest;  /* p NULL: read to its end */
    unsigned line;    /* of the text that came last, from 1 */
    const char *start;
};
static inline struct textfile textfile_of(struct str text, const char *name)
{
    return (struct textfile){ .name = name, .rest = text };
}
/* ERR_VALUE for a text that begins with a byte order mark: an editor put it there, nobody sees it, and it
 * would be a part of the first word. */
MUST_USE int textfile_check(struct str text, const char *name, struct fault *f);
/* The next line that says something, without blanks (space, tab) at both ends. False at the end. */
bool textfile_next(struct textfile *t, struct str *out);
/* Cuts the first word, and the blanks behind it, from *line. */
struct str textfile_word(struct str *line);
/* A mistake at `at`, which points into the current line. Returns ERR_VALUE. */
int textfile_fault(const struct textfile *t, struct fault *f, const char *at, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* A text of the file for a sentence: cut at 60 bytes, control characters as '?'. */
struct textfile_shown {
    char text[64];
};
struct textfile_shown textfile_show(struct str s);

#endif
