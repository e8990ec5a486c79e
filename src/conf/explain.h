#ifndef CONF_EXPLAIN_H
#define CONF_EXPLAIN_H
/* Mistakes of syntax for a person. Inside conf/ only. */
#include "conf/conf.h"

/* parser_says: "<name>:LINE:COLUMN: error: TEXT" and what follows. Adds one error to the report. */
void explain_syntax(const struct conf_source *source, struct str parser_says,
                    struct conf_report *report);

#endif
