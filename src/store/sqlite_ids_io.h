#ifndef STORE_SQLITE_IDS_IO_H
#define STORE_SQLITE_IDS_IO_H
/* The ids that senders gave, for as long as they may come again. All calls are within the writer's
 * transaction; after a rollback: ids_forget(). */
#include "store/sqlite_io.h"

struct ids;

MUST_USE int ids_open(sqlite3 *db, uint64_t window_ms, struct ids **out);
void ids_close(struct ids *d);
void ids_forget(struct ids *d);
/* Whether the stream had the id within the window around wall_ns; noted when it had not. */
MUST_USE int ids_seen(struct ids *d, int64_t stream, const struct uuid *id, int64_t wall_ns,
                      int64_t now_ns, bool *out_repeat);
/* Drops some of what is too old to matter, once per transaction and after the streams' summaries
 * were written. Costs nothing where no ids are. */
MUST_USE int ids_prune(struct ids *d, int64_t now_ns);

#endif
