#ifndef EDGE_LINES_H
#define EDGE_LINES_H
/*
 * The answers of one connection to the local socket: lines are answered in the order in which they
 * came, whenever each becomes durable. Pure.
 */
#include "base/buf.h"
#include "base/list.h"

struct line_queue {
    struct list waiting; /* oldest first */
    size_t count;
    uint64_t next_number; /* of the next line, from 1 */
};

/* One line on its way. Allocated here, owned by the queue until it was answered. */
struct line {
    struct list link;
    uint64_t number;
    bool answered;
    struct buf answer; /* one line of JSON with its line feed */
};

#define LINE_ANSWER_MAX 1024

void line_queue_init(struct line_queue *q);
/* Frees what still waits. */
void line_queue_fini(struct line_queue *q);
struct line *line_add(struct line_queue *q);
/* {"ack": id} where id is JSON as the sender wrote it; without one the record's seq. */
void line_ack(struct line *l, struct str id, uint64_t seq);
/* {"error": text, "line": number} and "id" when there is one, "field" when it is not empty. */
void line_error(struct line *l, struct str id, struct str field, struct str text);
/* Moves the answers that may go now into *out, in order, and frees their lines. */
void line_answers(struct line_queue *q, struct buf *out);

/* Takes one line off *rest. True: *out is the line without its LF (and CR before it), *rest what
 * comes after. False: no LF yet. */
bool line_take(struct str *rest, struct str *out);

#endif
