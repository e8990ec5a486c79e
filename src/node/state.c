/* Reasons not to be ready, one flag each, with the sentence that /ready shows. */
#include "node/state.h"

static const char *const texts[] = {
#define NOT_READY_TEXT(name, text) text,
    NOT_READY_LIST(NOT_READY_TEXT)
#undef NOT_READY_TEXT
};

bool state_is_ready(const struct node_state *s)
{
    for (unsigned i = 0; i < NOT_READY_COUNT; i++)
        if (cell_get(&s->reasons[i]))
            return false;
    return true;
}

void state_reasons(const struct node_state *s, struct buf *out)
{
    size_t from = out->n;

    for (unsigned i = 0; i < NOT_READY_COUNT; i++) {
        if (!cell_get(&s->reasons[i]))
            continue;
        if (out->n > from)
            buf_put(out, STR("; "));
        buf_put(out, str_of(texts[i]));
    }
}

void state_text(const struct node_state *s, struct buf *out)
{
    struct buf why = buf_init(1024);

    state_reasons(s, &why);
    if (why.n == 0)
        buf_put(out, STR("READY\n"));
    else
        buf_printf(out, "NOT_READY\n%.*s\n", STR_ARG(buf_str(&why)));
    buf_fini(&why);
}
