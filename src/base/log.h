#ifndef BASE_LOG_H
#define BASE_LOG_H
/*
 * One line per event, logfmt or JSON: time, level, module, message, fields. Callable from any
 * thread; a line is written by one write(2), so lines never mix. This is the only global of the
 * program. Secrets declared with log_secret() are replaced by *** wherever they turn up.
 *
 *     log_warn("mqtt", "refused", lf_str("peer", peer), lf_err("error", rc));
 */
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *key;
    enum log_kind { LF_STR, LF_I64, LF_U64, LF_DOUBLE, LF_BOOL, LF_ERR } kind;
    union {
        struct str s;
        int64_t i;
        uint64_t u;
        double d;
    } v;
};
static inline struct log_field lf_str(const char *key, struct str s)
{
    return (struct log_field){ key, LF_STR, { .s = s } };
}
static inline struct log_field lf_text(const char *key, const char *zero_terminated)
{
    return (struct log_field){ key, LF_STR, { .s = str_of(zero_terminated) } };
}
static inline struct log_field lf_i64(const char *key, int64_t i)
{
    return (struct log_field){ key, LF_I64, { .i = i } };
}
static inline struct log_field lf_u64(const char *key, uint64_t u)
{
    return (struct log_field){ key, LF_U64, { .u = u } };
}
static inline struct log_field lf_double(const char *key, double d)
{
    return (struct log_field){ key, LF_DOUBLE, { .d = d } };
}
static inline struct log_field lf_bool(const char *key, bool b)
{
    return (struct log_field){ key, LF_BOOL, { .u = b } };
}
/* A code of err.h, written as its text. */
static inline struct log_field lf_err(const char *key, int code)
{
    return (struct log_field){ key, LF_ERR, { .i = code } };
}

/* fd: where lines go (not closed). Starts as info, logfmt, stderr. Call before other threads run,
 * or later to change level and format only. */
void log_setup(enum log_level level, enum log_format format, int fd);
bool log_enabled(enum log_level level);
/* A value that no line may show from now on (copied, and never forgotten). One of less than 4 bytes is not
 * searched for. */
void log_secret(struct str secret);
void log_write(enum log_level level, const char *module, const char *message,
               const struct log_field *fields, size_t count);
/* The line as it would be written, for tests; a line feed ends it. */
struct buf;
void log_render(struct buf *out, enum log_format format, int64_t wall_ns, enum log_level level,
                const char *module, const char *message, const struct log_field *fields,
                size_t count);

#define LOG_FIELDS_(...)                                                                           \
    (const struct log_field[]){ __VA_ARGS__ },                                                     \
        sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field)
#define log_at(level, module, message, ...)                                                        \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_write(level, module, message, LOG_FIELDS_(__VA_ARGS__));                           \
    } while (0)
/* Each takes at least one field: a message without an object helps nobody. */
#define log_debug(module, message, ...) log_at(LOG_DEBUG, module, message, __VA_ARGS__)
#define log_info(module, message, ...)  log_at(LOG_INFO, module, message, __VA_ARGS__)
#define log_warn(module, message, ...)  log_at(LOG_WARN, module, message, __VA_ARGS__)
#define log_error(module, message, ...) log_at(LOG_ERROR, module, message, __VA_ARGS__)

#endif
