/*
 * A client's session as a pure machine.
 *
 * Outgoing messages of QoS 1 and 2 lie in one ring: those in flight first, in the order in which
 * they were sent, then those that wait.
 *
 *     head                     head + sent                     head + count
 *     | sent | released | done | sent |  waiting  |  waiting  |
 *
 * Packet ids are given out in turn (1 … 65535, 1 …) to neighbours in the ring, so an id names its place by
 * subtraction. An answer marks its item done; done items leave from the head, and the ring never spans more ids
 * than there are. At a limit the newest message is dropped and counted, unless older ones of QoS 0 are to make
 * room. QoS 0 enters a session only while its client is away, where that is wanted, and behind such messages; it
 * needs no packet id, so it leaves its place when its turn has come.
 *
 * MQTT 3.1.1 4.1, 4.3, 4.4; MQTT 5 3.1.2.11.2 (expiry), 3.1.3.2.2 (will delay), 4.4 (resending only
 * after a new connection), 4.9 (flow control).
 */
#include "mqtt/session_impl.h"

#include "base/mem.h"
#include "trust/authz.h"

#include <assert.h>

#define ID_COUNT 65535u

uint32_t session_id_count(const struct session *s)
{
    return s->limits->packet_id_max > 0 ? s->limits->packet_id_max : ID_COUNT;
}

static uint16_t window_of(const struct session_limits *l, uint32_t wish)
{
    uint32_t most = wish < l->inflight_max ? wish : l->inflight_max;

    return most < UINT16_MAX ? (uint16_t)most : UINT16_MAX;
}

struct session *session_new(struct str client_id, uint64_t serial, const struct session_limits *l)
{
    struct session *s = mem_new(sizeof(*s) + client_id.n + 1);

    if (client_id.n > 0)
        memcpy(s->client_id, client_id.p, client_id.n);
    s->client_id_n = (uint32_t)client_id.n;
    s->serial = serial;
    s->limits = l;
    s->window = window_of(l, UINT16_MAX);
    s->will_at_ms = s->expires_at_ms = UINT64_MAX;
    s->away_ms = SESSION_NEVER_AWAY;
    return s;
}

static struct session_item *item(const struct session *s, uint32_t at)
{
    return session_item_at(s, at);
}

static void drop_message(struct session *s, struct session_item *it);

/* One message of n bytes more (by 1) or less (by -1). */
static void count_queued(struct session *s, int by, size_t n)
{
    s->queued_messages += (uint32_t)by;
    s->queued_bytes += by > 0 ? n : -n;
    metric_gauge_add(s->limits->queued, by);
    metric_gauge_add(s->limits->queued_bytes, by > 0 ? (int64_t)n : -(int64_t)n);
}

void session_free(struct session *s)
{
    if (!s)
        return;
    assert(!s->conn);
    for (uint32_t i = 0; i < s->count; i++)
        drop_message(s, item(s, i));
    for (uint32_t i = 0; i < s->sub_count; i++)
        mem_free(s->subs[i].filter);
    if (s->id_sets)
        sub_id_sets_fini(s->id_sets);
    mem_free(s->id_sets);
    mem_free(s->ring);
    mem_free(s->subs);
    for (uint32_t i = 0; i < s->share_count; i++)
        mem_free((void *)(uintptr_t)s->shares[i].key.p);
    mem_free(s->shares);
    mem_free(s->received);
    message_unref(s->will);
    identity_unref(s->who);
    mem_free(s);
}

/* ---- subscriptions ---- */

static struct session_sub *find_sub(const struct session *s, struct str filter)
{
    for (uint32_t i = 0; i < s->sub_count; i++)
        if (str_eq(str_from(s->subs[i].filter, s->subs[i].filter_n), filter))
            return &s->subs[i];
    return NULL;
}

void session_subscribe(struct session *s, struct str filter, uint32_t sub_id, uint8_t options,
                       bool added)
{
    struct session_sub *sub = added ? NULL : find_sub(s, filter);

    if (!sub) {
        assert(added);
        /* There is always room for the next power of two. */
        if ((s->sub_count & (s->sub_count - 1)) == 0)
            s->subs = mem_resize(s->subs,
                                 (s->sub_count ? 2 * (size_t)s->sub_count : 1) * sizeof(*s->subs));
        sub = &s->subs[s->sub_count++];
        sub->filter = mem_dup(filter.p, filter.n);
        sub->filter_n = (uint32_t)filter.n;
    }
    sub->sub_id = sub_id;
    sub->options = options;
}

void session_unsubscribe(struct session *s, struct str filter)
{
    struct session_sub *sub = find_sub(s, filter);

    if (!sub)
        return;
    mem_free(sub->filter);
    *sub = s->subs[--s->sub_count];
}

bool session_has_subscription(const struct session *s, struct str filter)
{
    return find_sub(s, filter) != NULL;
}

/* ---- outgoing ---- */

/* By an eighth: a long queue is nearly full of what it holds, and what is moved is still a constant for
 * each item. The ring is full, so what lies from the head to its end goes to the new end. */
static void ring_grow(struct session *s)
{
    uint32_t cap = s->cap < 4 ? 4 : s->cap < 64 ? s->cap * 2 : s->cap + s->cap / 8;
    uint32_t n = s->cap - s->head;

    assert(s->count == s->cap);
    s->ring = mem_resize(s->ring, cap * sizeof(*s->ring));
    if (s->head > 0) {
        memmove(&s->ring[cap - n], &s->ring[s->head], n * sizeof(*s->ring));
        s->head = cap - n;
    }
    s->cap = cap;
}

static void ring_step(struct session *s)
{
    s->head = s->head + 1 < s->cap ? s->head + 1 : 0;
    s->count--;
}

struct sub_ids session_sub_ids(const struct session *s, const uint32_t *ref)
{
    return s->id_sets ? sub_id_sets_get(s->id_sets, ref) : sub_ids_one(ref);
}

static struct sub_id_sets *id_sets(struct session *s)
{
    if (!s->id_sets)
        s->id_sets = NEW(struct sub_id_sets);
    return s->id_sets;
}

uint32_t session_put_sub_ids(struct session *s, struct sub_ids ids)
{
    if (ids.n < 2)
        return ids.n ? ids.at[0] : 0;
    return sub_id_sets_put(id_sets(s), ids);
}

void session_drop_sub_ids(struct session *s, uint32_t ref)
{
    if (s->id_sets)
        sub_id_sets_drop(s->id_sets, ref);
}

static uint32_t key_of(const struct session *s, const struct session_item *it)
{
    struct sub_ids ids = session_sub_ids(s, &it->sub_ids);

    return ids.n ? ids.at[0] : 0;
}

size_t session_queued_size(const struct message *m, struct sub_ids ids)
{
    return message_size(m) + (ids.n > 1 ? ids.n * sizeof(*ids.at) : 0);
}

void session_ring_put(struct session *s, const struct session_item *it)
{
    if (s->count == s->cap)
        ring_grow(s);
    *item(s, s->count++) = *it;
    if (!session_item_message(it))
        return;
    count_queued(s, 1, session_queued_size(it->m, session_sub_ids(s, &it->sub_ids)));
}

/* The message is no longer needed; its item may be, with what tells it from others. It is RELEASED, until the
 * caller says what else has become of it. */
static void drop_message(struct session *s, struct session_item *it)
{
    struct message *m = session_item_message(it);
    uint64_t seq = session_item_seq(it);
    uint32_t ref = it->sub_ids;

    if (!m)
        return;
    s->waiting0 -= it->qos == 0;
    count_queued(s, -1, session_queued_size(m, session_sub_ids(s, &it->sub_ids)));
    message_unref(m);
    it->state = SESSION_RELEASED;
    it->seq = seq;
    it->shared = 0;
    it->sub_ids = key_of(s, it);
    session_drop_sub_ids(s, ref);
}

static bool has_room(const struct session *s, size_t n)
{
    return s->queued_messages < s->limits->queue_max_messages &&
           s->queued_bytes + n <= session_queue_max(s->limits) && s->count <= UINT32_MAX / 4;
}

/* Out of the ring, its message gone; what is in front of it moves. */
static void take_out(struct session *s, uint32_t at)
{
    assert(at >= s->sent);
    drop_message(s, item(s, at));
    for (uint32_t i = at; i > 0; i--)
        *item(s, i) = *item(s, i - 1);
    ring_step(s);
    if (at < s->told)
        s->told--;
}

static void drop_oldest_qos0(struct session *s)
{
    uint32_t at = s->sent;

    while (item(s, at)->qos != 0)
        at++;
    take_out(s, at);
    s->dropped++;
}

int session_push(struct session *s, struct message *m, unsigned qos, bool retain,
                 struct sub_ids ids)
{
    size_t n = session_queued_size(m, ids);
    int gone = 0;

    while (!has_room(s, n)) {
        if (s->limits->full != SESSION_DROP_OLDEST_QOS0 || s->waiting0 == 0 ||
            n > session_queue_max(s->limits)) {
            s->dropped++;
            return ERR_FULL;
        }
        drop_oldest_qos0(s);
        gone++;
    }
    session_admit(s, m, qos, retain, ids);
    return gone;
}

int session_admit(struct session *s, struct message *m, unsigned qos, bool retain,
                  struct sub_ids ids)
{
    size_t n = session_queued_size(m, ids);

    if (s->count == s->cap)
        ring_grow(s);
    *item(s, s->count++) = (struct session_item){
        .m = message_ref(m),
        .sub_ids = session_put_sub_ids(s, ids),
        .qos = qos & 3,
        .retain = retain,
        .state = SESSION_WAITING,
        .lasts = s->written && qos > 0,
    };
    s->waiting0 += qos == 0;
    count_queued(s, 1, n);
    return 0;
}

void session_mark_unwritten(struct session *s)
{
    assert(s->count > s->sent);
    item(s, s->count - 1)->lasts = 0;
}

void session_mark_shared(struct session *s, uint64_t share)
{
    struct session_item *it = item(s, s->count - 1);
    uint32_t ref = it->sub_ids;

    session_mark_unwritten(s);
    it->shared = 1;
    it->sub_ids = sub_id_sets_put_shared(id_sets(s), session_sub_ids(s, &ref), share);
    session_drop_sub_ids(s, ref);
}

uint32_t session_room(const struct session *s)
{
    return s->count > s->sent || s->resend_at < s->sent || s->open >= s->window
               ? 0
               : s->window - s->open;
}

/* Where what came behind the mark begins, or before that: what has been dropped meanwhile may have been in front
 * of it. */
static uint32_t place_of_mark(const struct session *s, struct session_mark mark)
{
    uint32_t dropped = s->dropped - mark.dropped;

    return dropped < mark.count ? mark.count - dropped : 0;
}

void session_absorb(struct session *s, const struct session *other, struct session_mark mark)
{
    uint32_t since = place_of_mark(s, mark), until = s->count;

    for (uint32_t i = 0; i < other->count; i++) {
        const struct session_item *it = item(other, i);
        bool known = false;
        int gone;

        for (uint32_t k = since; k < until && !known; k++)
            known = session_item_message(item(s, k)) && message_is_same(item(s, k)->m, it->m);
        if (known)
            continue;
        gone = (s->limits->elastic ? session_admit : session_push)(
            s, it->m, it->qos, it->retain, session_sub_ids(other, &it->sub_ids));
        if (gone < 0)
            return; /* full: counted, and so would be the rest */
        until -= (uint32_t)gone;
        since -= since < (uint32_t)gone ? since : (uint32_t)gone;
    }
}

/* Done items leave from the head; an empty ring gives its memory back. */
static void ring_trim(struct session *s)
{
    while (s->sent > 0 && item(s, 0)->state == SESSION_DONE) {
        ring_step(s);
        s->sent--;
        if (s->resend_at > 0)
            s->resend_at--;
        if (s->told > 0)
            s->told--;
    }
    if (s->count == 0 && s->cap > 64) {
        mem_free(s->ring);
        s->ring = NULL;
        s->cap = s->head = 0;
    }
}

static void item_done(struct session *s, struct session_item *it)
{
    uint32_t place = (uint32_t)(it - s->ring);
    uint32_t at = place >= s->head ? place - s->head : place + s->cap - s->head;

    drop_message(s, it);
    it->state = SESSION_DONE;
    if (at < s->resend_at)
        s->open--;
    ring_trim(s);
}

/* By which it came, and whose it is still; 0: by none, or it is RELEASED. */
static uint64_t share_of(const struct session *s, const struct session_item *it)
{
    return it->shared ? sub_id_sets_share(s->id_sets, it->sub_ids) : 0;
}

static void fill_out(const struct session *s, const struct session_item *it, bool dup,
                     struct session_out *out)
{
    uint64_t share = share_of(s, it);

    *out = (struct session_out){ .m = session_item_message(it),
                                 .seq = share ? message_seq(it->m) : session_item_seq(it),
                                 .share = share,
                                 .written = it->written,
                                 .sub_ids = it->sub_ids,
                                 .sub_key = key_of(s, it),
                                 .packet_id = it->packet_id,
                                 .qos = it->qos,
                                 .retain = it->retain,
                                 .dup = dup };
}

/* What waits there leaves; told: what s->told becomes. */
static void drop_out(struct session *s, uint32_t at, uint32_t *told)
{
    drop_message(s, item(s, at));
    *told -= at < s->told;
}

size_t session_drop_waiting(struct session *s, bool (*keep)(void *ctx, const struct session_out *o),
                            void *ctx)
{
    uint32_t to = s->sent, told = s->told, dropped;

    for (uint32_t at = s->sent; at < s->count; at++) {
        struct session_item *it = item(s, at);
        struct session_out out;

        fill_out(s, it, false, &out);
        if (keep(ctx, &out))
            *item(s, to++) = *it;
        else
            drop_out(s, at, &told);
    }
    dropped = s->count - to;
    s->count = to;
    s->told = told;
    s->dropped += dropped;
    ring_trim(s);
    return dropped;
}

static bool is_over(const struct message *m, uint64_t now_ms)
{
    return message_expires_ms(m) != 0 && message_expires_ms(m) <= now_ms;
}

/* Its packet id was still on its way to the disk when the connection ended: it was never sent. */
static bool is_unsent(const struct session *s, const struct session_item *it)
{
    return it->state == SESSION_SENT && it->qos == 2 && s->written && !it->written;
}

static enum session_send next_again(struct session *s, uint64_t now_ms, struct session_out *out)
{
    while (s->resend_at < s->sent && s->open < s->window) {
        struct session_item *it = item(s, s->resend_at++);

        if (it->state == SESSION_DONE)
            continue;
        s->open++;
        if (is_unsent(s, it) && is_over(it->m, now_ms)) {
            s->dropped++;
            s->expired++;
            fill_out(s, it, true, out);
            out->m = NULL;
            item_done(s, it);
            return SESSION_OVER;
        }
        fill_out(s, it, true, out);
        return it->state == SESSION_RELEASED ? SESSION_PUBREL : SESSION_PUBLISH;
    }
    return SESSION_NOTHING;
}

void session_passed(struct session *s)
{
    assert(s->sent < s->count && item(s, s->sent)->qos == 0);
    take_out(s, s->sent);
    ring_trim(s);
}

enum session_send session_next(struct session *s, uint64_t now_ms, struct session_out *out)
{
    enum session_send again = next_again(s, now_ms, out);

    if (again != SESSION_NOTHING)
        return again;
    while (s->sent < s->count && s->open < s->window && s->sent < session_id_count(s)) {
        struct session_item *it = item(s, s->sent);

        if (s->unwritten > 0 && it->qos < 2)
            break;
        if (it->qos == 0 && is_over(it->m, now_ms)) {
            s->dropped++;
            s->expired++;
            session_passed(s);
            continue;
        }
        if (it->qos == 0) {
            fill_out(s, it, false, out);
            return SESSION_PUBLISH;
        }
        s->last_packet_id = (uint16_t)(s->last_packet_id % session_id_count(s) + 1);
        it->packet_id = s->last_packet_id;
        it->state = SESSION_SENT;
        s->sent++;
        s->resend_at = s->sent;
        s->open++;
        if (is_over(it->m, now_ms)) {
            s->dropped++;
            s->expired++;
            item_done(s, it);
            continue;
        }
        fill_out(s, it, it->maybe, out);
        return SESSION_PUBLISH;
    }
    return SESSION_NOTHING;
}

/* The item in flight with that id, or NULL. */
static struct session_item *in_flight(const struct session *s, uint16_t packet_id)
{
    uint32_t at;
    struct session_item *it;

    if (s->sent == 0 || packet_id == 0 || packet_id > session_id_count(s))
        return NULL;
    at = (packet_id + session_id_count(s) - item(s, 0)->packet_id) % session_id_count(s);
    if (at >= s->sent)
        return NULL;
    it = item(s, at);
    assert(it->packet_id == packet_id);
    return it->state == SESSION_DONE ? NULL : it;
}

bool session_in_flight(const struct session *s, uint16_t packet_id, struct session_out *out)
{
    const struct session_item *it = in_flight(s, packet_id);

    if (it)
        fill_out(s, it, false, out);
    return it != NULL;
}

bool session_written(struct session *s, uint16_t packet_id, uint64_t seq, struct session_out *out)
{
    struct session_item *it = in_flight(s, packet_id);

    if (!it || session_item_seq(it) != seq || it->state != SESSION_SENT)
        return false;
    it->written = 1;
    it->shared = 0;
    fill_out(s, it, false, out);
    return true;
}

bool session_released_written(struct session *s, uint16_t packet_id, uint64_t seq)
{
    struct session_item *it = in_flight(s, packet_id);

    if (!it || session_item_seq(it) != seq || it->state != SESSION_RELEASED)
        return false;
    it->written = 1;
    return true;
}

void session_skip(struct session *s, uint16_t packet_id)
{
    struct session_item *it = in_flight(s, packet_id);

    assert(it);
    s->dropped++;
    item_done(s, it);
}

int session_puback(struct session *s, uint16_t packet_id)
{
    struct session_item *it = in_flight(s, packet_id);

    if (!it)
        return ERR_UNKNOWN;
    if (it->qos != 1)
        return ERR_PROTO;
    item_done(s, it);
    return 0;
}

int session_pubrec(struct session *s, uint16_t packet_id, bool refused)
{
    struct session_item *it = in_flight(s, packet_id);

    if (!it)
        return ERR_UNKNOWN;
    if (it->qos != 2)
        return ERR_PROTO;
    if (refused) {
        item_done(s, it);
        return 0;
    }
    drop_message(s, it);
    it->state = SESSION_RELEASED;
    it->written = 0;
    return 0;
}

int session_pubcomp(struct session *s, uint16_t packet_id)
{
    struct session_item *it = in_flight(s, packet_id);

    if (!it)
        return ERR_UNKNOWN;
    if (it->state != SESSION_RELEASED)
        return ERR_PROTO;
    item_done(s, it);
    return 0;
}

/* ---- shared subscriptions ---- */

struct session_share *session_find_share(const struct session *s, uint64_t id)
{
    for (uint32_t i = 0; i < s->share_count; i++)
        if (s->shares[i].id == id)
            return &s->shares[i];
    return NULL;
}

struct session_share *session_share_of(const struct session *s, struct str key)
{
    for (uint32_t i = 0; i < s->share_count; i++)
        if (str_eq(s->shares[i].key, key))
            return &s->shares[i];
    return NULL;
}

void session_add_share(struct session *s, struct str key, uint64_t id, unsigned home)
{
    struct str copy = { mem_dup(key.p, key.n), key.n };

    s->shares = mem_resize(s->shares, (s->share_count + 1) * sizeof(*s->shares));
    s->shares[s->share_count++] = (struct session_share){ .id = id, .key = copy, .home = home };
}

void session_take(struct session *s, uint16_t packet_id)
{
    struct session_item *it = in_flight(s, packet_id);

    assert(it && it->shared);
    it->lasts = 1;
}

void session_remove_share(struct session *s, uint64_t id,
                          void (*taken)(void *ctx, const struct session_out *o), void *ctx)
{
    struct session_share *sh = session_find_share(s, id);

    if (!sh)
        return;
    for (uint32_t i = 0; i < s->count; i++) {
        struct session_item *it = item(s, i);
        struct session_out o;

        if (share_of(s, it) != id)
            continue;
        fill_out(s, it, it->state == SESSION_SENT, &o);
        it->shared = 0;
        it->lasts = 1;
        if (o.seq != 0)
            taken(ctx, &o);
    }
    mem_free((void *)(uintptr_t)sh->key.p);
    *sh = s->shares[--s->share_count];
}

void session_give_back(struct session *s,
                       void (*give)(void *ctx, uint64_t share, struct message *m), void *ctx)
{
    uint32_t kept = s->sent, told = s->told;

    for (uint32_t i = 0; i < s->count; i++) {
        struct session_item *it = item(s, i);

        if (it->shared &&
            (it->state == SESSION_WAITING || (it->state == SESSION_SENT && it->qos == 1))) {
            give(ctx, share_of(s, it), message_ref(it->m));
            if (it->state == SESSION_WAITING)
                drop_out(s, i, &told);
            else
                drop_message(s, it);
            it->state = SESSION_DONE;
        } else if (it->state == SESSION_WAITING) {
            *item(s, kept++) = *it;
        }
    }
    s->count = kept;
    s->told = told;
    ring_trim(s);
}

/* ---- incoming QoS 2 ---- */

/* In order, since a client may have all that there are on their way; this is the first that is not below. */
static uint32_t received_place(const struct session *s, uint16_t packet_id)
{
    uint32_t low = 0, high = s->received_count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (s->received[mid] < packet_id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* There is always room for the next power of two, and for four. */
static void received_fit(struct session *s)
{
    size_t n = s->received_count;

    if (n == 0 || (n >= 4 && (n & (n - 1)) == 0))
        s->received = mem_resize(s->received, (n ? 2 * n : 4) * sizeof(*s->received));
}

bool session_is_received(const struct session *s, uint16_t packet_id)
{
    uint32_t at = received_place(s, packet_id);

    return at < s->received_count && s->received[at] == packet_id;
}

bool session_receive(struct session *s, uint16_t packet_id)
{
    uint32_t at = received_place(s, packet_id);

    if (packet_id == 0 || session_is_received(s, packet_id))
        return false; /* a damaged log may say 0; so there are never more than fit */
    received_fit(s);
    memmove(&s->received[at + 1], &s->received[at],
            (s->received_count - at) * sizeof(*s->received));
    s->received[at] = packet_id;
    s->received_count++;
    return true;
}

bool session_release(struct session *s, uint16_t packet_id)
{
    uint32_t at = received_place(s, packet_id);

    if (!session_is_received(s, packet_id))
        return false;
    s->received_count--;
    memmove(&s->received[at], &s->received[at + 1],
            (s->received_count - at) * sizeof(*s->received));
    received_fit(s);
    return true;
}

/* ---- connection comes and goes ---- */

void session_attach(struct session *s, void *conn, uint32_t window)
{
    assert(!s->conn && conn);
    s->conn = conn;
    s->window = window_of(s->limits, window);
    s->resend_at = s->open = s->unwritten = 0;
    s->will_at_ms = s->expires_at_ms = UINT64_MAX;
}

void session_detach(struct session *s, uint64_t now_ms, bool send_will)
{
    s->conn = NULL;
    s->expires_at_ms =
        s->expiry_s == SESSION_NEVER ? UINT64_MAX : now_ms + (uint64_t)s->expiry_s * 1000;
    if (!send_will) {
        message_unref(s->will);
        s->will = NULL;
    }
    s->will_at_ms = s->will ? now_ms + (uint64_t)s->will_delay_s * 1000 : UINT64_MAX;
}

uint64_t session_wake_at(const struct session *s)
{
    return s->will_at_ms < s->expires_at_ms ? s->will_at_ms : s->expires_at_ms;
}

unsigned session_tick(const struct session *s, uint64_t now_ms)
{
    unsigned due = SESSION_DUE_NOTHING;

    if (s->expires_at_ms <= now_ms)
        due |= SESSION_DUE_END | (s->will ? SESSION_DUE_WILL : 0u);
    if (s->will_at_ms <= now_ms)
        due |= SESSION_DUE_WILL;
    return due;
}

struct message *session_take_will(struct session *s)
{
    struct message *m = s->will;

    s->will = NULL;
    s->will_at_ms = UINT64_MAX;
    return m;
}
