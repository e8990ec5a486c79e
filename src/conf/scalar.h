#ifndef CONF_SCALAR_H
#define CONF_SCALAR_H
/* Words of YAML: what readers take them for, and how to write a text. Inside conf/ only. */
#include "base/buf.h"

/* Whether a plain word is something else than a text to some reader of YAML: what ("a number", "a
 * truth (true or false)", "nothing (null)"), or NULL. */
const char *scalar_meaning(struct str s);
/* Writes s so that every reader of YAML takes it for that text: plain where safe, else quoted. */
void scalar_write(struct buf *out, struct str s);

#endif
