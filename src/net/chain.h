#ifndef NET_CHAIN_H
#define NET_CHAIN_H
/* What waits to leave: copied bytes and references to counted payloads, in order. Internal to net/.
 * Chunks come from the loop's free lists; an empty chain holds no memory. */
#include "base/blob.h"
#include "net/loop_impl.h"

#include <sys/uio.h>

/* A chunk with its head; the first of a chain is small, since most streams send little a turn. */
#define CHUNK_SMALL ((size_t)512)
#define CHUNK_LARGE ((size_t)4096)
/* Parts of a payload up to this size are copied: cheaper than counting and another iovec. */
#define CHAIN_COPY_MAX ((size_t)512)
/* For sendmsg; 64 times 4 KiB is more than a socket takes at once. */
#define CHAIN_IOV_MAX 64

struct chunk {
    struct chunk *next;
    struct blob *blob; /* when set, the bytes are blob->bytes and cap is 0 */
    uint32_t from, to; /* what is still to leave */
    uint32_t cap;
    char bytes[];
};
struct chain {
    struct chunk *first, *last;
    size_t n; /* bytes in all */
};

/* Room for n contiguous bytes (n <= CHUNK_LARGE - head) at the end. */
char *chain_room(struct loop *l, struct chain *c, size_t n);
void chain_commit(struct chain *c, size_t n);
void chain_put(struct loop *l, struct chain *c, struct str bytes);
/* Takes a reference of its own. */
void chain_put_blob(struct loop *l, struct chain *c, struct blob *b, size_t from, size_t n);
/* The front of it, at most CHAIN_IOV_MAX parts; how many, and *out_n their bytes. */
int chain_iov(const struct chain *c, struct iovec iov[CHAIN_IOV_MAX], size_t *out_n);
/* The first part. */
struct str chain_front(const struct chain *c);
void chain_consume(struct loop *l, struct chain *c, size_t n);
void chain_clear(struct loop *l, struct chain *c);
/* Gives the loop's free chunks back to the system. */
void chunks_fini(struct loop *l);

#endif
