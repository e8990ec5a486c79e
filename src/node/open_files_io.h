#ifndef NODE_OPEN_FILES_IO_H
#define NODE_OPEN_FILES_IO_H
/* How many files the system lets a node have open, and how many of them connections may take. */
#include "base/limits.h"
#include "net/listener.h"

/* Raises the soft limit of open files to the hard one. What may be open then; at most INT_MAX. */
uint64_t open_files_raise(void);
/* The places of all listeners but health's, where `files` may be open. Warns when connections_max is not to
 * be had. */
struct listener_places open_files_places(const struct limits *l, uint64_t files, struct metrics *m);
/* Those of health: out of what the others leave. */
struct listener_places open_files_health_places(const struct limits *l, uint64_t files,
                                                struct metrics *m);

#endif
