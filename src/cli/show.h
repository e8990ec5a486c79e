#ifndef CLI_SHOW_H
#define CLI_SHOW_H
/* Answers of a running node as text for people. Pure. */
#include "base/buf.h"

/* Each appends the text to *out. ERR_VALUE: the node answered with an error, whose sentence is in
 * *out; ERR_SYNTAX: not an answer of this kind. */
MUST_USE int show_status(struct str json, struct buf *out);
MUST_USE int show_sessions(struct str json, struct buf *out);
/* One page of them, with the head of the table above the first one. *next: the client id behind which the
 * next page begins; empty: there is none. */
MUST_USE int show_session_page(struct str json, bool first, struct buf *out, struct buf *next);
/* The same as elements of an array in JSON. */
MUST_USE int show_session_items(struct str json, bool first, struct buf *out, struct buf *next);
/* The same of one client, with its subscriptions. */
MUST_USE int show_client(struct str json, struct buf *out);
/* Of an answer that says nothing more when all is well. */
MUST_USE int show_error(struct str json, struct buf *out);
/* Out of an answer to `status`: the folder of the journal and the number behind which its records wait
 * for the hub. ERR_UNKNOWN: nothing waits. */
MUST_USE int show_waiting(struct str json, char *dir, size_t cap, uint64_t *out_after);

/* "17", "1.2 KiB", "3.4 GiB". */
void show_bytes(uint64_t n, struct buf *out);
/* "5 s", "3 min", "2 h 5 min", "4 d 1 h". */
void show_seconds(uint64_t s, struct buf *out);

#endif
