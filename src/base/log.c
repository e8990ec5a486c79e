/*
 * The log: one line per event, written by one write(2). Rendering is pure and tested by bytes;
 * only log_write reads the clock and the descriptor. Values from peers are always quoted and
 * escaped, so that no peer can forge a line, and declared secrets never leave.
 */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rfc3339.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define LOG_LINE_MAX   8192 /* a longer line is cut: a log line is for people */
#define LOG_VALUE_MAX  1024 /* likewise one value */
#define LOG_SECRET_MIN 4    /* a shorter one would hide half of what is said */

/* Never changed nor freed once it is in its chain, so whoever reads needs no lock. */
struct secret {
    struct secret *next;
    size_t n;
    char bytes[];
};

static struct {
    _Atomic enum log_level level;
    _Atomic enum log_format format;
    atomic_int fd;
    pthread_mutex_t secrets_lock;          /* only declaring a secret takes it */
    _Atomic(struct secret *) secrets[256]; /* by their first byte */
} global = { .level = LOG_INFO,
             .format = LOG_LOGFMT,
             .fd = STDERR_FILENO,
             .secrets_lock = PTHREAD_MUTEX_INITIALIZER };

static const char *const level_names[] = { "debug", "info", "warn", "error", "off" };

void log_setup(enum log_level level, enum log_format format, int fd)
{
    atomic_store(&global.level, level);
    atomic_store(&global.format, format);
    atomic_store(&global.fd, fd);
}

bool log_enabled(enum log_level level)
{
    return level >= atomic_load_explicit(&global.level, memory_order_relaxed);
}

/* The length of the longest secret that s begins with, or 0. */
static size_t secret_at(struct str s)
{
    size_t longest = 0;

    if (s.n < LOG_SECRET_MIN)
        return 0;
    for (const struct secret *i = atomic_load(&global.secrets[(unsigned char)s.p[0]]); i;
         i = i->next)
        if (i->n > longest && str_starts(s, str_from(i->bytes, i->n)))
            longest = i->n;
    return longest;
}

void log_secret(struct str secret)
{
    _Atomic(struct secret *) *chain;
    struct secret *s;

    if (secret.n < LOG_SECRET_MIN)
        return;
    chain = &global.secrets[(unsigned char)secret.p[0]];
    pthread_mutex_lock(&global.secrets_lock);
    if (secret_at(secret) != secret.n) {
        s = mem_new(sizeof(*s) + secret.n);
        s->next = atomic_load(chain);
        s->n = secret.n;
        memcpy(s->bytes, secret.p, secret.n);
        atomic_store(chain, s); /* readers see whole secrets only */
    }
    pthread_mutex_unlock(&global.secrets_lock);
}

static void put_escaped(struct buf *out, struct str s)
{
    bool cut = s.n > LOG_VALUE_MAX;
    bool text = utf8_valid(s);
    struct str all = s;

    if (cut)
        s.n = LOG_VALUE_MAX;
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        size_t secret = secret_at(str_skip(all, i));

        if (secret) {
            buf_put(out, STR("***"));
            i += secret;
            continue;
        }
        i++;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_put(out, STR("\\n"));
        else if (c < 0x20 || c == 0x7f || (!text && c >= 0x80))
            buf_printf(out, "\\u%04x", c); /* invalid UTF-8 byte by byte, as Latin-1 */
        else
            buf_u8(out, c);
    }
    if (cut)
        buf_put(out, STR("..."));
}

static void put_quoted(struct buf *out, struct str s)
{
    buf_u8(out, '"');
    put_escaped(out, s);
    buf_u8(out, '"');
}

/* logfmt leaves simple words bare, which people and grep like. */
static bool is_bare(struct str s)
{
    if (s.n == 0 || s.n > 64)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return true;
}

static void put_text(struct buf *out, enum log_format format, struct str s)
{
    if (format == LOG_LOGFMT && is_bare(s))
        put_escaped(out, s);
    else
        put_quoted(out, s);
}

static void put_value(struct buf *out, enum log_format format, const struct log_field *f)
{
    switch (f->kind) {
    case LF_STR:
        put_text(out, format, f->v.s);
        break;
    case LF_I64:
        buf_printf(out, "%lld", (long long)f->v.i);
        break;
    case LF_U64:
        buf_printf(out, "%llu", (unsigned long long)f->v.u);
        break;
    case LF_DOUBLE:
        if (f->v.d - f->v.d == 0)
            buf_printf(out, "%.6g", f->v.d);
        else
            buf_put(out, STR("null")); /* NaN and infinity are not JSON */
        break;
    case LF_BOOL:
        buf_put(out, f->v.u ? STR("true") : STR("false"));
        break;
    case LF_ERR:
        put_text(out, format, str_of(err_text((int)f->v.i)));
        break;
    }
}

void log_render(struct buf *out, enum log_format format, int64_t wall_ns, enum log_level level,
                const char *module, const char *message, const struct log_field *fields,
                size_t count)
{
    char when[RFC3339_SIZE];
    bool json = format == LOG_JSON;

    rfc3339_format(wall_ns / 1000000 * 1000000, when);
    if (json)
        buf_printf(out, "{\"time\":\"%s\",\"level\":\"%s\",\"module\":\"%s\",\"msg\":", when,
                   level_names[level], module);
    else
        buf_printf(out, "time=%s level=%s module=%s msg=", when, level_names[level], module);
    put_text(out, format, str_of(message));
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, json ? ",\"%s\":" : " %s=", fields[i].key);
        put_value(out, format, &fields[i]);
    }
    buf_put(out, json ? STR("}\n") : STR("\n"));
}

void log_write(enum log_level level, const char *module, const char *message,
               const struct log_field *fields, size_t count)
{
    struct buf line = buf_init(LOG_LINE_MAX);
    int fd = atomic_load(&global.fd);
    enum log_format format = atomic_load(&global.format);
    size_t sent = 0;

    log_render(&line, format, clock_wall_ns(), level, module, message, fields, count);
    if (line.over) { /* keep the line whole JSON: only what names the event */
        buf_clear(&line);
        log_render(&line, format, clock_wall_ns(), level, module, message, NULL, 0);
    }
    while (sent < line.n) {
        ssize_t n = write(fd, line.p + sent, line.n - sent);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* nobody to tell */
        sent += (size_t)n;
    }
    buf_fini(&line);
}
