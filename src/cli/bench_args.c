/*
 * What a command line of `bench mqtt` means. An option that the mode has no use for is a mistake and
 * never silently left out: whoever measures must be able to trust that what was asked was done.
 */
#include "cli/bench_args.h"

#include "base/mem.h"
#include "cli/values.h"

#define DURATION_MS  10000
#define TIMEOUT_MS   10000
#define SIZE_DEFAULT 64
#define SIZE_MAX_    (MQTT_VARINT_MAX - (1u << 20))
#define WINDOW_MAX   60000
#define RATE_MAX     100000000

/* clang-format off */
const struct command_option bench_options[] = {
    MQTT_OPTIONS_SERVER,
    { "clients", 'c', "N", "publishers, subscribers, connections or sessions (100; idle 1000; ping 1)" },
    { "qos", 'q', "QOS", "of publications and subscriptions (0; queue 1)" },
    { "size", 's', "BYTES", "of each payload, at least 16 (64)" },
    { "count", 'n', "N", "end after N messages, connections or topics (retained, queue: 10000)" },
    { "duration", 'd', "TIME", "end after this time (10 s); with idle: stay connected for so long" },
    { "rate", 'r', "N", "messages a second, of all together; else as fast as they come back" },
    { "tick", 0, "TIME", "with --rate: what is due leaves each TIME, and the load generator sleeps between; else each on time, which keeps a core busy" },
    { "window", 'w', "N", "messages of a publisher that may be on their way (10; retained, queue 20)" },
    { "workers", 0, "N", "threads, each with its share of the clients (1)" },
    { "topic", 't', "TOPIC", "publish: this one instead of one for each publisher" },
    { "message", 'm', "TEXT", "publish: this payload" },
    { "persistent", 0, NULL, "subscribers have sessions that outlive their connections: what QoS 1 and 2 owes them is on the server's disk, if it has one. They are ended at the end" },
    { "keep", 0, NULL, "retained, queue: leave all of it there" },
    { "pid", 0, "PID", "the server's process on this machine: its CPU time and memory are told as well" },
    { "base", 0, "N", "with --pid: memory is compared with that of N connections, topics or messages (a quarter)" },
    { "timeout", 0, "TIME", "give up when nothing comes for so long (10 s)" },
    { "json", 0, NULL, "one JSON object instead of the table" },
    MQTT_OPTIONS_LOGIN,
    { 0 },
};

#define BENCH_MODE_LINE(name, text, help) "  " text ": " help "\n"
const char bench_more[] =
    "What is measured is the way from one client of an MQTT server to another, with any server. MODE is\n\n"
    BENCH_MODES(BENCH_MODE_LINE)
    "\n"
    "  wayside bench mqtt fan-in\n"
    "  wayside bench mqtt fan-out -c 1000 -q 1 -s 256\n"
    "  wayside bench mqtt pairs -q 2 -c 50 --duration 30s mqtts://pi@hub.example.org -P pi.password\n"
    "  wayside bench mqtt pairs -c 10 --rate 10000       # latency of a server that is not overloaded\n"
    "  wayside bench mqtt idle -c 10000 --pid $(pidof mosquitto)\n"
    "  wayside bench mqtt queue -c 100 -n 100000 --json | jq '.phases[] | {name, per_s}'\n\n"
    "Without --rate at most --window messages of each publisher are on their way, sent and not yet\n"
    "delivered: the rate is the highest that the server sustains, and the latency is that of a server under\n"
    "full load. With --rate messages leave at fixed times whether or not the server keeps up, and their\n"
    "latency counts from when they should have left. Where the server runs on the same machine, the core that\n"
    "this takes may be what it lacks: with --tick 1ms it is left free, and latencies are up to 1 ms longer.\n\n"
    "A tenth of the run is for warming up and is not measured. Each message carries its number: what is\n"
    "lost or comes twice is told, and the exit status is then 3. Sent to a server with other clients, it\n"
    "disturbs none: topics and client ids begin with an id that is drawn, or given with --id. Best on\n"
    "another machine or core than the server: a load generator that is at its limit measures itself; see\n"
    "its own CPU time in the table, and --workers.";
/* clang-format on */

static const char *const mode_texts[] = {
#define BENCH_MODE_TEXT(name, text, help) text,
    BENCH_MODES(BENCH_MODE_TEXT)
#undef BENCH_MODE_TEXT
};

const char *bench_mode_text(enum bench_mode m)
{
    return mode_texts[m];
}

/* ---- which option is for which mode ---- */

#define IN(mode) (1u << BENCH_##mode)
#define FLOWS    (IN(FANIN) | IN(FANOUT) | IN(PAIRS) | IN(PUBLISH))
#define KEEPING  (IN(RETAINED) | IN(QUEUE))

static const struct {
    const char *name;
    unsigned modes;
} only[] = {
    { "clients", FLOWS | IN(PING) | IN(CONNECT) | IN(IDLE) | IN(QUEUE) },
    { "qos", FLOWS | IN(IDLE) | KEEPING },
    { "size", FLOWS | KEEPING },
    { "count", FLOWS | IN(PING) | IN(CONNECT) | KEEPING },
    { "duration", FLOWS | IN(PING) | IN(CONNECT) | IN(IDLE) },
    { "rate", FLOWS | IN(PING) },
    { "tick", FLOWS | IN(PING) },
    { "window", FLOWS | KEEPING },
    { "workers", FLOWS | IN(PING) | IN(CONNECT) | IN(IDLE) },
    { "topic", IN(PUBLISH) },
    { "message", IN(PUBLISH) },
    { "persistent", IN(FANIN) | IN(FANOUT) | IN(PAIRS) },
    { "keep", KEEPING },
    { "base", IN(IDLE) | KEEPING },
};

static int check_only(const struct command_call *c, enum bench_mode m, struct fault *f)
{
    for (size_t i = 0; i < COUNT_OF(only); i++)
        if (command_value(c, only[i].name) && !(only[i].modes >> m & 1))
            return fault_set(f, ERR_VALUE, "--%s means nothing with %s; leave it out", only[i].name,
                             mode_texts[m]);
    return 0;
}

/* The words: a mode, and perhaps a URL, in any order. */
static int read_words(const struct command_call *c, struct bench_args *a, const char **url,
                      struct fault *f)
{
    bool found = false;

    for (size_t i = 0; i < c->arg_count; i++) {
        bool known = false;

        if (!*url && mqtt_target_is_url(str_of(c->args[i]))) {
            *url = c->args[i];
            continue;
        }
        for (unsigned m = 0; m < BENCH_MODE_COUNT; m++) {
            if (strcmp(c->args[i], mode_texts[m]) == 0) {
                a->mode = (enum bench_mode)m;
                known = true;
            }
        }
        if (!known || found)
            return fault_set(f, ERR_VALUE,
                             found ? "'%.100s': one mode is meant, not several"
                                   : "there is no mode '%.100s'; fan-in, fan-out, pairs, publish, "
                                     "ping, connect, idle, retained or queue",
                             c->args[i]);
        found = true;
    }
    return found ? 0
                 : fault_set(f, ERR_VALUE,
                             "which mode? fan-in, fan-out, pairs, publish, ping, connect, idle, "
                             "retained or queue");
}

static int get_limited(const struct command_call *c, const char *name, uint64_t least,
                       uint64_t most, uint64_t *out, struct fault *f)
{
    int rc = values_number(c, name, least, out, f);

    if (!rc && *out > most)
        rc = fault_set(f, ERR_VALUE, "--%s: at most %llu", name, (unsigned long long)most);
    return rc;
}

static int read_numbers(const struct command_call *c, struct bench_args *a, struct fault *f)
{
    int rc = get_limited(c, "clients", 1, BENCH_CLIENTS_MAX, &a->clients, f);

    if (!rc)
        rc = get_limited(c, "size", BENCH_SIZE_MIN, SIZE_MAX_, &a->size, f);
    if (!rc)
        rc = get_limited(c, "window", 1, WINDOW_MAX, &a->window, f);
    if (!rc)
        rc = get_limited(c, "workers", 1, BENCH_WORKERS_MAX, &a->workers, f);
    if (!rc)
        rc = get_limited(c, "rate", 1, RATE_MAX, &a->rate, f);
    if (!rc)
        rc = get_limited(c, "count", 1, UINT32_MAX, &a->count, f);
    if (!rc)
        rc = get_limited(c, "pid", 1, INT32_MAX, &a->pid, f);
    if (!rc)
        rc = get_limited(c, "base", 1, UINT32_MAX, &a->base, f);
    if (!rc)
        rc = values_ms(c, "tick", 1, &a->tick_ms, f);
    if (!rc)
        rc = values_ms(c, "duration", 1, &a->duration_ms, f);
    if (!rc)
        rc = values_ms(c, "timeout", 1, &a->timeout_ms, f);
    if (!rc)
        rc = values_qos(c, &a->qos, f);
    return rc;
}

static int check_together(const struct command_call *c, struct bench_args *a, struct fault *f)
{
    uint64_t units = a->mode == BENCH_IDLE ? a->clients : a->count;

    if (command_value(c, "count") && command_value(c, "duration"))
        return fault_set(f, ERR_VALUE, "--count and --duration: one of them is meant");
    if (a->count == 0 && a->duration_ms == 0 && a->mode != BENCH_IDLE)
        a->duration_ms = DURATION_MS;
    if (a->workers > a->clients)
        return fault_set(f, ERR_VALUE, "--workers: more than there are clients");
    if (a->count > 0 && a->workers > a->count)
        return fault_set(f, ERR_VALUE, "--workers: more than --count");
    if (a->tick_ms && !a->rate)
        return fault_set(f, ERR_VALUE, "--tick: of which rate? Add --rate N");
    if (a->message && command_value(c, "size"))
        return fault_set(f, ERR_VALUE, "--message and --size: one of them is meant");
    if (a->topic && strlen(a->topic) > BENCH_TOPIC_MAX)
        return fault_set(f, ERR_VALUE, "--topic: at most %u bytes", BENCH_TOPIC_MAX);
    if (a->topic && !mqtt_topic_valid(str_of(a->topic)))
        return fault_set(f, ERR_VALUE, "--topic: '%.100s' is no topic: it is text without + and #",
                         a->topic);
    if (a->persistent && a->qos == 0)
        return fault_set(f, ERR_VALUE, "--persistent: of QoS 0 nothing is kept; add -q 1 or 2");
    if (a->persistent && a->login.version != MQTT_V5)
        return fault_set(f, ERR_VALUE,
                         "--persistent: only MQTT 5 can end a session; leave --protocol out");
    if (a->mode == BENCH_QUEUE && a->qos == 0)
        return fault_set(f, ERR_VALUE, "--qos: of QoS 0 nothing is kept; 1 or 2");
    if (a->login.id && strlen(a->login.id) > BENCH_ID_MAX)
        return fault_set(f, ERR_VALUE, "--id: at most %u bytes", BENCH_ID_MAX);
    if (a->login.id && !mqtt_topic_valid(str_of(a->login.id)))
        return fault_set(f, ERR_VALUE, "--id: topics begin with it, so it is text without + and #");
    if (a->base && !a->pid)
        return fault_set(f, ERR_VALUE, "--base: of which process? Add --pid PID");
    if (a->base >= units && a->base)
        return fault_set(f, ERR_VALUE, "--base: less than there will be at the end (%llu)",
                         (unsigned long long)units);
    if (a->base == 0)
        a->base = units / 4;
    return 0;
}

int bench_args_read(const struct command_call *c, const struct mqtt_env *env, struct bench_args *a,
                    struct fault *f)
{
    const char *url = NULL;
    int rc;

    *a = (struct bench_args){ .size = SIZE_DEFAULT,
                              .workers = 1,
                              .timeout_ms = TIMEOUT_MS,
                              .json = command_value(c, "json") != NULL,
                              .keep = command_value(c, "keep") != NULL,
                              .persistent = command_value(c, "persistent") != NULL,
                              .topic = command_value(c, "topic"),
                              .message = command_value(c, "message") };
    rc = read_words(c, a, &url, f);
    if (rc)
        return rc;
    a->clients = a->mode == BENCH_IDLE ? 1000 : a->mode == BENCH_PING ? 1 : 100;
    if (a->mode == BENCH_RETAINED)
        a->clients = BENCH_PUBLISHERS;
    /* 20: what servers take of a 3.1.1 client, to which they cannot tell it */
    a->window = a->mode == BENCH_QUEUE || a->mode == BENCH_RETAINED ? 20 : 10;
    a->count = a->mode == BENCH_QUEUE || a->mode == BENCH_RETAINED ? 10000 : 0;
    a->qos = a->mode == BENCH_QUEUE ? 1 : 0;
    if (a->mode == BENCH_PING)
        a->window = 1;
    rc = check_only(c, a->mode, f);
    if (!rc)
        rc = mqtt_login_read(c, env, url, &a->login, f);
    if (!rc)
        rc = read_numbers(c, a, f);
    if (!rc)
        rc = check_together(c, a, f);
    return rc;
}
