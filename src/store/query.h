#ifndef STORE_QUERY_H
#define STORE_QUERY_H
/* The pure half of asking: defaults and bounds of a query, the tokens by which pages follow one
 * another, and the steps of a series. */
#include "store/store.h"

/* Where a page of records ends: the next one begins below (wall_ns, id). */
struct query_place {
    int64_t wall_ns;
    uint64_t id;
};

/* Tokens are one letter for what was asked, and the place. ERR_VALUE for a token that is none of
 * this kind of query. */
void query_token_place(const struct query_place *p, char out[STORE_TOKEN_SIZE]);
MUST_USE int query_place_of(struct str token, struct query_place *out);
void query_token_name(struct str device, char out[STORE_TOKEN_SIZE]);
MUST_USE int query_name_of(struct str token, struct str *out); /* a view into token */
void query_token_id(uint64_t id, char out[STORE_TOKEN_SIZE]);
MUST_USE int query_id_of(struct str token, uint64_t *out);

/* The upper end of a page: below the token's place and below to_ns. */
MUST_USE int query_upper(const struct store_query *q, struct query_place *out);
/* to_ns with its default: the end of time. */
int64_t query_end(const struct store_query *q);
/* limit with its default. */
size_t query_limit(const struct store_query *q);
/* kinds with its default. */
unsigned query_kinds(const struct store_query *q);

/* Most streams of one device that an answer lists. */
#define QUERY_STREAMS_MAX 65535
/* What the renderer answered for something that it was given: when it took it, one row more. The same
 * code. */
int query_rendered(int code, struct store_answer *out);

/* A series is made while values come in the order of their times: one step at a time is open. */
struct query_steps {
    int64_t from_ns, step_ns;
    struct store_point open; /* count 0: none is open */
    double sum;
};
/* For a stream whose records that q asks for lie between first_ns and last_ns: from q's start, or from
 * the step of the first. ERR_VALUE, and the sentence in out->text, when that is too many steps. */
MUST_USE int query_steps_begin(struct query_steps *s, const struct store_query *q, int64_t first_ns,
                               int64_t last_ns, struct store_answer *out);
/* Adds a value. True when it opened a new step and *out_done is the one before, complete. */
bool query_step_add(struct query_steps *s, int64_t wall_ns, double v, struct store_point *out_done);
/* The last one; false when there is none. */
bool query_step_end(struct query_steps *s, struct store_point *out_done);

#endif
