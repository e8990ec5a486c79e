/*
 * Cell b holds the times of which the four bits behind the highest one are b % 16; the highest bit says
 * b / 16. Below 16 ns there is one cell per ns.
 */
#include "cli/histogram.h"

#include "base/mem.h"

#define BAR_WIDTH 50
#define STEPS_MAX 40

static unsigned cell_of(uint64_t ns)
{
    unsigned power = ns < 16 ? 4 : 63u - (unsigned)__builtin_clzll(ns);

    return ns < 16 ? (unsigned)ns : (power - 3) * 16 + (unsigned)(ns >> (power - 4) & 15);
}

/* The largest time of a cell. */
static uint64_t cell_top(unsigned cell)
{
    if (cell < 16)
        return cell;
    return ((UINT64_C(17) + cell % 16) << (cell / 16 - 1)) - 1;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->cells[cell_of(ns)]++;
    h->count++;
    if (ns > h->max)
        h->max = ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
        into->cells[i] += from->cells[i];
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
}

uint64_t histogram_at(const struct histogram *h, double part)
{
    uint64_t seen = 0;
    double want = (double)h->count * part;

    if (h->count == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++) {
        seen += h->cells[i];
        if (seen > 0 && (double)seen >= want)
            return cell_top(i) < h->max ? cell_top(i) : h->max;
    }
    return h->max;
}

void histogram_time(uint64_t ns, struct buf *out)
{
    double v = (double)ns;

    if (ns < 1000)
        buf_printf(out, "%llu ns", (unsigned long long)ns);
    else if (ns < 1000000)
        buf_printf(out, v < 99950 ? "%.1f us" : "%.0f us", v / 1e3);
    else if (ns < 1000000000)
        buf_printf(out, v < 9.995e6 ? "%.2f ms" : v < 99.95e6 ? "%.1f ms" : "%.0f ms", v / 1e6);
    else
        buf_printf(out, "%.2f s", v / 1e9);
}

/* 1, 2, 5, 10, 20, 50 us, … */
static uint64_t next_step(uint64_t step)
{
    uint64_t first = step;

    while (first >= 10)
        first /= 10;
    return first == 2 ? step / 2 * 5 : step * 2;
}

void histogram_plot(const struct histogram *h, unsigned indent, struct buf *out)
{
    uint64_t counts[STEPS_MAX] = { 0 }, tops[STEPS_MAX], step = 1000, most = 0;
    unsigned n = 0, cell = 0;

    if (h->count == 0)
        return;
    for (; n < STEPS_MAX; n++, step = next_step(step)) {
        tops[n] = step;
        while (cell < HISTOGRAM_CELLS && (cell_top(cell) <= step || n == STEPS_MAX - 1))
            counts[n] += h->cells[cell++];
        if (step >= h->max) {
            while (cell < HISTOGRAM_CELLS) /* the cell of max may end behind the step */
                counts[n] += h->cells[cell++];
            n++;
            break;
        }
    }
    for (unsigned i = 0; i < n; i++)
        most = counts[i] > most ? counts[i] : most;
    for (unsigned i = 0, shown = 0; i < n; i++) {
        struct buf time = buf_init(32);

        if (counts[i] == 0 && !shown)
            continue;
        shown++;
        if (tops[i] < 1000000)
            buf_printf(&time, "%llu us", (unsigned long long)(tops[i] / 1000));
        else if (tops[i] < 1000000000)
            buf_printf(&time, "%llu ms", (unsigned long long)(tops[i] / 1000000));
        else
            buf_printf(&time, "%llu s", (unsigned long long)(tops[i] / 1000000000));
        buf_printf(out, "%*sup to %6.*s %6.2f %%  ", (int)indent, "", STR_ARG(buf_str(&time)),
                   (double)counts[i] * 100 / (double)h->count);
        for (uint64_t k = 0; k * most < counts[i] * BAR_WIDTH; k++)
            buf_u8(out, '#');
        while (out->n > 0 && out->p[out->n - 1] == ' ')
            out->n--;
        buf_u8(out, '\n');
        buf_fini(&time);
    }
}
