#ifndef BASE_SM_H
#define BASE_SM_H
/*
 * State machines as an enum, a table and one door. sm_move() is the only way to change a state;
 * a move that the table does not allow is our own mistake and ends the program.
 */
#include "base/mem.h"

#define TO(state) (1u << (state))

struct sm_row {
    const char *name;
    unsigned to; /* TO(a) | TO(b) … */
};
struct sm_table {
    const char *name;
    const struct sm_row *rows;
    size_t count; /* at most 32 */
};

/* Moves *state to `to`. Logs "from -> to" at debug level. */
void sm_move(const struct sm_table *t, unsigned char *state, unsigned to);
const char *sm_name(const struct sm_table *t, unsigned state);

#endif
