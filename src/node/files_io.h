#ifndef NODE_FILES_IO_H
#define NODE_FILES_IO_H
/* Folders and small files of a node. Blocking. */
#include "base/buf.h"

/* Whether a data folder could be made at path, or be written where it is there. Nothing is made. */
MUST_USE int files_check_data(const char *path, struct fault *f);
/* Makes path and its parents (mode 0750 for those it makes). */
MUST_USE int files_make_dir(const char *path, struct fault *f);
/* Writes a new file next to path and renames it into place, both synced. A folder that cannot be synced is
 * only logged: the file is there. */
MUST_USE int files_write(const char *path, struct str text, unsigned mode, struct fault *f);
/* Changes a file that others may change as well. change() gets its text and appends the new one to *out; what
 * it returns, with its fault, ends the call unless it is 0, and then nothing is written. The new text is
 * whole and on the disk before it has the name; mode and owner stay, a symbolic link is followed. Others
 * who come this way wait, but 5 s at most (ERR_BUSY). create: a file that is not there is made, mode 0600, and goes
 * again when the change fails. max: bytes, old and new. Whenever it fails the file is as it was. */
typedef int files_change(void *ctx, struct str text, struct buf *out, struct fault *f);
MUST_USE int files_edit(const char *path, size_t max, bool create, files_change *change, void *ctx,
                        struct fault *f);
/* This node's id: the file DIR/node-id, made at the first start from the host's name and four
 * random digits (every Pi is called raspberrypi). */
MUST_USE int files_node_id(const char *dir, struct buf *out, struct fault *f);

#endif
