#ifndef CLI_REPAIR_TEXT_H
#define CLI_REPAIR_TEXT_H
/* What `journal repair` says, as text or JSON. Pure. */
#include "base/buf.h"
#include "journal/salvage.h"
#include "wire/json.h"

enum repair_format { REPAIR_TEXT, REPAIR_JSON };

struct repair_text {
    bool json;
    struct buf files, lost, cursors; /* told so far */
    uint64_t ranges;
};
struct repair_text repair_text_init(enum repair_format format);
void repair_text_fini(struct repair_text *r);
/* On the way, as struct salvage_visitor tells. */
void repair_text_file(struct repair_text *r, const struct salvage_file *f);
void repair_text_lost(struct repair_text *r, const struct salvage_lost *l);
void repair_text_cursor(struct repair_text *r, const struct salvage_cursor *c);
/* All of it, once, appended to out. dir, into: the old and the new folder. ERR_LIMIT: it is too much
 * for memory. */
MUST_USE int repair_text_end(struct repair_text *r, const struct salvage_summary *s,
                             const char *dir, const char *into, struct buf *out);

#endif
