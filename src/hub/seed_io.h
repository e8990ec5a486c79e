#ifndef HUB_SEED_IO_H
#define HUB_SEED_IO_H
/* What a hub knows at its start of those who sent to it before. */
#include "hub/uplink_server.h"
#include "store/store.h"

/* Before the first batch: seeds u with how far the store and the journal have each sender. Reads what
 * the store has not of the journal, so it may take as long as that; not from a loop. */
void seed_senders(struct uplink_server *u, struct journal *j, struct store *s);

#endif
