#ifndef NODE_FILES_IO_H
#define NODE_FILES_IO_H
/* Folders and small files of a node. Blocking. */
#include "base/buf.h"

/* Makes path and its parents (mode 0750 for those it makes). */
MUST_USE int files_make_dir(const char *path, struct fault *f);
/* Writes a new file next to path and renames it into place, both synced. */
MUST_USE int files_write(const char *path, struct str text, unsigned mode, struct fault *f);
/* This node's id: the file DIR/node-id, made at the first start from the host's name and four
 * random digits (every Pi is called raspberrypi). */
MUST_USE int files_node_id(const char *dir, struct buf *out, struct fault *f);

#endif
