/*
 * The command: starts the workers, says go when all are ready, draws the bar, adds up what they
 * measured. Its own loop does nothing else, so it costs nothing where the load is made.
 */
#include "cli/bench_io.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "cli/bar_io.h"
#include "cli/bench_proc_io.h"
#include "cli/bench_shard_io.h"
#include "cli/mqtt_io.h"
#include "cli/mqtt_login_io.h"
#include "net/tls.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define TEXT_MAX (1u << 20)
/* Open at once in retained and queue: those on their way, and publishers. */
#define KEEPING_OPEN 420u
/* Descriptors besides those of the connections: standard files, loops, TLS files while they are read. */
#define DESCRIPTORS_OWN(workers) (32 + 8 * (workers))

static struct bench { /* letters have a worker, and the command is the only one */
    struct loop *loop;
    const struct bench_args *args;
    struct bench_plan plan;
    struct bench_shard *shards;
    unsigned count, ready, over;
    bool going, failed, stopped;
    struct bar bar;
    uint64_t start_ns;
} bench;

static void say(const char *text)
{
    bar_end(&bench.bar);
    fprintf(stderr, "wayside bench mqtt: %s\n", text);
}

static void stop_all(void)
{
    for (unsigned i = 0; i < bench.count; i++)
        bench_shard_stop(&bench.shards[i]);
}

static void on_signal(void *ctx, int signum)
{
    (void)ctx;
    if (bench.stopped)
        _exit(128 + signum); /* twice: whoever presses it again does not want to wait */
    bench.stopped = true;
    stop_all();
}

/* ---- how far it is ---- */

/* What the bar counts: messages, connections or topics of all steps; 0: it goes by time. */
static uint64_t bar_all(const struct bench_args *a)
{
    switch (a->mode) {
    case BENCH_RETAINED:
        return a->keep ? a->count : 3 * a->count;
    case BENCH_QUEUE:
        return a->clients + (a->keep ? 1 : 2) * a->count;
    case BENCH_IDLE:
        return a->clients;
    case BENCH_FANOUT:
        return a->count * a->clients;
    case BENCH_FANIN:
    case BENCH_PAIRS:
    case BENCH_PUBLISH:
    case BENCH_PING:
    case BENCH_CONNECT:
    case BENCH_MODE_COUNT:
        break;
    }
    return a->count;
}

static void begin_bar(void)
{
    uint64_t all = bar_all(bench.args);

    bench.start_ns = clock_mono_ns();
    bench.bar = all ? bar_begin_in(PROGRESS_COUNT, all)
                    : bar_begin_in(PROGRESS_MS, bench.args->duration_ms);
}

static void draw_bar(void)
{
    uint64_t done = 0;

    if (!bench.going || bench.failed)
        return;
    if (bar_all(bench.args))
        for (unsigned i = 0; i < bench.count; i++)
            done += bench.shards[i].told_done;
    else
        done = (clock_mono_ns() - bench.start_ns) / 1000000;
    bar_at(&bench.bar, done);
}

/* ---- letters from the workers ---- */

void bench_take_mail(struct mail *mail, struct loop *l)
{
    struct bench_mail *m = container_of(mail, struct bench_mail, mail);

    m->shard->told_done = m->done;
    switch (m->news) {
    case BENCH_READY:
        if (++bench.ready == bench.count && !bench.failed && !bench.stopped) {
            bench.going = true;
            begin_bar();
            for (unsigned i = 0; i < bench.count; i++)
                bench_shard_go(&bench.shards[i]);
        }
        break;
    case BENCH_PROGRESS:
        draw_bar();
        break;
    case BENCH_FAILED:
        if (!bench.failed)
            say(m->text);
        bench.failed = true;
        stop_all();
        break;
    case BENCH_OVER:
        if (++bench.over == bench.count)
            loop_stop(l);
        break;
    }
    mem_free(m->text);
    mem_free(m);
}

/* ---- before and after ---- */

/* Every connection is a descriptor. */
static int make_room(const struct bench_args *a, struct fault *f)
{
    bool all_open = a->mode != BENCH_QUEUE && a->mode != BENCH_RETAINED;
    uint64_t need = (a->mode == BENCH_PAIRS ? 2 : 1) * (all_open ? a->clients : KEEPING_OPEN) + 1 +
                    DESCRIPTORS_OWN(a->workers);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 0;
    if (need > limit.rlim_max)
        return fault_set(
            f, ERR_LIMIT,
            "--clients: this needs %llu open files, and %llu are allowed here (ulimit -Hn)",
            (unsigned long long)need, (unsigned long long)limit.rlim_max);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return 0;
}

static const struct bench_scene *scene_of(enum bench_mode m)
{
    static const struct bench_scene *const scenes[BENCH_MODE_COUNT] = {
        [BENCH_FANIN] = &bench_flow_scene,  [BENCH_FANOUT] = &bench_flow_scene,
        [BENCH_PAIRS] = &bench_flow_scene,  [BENCH_PUBLISH] = &bench_flow_scene,
        [BENCH_PING] = &bench_flow_scene,   [BENCH_CONNECT] = &bench_connect_scene,
        [BENCH_IDLE] = &bench_idle_scene,   [BENCH_RETAINED] = &bench_retained_scene,
        [BENCH_QUEUE] = &bench_queue_scene,
    };

    return scenes[m];
}

static void run(void)
{
    static const int numbers[] = { SIGINT, SIGTERM };
    struct loop_signal *signals[COUNT_OF(numbers)];

    bench.loop = loop_new();
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        signals[i] = loop_signal_open(bench.loop, numbers[i], on_signal, NULL);
    bench.count = (unsigned)bench.args->workers;
    bench.shards = mem_new_array(bench.count, sizeof(*bench.shards));
    for (unsigned i = 0; i < bench.count; i++) {
        struct bench_shard *s = &bench.shards[i];

        s->plan = &bench.plan;
        s->scene = scene_of(bench.args->mode);
        s->index = i;
        s->of = bench.count;
        s->home = bench.loop;
        s->loop = loop_new();
    }
    for (unsigned i = 0; i < bench.count; i++)
        bench_shard_start(&bench.shards[i]);
    loop_run(bench.loop);
    for (unsigned i = 0; i < bench.count; i++)
        bench_shard_join(&bench.shards[i]);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        loop_signal_close(signals[i]);
    loop_free(bench.loop);
    bar_end(&bench.bar);
}

static int print(void)
{
    struct bench_result *r = &bench.shards[0].result;
    struct buf text = buf_init(TEXT_MAX);
    int rc;

    for (unsigned i = 1; i < bench.count; i++)
        bench_result_merge(r, &bench.shards[i].result);
    if (r->phase_count == 0) {
        buf_put(&text, STR("interrupted before anything was measured\n"));
        rc = EXIT_FAILED;
    } else {
        (bench.args->json ? bench_result_json : bench_result_table)(r, bench.args,
                                                                    bench.plan.server, &text);
        rc = bench_result_verdict(r);
    }
    if (fwrite(text.p, 1, text.n, r->phase_count ? stdout : stderr) != text.n || fflush(stdout))
        rc = EXIT_FAILED;
    buf_fini(&text);
    return rc;
}

static int fail(const struct fault *f)
{
    say(f->text);
    return EXIT_FAILED;
}

int bench_mqtt(const struct command_call *c)
{
    struct mqtt_env env = mqtt_env_get();
    struct bench_args args;
    struct buf password = buf_init(MQTT_PASSWORD_MAX), server = buf_init(MQTT_TARGET_TEXT_MAX + 16);
    struct tls_context *tls = NULL;
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    struct fault f = { 0 };
    char prefix[BENCH_ID_MAX + 1];
    uint32_t random;
    int rc;

    if (bench_args_read(c, &env, &args, &f))
        return mqtt_usage(c, &f);
    log_setup(LOG_OFF, LOG_LOGFMT, STDERR_FILENO);
    sigaction(SIGPIPE, &ignore, NULL);
    random_bytes(&random, sizeof(random));
    snprintf(prefix, sizeof(prefix), "bench-%08x", (unsigned)random);
    mqtt_target_text(&args.login.to, &server);
    rc = make_room(&args, &f);
    if (!rc && args.pid && bench_proc_cpu_ns(args.pid) == 0)
        rc = fault_set(&f, ERR_VALUE, "--pid: there is no process %llu",
                       (unsigned long long)args.pid);
    if (!rc)
        rc = mqtt_login_open(&args.login, &password, &tls, &f);
    if (rc) {
        rc = fail(&f);
        goto out;
    }
    bench.args = &args;
    bench.plan = (struct bench_plan){ .args = &args,
                                      .server = buf_cstr(&server),
                                      .prefix = args.login.id ? args.login.id : prefix,
                                      .password = buf_str(&password),
                                      .tls = tls,
                                      .filler = blob_alloc(args.size) };
    memset(bench.plan.filler->bytes, 'x', args.size);
    run();
    rc = bench.failed ? EXIT_FAILED : print();
    mem_free(bench.shards);
    blob_unref(bench.plan.filler);
out:
    tls_free(tls);
    buf_fini(&password);
    buf_fini(&server);
    return rc;
}
