#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H
/* The tables of the SQLite store, as a list of steps from one version to the next. A step that was
 * ever released is never changed; a new one is added behind it. */
#include <stddef.h>

/* "WAYS" in the file's header tells our files from others. */
#define SCHEMA_APPLICATION_ID 0x57415953

struct schema_step {
    unsigned version; /* after it; the list is 1, 2, 3 … */
    const char *sql;
};
const struct schema_step *schema_steps(size_t *count);
/* The version of the last step. */
unsigned schema_version(void);

#endif
