#ifndef CLI_JOURNAL_DIR_IO_H
#define CLI_JOURNAL_DIR_IO_H
/* What the commands about a journal's folder share. */
#include "cli/command.h"
#include "journal/disk.h"

struct journal_dir {
    char *path;
    struct disk *disk;
    uint64_t bytes; /* of its segments */
};
/* The folder that the call names, or that of the hub or edge that would run here by default. EXIT_DONE,
 * or the status to end with; why is said then. Ended by journal_dir_close(), in any case. */
MUST_USE int journal_dir_open(const struct command_call *c, struct journal_dir *out);
void journal_dir_close(struct journal_dir *d);
/* Says why the folder cannot be read; returns EXIT_FAILED. */
int journal_dir_failed(const struct journal_dir *d, int code);

/* Writes b to f and empties it. 0 or -errno. */
MUST_USE int put_out(struct buf *b, void *f);
/* After -errno on standard output: EXIT_DONE when nobody reads any more, else EXIT_FAILED, said. */
int put_out_failed(int code);

#endif
