#ifndef NODE_ACCESS_IO_H
#define NODE_ACCESS_IO_H
/* The files of node/access.h. Blocking; for the start, a reload and the command line. */
#include "node/access.h"
#include "node/settings.h"

/* Reads m->acl_file and m->password_file, those that are set, within the limits. users as for access_new(). On
 * failure the fault has file, line and column. */
MUST_USE int access_io_load(const struct mqtt_settings *m, const struct limits *l,
                            const struct access_user *users, size_t user_count, struct access **out,
                            struct fault *f);

/* The same as it would be with another text in one of the two files. */
struct access_io_text {
    bool users; /* in the password file; else in the access file */
    struct str text;
};
MUST_USE int access_io_load_with(const struct mqtt_settings *m, const struct limits *l,
                                 const struct access_user *users, size_t user_count,
                                 const struct access_io_text *instead, struct access **out,
                                 struct fault *f);

#endif
