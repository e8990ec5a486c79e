#ifndef NODE_DEMO_IO_H
#define NODE_DEMO_IO_H
/* `wayside demo`: a hub and an edge on this machine, in a scratch folder, until Ctrl-C. */
#include "base/err.h"

#include <stdbool.h>

struct demo_options {
    const char *program; /* the wayside to run; normally this one */
    const char *dir;     /* NULL: a new folder under TMPDIR, removed at the end */
    bool keep;           /* do not remove it */
    unsigned port;       /* of the page; 0: 8000, or a free one when that is taken */
    int stop_fd;         /* readable: end (tests); -1: only signals end it */
};

/* Runs until SIGINT or SIGTERM. A child that ends by itself is started again. Prints to stdout.
 * 0 after a clean end. To be called before any thread exists: it blocks signals. */
MUST_USE int demo_run(const struct demo_options *o, struct fault *f);

#endif
