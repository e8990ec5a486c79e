#ifndef CLI_BACKLOG_IO_H
#define CLI_BACKLOG_IO_H
/* What waits in a journal, counted per device by reading its files; also while a node runs on it. */
#include "base/buf.h"

/* A table of the devices with records behind after_seq: how many, and the oldest. Appends nothing
 * when there are none. Errors of the disk as they come. */
MUST_USE int backlog_show(const char *dir, uint64_t after_seq, struct buf *out);

#endif
