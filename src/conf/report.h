#ifndef CONF_REPORT_H
#define CONF_REPORT_H
/* Collecting problems. Inside conf/ only. */
#include "conf/yaml.h"

enum report_kind { REPORT_ERROR, REPORT_WARNING };

/* Adds a problem at a place (source NULL: no file). mend may be NULL. Returns ERR_VALUE. */
int report_add(struct conf_report *r, enum report_kind kind, const struct yaml_place *at,
               const char *mend, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* A place in a text that was made (struct conf_origin) as the one where the person wrote it. NULL is legal. */
struct yaml_place report_origin(const struct yaml_place *at);
/* Orders by line within each file; lines that may hold a secret are forgotten. */
void report_sort(struct conf_report *r);

/* A text from the file for a sentence: without the password of an address, cut at 60 bytes, control characters
 * as '?'. */
struct report_shown {
    char text[64];
};
struct report_shown report_show(struct str s);

#endif
