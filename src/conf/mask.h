#ifndef CONF_MASK_H
#define CONF_MASK_H
/* Texts for people without the passwords of the addresses in them. Pure. Inside conf/ only. */
#include "base/buf.h"

/* Appends s with each password in an address (mqtt://user:password@host, user:password@host) as ***.
 * In doubt it is one. Returns where in s the first one begins; s.n: there is none, and s is as it was. */
size_t mask_passwords(struct str s, struct buf *out);

#endif
