#ifndef STORE_SQLITE_READ_IO_H
#define STORE_SQLITE_READ_IO_H
/* The readers of the SQLite engine: struct store_engine's reader_open, reader_close and run. */
#include "store/engine.h"

MUST_USE int sqlite_reader_open(const struct store_config *c, void **out, struct fault *f);
void sqlite_reader_close(void *r);
void sqlite_reader_run(void *ctx, const struct store_query *q, const struct store_render *render,
                       void *render_ctx, int (*go_on)(void *go_on_ctx), void *go_on_ctx,
                       struct store_answer *out);

#endif
