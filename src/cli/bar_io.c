/* Draws the line that cli/progress.c makes over the one before. */
#include "cli/bar_io.h"

#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

#define COLUMNS 79

static uint64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

struct bar bar_begin_in(enum progress_unit unit, uint64_t all)
{
    struct bar b = { .on = isatty(STDERR_FILENO) };

    progress_init(&b.progress, all, now_ms());
    b.progress.unit = unit;
    bar_at(&b, 0);
    return b;
}

struct bar bar_begin(uint64_t all)
{
    return bar_begin_in(PROGRESS_BYTES, all);
}

void bar_add(struct bar *b, uint64_t bytes)
{
    bar_at(b, b->done + bytes);
}

void bar_at(struct bar *b, uint64_t done)
{
    struct buf line = buf_init(256);

    b->done = done;
    if (b->on && progress_line(&b->progress, b->done, now_ms(), &line)) {
        fprintf(stderr, "\r%-*.*s", COLUMNS, STR_ARG(buf_str(&line)));
        fflush(stderr);
    }
    buf_fini(&line);
}

void bar_end(struct bar *b)
{
    if (b->on)
        fprintf(stderr, "\r%*s\r", COLUMNS, "");
    b->on = false;
}
