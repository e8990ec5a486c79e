/*
 * What the broker writes down while it runs, and who waits for it. The bytes are mqtt/persist.h's; they
 * go into a journal of the broker's own, whose committer thread groups what all workers write meanwhile.
 *
 *     waits for the disk: a publication that somebody who lasts may want, or that is retained (its
 *     PUBACK or PUBREC); a session that begins or ends with a CONNECT (CONNACK); SUBACK; UNSUBACK; the
 *     packet id of a QoS 2 message, and of a shared subscription's which member has it (its PUBLISH);
 *     PUBREC of a client (our PUBREL); PUBREL (our PUBCOMP)
 *     does not wait: PUBACK and PUBCOMP of a client, its going and coming, its will, the end of a session
 *
 * By BROKER_INTERVAL, and for all that nobody waits for, it is enough that it is written: it is flushed a
 * little later, or with the first that is waited for by BROKER_COMMIT.
 *
 * What does not wait may be lost, and then a message of QoS 1 or a will comes again, or a session lasts
 * longer. What waits could otherwise lose a message, or let one of QoS 2 come twice.
 *
 * Each round (persist_round_server.c) writes everything down anew, so that what is old can be dropped.
 */
#include "mqtt/broker_part.h"
#include "mqtt/persist.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/journal.h"

#include <assert.h>

#define RECORD_COST  64u   /* of a record in the journal, besides its payload: about */
#define COME_LOOK    1024u /* of a queue */
#define WRITINGS_MAX 256u  /* kept for the next, of a part */

struct writing {
    struct journal_entry entry;
    struct record record;
    struct part *part;
    persist_done *done; /* NULL: nobody waits, and it ends on the committer's thread */
    void *ctx;
    size_t room;
    char bytes[];
};

#define WRITING_ROOM 256u /* what is longer is not kept */

static struct writing *of_node(struct queue_node *n)
{
    return container_of(n, struct writing, entry.node);
}

/* They are kept for the next; else they would leave holes between the messages that stay. */
static struct writing *writing_take(struct part *p, size_t n)
{
    size_t room = n < WRITING_ROOM ? WRITING_ROOM : n;
    struct queue_node *spare;
    struct writing *w;

    if (room == WRITING_ROOM) {
        if (!p->spare_writing && (p->spare_writing = queue_take(&p->returned)))
            cell_set(&p->returned_count, 0);
        if ((spare = p->spare_writing)) {
            p->spare_writing = spare->next;
            return of_node(spare);
        }
    }
    w = mem_resize(NULL, sizeof(*w) + room);
    w->room = room;
    return w;
}

/* On whichever thread it ends: as many are kept as came back since the part was last out of them. */
static void writing_free(struct writing *w)
{
    struct part *p = w->part;

    if (w->room == WRITING_ROOM && cell_add(&p->returned_count, 1) <= WRITINGS_MAX)
        queue_push(&p->returned, &w->entry.node);
    else
        mem_free(w);
}

static void free_all(struct queue_node *n)
{
    while (n) {
        struct queue_node *next = n->next;

        mem_free(of_node(n));
        n = next;
    }
}

void persist_fini(struct part *p)
{
    free_all(p->spare_writing);
    free_all(queue_take(&p->returned));
}

static void on_written(struct journal_entry *e, int code)
{
    struct writing *w = container_of(e, struct writing, entry);

    w->part->letters--;
    w->done(w->ctx, code, w->record.seq);
    writing_free(w);
}

/* On the committer's thread: nobody waits for it; what a failure costs is said above. A round asks
 * whether there was any. */
static void on_written_unawaited(struct journal_entry *e, int code)
{
    struct writing *w = container_of(e, struct writing, entry);

    if (code)
        metric_add(w->part->b->m.unwritten, 1);
    cell_sub(&w->part->unawaited, 1);
    writing_free(w);
}

bool persist_is_behind(struct part *p, unsigned most)
{
    return cell_get(&p->unawaited) > most;
}

void persist_append(struct part *p, enum broker_durability how, persist_done *done, void *ctx)
{
    struct str bytes = buf_str(&p->writing);
    struct writing *w = writing_take(p, bytes.n);

    assert(!p->writing.over && how != BROKER_MEMORY);
    memcpy(w->bytes, bytes.p, bytes.n);
    w->record = (struct record){ .kind = RECORD_EVENT,
                                 .device = STR("broker"),
                                 .stream = STR("state"),
                                 .content_type = STR("application/octet-stream"),
                                 .wall_ns = p->begun_wall_ns,
                                 .uptime_ns = p->begun_uptime_ns,
                                 .boot = journal_boot(p->b->journal),
                                 .payload = str_from(w->bytes, bytes.n) };
    w->entry = (struct journal_entry){ .records = &w->record,
                                       .count = 1,
                                       .reply = done ? p->loop : NULL,
                                       .done = done ? on_written : on_written_unawaited,
                                       .lazy = !done || how == BROKER_INTERVAL };
    w->part = p;
    w->done = done;
    w->ctx = ctx;
    cell_add(&p->b->log_written, bytes.n + RECORD_COST);
    p->letters += done != NULL;
    if (!done)
        cell_add(&p->unawaited, 1);
    journal_append(p->b->journal, &w->entry);
}

struct buf *persist_begin(struct part *p)
{
    buf_clear(&p->writing);
    p->begun_wall_ns = clock_wall_ns();
    p->begun_uptime_ns = clock_uptime_ns();
    return &p->writing;
}

/* ---- messages ---- */

static bool is_system(struct str topic)
{
    return str_starts(topic, STR("$SYS/"));
}

enum broker_durability persist_topic(const struct broker *b, struct str topic,
                                     enum broker_durability otherwise)
{
    for (size_t i = 0; i < b->topic_count; i++)
        if (mqtt_filter_matches(b->topics[i].filter, topic))
            return b->topics[i].durability;
    return otherwise;
}

enum broker_durability persist_how(const struct conn *c)
{
    return c->rules->durability == BROKER_COMMIT ? BROKER_COMMIT : BROKER_INTERVAL;
}

bool persist_retains(const struct broker *b, struct str topic)
{
    return !is_system(topic) && persist_topic(b, topic, b->durability) != BROKER_MEMORY;
}

bool persist_wants(const struct part *p, const struct message_source *src,
                   enum broker_durability how)
{
    return p->b->journal && how != BROKER_MEMORY && src->qos > 0 && !is_system(src->topic) &&
           (src->retain || part_lasting_interest(p, src->topic));
}

/* Until when, by the wall clock; it counts on while we are not there. */
static int64_t wall_of(const struct part *p, uint64_t expires_ms)
{
    uint64_t now = loop_now_ms(p->loop);
    int64_t wall_ms = p->begun_wall_ns / 1000000;

    if (expires_ms == 0)
        return 0;
    return expires_ms > now ? wall_ms + (int64_t)(expires_ms - now) : wall_ms;
}

void persist_put_source(struct part *p, enum persist_op op, const struct message_source *src,
                        uint16_t packet_id)
{
    struct buf *b = persist_begin(p);
    struct persist_message m = { .topic = src->topic,
                                 .props = src->props,
                                 .payload = src->payload,
                                 .seq = op == PERSIST_MESSAGE ? 0 : src->seq,
                                 .publisher = src->publisher,
                                 .expires_wall_ms = wall_of(p, src->expires_ms),
                                 .packet_id = packet_id,
                                 .qos = src->qos,
                                 .retain = src->retain };

    persist_put_message(b, op, &m);
}

void persist_publication(struct part *p, const struct message_source *src, uint16_t packet_id,
                         enum broker_durability how, persist_done *done, void *ctx)
{
    persist_put_source(p, PERSIST_MESSAGE, src, packet_id);
    cell_add(&p->b->log_published, p->writing.n + RECORD_COST);
    persist_append(p, how, done, ctx);
}

void persist_arrived(struct part *p, uint64_t serial, uint16_t packet_id,
                     enum broker_durability how, persist_done *done, void *ctx)
{
    persist_put_arrived(persist_begin(p), serial, packet_id);
    persist_append(p, how, done, ctx);
}

void persist_retained(struct part *p, const struct message_source *src)
{
    if (!p->b->journal || src->seq != 0 || !persist_retains(p->b, src->topic))
        return;
    persist_put_source(p, PERSIST_MESSAGE, src, 0);
    cell_add(&p->b->log_published, p->writing.n + RECORD_COST);
    persist_append(p, BROKER_INTERVAL, NULL, NULL);
}

void persist_unretained(struct part *p, struct str topic, uint64_t seq)
{
    struct persist_message m = { .topic = topic, .seq = seq, .retain = true };

    persist_put_message(persist_begin(p), PERSIST_RETAINED, &m);
    persist_append(p, BROKER_INTERVAL, NULL, NULL);
}

/* ---- sessions ---- */

void persist_end(struct part *p, uint64_t serial, enum broker_durability how, persist_done *done,
                 void *ctx)
{
    persist_put_end(persist_begin(p), serial);
    persist_append(p, how, done, ctx);
}

/* A clock of 1970 cannot tell what is longer ago. */
int64_t persist_away_wall_ms(const struct part *p, const struct session *s)
{
    int64_t at;

    if (s->away_ms == SESSION_NEVER_AWAY)
        return 0;
    at = p->begun_wall_ns / 1000000 - ((int64_t)(p->begun_uptime_ns / 1000000) - s->away_ms);
    return at > 0 ? at : 1;
}

void persist_away(struct part *p, const struct session *s)
{
    struct buf *b = persist_begin(p);

    persist_put_away(b, s->serial, persist_away_wall_ms(p, s), s->expiry_s);
    persist_append(p, BROKER_INTERVAL, NULL, NULL);
}

void persist_back(struct part *p, const struct session *s, uint32_t expiry_s)
{
    persist_put_back(persist_begin(p), s->serial, expiry_s);
    persist_append(p, BROKER_INTERVAL, NULL, NULL);
}

void persist_will(struct part *p, struct session *s)
{
    struct message_source src;

    if (!s->written || (!s->will && !s->will_written))
        return;
    s->will_written = s->will != NULL;
    if (s->will) {
        src = message_source_of(s->will);
        persist_put_will(persist_begin(p), s->serial, s->will_delay_s,
                         &(struct persist_message){ .topic = src.topic,
                                                    .props = src.props,
                                                    .payload = src.payload,
                                                    .expires_wall_ms = (int64_t)src.expires_ms,
                                                    .qos = src.qos,
                                                    .retain = src.retain });
    } else {
        persist_put_no_will(persist_begin(p), s->serial);
    }
    persist_append(p, BROKER_INTERVAL, NULL, NULL);
}

void persist_subscribe(struct part *p, const struct session *s, const struct persist_sub *sub,
                       enum broker_durability how, persist_done *done, void *ctx)
{
    persist_put_subscribe(persist_begin(p), s->serial, sub);
    persist_append(p, how, done, ctx);
}

/* No message above it has come to the session. It may have come from another worker with more than this one
 * knows of; numbers come nearly in order, so the end of its queue tells. */
static uint64_t come_to(const struct part *p, const struct session *s)
{
    uint64_t highest = p->routed;

    for (uint32_t at = s->count > COME_LOOK ? s->count - COME_LOOK : 0; at < s->count; at++)
        if (session_item_seq(session_item_at(s, at)) > highest)
            highest = session_item_seq(session_item_at(s, at));
    return highest;
}

void persist_unsubscribe(struct part *p, const struct session *s, struct str filter,
                         enum broker_durability how, persist_done *done, void *ctx)
{
    persist_put_unsubscribe(persist_begin(p), s->serial, filter, come_to(p, s));
    persist_append(p, how, done, ctx);
}

void persist_item_done(struct part *p, const struct session *s, const struct session_out *o)
{
    if (o->seq == 0)
        return;
    if (o->share) {
        share_done(p, s, o->share, o->seq);
        return;
    }
    persist_put_done(persist_begin(p), s->serial, o->seq, o->sub_key,
                     o->written ? o->packet_id : 0);
    persist_append(p, BROKER_INTERVAL, NULL, NULL);
}

void persist_share_done(struct part *p, struct str key, uint64_t seq)
{
    persist_put_share_done(persist_begin(p), key, seq);
    persist_append(p, BROKER_INTERVAL, NULL, NULL);
}

/* ---- QoS 2, step by step ---- */

struct step {
    struct conn *c;
    uint64_t serial; /* of the session that it was for */
    struct session_out out;
    uint32_t ack;
};

static struct step *step_new(struct conn *c, const struct session_out *o)
{
    struct step *t = NEW(struct step);

    t->c = c;
    t->serial = c->session->serial;
    t->out = *o;
    c->holds++;
    return t;
}

/* The connection that still waits for it, or NULL; t and its hold are gone in any case afterwards. */
static bool step_over(struct step *t, int code)
{
    struct conn *c = t->c;

    if (!conn_is_open(c) || c->session->serial != t->serial)
        return false;
    if (code == 0)
        return true;
    conn_end(c, MQTT_REASON_UNSPECIFIED, "its state could not be written down");
    return false;
}

static void step_free(struct step *t)
{
    conn_unhold(t->c);
    mem_free(t);
}

static void on_sent(void *ctx, int code, uint64_t seq)
{
    struct step *t = ctx;
    struct conn *c = t->c;

    (void)seq;
    if (step_over(t, code)) {
        c->session->unwritten--;
        if (t->out.share)
            share_taken(c->part, c->session, &t->out);
        if (session_written(c->session, t->out.packet_id, t->out.seq, &t->out))
            conn_send_out(c, &t->out);
        if (c->session->unwritten == 0)
            conn_pump(c);
    }
    step_free(t);
}

void persist_sent(struct conn *c, const struct session_out *o)
{
    struct persist_item it = { .seq = o->seq, .sub_id = o->sub_key, .packet_id = o->packet_id };

    if (o->share && o->seq != 0) {
        share_put_taken(c->part, c->session, o);
        session_take(c->session, o->packet_id);
    } else {
        persist_put_sent(persist_begin(c->part), c->session->serial, &it);
    }
    c->session->unwritten++;
    persist_append(c->part, persist_how(c), on_sent, step_new(c, o));
}

static void on_released(void *ctx, int code, uint64_t seq)
{
    struct step *t = ctx;

    (void)seq;
    if (step_over(t, code) && session_released_written(t->c->session, t->out.packet_id, t->out.seq))
        conn_send_ack(t->c, MQTT_PUBREL, t->out.packet_id, 0, NULL);
    step_free(t);
}

void persist_released(struct conn *c, const struct session_out *o)
{
    persist_put_released(persist_begin(c->part), c->session->serial, o->packet_id);
    persist_append(c->part, persist_how(c), on_released, step_new(c, o));
}

/* Also of one that has gone: others wait behind. */
static void step_answer(struct step *t)
{
    acks_settle_take(&t->c->acks, t->ack, 0, NULL, NULL);
    conn_flush_acks(t->c);
    step_free(t);
}

static void on_again(void *ctx, int code, uint64_t seq)
{
    (void)seq;
    step_over(ctx, code);
    step_answer(ctx);
}

void persist_again(struct conn *c, uint16_t packet_id)
{
    struct step *t = step_new(c, &(struct session_out){ .packet_id = packet_id });

    t->ack = acks_open_again(&c->acks, &c->part->spare_acks, MQTT_PUBREC, packet_id);
    persist_arrived(c->part, t->serial, packet_id, persist_how(c), on_again, t);
}

static void on_complete(void *ctx, int code, uint64_t seq)
{
    struct step *t = ctx;

    (void)seq;
    if (step_over(t, code)) /* a PUBREL that comes again before that is written down again */
        session_release(t->c->session, t->out.packet_id);
    step_answer(t);
}

void persist_complete(struct conn *c, uint16_t packet_id)
{
    struct step *t = step_new(c, &(struct session_out){ .packet_id = packet_id });

    t->ack = acks_open(&c->acks, &c->part->spare_acks, MQTT_PUBCOMP, packet_id);
    persist_put_complete(persist_begin(c->part), c->session->serial, packet_id);
    persist_append(c->part, persist_how(c), on_complete, t);
}
