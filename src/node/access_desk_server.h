#ifndef NODE_ACCESS_DESK_SERVER_H
#define NODE_ACCESS_DESK_SERVER_H
/*
 * Where questions about users and rules wait for the main thread: workers bring them, the main thread
 * answers, changes the files, and has what they say then hold everywhere before it answers. A change that
 * fails has changed nothing.
 */
#include "net/workers.h"
#include "node/access_ask.h"
#include "node/settings.h"

struct access_server;
struct access_desk;

struct access_desk_options {
    struct workers *workers;
    struct access_server *server;
    const struct limits *limits; /* outlives it */
    const struct access_user *users;
    size_t user_count;
    void (*wake)(
        void *ctx); /* from a worker: access_desk_serve() is to be called on the main thread */
    void *ctx;
};
struct access_desk *access_desk_new(const struct access_desk_options *o);

/* ---- the main thread ---- */
/* The files that hold now; copied. */
void access_desk_files(struct access_desk *d, const struct mqtt_settings *m);
/* Answers what waits. May block. */
void access_desk_serve(struct access_desk *d);
/* Answers what waits, and whatever comes from now on, with ERR_STOPPED. While the workers run. */
void access_desk_stop(struct access_desk *d);
void access_desk_free(struct access_desk *d); /* NULL is legal; nobody asks any more */

/* ---- workers ---- */
struct access_answer {
    int code; /* 0: json. Else blame says why: ERR_VALUE, ERR_EXISTS, ERR_UNKNOWN, ERR_REFUSED (such a
                         change is not possible as the node is set up, or the other file is in its
                         way), ERR_BUSY (a file is locked), ERR_STOPPED, or the disk's */
    struct buf *json; /* may be taken */
    const struct access_blame *blame;
};
/* a: copied. who: for the log, constant. done() is called once on l's thread, later and never from
 * inside. */
void access_desk_ask(struct access_desk *d, struct loop *l, const struct access_ask *a,
                     const char *who, void (*done)(void *ctx, const struct access_answer *answer),
                     void *ctx);

#endif
