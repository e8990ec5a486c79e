#ifndef TESTS_SIM_MQTT_MODEL_STATE_H
#define TESTS_SIM_MQTT_MODEL_STATE_H
/*
 * What the model of MQTT (sim/mqtt/model.h) knows: publications, sessions, subscriptions, connections.
 */
#include "sim/mqtt/link.h"

#define CLIENTS  5
#define TOPICS   7
#define SHARED   4 /* the first of the topics that only shared subscriptions match */
#define FILTERS  10
#define PUBS     700
#define VERSIONS 12
#define IDS      8

static const char *const topic_names[TOPICS] = { "n/a", "n/b", "n/a/c", "n/d/c",
                                                 "s/1", "s/2", "s/1/x" };
static const char *const filter_names[FILTERS] = { "n/a",         "n/+",          "n/#",
                                                   "n/a/#",       "+/a",          "n/+/c",
                                                   "n/b",         "$share/g/s/1", "$share/g/s/#",
                                                   "$share/h/s/+" };
/* By hand, so that no code of ours decides. */
static const bool filter_matches[FILTERS][TOPICS] = {
    { 1, 0, 0, 0, 0, 0, 0 }, { 1, 1, 0, 0, 0, 0, 0 }, { 1, 1, 1, 1, 0, 0, 0 },
    { 1, 0, 1, 0, 0, 0, 0 }, { 1, 0, 0, 0, 0, 0, 0 }, { 0, 0, 1, 1, 0, 0, 0 },
    { 0, 1, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 1, 0, 0 }, { 0, 0, 0, 0, 1, 1, 1 },
    { 0, 0, 0, 0, 1, 1, 0 },
};
#define FIRST_SHARE 7

static unsigned tick;
static unsigned last_crash, crashes, last_quiet, lives;
static unsigned share_churn; /* when a member of a shared subscription last came or went */
static unsigned share_loss;  /* when one last went for good */

/* ---- publications ---- */

struct pub {
    int by;
    unsigned life; /* of its session */
    unsigned topic;
    uint8_t qos;
    bool retain, clear, big, will;
    uint32_t expiry_s; /* 0: none */
    uint64_t sent_ms;
    unsigned sent, acked, quiet; /* ticks; 0: not yet */
    unsigned attempts;
    bool maybe;    /* nobody knows whether it was taken */
    bool later;    /* sent again later, or by 3.1.1: its time began anew */
    bool anew;     /* QoS 2, sent again to what may be another session */
    bool doubtful; /* a will that perhaps was not due */
    unsigned
        may_come; /* a will that the broker had when it was killed: from then on it may come, or not */
    bool early; /* a will that came before its time was known to be */
    uint64_t due_ms;
    struct link *link;
    unsigned shared_copies;
    bool shared_owed;
};
static struct pub pubs[PUBS];
static unsigned pub_count;

/* ---- sessions ---- */

struct version {
    unsigned sent, acked, unsub, ended;
    uint8_t qos, handling;
    bool no_local, as_published;
    uint32_t id;
};
struct slot {
    struct version v[VERSIONS];
    unsigned count;
};
struct wish { /* for what is retained: one filter of one SUBSCRIBE */
    unsigned filter, sent;
    uint8_t qos;
    uint32_t id;
    bool no_local, must, fresh;
    struct link *link;
};
struct copy {
    unsigned pub, tick;
    uint8_t qos;
    bool retain, named; /* ids are there, if any: it was told to MQTT 5 */
    uint32_t ids[IDS];
    unsigned id_count;
};
enum flight_state { FLIES, ACKED, RECEIVED, RELEASED, COMPLETED };
struct flight {
    uint16_t id;
    uint8_t qos;
    int pub; /* -1: an empty payload names none */
    enum flight_state state;
    struct link *link; /* on which it was said last */
    bool retain;
    bool again; /* to be said on this connection */
    bool blur;  /* or not, nobody knows */
    unsigned order;
};
struct debt {
    unsigned pub;
    uint8_t qos;
    uint32_t ids[IDS];
    unsigned id_count, least; /* copies that there must be, altogether */
    bool ids_known;
};
struct session_model {
    int client;
    unsigned life;
    struct slot slots[FILTERS];
    struct wish wishes[200];
    unsigned wish_count;
    struct copy *copies;
    size_t copy_count, copy_cap;
    struct flight flights[256];
    unsigned flight_count, flights_said;
    struct debt *debts;
    size_t debt_count, debt_cap;
    unsigned last[CLIENTS][TOPICS][3]
                 [3]; /* number of the last publication, by its QoS and the copy's */
    uint32_t expiry_s;
    bool away;
    uint64_t expires_ms;
    uint64_t ends_ms; /* UINT64_MAX: never */
};

/* ---- clients ---- */

struct awaited {
    uint8_t type;
    uint16_t id;
    int pub;
    unsigned count;
    uint8_t filter[3], want[3];
    bool may_differ[3];
};
struct outgoing {
    uint16_t id;
    unsigned pub;
    bool released;
};
struct talk { /* one connection, and what was agreed for it */
    struct link *link;
    int client;
    enum mqtt_version version;
    bool clean, illegal, bye, bye_will;
    uint32_t expiry_s, bye_expiry_s;
    bool bye_expiry;
    uint32_t window, max_packet, alias_max;
    int aliases[17]; /* topics; -1: none */
    int will;
    uint32_t will_delay_s;
    unsigned asked, open, cut; /* ticks */
    unsigned expected;         /* session present: 0, 1, 2: either */
    struct awaited awaited[128];
    unsigned awaited_count;
    unsigned pings;
    uint16_t keep_alive_s;
    uint64_t last_sent_ms;
    uint8_t told; /* DISCONNECT */
    struct talk *next;
};
static struct talk *talks;

struct client_model {
    struct talk *talk; /* NULL: away */
    struct session_model *s;
    struct session_model
        *late;   /* ended in this moment; a broker that is killed now may still have it */
    bool ready;  /* CONNACK was read */
    bool unsure; /* a CONNECT of its was never answered: its session may be anything */
    unsigned unsure_since;
    bool lazy, silent;
    struct mqtt_ack acks[256];
    uint8_t ack_types[256];
    unsigned ack_count;
    struct outgoing out[64];
    unsigned out_count;
    uint16_t next_id;
    bool alias_known[TOPICS];
};
static struct client_model clients[CLIENTS];

static bool is_share(unsigned filter)
{
    return filter >= FIRST_SHARE;
}

static bool has_share(const struct session_model *s)
{
    for (unsigned f = FIRST_SHARE; f < FILTERS; f++)
        if (s->slots[f].count > 0)
            return true;
    return false;
}

/* Is the subscription there, as far as its client knows? */
static struct version *slot_now(struct session_model *s, unsigned filter)
{
    struct slot *k = &s->slots[filter];
    struct version *v = k->count > 0 ? &k->v[k->count - 1] : NULL;

    return v && !v->ended ? v : NULL;
}

static void session_over(struct session_model *s)
{
    if (!s)
        return;
    if (has_share(s))
        share_churn = share_loss = tick;
    if (clients[s->client].s == s)
        clients[s->client].s = NULL;
    for (struct talk *t = talks; t; t = t->next)
        if (t->link && t->link->session == s)
            t->link->session = NULL;
    mem_free(s->copies);
    mem_free(s->debts);
    mem_free(s);
}

static struct session_model *session_begins(int client)
{
    struct session_model *s = NEW(struct session_model);

    s->client = client;
    s->life = ++lives;
    s->ends_ms = UINT64_MAX;
    return s;
}

#endif
