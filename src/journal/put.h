#ifndef JOURNAL_PUT_H
#define JOURNAL_PUT_H
/*
 * Handing one record to the journal with everything it views copied, for callers whose bytes do
 * not outlive the call: a request, a line, a packet. One allocation; the payload may be a counted
 * blob instead of a copy.
 */
#include "base/blob.h"
#include "journal/journal.h"

struct journal_put {
    struct journal_entry entry;
    struct record record;
    /* On the reply loop (see journal_entry). The receiver frees with journal_put_free(). */
    void (*done)(struct journal_put *p, int code);
    void *ctx; /* the caller's */
    struct blob *payload;
    char bytes[];
};

/* Copies the strings of r. payload (may be NULL): a blob that holds r->payload; a reference is
 * taken instead of a copy. reply NULL: done() runs on the committer's thread. */
struct journal_put *journal_put_new(const struct record *r, struct blob *payload,
                                    struct loop *reply,
                                    void (*done)(struct journal_put *p, int code), void *ctx);
void journal_put(struct journal *j, struct journal_put *p);
void journal_put_free(struct journal_put *p);

#endif
