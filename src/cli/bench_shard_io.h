#ifndef CLI_BENCH_SHARD_IO_H
#define CLI_BENCH_SHARD_IO_H
/*
 * One worker of `bench mqtt`: a thread with a loop of its own, its share of the clients and its own
 * numbers. Workers know nothing of one another; what they have to say goes by mail to the loop of the
 * command (bench_io.c), which says go and stop.
 */
#include "base/blob.h"
#include "base/list.h"
#include "cli/bench_flow.h"
#include "cli/bench_result.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/workers.h"

struct bench_shard;
struct bench_conn;
struct tls_context;

/* What all workers read and nobody changes while they run. */
struct bench_plan {
    const struct bench_args *args;
    const char *server; /* "hub:1883", for messages */
    const char *prefix; /* of client ids and topics */
    struct str password;
    struct tls_context *tls;
    struct blob *filler; /* bytes of payloads behind the stamp */
};

/* One mode. All calls come on the worker's thread; those that are NULL are not made. */
struct bench_scene {
    bool
        passing; /* connections come and go: the limit is for those that are open, not on their way */
    void (*start)(struct bench_shard *s);                      /* opens connections */
    void (*go)(struct bench_shard *s);                         /* all workers are ready */
    void (*open)(struct bench_shard *s, struct bench_conn *c); /* says who c is to be */
    void (*ready)(struct bench_conn *c); /* accepted, and subscribed if it wants to be */
    void (*publish)(struct bench_conn *c, const struct mqtt_publish *m);
    void (*acked)(struct bench_conn *c); /* a publication of its own is finished */
    void (*pong)(struct bench_conn *c);
    void (*drained)(struct bench_conn *c);
    void (*ended)(struct bench_conn *c); /* closed as we wanted; freed when this returns */
    /* Before each turn: until when it may wait; 0: not at all, UINT64_MAX: for whatever comes. */
    uint64_t (*turn)(struct bench_shard *s);
    void (*stop)(struct bench_shard *s); /* the time is over, or somebody pressed Ctrl-C */
    uint64_t (*owed)(const struct bench_shard *s); /* answers that the server owes us */
    void (*stuck)(struct bench_shard *s);          /* it gave none for --timeout */
    void (*over)(struct bench_shard *s);           /* before the connections are closed */
};

struct bench_conn {
    struct list link;
    struct bench_shard *shard;
    struct stream *stream;
    unsigned number;
    enum bench_conn_state {
        CONN_DIALING,
        CONN_GREETING,
        CONN_SUBSCRIBING,
        CONN_READY,
        CONN_ENDING
    } state;
    /* Set by the scene's open(). */
    bool persistent; /* the session outlives the connection */
    bool resume;     /* and is the one that was there before */
    bool passing;    /* and is ended with this connection after all, if that ends politely */
    char filter[BENCH_TOPIC_MAX + 1]; /* "": subscribes to nothing */
    char topic[BENCH_TOPIC_MAX + 1];
    bool publisher;
    unsigned publisher_index;
    /* Flow: see bench_flow_io.c. */
    struct bench_conn *source; /* of a subscriber: who publishes to it; NULL: several do */
    struct later pump;
    struct bench_seq seq; /* what came: at a subscriber of one source, or from a publisher */
    uint64_t owed, owed_ping;
    uint32_t sent, acked;
    uint16_t last_id;
    unsigned unacked, window;
    bool pinging;
    uint64_t *times; /* when those that wait for an answer left: a ring of window */
    uint64_t *got; /* fan-out: how many subscribers have each of those on their way; a ring, too */
    uint64_t round, place,
        place_end;            /* retained, queue: what it publishes next, see bench_keep_io.c */
    uint64_t opened_ns, left; /* storms: when it was begun; queue: messages to come */
};

struct bench_shard {
    const struct bench_plan *plan;
    const struct bench_scene *scene;
    unsigned index, of;
    struct loop *loop, *home; /* home: the command's */
    struct thread *thread;
    struct timer tick, end, warm;
    struct list conns; /* all that are open */
    bool running, stopping, over, failed, told_ready;
    uint64_t news, told_news, quiet_since_ms; /* news: grows with whatever the server answers */
    uint64_t done;                            /* of the bar */
    uint64_t told_done;                       /* the command's: as the last letter said */
    struct bench_result result;
    struct bench_tally tally;
    /* Opening: numbers from next on, at most open_max at once on their way. */
    uint64_t to_open, next, opening, open_max, opened, ended;
    /* What is measured now. */
    struct bench_phase *phase;
    uint64_t start_ns, start_cpu_ns, start_own_ns, units, start_units;
    uint64_t memory_base, memory_base_at;
    /* Flow. */
    struct bench_conn **publishers;
    unsigned publisher_count, next_publisher;
    uint64_t to_send, sent, warm_units, fan, owed, unacked;
    unsigned step;       /* of retained and queue */
    unsigned char *seen; /* a bit for each retained topic that was read */
    bool warmed;
    struct bench_pace pacing;
    uint64_t next_tick_ns; /* with --tick: nothing leaves before */
    uint64_t asked_ns;
};

/* ---- mail to the command; each is freed by whoever gets it ---- */
enum bench_news { BENCH_READY, BENCH_PROGRESS, BENCH_FAILED, BENCH_OVER };
struct bench_mail {
    struct mail mail;
    struct bench_shard *shard;
    enum bench_news news;
    uint64_t done;
    char *text; /* of BENCH_FAILED: owned */
};
/* The command's: how it takes a letter. */
void bench_take_mail(struct mail *m, struct loop *l);

/* ---- the command's side ---- */
/* Starts the worker; it says BENCH_READY, BENCH_PROGRESS …, and BENCH_OVER as the last. */
void bench_shard_start(struct bench_shard *s);
void bench_shard_go(struct bench_shard *s);
void bench_shard_stop(struct bench_shard *s);
/* After BENCH_OVER. */
void bench_shard_join(struct bench_shard *s);

extern const struct bench_scene bench_flow_scene, bench_connect_scene, bench_idle_scene,
    bench_retained_scene, bench_queue_scene;

/* ---- for scenes ---- */
/* Opens connections number 0 to count - 1, at most `most` at a time on their way. */
void bench_shard_open(struct bench_shard *s, uint64_t count, uint64_t most);
void bench_shard_open_more(struct bench_shard *s);
void bench_shard_ready(struct bench_shard *s);
/* Ends the run. */
void bench_shard_over(struct bench_shard *s);
/* And with what, in one sentence. Only the first is told. */
void bench_shard_fail(struct bench_shard *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* From here on the phase is measured. */
void bench_phase_begin(struct bench_shard *s, unsigned phase, const char *name, const char *unit,
                       const char *latency_of);
/* Begins anew: what was before was for warming up. */
void bench_phase_again(struct bench_shard *s);
void bench_phase_end(struct bench_shard *s);
/* `count` things are there now: looks at the server's memory when it is time. */
void bench_memory_look(struct bench_shard *s, uint64_t count);
void bench_memory_end(struct bench_shard *s, uint64_t count);

/* ---- connections: bench_conn_io.c ---- */
struct bench_conn *bench_conn_open(struct bench_shard *s, unsigned number);
/* Politely, or cut so that the port is free at once; ended() comes. */
void bench_conn_end(struct bench_conn *c, bool cut);
/* All of them, at the end of a run; no ended() comes. */
void bench_conn_end_all(struct bench_shard *s);
void bench_conn_ping(struct bench_conn *c);

/* ---- messages: bench_flow_io.c ---- */
/* One message of the connection, which left or should have left at at_ns. topic: STR_NONE its own. */
void bench_flow_put(struct bench_conn *c, uint64_t at_ns, struct str topic, uint32_t publisher,
                    uint32_t seq, bool retain, size_t payload_n);
void bench_flow_acked(struct bench_conn *c);

#endif
