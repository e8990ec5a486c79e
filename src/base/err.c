/*
 * Texts of error codes and the struct fault that carries a failure to a person. Deep code never
 * prints: it fills a fault or returns a code, and whoever talks to the person writes it out.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_text(int code)
{
    static _Thread_local char text[128];

    switch (code) {
    case 0:
        return "no error";
#define ERR_CASE(name, says)                                                                       \
    case ERR_##name:                                                                               \
        return says;
        ERR_LIST(ERR_CASE)
#undef ERR_CASE
    default:
        break;
    }
    if (code <= -3000 && code > -3100) /* libuv numbers the resolver's errors so */
        return "name could not be resolved";
    if (code == -4095)
        return "end of file";
    return strerror_r(code < 0 ? -code : code, text, sizeof(text));
}

static int fault_fill(struct fault *f, int code, const char *file, unsigned line, unsigned column,
                      const char *fmt, va_list ap)
{
    if (!f)
        return code;
    f->code = code;
    f->line = line;
    f->column = column;
    snprintf(f->file, sizeof(f->file), "%s", file);
    vsnprintf(f->text, sizeof(f->text), fmt, ap);
    return code;
}

int fault_set(struct fault *f, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fault_fill(f, code, "", 0, 0, fmt, ap);
    va_end(ap);
    return code;
}

int fault_at(struct fault *f, int code, const char *file, unsigned line, unsigned column,
             const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fault_fill(f, code, file, line, column, fmt, ap);
    va_end(ap);
    return code;
}

const char *fault_text(const struct fault *f, char *out, unsigned long out_size)
{
    if (f->file[0] && f->line && f->column)
        snprintf(out, out_size, "%s:%u:%u: %s", f->file, f->line, f->column, f->text);
    else if (f->file[0] && f->line)
        snprintf(out, out_size, "%s:%u: %s", f->file, f->line, f->text);
    else if (f->file[0])
        snprintf(out, out_size, "%s: %s", f->file, f->text);
    else
        snprintf(out, out_size, "%s", f->text);
    return out;
}
