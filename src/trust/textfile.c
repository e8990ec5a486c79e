/*
 * Lines of a text with their number, so that every mistake can be said with line and column. Bytes
 * of the file that go into a sentence are cut and cleaned: the file may hold anything.
 */
#include "trust/textfile.h"

#include <stdarg.h>
#include <stdio.h>

int textfile_check(struct str text, const char *name, struct fault *f)
{
    if (!str_starts(text, UTF8_MARK))
        return 0;
    return fault_at(f, ERR_VALUE, name, 1, 1,
                    "the file begins with a byte order mark; save it as UTF-8 without one");
}

bool textfile_next(struct textfile *t, struct str *out)
{
    while (t->rest.p) {
        struct str line = str_cut(&t->rest, '\n');

        t->line++;
        t->start = line.p;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        *out = line;
        return true;
    }
    return false;
}

struct str textfile_word(struct str *line)
{
    size_t n = 0;
    struct str word;

    while (n < line->n && line->p[n] != ' ' && line->p[n] != '\t')
        n++;
    word = str_sub(*line, 0, n);
    *line = str_trim(str_skip(*line, n));
    return word;
}

int textfile_fault(const struct textfile *t, struct fault *f, const char *at, const char *fmt, ...)
{
    char text[sizeof(f->text)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return fault_at(f, ERR_VALUE, t->name, t->line, (unsigned)(at - t->start) + 1, "%s", text);
}

struct textfile_shown textfile_show(struct str s)
{
    struct textfile_shown out;
    size_t n = utf8_clip(s, 60).n;

    for (size_t i = 0; i < n; i++)
        out.text[i] = (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i];
    if (s.n > n) {
        memcpy(out.text + n, "...", 3);
        n += 3;
    }
    out.text[n] = '\0';
    return out;
}
