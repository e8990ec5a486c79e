/*
 * What one part has for another. Publications are collected during a turn and go as one mail; any
 * other mail to that part goes behind them (part_post), so what one part sends another keeps its
 * order.
 *
 * A small publication is copied into the mail, so that nothing is allocated for it here and freed by
 * another thread there: whoever has to keep it makes a message of his own. Both know from the stamp
 * that it is the same. A large one, and one that is written down (its message has its number and the
 * mark of who has copied it), goes as its counted message.
 *
 * A part keeps one mail that has come to it for the next that it sends.
 */
#include "mqtt/broker_part.h"

#include "base/mem.h"

#include <assert.h>

#define OUTBOX_BYTES ((size_t)16 * 1024)

static_assert(OUTBOX_BYTES >= SEND_COPY_MAX, "what is small fits");

struct outbox {
    struct mail mail;
    struct broker *b;
    uint32_t count, used;
    struct publication of[OUTBOX_MESSAGES]; /* views into bytes, or of their messages */
    char bytes[OUTBOX_BYTES];
};

static void outbox_spare(struct part *p, struct outbox *o)
{
    if (p->spare_outbox)
        mem_free(o);
    else
        p->spare_outbox = o;
}

static void on_outbox(struct mail *m, struct loop *l)
{
    struct outbox *o = container_of(m, struct outbox, mail);
    struct part *p = part_of(o->b, l);

    for (uint32_t i = 0; i < o->count; i++) {
        part_deliver(p, &o->of[i]);
        publication_fini(&o->of[i]);
    }
    outbox_spare(p, o);
}

static void outbox_post(struct part *p, unsigned to)
{
    struct outbox *o = p->outboxes[to];

    if (!o)
        return;
    p->outboxes[to] = NULL;
    loop_post(p->b->parts[to]->loop, &o->mail);
}

void part_flush(struct part *p)
{
    for (unsigned i = 0; i < p->b->count; i++)
        outbox_post(p, i);
}

static void on_flush(struct later *d)
{
    part_flush(container_of(d, struct part, flush));
}

/* The one that is being filled, with room for n bytes. */
static struct outbox *outbox_for(struct part *p, unsigned to, size_t n)
{
    struct outbox *o = p->outboxes[to];

    if (o && (o->count == OUTBOX_MESSAGES || OUTBOX_BYTES - o->used < n)) {
        outbox_post(p, to);
        o = NULL;
    }
    if (o)
        return o;
    o = p->spare_outbox ? p->spare_outbox : mem_resize(NULL, sizeof(*o));
    p->spare_outbox = NULL;
    p->outboxes[to] = o;
    o->mail.deliver = on_outbox;
    o->b = p->b;
    o->count = o->used = 0;
    p->flush.run = on_flush;
    loop_later(p->loop, &p->flush);
    return o;
}

static struct str copied(struct outbox *o, struct str s)
{
    char *to = o->bytes + o->used;

    if (s.n == 0)
        return STR_NONE;
    memcpy(to, s.p, s.n);
    o->used += (uint32_t)s.n;
    return str_from(to, s.n);
}

void outbox_put(struct part *p, unsigned to, struct publication *pub)
{
    size_t n = publication_size(pub);
    bool by_reference = n > SEND_COPY_MAX || pub->src.seq != 0;
    struct outbox *o = outbox_for(p, to, by_reference ? 0 : n);
    struct publication *k = &o->of[o->count++];

    k->admitted = pub->admitted;
    if (by_reference) {
        k->m = message_ref(publication_message(pub));
        k->src = message_source_of(k->m);
        k->src.publisher = pub->src.publisher;
        return;
    }
    k->m = NULL;
    k->src = pub->src;
    k->src.topic = copied(o, pub->src.topic);
    k->src.props = copied(o, pub->src.props);
    k->src.payload = copied(o, pub->src.payload);
}

void part_post(struct part *from, unsigned to, struct mail *m)
{
    outbox_post(from, to);
    loop_post(from->b->parts[to]->loop, m);
}

void outbox_fini(struct part *p)
{
    for (unsigned i = 0; i < p->b->count; i++)
        assert(!p->outboxes[i]);
    mem_free(p->outboxes);
    mem_free(p->spare_outbox);
}
