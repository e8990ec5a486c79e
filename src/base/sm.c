/* The one door through which states change; a wrong move is a bug and ends the program. */
#include "base/sm.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

const char *sm_name(const struct sm_table *t, unsigned state)
{
    return state < t->count ? t->rows[state].name : "?";
}

void sm_move(const struct sm_table *t, unsigned char *state, unsigned to)
{
    assert(*state < t->count && to < t->count && t->count <= 32);
    if (!(t->rows[*state].to & TO(to))) {
        log_error(t->name, "impossible state change", lf_text("from", sm_name(t, *state)),
                  lf_text("to", sm_name(t, to)));
        abort();
    }
    log_debug(t->name, "state", lf_text("from", sm_name(t, *state)), lf_text("to", sm_name(t, to)));
    *state = (unsigned char)to;
}
