/*
 * When the rules have changed under open connections. Publications are asked for one by one, so they
 * need nothing; what was granted for longer is asked for again here, on each worker for its own:
 * logins, subscriptions, wills.
 *
 * A session whose login is no longer good ends with its connection, and its will is not published:
 * nobody is there any more in whose name. A subscription that is no longer allowed ends without a
 * word, since MQTT has none. What waits for its client then (its queue, retained messages that were
 * asked for) is looked at one by one. What was sent to it and is not acknowledged stays as it is.
 *
 * A session that moves between workers at that moment is in nobody's table. So whoever is granted a
 * session that goes on asks for its subscriptions again (conn_granted).
 */
#include "mqtt/broker_part.h"

#include "base/log.h"
#include "base/mem.h"

bool recheck_allows(struct part *p, const struct identity *who, struct str client_id,
                    enum authz_action action, struct str object)
{
    const struct authz *z = p->b->authz;
    struct authz_check k = {
        .who = who, .action = action, .object = object, .client_id = client_id, .loop = p->loop
    };

    return !z || !z->check_again || z->check_again(z->ctx, &k) == 0;
}

static bool login_stands(struct part *p, const struct identity *who)
{
    const struct authz *z = p->b->authz;

    return !z || !z->login_again || z->login_again(z->ctx, who, p->loop) == 0;
}

bool recheck_receives(struct part *p, const struct session *s, const struct message *m)
{
    return recheck_allows(p, s->who, session_id(s), AUTHZ_SUBSCRIBE, message_topic(m));
}

struct queue_check {
    struct part *p;
    const struct session *s;
};

static bool may_stay(void *ctx, const struct session_out *o)
{
    const struct queue_check *q = ctx;

    if (recheck_receives(q->p, q->s, o->m))
        return true;
    persist_item_done(q->p, q->s, o);
    return false;
}

void recheck_queue(struct part *p, struct session *s)
{
    struct queue_check q = { p, s };

    metric_add(p->b->m.dropped_queue, session_drop_waiting(s, may_stay, &q));
    if (s->conn)
        keep_recheck(s->conn);
}

static void end_subscription(struct part *p, struct session *s, struct str filter, bool in_tree)
{
    char *copy = mem_dup(filter.p, filter.n); /* it is the list's */

    filter.p = copy;
    /* It takes along what it has of its group, and says so before it is no member any more. */
    if (!share_unsubscribe(p, s, filter)) {
        if (in_tree && tree_remove(&p->tree, filter, s)) {
            part_interest_remove(p, filter, s->written);
            metric_gauge_add(p->b->m.subscriptions, -1);
        }
        session_unsubscribe(s, filter);
    }
    if (s->written)
        persist_unsubscribe(p, s, filter, BROKER_INTERVAL, NULL, NULL);
    mem_free(copy);
}

void recheck_session(struct part *p, struct session *s, bool in_tree)
{
    uint64_t ended = 0;

    for (uint32_t i = s->sub_count;
         i-- > 0;) { /* the last one comes into the place of one that goes */
        struct str filter = { s->subs[i].filter, s->subs[i].filter_n }, name, what = filter;

        mqtt_share_split(filter, &name, &what);
        if (recheck_allows(p, s->who, session_id(s), AUTHZ_SUBSCRIBE, what))
            continue;
        end_subscription(p, s, filter, in_tree);
        ended++;
    }
    if (ended == 0)
        return;
    metric_add(p->b->m.denied_subscribe, ended);
    recheck_queue(p, s);
    if (part_may_log(p))
        log_warn("mqtt", "subscriptions ended: no longer allowed", lf_str("client", session_id(s)),
                 lf_u64("subscriptions", ended));
}

static void recheck_conn(struct conn *c)
{
    const struct mqtt_connect *hello = c->hello ? &c->hello->pk : NULL;

    if (!c->who || c->state == CONN_CLOSING)
        return;
    if (!login_stands(c->part, c->who)) {
        c->will_off = true;
        conn_end(c, MQTT_REASON_NOT_AUTHORIZED, "its login is no longer good");
    } else if (hello && hello->has_will &&
               !recheck_allows(c->part, c->who, hello->client_id, AUTHZ_PUBLISH,
                               hello->will.topic)) {
        conn_end(c, MQTT_REASON_NOT_AUTHORIZED, "no longer allowed to publish its will");
    }
}

/* True: its login is no longer good. */
static bool recheck_holding(struct part *p, struct session *s)
{
    if (!login_stands(p, s->who)) {
        will_drop(p, s);
        s->expiry_s = 0; /* one that is about to be opened ends with its connection */
        return true;
    }
    recheck_session(p, s, true);
    if (s->will && !recheck_allows(p, s->who, session_id(s), AUTHZ_PUBLISH, message_topic(s->will)))
        will_drop(p, s);
    return false;
}

void broker_recheck(struct broker *b, struct loop *l)
{
    struct part *p = part_of(b, l);
    struct holding **gone;
    struct map_entry *e;
    size_t at = 0, count = 0;

    loop_assert_mine(l);
    p->rechecks++;
    LIST_EACH_SAFE (it, tmp, &p->conns)
        recheck_conn(container_of(it, struct conn, link));
    gone = mem_new_array(p->holdings.count + 1, sizeof(*gone)); /* the map stays while it is read */
    while ((e = map_next(&p->holdings, &at)))
        if (recheck_holding(p, ((struct holding *)e->value)->s))
            gone[count++] = e->value;
    for (size_t i = 0; i < count; i++)
        if (!gone[i]->s->conn && !gone[i]->claimer && !gone[i]->waiting)
            holding_end(gone[i]);
    mem_free(gone);
}
