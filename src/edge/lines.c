/* Lines in, answers out in the same order; an answer that is ready early waits for those before. */
#include "edge/lines.h"

#include "base/mem.h"
#include "wire/json.h"

#include <assert.h>

void line_queue_init(struct line_queue *q)
{
    *q = (struct line_queue){ .next_number = 1 };
    list_init(&q->waiting);
}

static void line_free(struct line *l)
{
    buf_fini(&l->answer);
    mem_free(l);
}

void line_queue_fini(struct line_queue *q)
{
    struct list *link;

    while ((link = list_pop_front(&q->waiting)))
        line_free(container_of(link, struct line, link));
    q->count = 0;
}

struct line *line_add(struct line_queue *q)
{
    struct line *l = NEW(struct line);

    l->number = q->next_number++;
    l->answer = buf_init(LINE_ANSWER_MAX);
    list_push_back(&q->waiting, &l->link);
    q->count++;
    return l;
}

void line_ack(struct line *l, struct str id, uint64_t seq)
{
    struct json_writer w = json_writer_init(&l->answer);

    assert(!l->answered);
    json_begin_object(&w);
    json_key(&w, "ack");
    if (id.p)
        json_raw(&w, id);
    else
        json_u64(&w, seq);
    json_end_object(&w);
    buf_u8(&l->answer, '\n');
    l->answered = true;
}

void line_error(struct line *l, struct str id, struct str field, struct str text)
{
    struct json_writer w = json_writer_init(&l->answer);

    assert(!l->answered);
    json_begin_object(&w);
    json_key(&w, "error");
    json_str(&w, text);
    if (field.n > 0) {
        json_key(&w, "field");
        json_str(&w, field);
    }
    if (id.p) {
        json_key(&w, "id");
        json_raw(&w, id);
    }
    json_put_u64(&w, "line", l->number);
    json_end_object(&w);
    buf_u8(&l->answer, '\n');
    l->answered = true;
}

void line_answers(struct line_queue *q, struct buf *out)
{
    while (!list_empty(&q->waiting)) {
        struct line *l = container_of(q->waiting.next, struct line, link);

        if (!l->answered)
            return;
        buf_put(out, buf_str(&l->answer));
        list_remove(&l->link);
        q->count--;
        line_free(l);
    }
}

bool line_take(struct str *rest, struct str *out)
{
    size_t at = str_find(*rest, '\n');

    if (at == rest->n)
        return false;
    *out = str_sub(*rest, 0, at);
    *rest = str_skip(*rest, at + 1);
    if (out->n > 0 && out->p[out->n - 1] == '\r')
        out->n--;
    return true;
}
