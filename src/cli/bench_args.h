#ifndef CLI_BENCH_ARGS_H
#define CLI_BENCH_ARGS_H
/* What a command line of `bench mqtt` means. Pure. */
#include "cli/command.h"
#include "cli/mqtt_login.h"

extern const struct command_option bench_options[];
extern const char bench_more[];

/* X(NAME, text, what it does, in one line) */
#define BENCH_MODES(X)                                                                             \
    X(FANIN, "fan-in", "many publish, one subscriber gets all")                                    \
    X(FANOUT, "fan-out", "one publishes, many subscribers get each message")                       \
    X(PAIRS, "pairs", "each publisher has a subscriber of its own")                                \
    X(PUBLISH, "publish", "many publish, nobody subscribes")                                       \
    X(PING, "ping", "PINGREQ and its answer: how soon is the server there")                        \
    X(CONNECT, "connect", "a storm of connections: made, accepted, cut")                           \
    X(IDLE, "idle", "connected and subscribed, and then nothing")                                  \
    X(RETAINED, "retained", "topics with a retained message: kept, read by a newcomer, cleared")   \
    X(QUEUE, "queue", "messages wait for sessions that are away, and are fetched")

enum bench_mode {
#define BENCH_MODE_ID(name, text, help) BENCH_##name,
    BENCH_MODES(BENCH_MODE_ID)
#undef BENCH_MODE_ID
        BENCH_MODE_COUNT
};
const char *bench_mode_text(enum bench_mode m);

#define BENCH_SIZE_MIN    16u /* time, publisher and number of a message */
#define BENCH_CLIENTS_MAX 1000000u
#define BENCH_WORKERS_MAX 64u
#define BENCH_PUBLISHERS  10u /* of retained and queue */
#define BENCH_ID_MAX      64u
#define BENCH_TOPIC_MAX   128u /* of --topic, and what is made of an id */

struct bench_args {
    struct mqtt_login login;
    enum bench_mode mode;
    uint8_t qos;
    bool json, keep, persistent;
    uint64_t clients, size, window, workers;
    uint64_t count;       /* 0: by time */
    uint64_t duration_ms; /* 0: by count */
    uint64_t rate;        /* messages a second of all; 0: as fast as they come back */
    uint64_t tick_ms;     /* with a rate: asleep between ticks; 0: awake, each is sent on time */
    uint64_t timeout_ms;
    uint64_t pid;        /* 0: the server is not looked at */
    uint64_t base;       /* memory is first looked at when so many are there */
    const char *topic;   /* NULL: one of its own for each publisher */
    const char *message; /* NULL: made of size bytes */
};

/* ERR_VALUE: *f has the sentence. */
MUST_USE int bench_args_read(const struct command_call *c, const struct mqtt_env *env,
                             struct bench_args *out, struct fault *f);

#endif
