#ifndef STORE_PG_IO_H
#define STORE_PG_IO_H
/*
 * The ground that the PostgreSQL writer and readers stand on: a connection that is made again when it
 * was lost, prepared statements with binary values both ways, results as codes. One thread each.
 */
#include "store/engine.h"

#include <libpq-fe.h>

/* One statement; types has a letter for each parameter: i (int8), t (text), b (bytea). */
struct pg_statement {
    const char *sql, *types;
};
struct pg {
    PGconn *conn; /* NULL: not connected */
    const struct pg_statement *statements;
    size_t count;
    char *conninfo, *password; /* password may be NULL */
    uint64_t answer_ms;        /* the longest wait for an answer; the owner may set it */
    char error[200];           /* the last failure, one line */
    char state[6];             /* its SQLSTATE; "" when it has none */
};

/* The statements outlive it; of c all is copied. Nothing is connected yet. */
void pg_init(struct pg *p, const struct store_config *c, const struct pg_statement *statements,
             size_t count);
void pg_fini(struct pg *p);
/* The next pg_ready() makes a new connection. */
void pg_disconnect(struct pg *p);
/* Connects where that is needed. migrate: makes the tables, or brings them up to date; else they must
 * be there. *out_fresh (may be NULL): it is a new connection, and all that was remembered of the one
 * before is worth nothing. ERR_CLOSED: the server cannot be reached (or refuses us: p->error says
 * which). ERR_VERSION: its tables are newer. ERR_VALUE: the database is not in UTF-8. */
MUST_USE int pg_ready(struct pg *p, bool migrate, bool *out_fresh);

/* Notices a connection that the server has closed meanwhile; does not wait. */
void pg_listen(struct pg *p);

/* The values of a statement, in its order. */
struct pg_args {
    int n;
    const char *value[16];
    int length[16], format[16];
    uint64_t room[16];
};
void pg_i64(struct pg_args *a, int64_t v);
void pg_null(struct pg_args *a);
void pg_str(struct pg_args *a, struct str s);
void pg_bytes(struct pg_args *a, const void *p, size_t n);

/* Connections do not block by themselves, so that a server that hangs is not waited for without end:
 * these two wait until what was sent has left, and until PQgetResult() has something. false: there is
 * no connection (any more), and p->error says why. */
MUST_USE bool pg_flush(struct pg *p);
MUST_USE bool pg_await(struct pg *p);
/* Runs statement i. 0 and *out (PQclear it), or a code: ERR_CLOSED (connection lost), ERR_FULL,
 * ERR_BUSY, ERR_DB; the words are in p->error. out NULL: the rows are not wanted. */
MUST_USE int pg_run(struct pg *p, size_t i, const struct pg_args *a, PGresult **out);
/* A command without values or rows. */
MUST_USE int pg_command(struct pg *p, const char *sql);
/* The code of a result, its words noted. */
int pg_result(struct pg *p, const PGresult *r);

int64_t pg_get_i64(const PGresult *r, int row, int column);
struct str pg_get_str(const PGresult *r, int row, int column); /* a view into r */
struct uuid pg_get_uuid(const PGresult *r, int row, int column);

/* struct store_engine's writer and reader. */
MUST_USE int pg_writer_open(const struct store_config *c, void **out, uint64_t *out_position,
                            struct fault *f);
void pg_writer_close(void *w);
int pg_writer_write(void *w, const struct record *records, size_t count, uint64_t position,
                    int64_t now_ns, struct store_counts *out);
uint64_t pg_writer_cursor(void *w, const struct uuid *origin);
int pg_writer_disown(void *w);
int pg_writer_origins(void *ctx, int (*each)(void *ctx, const struct store_origin *o),
                      void *each_ctx);
uint64_t pg_writer_position(void *w);
int pg_writer_check(void *w);
const char *pg_writer_error(void *w);
MUST_USE int pg_reader_open(const struct store_config *c, void **out, struct fault *f);
void pg_reader_close(void *r);
void pg_reader_run(void *ctx, const struct store_query *q, const struct store_render *render,
                   void *render_ctx, int (*go_on)(void *go_on_ctx), void *go_on_ctx,
                   struct store_answer *out);

#endif
