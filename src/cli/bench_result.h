#ifndef CLI_BENCH_RESULT_H
#define CLI_BENCH_RESULT_H
/* What `bench mqtt` has measured, for people and for programs. Pure. */
#include "cli/bench_args.h"
#include "cli/histogram.h"

/* One thing that was done for a while: most modes have one, retained and queue have several. */
struct bench_phase {
    const char *name, *unit; /* "delivered", "messages"; NULL: not done */
    uint64_t count, ns;
    double per_s;
    double server_cores; /* CPU time by wall time; below 0: not known */
    double own_cores;
    const char *latency_of; /* what was timed; NULL: nothing */
    struct histogram latency;
};
#define BENCH_PHASES 3

struct bench_result {
    struct bench_phase phases[BENCH_PHASES];
    unsigned phase_count;
    uint64_t sent, expected, received, lost, repeated;
    bool interrupted;
    uint64_t memory; /* the server's anonymous memory at the end, in bytes; 0: not known */
    bool has_each;
    double bytes_each; /* by the difference between --base and the end */
};

/* What several workers did at the same time. */
void bench_result_merge(struct bench_result *into, const struct bench_result *from);
/* How to end: EXIT_DONE, or EXIT_PROBLEMS when messages are missing or came twice. */
int bench_result_verdict(const struct bench_result *r);
/* server: "hub:1883". */
void bench_result_table(const struct bench_result *r, const struct bench_args *a,
                        const char *server, struct buf *out);
void bench_result_json(const struct bench_result *r, const struct bench_args *a, const char *server,
                       struct buf *out);
/* CPU seconds a million: of so many cores at this rate. 0 when there is no rate. */
double bench_result_per_million(double cores, double per_s);

#endif
