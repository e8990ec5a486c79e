/*
 * `wayside demo` shows the product on one machine without touching it: a hub and an edge as two
 * child processes, each with the file that a user would write, in a scratch folder. It supervises
 * them the way systemd would (a child that ends is started again), so one may kill either and watch
 * nothing get lost. Ports that are taken are replaced by free ones, and what was chosen is printed.
 *
 * It is a plain blocking program on one thread: wait for a signal or 200 ms, look after children.
 */
#include "node/demo_io.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "node/control_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEMO_READY_MS   30000 /* a node that is not ready by then is shown with its log */
#define DEMO_STOP_MS    10000
#define DEMO_RESTART_MS 1000
#define DEMO_PATH_MAX   512

extern char **environ;

struct child {
    const char *name; /* also the command: hub, edge */
    char config[DEMO_PATH_MAX], log[DEMO_PATH_MAX], control[DEMO_PATH_MAX];
    pid_t pid; /* 0: not running */
    uint64_t start_at_ms;
    unsigned restarts;
};

struct demo {
    const struct demo_options *o;
    char dir[DEMO_PATH_MAX];
    unsigned page, mqtt, ws, health, edge_health;
    struct child hub, edge;
};

static uint64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* The wanted port when it is free on loopback, else one that the system picks. 0: none at all. */
static unsigned pick_port(unsigned wanted)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        struct sockaddr_in in4 = { .sin_family = AF_INET,
                                   .sin_port = htons(attempt ? 0 : (uint16_t)wanted),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
        socklen_t len = sizeof(in4);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
        bool good;

        if (fd < 0)
            return 0;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        good = bind(fd, (const struct sockaddr *)&in4, sizeof(in4)) == 0 && listen(fd, 1) == 0 &&
               getsockname(fd, (struct sockaddr *)&in4, &len) == 0;
        close(fd);
        if (good)
            return ntohs(in4.sin_port);
    }
    return 0;
}

static int write_file(const char *path, const struct buf *text, struct fault *f)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc = 0;

    if (fd < 0)
        return fault_set(f, -errno, "%s: %s", path, err_text(-errno));
    if (write(fd, text->p, text->n) != (ssize_t)text->n)
        rc = fault_set(f, -EIO, "%s: could not be written", path);
    close(fd);
    return rc;
}

static void child_paths(struct child *c, const char *dir, const char *name)
{
    c->name = name;
    snprintf(c->config, sizeof(c->config), "%.400s/%s.yaml", dir, name);
    snprintf(c->log, sizeof(c->log), "%.400s/%s.log", dir, name);
    snprintf(c->control, sizeof(c->control), "%.400s/%s.sock", dir, name);
}

/* The files are what a user would write; paths in them are taken from their folder. */
static int write_configs(struct demo *d, struct fault *f)
{
    struct buf b = buf_init(8192);
    int rc;

    buf_printf(&b,
               "# A hub: takes readings by MQTT and HTTP, keeps them, shows them.\n"
               "node: {data: hub}\n"
               "mqtt:\n"
               "  listeners:\n"
               "    - {address: \"127.0.0.1:%u\"}\n"
               "    - {address: \"127.0.0.1:%u\", protocol: websocket}\n"
               "api: {address: \"127.0.0.1:%u\"}\n"
               "health: {address: \"127.0.0.1:%u\"}\n"
               "control: {socket: hub.sock}\n",
               d->mqtt, d->ws, d->page, d->health);
    rc = write_file(d->hub.config, &b, f);
    if (rc)
        goto out;
    buf_clear(&b);
    buf_printf(&b,
               "# An edge: reads this machine's health every 2 s and what local programs hand it,\n"
               "# keeps it, and sends it to the hub whenever the hub is there.\n"
               "node: {data: edge}\n"
               "health: {address: \"127.0.0.1:%u\"}\n"
               "control: {socket: edge.sock}\n"
               "edge:\n"
               "  socket: {path: ingest.sock}\n"
               "  uplink: {hub: \"127.0.0.1:%u\"}\n",
               d->edge_health, d->mqtt);
    rc = write_file(d->edge.config, &b, f);
out:
    buf_fini(&b);
    return rc;
}

static int child_start(const struct demo *d, struct child *c, struct fault *f)
{
    char *argv[] = { (char *)(uintptr_t)d->o->program, (char *)(uintptr_t)c->name,
                     (char *)(uintptr_t) "-c", c->config, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none;
    int rc;

    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, c->log, O_WRONLY | O_CREAT | O_APPEND,
                                     0600);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attr, &none);
    /* A group of its own: Ctrl-C comes to us, and we stop the children in order. */
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    rc = posix_spawn(&c->pid, d->o->program, &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    if (rc) {
        c->pid = 0;
        return fault_set(f, -rc, "%s cannot be started: %s", d->o->program, err_text(-rc));
    }
    return 0;
}

static bool child_ended(struct child *c, int *status)
{
    if (c->pid == 0 || waitpid(c->pid, status, WNOHANG) != c->pid)
        return false;
    c->pid = 0;
    return true;
}

/* Waits for a signal, the test's stop, or ms. True: end. */
static bool wait_signal(const struct demo *d, const sigset_t *signals, unsigned ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    struct pollfd p = { .fd = d->o->stop_fd, .events = POLLIN };
    int sig = sigtimedwait(signals, NULL, &t);

    if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP)
        return true;
    return d->o->stop_fd >= 0 && poll(&p, 1, 0) == 1;
}

/* 0 ready; 1 told to end meanwhile; negative: it did not come up. */
static int wait_ready(const struct demo *d, struct child *c, const sigset_t *signals,
                      struct fault *f)
{
    uint64_t end = now_ms() + DEMO_READY_MS;
    int status;

    while (now_ms() < end) {
        struct buf answer = buf_init(CONTROL_ANSWER_MAX);
        int rc = control_ask(c->control, STR("{\"cmd\":\"status\"}"), 1000, &answer, NULL);
        bool ready = rc == 0 && str_find_str(buf_str(&answer), STR("\"ready\":true")) < answer.n;

        buf_fini(&answer);
        if (ready)
            return 0;
        if (child_ended(c, &status))
            return fault_set(f, ERR_STOPPED, "the %s ended at once; its log is %s", c->name,
                             c->log);
        if (wait_signal(d, signals, 50))
            return 1;
    }
    return fault_set(f, -ETIMEDOUT, "the %s is not ready after %d s; its log is %s", c->name,
                     DEMO_READY_MS / 1000, c->log);
}

static void child_stop(struct child *c)
{
    uint64_t end = now_ms() + DEMO_STOP_MS;
    struct timespec t = { .tv_nsec = 20000000 };
    sigset_t chld;
    int status;

    if (c->pid == 0)
        return;
    kill(c->pid, SIGTERM);
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    while (!child_ended(c, &status)) {
        if (now_ms() > end)
            kill(c->pid, SIGKILL);
        sigtimedwait(&chld, NULL, &t);
    }
}

static void look_after(const struct demo *d, struct child *c)
{
    int status;

    if (child_ended(c, &status)) {
        c->restarts++;
        c->start_at_ms = now_ms() + DEMO_RESTART_MS;
        if (WIFSIGNALED(status))
            printf("the %s was ended by signal %d; starting it again\n", c->name, WTERMSIG(status));
        else
            printf("the %s ended with status %d (log: %s); starting it again\n", c->name,
                   WEXITSTATUS(status), c->log);
        fflush(stdout);
    }
    if (c->pid == 0 && now_ms() >= c->start_at_ms) {
        struct fault f = { 0 };

        if (child_start(d, c, &f)) {
            printf("%s\n", f.text);
            c->start_at_ms = now_ms() + DEMO_RESTART_MS;
        }
    }
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int make_dir(struct demo *d, struct fault *f)
{
    const char *tmp = getenv("TMPDIR");

    if (d->o->dir) {
        if (strlen(d->o->dir) > 60) /* socket paths have 107 characters in all */
            return fault_set(f, ERR_LIMIT, "--dir: the path may have 60 characters at most");
        snprintf(d->dir, sizeof(d->dir), "%s", d->o->dir);
        if (mkdir(d->dir, 0700) && errno != EEXIST)
            return fault_set(f, -errno, "%s: %s", d->dir, err_text(-errno));
        return 0;
    }
    snprintf(d->dir, sizeof(d->dir), "%.60s/wayside-demo-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(d->dir))
        return fault_set(f, -errno, "%s: %s; set TMPDIR to a folder that can be written", d->dir,
                         err_text(-errno));
    return 0;
}

static void say_hello(const struct demo *d)
{
    printf(
        "\n"
        "  wayside demo is running: a hub, and an edge that reads this machine every 2 s.\n"
        "\n"
        "    dashboard   http://127.0.0.1:%u/\n"
        "    MQTT        127.0.0.1:%u  (WebSocket 127.0.0.1:%u)\n"
        "    health      http://127.0.0.1:%u/health  /ready  /metrics\n"
        "    files       %s\n"
        "\n"
        "  Hand it a reading:\n"
        "    mosquitto_pub -p %u -t sensor/data -q 1 -m '{\"device_id\":\"t1\",\"temperature\":21.5,"
        "\"humidity\":40,\"timestamp\":\"2026-01-01T00:00:00Z\"}'\n"
        "    curl 'http://127.0.0.1:%u/api/v1/readings?device=t1'\n"
        "\n"
        "  Kill the hub (kill -9 %d) and watch: it comes back, and nothing is missing.\n"
        "  Ctrl-C ends the demo%s.\n\n",
        d->page, d->mqtt, d->ws, d->health, d->dir, d->mqtt, d->page, (int)d->hub.pid,
        d->o->keep || d->o->dir ? "" : " and removes its files");
    fflush(stdout);
}

static int start_both(struct demo *d, const sigset_t *signals, struct fault *f)
{
    int rc = child_start(d, &d->hub, f);

    if (!rc)
        rc = wait_ready(d, &d->hub, signals, f);
    if (!rc)
        rc = child_start(d, &d->edge, f);
    if (!rc)
        rc = wait_ready(d, &d->edge, signals, f);
    return rc;
}

int demo_run(const struct demo_options *o, struct fault *f)
{
    struct demo d = { .o = o };
    sigset_t signals, old;
    int rc;

    rc = make_dir(&d, f);
    if (rc)
        return rc;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &old);
    d.page = pick_port(o->port ? o->port : 8000);
    d.mqtt = pick_port(1883);
    d.ws = pick_port(9001);
    d.health = pick_port(8080);
    d.edge_health = pick_port(8081);
    child_paths(&d.hub, d.dir, "hub");
    child_paths(&d.edge, d.dir, "edge");
    rc = write_configs(&d, f);
    if (!rc)
        rc = start_both(&d, &signals, f);
    if (!rc) {
        say_hello(&d);
        while (!wait_signal(&d, &signals, 200)) {
            look_after(&d, &d.hub);
            look_after(&d, &d.edge);
        }
    }
    child_stop(&d.edge);
    child_stop(&d.hub);
    if (!o->dir && !o->keep && rc >= 0)
        nftw(d.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    sigprocmask(SIG_SETMASK, &old, NULL);
    return rc < 0 ? rc : 0;
}
