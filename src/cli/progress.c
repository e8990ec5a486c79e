/* Rate and time left are those of the whole so far, so they do not jump. */
#include "cli/progress.h"

#include "cli/show.h"

#define BAR_WIDTH 40
#define SHOW_MS   100

void progress_init(struct progress *p, uint64_t all, uint64_t now_ms)
{
    *p = (struct progress){ .all = all, .start_ms = now_ms };
}

bool progress_line(struct progress *p, uint64_t done, uint64_t now_ms, struct buf *out)
{
    uint64_t took_ms = now_ms - p->start_ms, rate;
    unsigned filled;

    if (p->shown && now_ms - p->shown_ms < SHOW_MS && done < p->all)
        return false;
    p->shown = true;
    p->shown_ms = now_ms;
    if (done > p->all)
        done = p->all;
    filled = p->all ? (unsigned)((double)done / (double)p->all * BAR_WIDTH) : 0;
    buf_put(out, STR("["));
    for (unsigned i = 0; i < BAR_WIDTH; i++)
        buf_u8(out, i < filled ? '#' : ' ');
    buf_printf(out, "] %3u %%", p->all ? (unsigned)((double)done * 100 / (double)p->all) : 0);
    rate = took_ms ? (uint64_t)((double)done * 1000 / (double)took_ms) : 0;
    if (rate == 0)
        return true;
    buf_put(out, STR("  "));
    if (p->unit == PROGRESS_BYTES)
        show_bytes(rate, out);
    else if (p->unit == PROGRESS_COUNT)
        buf_printf(out, "%llu", (unsigned long long)rate);
    buf_put(out, p->unit == PROGRESS_MS ? STR("") : STR("/s"));
    if (done < p->all) {
        buf_put(out, p->unit == PROGRESS_MS ? STR("") : STR("  "));
        show_seconds((p->all - done) / rate, out);
        buf_put(out, STR(" left"));
    }
    return true;
}
