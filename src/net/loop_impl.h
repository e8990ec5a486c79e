#ifndef NET_LOOP_IMPL_H
#define NET_LOOP_IMPL_H
/* What the files of net/ know about a loop; nobody outside includes this. */
#include "base/list.h"
#include "net/loop.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <uv.h>

/* One read of a socket; also the most that one stream may take out of a turn. */
#define LOOP_READ_SIZE ((size_t)64 * 1024)
/* How many sockets are asked about at a time. */
#define LOOP_EVENTS 512
/* Addresses that stream_peer() and stream_local() have out at a time. */
#define LOOP_ADDRS 8

struct addr;
struct chunk;

struct timer_slot {
    uint64_t key_ms; /* <= t->at_ms: a timer that moved later is found late, not moved at once */
    struct timer *t;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t alarm;           /* one for the whole heap */
    uv_poll_t ready;            /* streams has events */
    int streams;                /* an epoll of all streams' sockets */
    struct epoll_event *events; /* LOOP_EVENTS */
    pthread_t owner;
    unsigned index;
    unsigned turn; /* counts; wraps */
    /* Streams, datagram sockets, acceptors, signals and look-ups that still have a callback to
     * come. */
    size_t open_count;
    struct queue mail;
    struct later *later_first, **later_last;
    struct later *ended_first, **ended_last; /* streams whose closed() is to come */
    struct timer_slot *heap;
    size_t heap_count, heap_cap;
    uint64_t alarm_ms; /* what `alarm` is set to; UINT64_MAX: not set */
    bool firing, running;
    char *read_buffer; /* LOOP_READ_SIZE, shared by all streams */
    /* Made with the first TLS stream: decrypted bytes, as much; one record to be encrypted. */
    char *plain_buffer, *record_buffer;
    uint64_t tls_logged_ms; /* when a failed handshake was last logged; 0: never */
    uint64_t proxy_logged_ms,
        proxy_unlogged; /* the same for PROXY headers, and how many were left out */
    struct chunk *free_small, *free_large;
    unsigned free_small_count, free_large_count;
    struct addr *addrs; /* LOOP_ADDRS in turn */
    unsigned addr_next;
};

/* Runs once at the end of the turn, behind all that was put off: d is in no list. */
void loop_at_end(struct loop *l, struct later *d);
struct loop *loop_new_indexed(unsigned index);

/* The sockets in l->streams that are ready, at most LOOP_EVENTS of them (stream.c). */
void streams_ready(struct loop *l);

void timers_arm(struct loop *l);
void timers_fire(struct loop *l);

#endif
