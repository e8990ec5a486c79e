#ifndef TESTS_SIM_MQTT_LINK_H
#define TESTS_SIM_MQTT_LINK_H
/*
 * A connection between a client of the simulation and the broker: bytes up, bytes down, each on its way
 * for as long as chance likes. To the broker it is a transport like WebSocket's. What the broker says is
 * looked at as it is said (link_told, link_ended), whether its client ever reads it or not.
 */
#include "mqtt/broker_part.h"
#include "sim/mqtt/world.h"

struct link {
    struct conn_far far;
    struct link *next;
    struct conn *c; /* NULL: gone at the broker */
    struct loop *loop;
    void *owner; /* the client; also after it has turned to another link */
    struct buf up, down, said;
    size_t arrived; /* of up */
    size_t room;    /* more than that waiting in down is too much */
    bool paused, again, enough, choked_once;
    bool reading; /* inside of conn_data(), with all that the client has sent */
    bool ended;   /* by the broker; what is in down may still be read */
    bool cut;     /* by the client */
    bool done;    /* ended or cut, and the broker knows */
    enum mqtt_version version;
    void *session; /* the model's, once CONNACK was said */
};

static struct link *links;

static void link_told(struct link *k, const struct mqtt_packet *pk, size_t n); /* the model's */
static void link_ended(struct link *k);

static void link_say(struct link *k, struct str bytes)
{
    struct mqtt_packet pk;
    struct wire_why why = { 0 };
    size_t used;
    int rc;

    if (k->ended)
        return;
    buf_put(&k->down, bytes);
    buf_put(&k->said, bytes);
    while (k->said.n > 0 && (rc = mqtt_decode(buf_str(&k->said), k->version, 1 << 20, &pk, &used,
                                              &why)) != ERR_MORE) {
        CHECK(rc == 0);
        link_told(k, &pk, used);
        buf_consume(&k->said, used);
    }
}

static bool link_has_room(struct link *k)
{
    if (k->ended || k->down.n <= k->room)
        return true;
    k->enough = k->choked_once = true;
    return false;
}

static struct link *link_of(const struct conn *c)
{
    return container_of(c->far, struct link, far);
}

static bool far_send(struct conn *c, struct str bytes)
{
    link_say(link_of(c), bytes);
    return link_has_room(link_of(c));
}

static bool far_send_blob(struct conn *c, struct str head, struct blob *b, size_t from, size_t n)
{
    link_say(link_of(c), head);
    link_say(link_of(c), str_sub(blob_str(b), from, n));
    return link_has_room(link_of(c));
}

static void far_pause(struct conn *c, bool paused)
{
    struct link *k = link_of(c);

    k->again |= k->paused && !paused;
    k->paused = paused;
}

static void link_is_over(struct link *k)
{
    if (!k->done) {
        k->done = true;
        link_ended(k);
    }
}

static void far_close(struct conn *c, enum stream_end how, int code)
{
    struct link *k = link_of(c);

    (void)code;
    link_is_over(k);
    k->ended = true;
    if (how != STREAM_FLUSH)
        buf_clear(&k->down);
}

static void far_set_read_max(struct conn *c, size_t n)
{
    (void)c;
    (void)n;
}

static const struct addr *far_addr(const struct conn *c)
{
    static struct addr a;

    (void)c;
    return &a;
}

static bool far_is_tls(const struct conn *c)
{
    (void)c;
    return false;
}

static int far_cert_name(const struct conn *c, enum cert_name which, struct buf *out)
{
    (void)c;
    (void)which;
    (void)out;
    return ERR_UNKNOWN;
}

static const struct conn_transport link_transport = {
    .send = far_send,
    .send_blob = far_send_blob,
    .pause = far_pause,
    .close = far_close,
    .set_read_max = far_set_read_max,
    .peer = far_addr,
    .local = far_addr,
    .is_tls = far_is_tls,
    .cert_name = far_cert_name,
};

static struct link *link_dial(struct broker *b, const struct broker_rules *rules, unsigned worker,
                              void *owner)
{
    struct link *k = NEW(struct link);

    k->loop = workers_loop(b->workers, worker);
    k->c = conn_new(b->parts[worker], rules);
    k->far.transport = &link_transport;
    k->c->far = &k->far;
    k->owner = owner;
    k->up = k->down = k->said = buf_init(1 << 24);
    k->room = luck(4) ? CONN_HIGH : 200 + luck(2000);
    k->next = links;
    links = k;
    return k;
}

static void link_gone(struct link *k)
{
    struct conn *c = k->c;

    link_is_over(k);
    k->c = NULL;
    conn_gone(c, ERR_CLOSED);
}

/* What of this link is to be done in a turn of its loop; false: nothing. */
static bool link_turn(struct link *k)
{
    if (!k->c)
        return false;
    if (k->ended || (k->cut && (k->arrived == 0 || k->paused))) {
        link_gone(k);
        return true;
    }
    if (k->enough && k->down.n <= k->room / 4) {
        k->enough = false;
        conn_drained(k->c);
        return true;
    }
    if (k->arrived > 0 && !k->paused && k->again) {
        size_t used;

        k->again = false;
        k->reading = k->arrived == k->up.n;
        used = conn_data(k->c, str_sub(buf_str(&k->up), 0, k->arrived));
        k->reading = false;
        CHECK(used <= k->arrived);
        buf_consume(&k->up, used);
        k->arrived -= used;
        if (k->cut && k->arrived > 0 && !k->again && !k->paused)
            k->arrived = 0; /* the beginning of a packet whose end never comes */
        return true;
    }
    return false;
}

/* n bytes more are there at the broker. */
static bool link_arrive(struct link *k, size_t n)
{
    size_t left = k->up.n - k->arrived;

    if (!k->c || left == 0)
        return false;
    k->arrived += n < left ? n : left;
    k->again = true;
    return true;
}

/* The client ends it without a word; what has not arrived never will. */
static void link_cut(struct link *k)
{
    k->cut = true;
    if (k->up.n > k->arrived)
        k->up.n = k->arrived;
    if (k->arrived > 0)
        k->again = true;
}

/* ---- everything together ---- */

static struct workers *world_workers;
static struct journal *world_journal;

static bool world_turn(unsigned worker, unsigned mail_max)
{
    struct loop *l = &world_workers->loops[worker];
    bool any = loop_turn_some(l, mail_max);

    for (struct link *k = links; k; k = k->next)
        if (k->loop == l)
            any |= link_turn(k);
    loop_run_later(l);
    return any;
}

static void world_rest(void)
{
    bool any = true;

    for (unsigned rounds = 0; any && world_workers; rounds++) {
        CHECK(rounds < 100000);
        any = journal_flush(world_journal, SIZE_MAX);
        for (unsigned i = 0; i < world_workers->count; i++)
            any |= world_turn(i, UINT32_MAX);
    }
}

#endif
