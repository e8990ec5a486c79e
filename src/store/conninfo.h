#ifndef STORE_CONNINFO_H
#define STORE_CONNINFO_H
/* What a person may write to say where PostgreSQL is. */
#include "base/str.h"

/* True when there is a password in it, or another value that libpq itself would not show: it would
 * stand in the configuration for everybody to read, and be shown with it. Says nothing about whether
 * libpq takes the rest. */
bool conninfo_has_password(struct str s);

#endif
