/*
 * The daemon's main thread: load, start, wait for signals, stop. SIGHUP reads the file again: what
 * reloads takes effect, what does not is named in the log with "at the next start", and a file
 * with mistakes changes nothing.
 */
#include "node/run_io.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf_io.h"
#include "conf/mosquitto_io.h"
#include "node/node_io.h"
#include "wire/json.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REPORT_TEXT_MAX (16u << 20)
#define TRIM_S          10

static void data_folder(const char *preset, struct buf *out)
{
    const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (geteuid() == 0)
        buf_printf(out, "/var/lib/wayside/%s", preset);
    else if (xdg && xdg[0] == '/')
        buf_printf(out, "%s/wayside/%s", xdg, preset);
    else
        buf_printf(out, "%s/.local/share/wayside/%s", home && home[0] == '/' ? home : "/tmp",
                   preset);
}

char *run_control_path(const char *preset)
{
    struct buf b = buf_init(4096);
    char *path;

    data_folder(preset, &b);
    buf_put(&b, STR("/control.sock"));
    path = str_dup(buf_str(&b));
    buf_fini(&b);
    return path;
}

char *run_preset(const char *preset)
{
    const char *text = settings_preset(preset);
    struct buf b = buf_init(16384), data = buf_init(4096);
    struct json_writer w = json_writer_init(&b);
    char *out = NULL;

    if (text) {
        data_folder(preset, &data);
        buf_put(&b, STR("node: {data: "));
        json_str(&w, buf_str(&data)); /* a JSON string is a quoted YAML text, whatever is in it */
        buf_printf(&b, "}\n%s", text);
        out = str_dup(buf_str(&b));
    }
    buf_fini(&b);
    buf_fini(&data);
    return out;
}

int run_load(const char *preset, const struct run_files *files, struct conf **out,
             struct conf_report *r, struct buf *explained)
{
    char *text = run_preset(preset), name[64];
    struct conf_source below[2] = { { name, str_of(text ? text : "") } };
    struct mosquitto *m = NULL;
    size_t count = 1;
    int rc = 0;

    snprintf(name, sizeof(name), "preset %s", preset);
    if (files->mosquitto) {
        size_t errors = r->errors;

        m = mosquitto_io_read(&settings_schema, files->mosquitto, r);
        if (m && explained)
            mosquitto_explain(m, explained);
        if (r->errors > errors)
            rc = ERR_VALUE;
        else
            below[count++] = *mosquitto_yaml(m);
    }
    if (!rc)
        rc = conf_io_load_over(&settings_schema, below, count, files->config, out, r);
    mosquitto_free(m);
    mem_free(text);
    if (!rc)
        conf_secrets(*out, log_secret);
    return rc;
}

static void print_report(struct buf *explained, const struct conf_report *r)
{
    conf_report_render(r, explained);
    fprintf(stderr, "%.*s", STR_ARG(buf_str(explained)));
    buf_fini(explained);
}

static void apply_log(const struct conf *c)
{
    const struct settings *s = conf_root(c);

    log_setup((enum log_level)s->log.level, (enum log_format)s->log.format, STDERR_FILENO);
}

static void on_change(void *ctx, const char *path, bool reloads)
{
    (void)ctx;
    log_info("config", reloads ? "changed" : "changed; takes effect at the next start",
             lf_text("setting", path));
}

/* *latest: the newest good configuration if it is not the first (which the node keeps using). */
static void reload(const char *preset, const struct run_files *files, const struct conf *first,
                   struct conf **latest, struct node *n)
{
    struct conf_report r = conf_report_init();
    struct conf *fresh = NULL;
    struct access *access = NULL;
    struct fault f = { 0 };
    struct queue_node *asked = node_take_reloads(n);
    int rc = run_load(preset, files, &fresh, &r, NULL);

    if (rc)
        conf_report_fault(&r, &f);
    else
        rc = node_load_access(n, fresh, &access, &f);
    if (rc) {
        conf_free(fresh);
        log_error("config", "not reloaded; the running configuration stays",
                  lf_text("file", f.file), lf_u64("line", f.line), lf_u64("column", f.column),
                  lf_text("why", f.text));
    } else {
        size_t changes = conf_diff(*latest ? *latest : first, fresh, on_change, NULL);

        apply_log(fresh);
        node_reload_tls(n);
        node_reload_access(n, fresh, access);
        log_info("config", "reloaded", lf_u64("changes", changes));
        conf_free(*latest);
        *latest = fresh;
    }
    node_answer_reloads(asked, rc ? &f : NULL);
    conf_report_fini(&r);
}

/* Threads inherit the mask: signals are taken by wait_signal() alone. */
static void block_signals(sigset_t *out)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    sigaction(SIGPIPE, &ignore, NULL);
    sigemptyset(out);
    sigaddset(out, SIGTERM);
    sigaddset(out, SIGINT);
    sigaddset(out, SIGHUP);
    sigaddset(out, NODE_SIGNAL);
    sigprocmask(SIG_BLOCK, out, NULL);
}

/* The next signal. Meanwhile an edge, which shares a small machine with others, gives back what a burst
 * took: malloc would keep it. A hub keeps it for the next one. */
static int wait_signal(const char *preset, const sigset_t *signals)
{
    const struct timespec trim = { .tv_sec = TRIM_S };
    bool edge = strcmp(preset, "edge") == 0;

    for (;;) {
        int sig = edge ? sigtimedwait(signals, NULL, &trim) : sigwaitinfo(signals, NULL);

        if (sig < 0 && errno == EAGAIN)
            malloc_trim(0);
        else if (sig >= 0 || errno != EINTR)
            return sig;
    }
}

int run_node(const char *preset, const struct run_files *files, struct fault *f)
{
    struct buf explained = buf_init(REPORT_TEXT_MAX);
    struct conf_report r = conf_report_init();
    struct conf *conf = NULL, *reloaded = NULL;
    struct node *n = NULL;
    sigset_t signals;
    int rc = run_load(preset, files, &conf, &r, &explained), sig = 0;

    print_report(&explained, &r);
    conf_report_fini(&r);
    if (rc)
        return ERR_VALUE;
    apply_log(conf);
    block_signals(&signals);
    rc = node_start(conf, &n, f);
    if (rc)
        goto out;
    for (;;) {
        sig = wait_signal(preset, &signals);
        if (sig == NODE_SIGNAL) {
            node_serve(n);
            continue;
        }
        if (sig != SIGHUP)
            break;
        reload(preset, files, conf, &reloaded, n);
    }
    log_info("node", "stopping", lf_i64("signal", sig));
    node_stop(n);
    log_info("node", "stopped", lf_u64("pid", (uint64_t)getpid()));
out:
    conf_free(reloaded);
    conf_free(conf);
    return rc;
}
