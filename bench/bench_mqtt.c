/*
 * A load generator for any MQTT broker: raw sockets and one epoll loop of its own, so that it
 * costs little, is the same for each broker, and shares no fault with the one it measures. One
 * thread; pin it to another core than the server (bench/mqtt does).
 *
 *     bench_mqtt --port 1883 --mode fanin --qos 0 --count 500000 --pid $(pidof mosquitto)
 *
 *   fanin    --conns publishers, one subscriber of everything
 *   sink     --conns publishers, nobody subscribes
 *   ingest   as sink, with readings that a hub journals before it acknowledges them (QoS 1)
 *   fanout   one publisher, --conns subscribers
 *   pairs    --conns publishers, each with a subscriber of its own
 *   idle     --conns subscribed connections: memory of the server for each
 *   connect  --count times TCP, CONNECT, CONNACK, close
 *
 * The loop is closed: at most --window messages of a publisher are on their way (sent and not
 * received; with "sink" and "ingest" not acknowledged), so nothing is dropped for slowness and the
 * brokers do the same work. Latency is from the moment when a message is given to its connection
 * until it is parsed at its subscriber, or its acknowledgement is. The server's CPU time is the sum of its threads' (schedstat); a tenth of the
 * messages before that is for warming up.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "wire/mqtt.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum mode { FANIN, SINK, INGEST, FANOUT, PAIRS, IDLE, CONNECT, MODE_COUNT };
static const char *const mode_names[] = { "fanin", "sink", "ingest", "fanout",
                                          "pairs", "idle", "connect" };

static struct options {
    enum mode mode;
    enum mqtt_version version;
    const char *host;
    unsigned port, qos, size, conns, window;
    uint64_t count;
    int pid;
    bool json;
} opt = { FANIN, MQTT_V311, "127.0.0.1", 1883, 0, 64, 100, 20, 200000, 0, false };

#define IN_BYTES    (128 * 1024)
#define OUT_BYTES   (64 * 1024)
#define TOPIC_BYTES 48

struct conn {
    int fd;
    bool publisher, blocked, pinging;
    unsigned number;
    uint16_t last_id;
    unsigned on_way;     /* publisher: sent and not yet back */
    struct conn *source; /* subscriber: whose messages it gets; NULL: several */
    char *in;
    size_t in_n;
    char *out;
    size_t out_n;
    uint64_t *times; /* when those on their way were sent: a ring of window, by count */
    uint64_t sent_count, acked_count;
};

static struct conn *conns;
static unsigned conn_count;
static int ep;
static uint64_t sent, received, acked, delivered_per_message;
/* Latency in buckets of 1/16 of a power of two. */
static uint64_t histogram[64 * 16], histogram_count;

static void die(const char *what)
{
    fprintf(stderr, "bench_mqtt: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

/* ---- the server's numbers ---- */

/* ns of CPU time of all threads of the process, or 0. */
static uint64_t server_cpu_ns(void)
{
    char path[64];
    DIR *d;
    uint64_t total = 0;

    if (opt.pid == 0)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/task", opt.pid);
    d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char file[400], text[128] = "";
        FILE *f;

        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s/schedstat", path, e->d_name);
        f = fopen(file, "r");
        if (!f)
            continue;
        if (fgets(text, sizeof(text), f))
            total += strtoull(text, NULL, 10);
        fclose(f);
    }
    if (d)
        closedir(d);
    return total;
}

static uint64_t server_status_kb(const char *key)
{
    char path[64], line[256];
    uint64_t kb = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", opt.pid);
    f = opt.pid ? fopen(path, "r") : NULL;
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, key, strlen(key)) == 0)
            kb = strtoull(line + strlen(key) + 1, NULL, 10);
    if (f)
        fclose(f);
    return kb;
}

/* ---- latency ---- */

static void record(uint64_t ns)
{
    unsigned power = ns < 16 ? 4 : 63u - (unsigned)__builtin_clzll(ns);
    unsigned bucket = power * 16 + (unsigned)(ns >> (power - 4) & 15);

    histogram[bucket]++;
    histogram_count++;
}

static double percentile_us(double p)
{
    uint64_t left = (uint64_t)((double)histogram_count * p);

    for (unsigned b = 0; b < COUNT_OF(histogram); b++) {
        if (histogram[b] > left)
            return (double)((UINT64_C(16) + b % 16) << (b / 16 - 4)) / 1000;
        left -= histogram[b];
    }
    return 0;
}

/* ---- connections, set up one after the other and blocking ---- */

static int dial(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port) };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (inet_pton(AF_INET, opt.host, &a.sin_addr) != 1)
        die("host is not an IPv4 address");
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void write_all(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);

        if (n <= 0)
            die("write");
        s = str_skip(s, (size_t)n);
    }
}

/* Sends one packet and waits for the whole answer, which must be of the given type. */
static void ask(int fd, struct mqtt_packet *p, enum mqtt_type answer)
{
    struct buf b = buf_init(65536);
    char in[1024];
    size_t n = 0, used;
    int rc;

    mqtt_encode(p, opt.version, &b);
    write_all(fd, buf_str(&b));
    buf_fini(&b);
    do {
        ssize_t got = read(fd, in + n, 1); /* byte by byte: what follows belongs to the loop */

        if (got <= 0)
            die("no answer to a packet of the set-up");
        n += (size_t)got;
        rc = mqtt_decode(str_from(in, n), opt.version, sizeof(in), p, &used, NULL);
    } while (rc == ERR_MORE && n < sizeof(in));
    if (rc || p->type != answer || (answer == MQTT_CONNACK && p->connack.code != 0))
        die("the server refuses the set-up");
}

static void greet(int fd, unsigned number)
{
    char id[32];
    struct mqtt_packet p = { .type = MQTT_CONNECT,
                             .connect = { .version = opt.version, .clean_start = true } };

    snprintf(id, sizeof(id), "bench-%d-%u", (int)getpid(), number);
    p.connect.client_id = str_of(id);
    ask(fd, &p, MQTT_CONNACK);
}

static void subscribe(int fd, const char *filter)
{
    struct buf list = buf_init(1024);
    struct mqtt_packet p = { .type = MQTT_SUBSCRIBE };

    mqtt_sub_put(&list, &(struct mqtt_sub){ .filter = str_of(filter), .qos = (uint8_t)opt.qos });
    p.subscribe.packet_id = 1;
    p.subscribe.list = buf_str(&list);
    ask(fd, &p, MQTT_SUBACK);
    buf_fini(&list);
}

static struct conn *add_conn(bool publisher, unsigned number, const char *filter)
{
    struct conn *c = &conns[conn_count++];

    c->fd = dial();
    c->publisher = publisher;
    c->number = number;
    greet(c->fd, conn_count);
    if (filter)
        subscribe(c->fd, filter);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
        die("fcntl");
    if (opt.mode != IDLE) {
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

        c->in = mem_new(IN_BYTES);
        c->out = mem_new(OUT_BYTES);
        if (publisher)
            c->times = mem_new_array(opt.window, sizeof(*c->times));
        if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e) < 0)
            die("epoll_ctl");
    }
    return c;
}

/* What comes back to a publisher is then the server's acknowledgement. */
static bool nobody_reads(void)
{
    return opt.mode == SINK || opt.mode == INGEST;
}

/* Several generators may run against one server, so the topics are each one's own. Number -1: the
 * filter of them all. */
static const char *topic_of(char out[TOPIC_BYTES], int number)
{
    if (number < 0)
        snprintf(out, TOPIC_BYTES, "bench/%d/#", (int)getpid());
    else
        snprintf(out, TOPIC_BYTES, "bench/%d/%d", (int)getpid(), number);
    return out;
}

static void set_up(void)
{
    char filter[TOPIC_BYTES];

    conns = mem_new_array(opt.conns * 2 + 2, sizeof(*conns));
    ep = epoll_create1(EPOLL_CLOEXEC);
    delivered_per_message = nobody_reads() ? 0 : opt.mode == FANOUT ? opt.conns : 1;
    if (opt.mode == FANIN)
        add_conn(false, 0, topic_of(filter, -1));
    if (opt.mode == FANOUT) {
        struct conn *source = add_conn(true, 0, NULL);

        for (unsigned i = 0; i < opt.conns; i++)
            add_conn(false, i, topic_of(filter, 0))->source = source;
        return;
    }
    for (unsigned i = 0; i < opt.conns; i++) {
        struct conn *source = add_conn(true, i, NULL);

        if (opt.mode == PAIRS)
            add_conn(false, i, topic_of(filter, (int)i))->source = source;
    }
}

/* ---- the loop ---- */

static void flush(struct conn *c)
{
    size_t at = 0;
    bool blocked = false;

    while (at < c->out_n && !blocked) {
        ssize_t n = write(c->fd, c->out + at, c->out_n - at);

        if (n < 0 && errno != EAGAIN)
            die("write");
        blocked = n < 0;
        at += n > 0 ? (size_t)n : 0;
    }
    memmove(c->out, c->out + at, c->out_n - at);
    c->out_n -= at;
    if (blocked != c->blocked) {
        struct epoll_event e = { .events = EPOLLIN | (blocked ? (uint32_t)EPOLLOUT : 0),
                                 .data.ptr = c };

        c->blocked = blocked;
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
    }
}

/* Topic and payload of the next message; returns the payload's length. */
static size_t make_message(const struct conn *c, uint64_t now, char topic[TOPIC_BYTES],
                           char *payload)
{
    uint32_t number = c->number;

    if (opt.mode == INGEST) {
        snprintf(topic, TOPIC_BYTES, "sensor/data");
        return (size_t)snprintf(payload, 256,
                                "{\"device_id\":\"bench-%u\",\"temperature\":%u.5,"
                                "\"humidity\":40,\"timestamp\":\"2026-01-01T00:00:00Z\"}",
                                number, (unsigned)(c->sent_count % 30));
    }
    topic_of(topic, (int)number);
    memset(payload, 'x', opt.size);
    memcpy(payload, &now, sizeof(now));
    memcpy(payload + 8, &number, sizeof(number));
    return opt.size;
}

static void put_publish(struct conn *c)
{
    static char payload[OUT_BYTES];
    char topic[TOPIC_BYTES];
    uint64_t now = clock_mono_ns();
    struct mqtt_publish_out o = { .qos = (uint8_t)opt.qos };

    o.payload_n = make_message(c, now, topic, payload);
    o.topic = str_of(topic);
    c->last_id = (uint16_t)(c->last_id == UINT16_MAX ? 1 : c->last_id + 1);
    o.packet_id = c->last_id;
    c->out_n += mqtt_publish_header(c->out + c->out_n, opt.version, &o);
    memcpy(c->out + c->out_n, payload, o.payload_n);
    c->out_n += o.payload_n;
    c->times[c->sent_count++ % opt.window] = now;
    c->on_way++;
    sent++;
}

static void pump(struct conn *c)
{
    size_t packet = opt.size + 320; /* the message and its header, generously */

    while (sent < opt.count && c->on_way < opt.window && !c->pinging &&
           c->out_n + packet < OUT_BYTES)
        put_publish(c);
    /* Without acknowledgements a ping's answer says that all before it was read. */
    if (nobody_reads() && opt.qos == 0 && !c->pinging && c->on_way > 0 &&
        c->out_n + packet < OUT_BYTES) {
        memcpy(c->out + c->out_n, MQTT_PINGREQ_BYTES.p, 2);
        c->out_n += 2;
        c->pinging = true;
    }
    if (c->out_n > 0 && !c->blocked)
        flush(c);
}

static void came_back(struct conn *source)
{
    if (source->on_way > 0)
        source->on_way--;
}

static void got_publish(struct conn *c, const struct mqtt_publish *m)
{
    uint64_t at, now = clock_mono_ns();
    uint32_t number;
    struct conn *source = c->source;

    if (m->payload.n < 12)
        die("a foreign message");
    memcpy(&at, m->payload.p, sizeof(at));
    memcpy(&number, m->payload.p + 8, sizeof(number));
    record(now - at);
    received++;
    if (opt.mode == FANIN)
        source = &conns[1 + number % opt.conns];
    /* With fan-out the last subscriber stands for all: brokers serve them in some fixed order. */
    if (opt.mode != FANOUT || c->number == opt.conns - 1)
        came_back(source);
    if (m->qos > 0) {
        if (c->out_n + MQTT_ACK_MAX > OUT_BYTES)
            die("the server does not read acknowledgements");
        c->out_n += mqtt_ack_write(c->out + c->out_n, opt.version, MQTT_PUBACK, m->packet_id, 0);
    }
}

static void got_packet(struct conn *c, const struct mqtt_packet *p)
{
    if (p->type == MQTT_PUBLISH) {
        got_publish(c, &p->publish);
    } else if (p->type == MQTT_PUBACK) {
        acked++;
        if (nobody_reads()) { /* in the order of sending: MQTT-4.6.0 */
            record(clock_mono_ns() - c->times[c->acked_count++ % opt.window]);
            came_back(c);
            received++;
        }
    } else if (p->type == MQTT_PINGRESP) {
        received += c->on_way;
        c->on_way = 0;
        c->pinging = false;
    } else {
        die("the server ended the connection");
    }
}

static void readable(struct conn *c)
{
    ssize_t got = read(c->fd, c->in + c->in_n, IN_BYTES - c->in_n);
    size_t at = 0, used;
    struct mqtt_packet p;
    int rc;

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        die("the server closed the connection");
    c->in_n += (size_t)got;
    while ((rc = mqtt_decode(str_from(c->in + at, c->in_n - at), opt.version, IN_BYTES, &p, &used,
                             NULL)) == 0) {
        got_packet(c, &p);
        at += used;
    }
    if (rc != ERR_MORE)
        die("the server broke the protocol");
    memmove(c->in, c->in + at, c->in_n - at);
    c->in_n -= at;
    if (c->out_n > 0 && !c->publisher && !c->blocked)
        flush(c);
}

static bool finished(void)
{
    uint64_t want = delivered_per_message ? opt.count * delivered_per_message : opt.count;

    return sent == opt.count && received == want &&
           (opt.qos == 0 || acked == opt.count || nobody_reads());
}

struct mark {
    uint64_t wall_ns, cpu_ns, own_ns, messages;
};

static struct mark mark_now(void)
{
    return (struct mark){ clock_mono_ns(), server_cpu_ns(), clock_thread_cpu_ns(), received };
}

static struct mark run_loop(void)
{
    struct mark start = mark_now();
    uint64_t total = opt.count * (delivered_per_message ? delivered_per_message : 1);
    uint64_t last_progress = start.wall_ns, last_received = 0;
    bool warm = false;

    while (!finished()) {
        struct epoll_event events[256];
        int n;

        for (unsigned i = 0; i < conn_count; i++)
            if (conns[i].publisher)
                pump(&conns[i]);
        n = epoll_wait(ep, events, COUNT_OF(events), 1000);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            if (events[i].events & EPOLLOUT)
                flush(c);
            if (events[i].events & ~(unsigned)EPOLLOUT)
                readable(c);
        }
        if (!warm && received >= total / 10) {
            warm = true;
            start = mark_now();
            memset(histogram, 0, sizeof(histogram));
            histogram_count = 0;
        }
        if (received != last_received) {
            last_received = received;
            last_progress = clock_mono_ns();
        } else if (clock_mono_ns() - last_progress > UINT64_C(20000000000)) {
            errno = 0;
            fprintf(stderr, "sent %lu received %lu acked %lu\n", (unsigned long)sent,
                    (unsigned long)received, (unsigned long)acked);
            die("no message for 20 s: the server lost some");
        }
    }
    return start;
}

static void report(const struct mark *start, const struct mark *end)
{
    uint64_t messages = end->messages - start->messages;
    double seconds = (double)(end->wall_ns - start->wall_ns) / 1e9;
    double million = (double)messages / 1e6;
    const char *format =
        opt.json ? "{\"mode\":\"%s\",\"qos\":%u,\"messages\":%lu,\"per_s\":%.0f,"
                   "\"server_cpu_s_per_m\":%.3f,\"own_cpu_s_per_m\":%.3f,\"p50_us\":%.0f,"
                   "\"p99_us\":%.0f,\"p999_us\":%.0f,\"rss_anon_kb\":%lu}\n"
                 : "%s qos %u: %lu messages, %.0f/s, server %.3f CPU s per million, ours %.3f, "
                   "p50 %.0f us, p99 %.0f us, p99.9 %.0f us, RssAnon %lu kB\n";

    /* The format is one of the two constants above. */
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"") printf(
        format, mode_names[opt.mode], opt.qos, (unsigned long)messages, (double)messages / seconds,
        (double)(end->cpu_ns - start->cpu_ns) / 1e9 / million,
        (double)(end->own_ns - start->own_ns) / 1e9 / million, percentile_us(0.5),
        percentile_us(0.99), percentile_us(0.999), (unsigned long)server_status_kb("RssAnon:"));
    _Pragma("GCC diagnostic pop")
}

static void run_idle(void)
{
    uint64_t before = server_status_kb("RssAnon:"), after;
    unsigned half = opt.conns / 4;
    char filter[64];

    /* The slope between a quarter and all of them: what the first ones cost once is not counted. */
    conns = mem_new_array(opt.conns + 1, sizeof(*conns));
    for (unsigned i = 0; i < opt.conns; i++) {
        if (i == half)
            before = server_status_kb("RssAnon:");
        snprintf(filter, sizeof(filter), "idle/%u", i);
        add_conn(false, i, filter);
    }
    after = server_status_kb("RssAnon:");
    printf(opt.json ? "{\"mode\":\"idle\",\"conns\":%u,\"bytes_per_conn\":%.0f}\n"
                    : "idle: %u connections, %.0f bytes of RssAnon each\n",
           opt.conns, ((double)after - (double)before) * 1024 / (opt.conns - half));
}

static void run_connects(void)
{
    uint64_t cpu = server_cpu_ns(), wall = clock_mono_ns();

    for (uint64_t i = 0; i < opt.count; i++) {
        int fd = dial();
        struct linger reset = { 1, 0 }; /* no TIME_WAIT: the ports are needed again */

        greet(fd, (unsigned)i);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
    }
    printf(opt.json ? "{\"mode\":\"connect\",\"server_cpu_us\":%.2f,\"per_s\":%.0f}\n"
                    : "connect: server %.2f CPU us each, %.0f/s\n",
           (double)(server_cpu_ns() - cpu) / 1000 / (double)opt.count,
           (double)opt.count * 1e9 / (double)(clock_mono_ns() - wall));
}

static unsigned number_of(const char *text, uint64_t most, uint64_t *out)
{
    uint64_t v = 0;

    if (str_to_u64(str_of(text), &v) || v > most) {
        fprintf(stderr, "bench_mqtt: not a number up to %lu: %s\n", (unsigned long)most, text);
        exit(2);
    }
    if (out)
        *out = v;
    return (unsigned)v;
}

static enum mode mode_of(const char *text)
{
    for (unsigned m = 0; m < MODE_COUNT; m++)
        if (strcmp(mode_names[m], text) == 0)
            return (enum mode)m;
    fprintf(stderr, "bench_mqtt: no such mode: %s\n", text);
    exit(2);
}

static void read_options(int argc, char **argv)
{
    static const struct option rows[] = {
        { "mode", 1, NULL, 'm' },  { "qos", 1, NULL, 'q' },    { "size", 1, NULL, 's' },
        { "conns", 1, NULL, 'c' }, { "window", 1, NULL, 'w' }, { "count", 1, NULL, 'n' },
        { "pid", 1, NULL, 'P' },   { "host", 1, NULL, 'h' },   { "port", 1, NULL, 'p' },
        { "v5", 0, NULL, '5' },    { "json", 0, NULL, 'j' },   { NULL, 0, NULL, 0 },
    };

    for (int o; (o = getopt_long(argc, argv, "", rows, NULL)) != -1;) {
        switch (o) {
        case 'm':
            opt.mode = mode_of(optarg);
            break;
        case 'q':
            opt.qos = number_of(optarg, 1, NULL);
            break;
        case 's':
            opt.size = number_of(optarg, 32768, NULL);
            break;
        case 'c':
            opt.conns = number_of(optarg, 20000, NULL);
            break;
        case 'w':
            opt.window = number_of(optarg, 60000, NULL);
            break;
        case 'n':
            number_of(optarg, 1000000000, &opt.count);
            break;
        case 'P':
            opt.pid = (int)number_of(optarg, INT32_MAX, NULL);
            break;
        case 'h':
            opt.host = optarg;
            break;
        case 'p':
            opt.port = number_of(optarg, 65535, NULL);
            break;
        case '5':
            opt.version = MQTT_V5;
            break;
        case 'j':
            opt.json = true;
            break;
        default:
            exit(2);
        }
    }
    if (opt.mode == INGEST)
        opt.qos = 1;
    if (opt.size < 12 || opt.conns == 0 || opt.window == 0 || opt.count == 0) {
        fprintf(stderr, "bench_mqtt: size is at least 12; conns, window and count at least 1\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct mark start, end;

    read_options(argc, argv);
    if (opt.mode == IDLE) {
        run_idle();
        return 0;
    }
    if (opt.mode == CONNECT) {
        run_connects();
        return 0;
    }
    set_up();
    start = run_loop();
    end = mark_now();
    report(&start, &end);
    return 0;
}
