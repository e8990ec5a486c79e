/*
 * From CONNECT to an open connection: who is it, may it publish its will, whose session is it.
 *
 * The CONNECT is copied once, since every answer may come later. Nothing about why a login failed
 * is told to the client beyond "bad user name or password", and nothing of its password is logged.
 * A session is continued, or ended by a clean start, only by the identity that left it: a client id is no
 * secret. Anybody else is refused (mqtt/holding_server.c).
 *
 * MQTT 5 3.1, 3.2; MQTT 3.1.1 3.1, 3.2. Extended authentication is refused with 0x8C.
 */
#include "mqtt/broker_part.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "mqtt/mount.h"
#include "mqtt/sys_topics.h"

#include <assert.h>

#define CERT_NAME_MAX 1024

void hello_free(struct hello *h)
{
    if (!h)
        return;
    mem_free(h->bytes);
    mem_free(h->assigned_id);
    mem_free(h->will_topic);
    buf_fini(&h->certified);
    mem_free(h);
}

static void check_will(struct conn *c);

/* ---- asking authz ---- */

static void on_checked(struct authz_check *k, int code)
{
    struct questions *q = container_of(k, struct questions, check);
    struct conn *c = q->c;

    mem_free(q->object);
    q->object = NULL;
    q->answers[q->count - 1] = code;
    if (c->state == CONN_CLOSING)
        return;
    if (c->state == CONN_OPEN)
        conn_busy_clear(c, BUSY_CHECK);
    else
        check_will(c);
}

static struct questions *questions_of(struct conn *c)
{
    struct part *p = c->part;

    if (c->questions)
        return c->questions;
    c->questions = p->spare_questions ? p->spare_questions : NEW(struct questions);
    p->spare_questions = NULL;
    c->questions->c = c;
    return c->questions;
}

void questions_free(struct questions *q)
{
    if (!q)
        return;
    assert(!q->object);
    mem_free(q->answers);
    mem_free(q);
}

int conn_ask(struct conn *c, uint32_t at, enum authz_action action, struct str object)
{
    const struct authz *z = c->part->b->authz;
    struct questions *q;
    int rc;

    if (!z || !z->check || c->rules->inside)
        return 0;
    q = questions_of(c);
    if (at < q->count)
        return q->answers[at];
    assert(!q->object);
    q->check = (struct authz_check){
        .who = c->who,
        .action = action,
        .object = object,
        .client_id = c->session ? session_id(c->session) : c->hello->pk.client_id,
        .loop = c->part->loop,
        .done = on_checked,
    };
    rc = z->check(z->ctx, &q->check);
    if (rc != AUTHZ_LATER && action == AUTHZ_PUBLISH)
        return rc; /* the only question of its packet: nothing to keep */
    assert(q->count == at);
    if (q->count == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 4;
        q->answers = mem_resize(q->answers, q->cap * sizeof(*q->answers));
    }
    q->answers[q->count++] = rc == AUTHZ_LATER ? ERR_REFUSED : rc;
    if (rc != AUTHZ_LATER)
        return rc;
    q->object = str_dup(object);
    q->check.object.p = q->object;
    return ERR_MORE;
}

void conn_answers_clear(struct conn *c)
{
    struct questions *q = c->questions;
    struct part *p = c->part;

    c->place = PLACE_UNKNOWN;
    if (!q)
        return;
    q->count = 0;
    c->questions = NULL;
    if (p->spare_questions)
        questions_free(q);
    else
        p->spare_questions = q;
}

void conn_login_cancel(struct conn *c)
{
    const struct authz *z = c->part->b->authz;
    struct questions *q = c->questions;

    if ((c->busy & BUSY_LOGIN) && z->cancel_login)
        z->cancel_login(z->ctx, &c->hello->login);
    c->busy &= (uint8_t)~BUSY_LOGIN;
    if (!q || !q->object)
        return;
    if (z->cancel_check)
        z->cancel_check(z->ctx, &q->check);
    mem_free(q->object);
    q->object = NULL;
}

/* ---- refusing ---- */

static void send_refusal(struct conn *c, uint8_t reason, struct str server_reference)
{
    const struct mqtt_connect *hello = &c->hello->pk;
    struct mqtt_packet pk = { .type = MQTT_CONNACK };
    struct buf out = buf_init(1024);

    pk.connack.code = c->version == MQTT_V5 ? reason : mqtt_connack_v311(reason);
    if (server_reference.n > 0) {
        pk.connack.props.has = MQTT_HAS(SERVER_REFERENCE);
        pk.connack.props.server_reference = server_reference;
    }
    mqtt_encode(&pk, c->version, &out);
    if (server_reference.n > 0 && c->version == MQTT_V5 &&
        (hello->props.has & MQTT_HAS(MAX_PACKET)) && out.n > hello->props.max_packet)
        send_refusal(c, reason, STR_NONE); /* it would not take the whole answer */
    else
        conn_send(c, buf_str(&out));
    buf_fini(&out);
}

static void end_refused(struct conn *c, uint8_t reason)
{
    metric_add(c->part->b->m.refused, 1);
    send_refusal(c, reason, STR_NONE);
    conn_drop(c, ERR_REFUSED);
}

static void refuse(struct conn *c, uint8_t reason, const char *text)
{
    char peer[ADDR_TEXT_SIZE];

    if (part_may_log(c->part))
        log_warn("mqtt", "connection refused", lf_text("peer", addr_format(conn_peer(c), peer)),
                 lf_str("client", c->hello->pk.client_id), lf_text("reason", text));
    end_refused(c, reason);
}

/* The topic is named: who has the client's settings to mend may not know of its will. */
static void refuse_will(struct conn *c, uint8_t reason, const char *text)
{
    const struct mqtt_connect *hello = &c->hello->pk;
    char peer[ADDR_TEXT_SIZE];

    if (part_may_log(c->part))
        log_warn("mqtt", "connection refused", lf_text("peer", addr_format(conn_peer(c), peer)),
                 lf_str("client", hello->client_id), lf_text("reason", text),
                 lf_str("topic", hello->will.topic));
    end_refused(c, reason);
}

/* What such a listener is for: no refusal that anybody has to look at. */
static void redirect(struct conn *c)
{
    metric_add(c->part->b->m.redirected, 1);
    send_refusal(c, c->rules->redirect, c->rules->server_reference);
    conn_drop(c, ERR_REFUSED);
}

/* ---- CONNECT ---- */

/* What it asks for, or the longest that is granted. */
static uint16_t keep_alive_of(const struct conn *c, const struct mqtt_connect *pk)
{
    uint16_t most = c->rules->keepalive_max_s;

    return most > 0 && (pk->keep_alive_s == 0 || pk->keep_alive_s > most) ? most : pk->keep_alive_s;
}

/* What the codec could not know (limits, what this server does not do). 0, or the reason code. */
static uint8_t check_connect(const struct conn *c, const struct mqtt_connect *pk,
                             const char **out_text)
{
    if (pk->version == MQTT_V5 && (pk->props.has & MQTT_HAS(AUTH_METHOD))) {
        *out_text = "extended authentication is not offered";
        return MQTT_REASON_BAD_AUTH_METHOD;
    }
    if (inside_is_id(pk->client_id) && !c->rules->inside) {
        *out_text = "client ids that begin with $bridge/ are the broker's own";
        return MQTT_REASON_BAD_CLIENT_ID;
    }
    if (pk->version == MQTT_V311 && keep_alive_of(c, pk) != pk->keep_alive_s) {
        *out_text = "a longer keep-alive than allowed, and 3.1.1 cannot be told another";
        return MQTT_REASON_BAD_CLIENT_ID; /* as mosquitto does, since the protocol has no code for it */
    }
    if (pk->client_id.n == 0 && pk->version == MQTT_V311 && !pk->clean_start) {
        *out_text = "no client id for a lasting session";
        return MQTT_REASON_BAD_CLIENT_ID;
    }
    return 0;
}

/* The same for its will. */
static uint8_t check_will_offered(const struct conn *c, const struct mqtt_connect *pk,
                                  const char **out_text)
{
    const struct limits *l = &c->part->b->limits;

    if (!pk->has_will)
        return 0;
    if (!mqtt_topic_fits(pk->will.topic, l->mqtt_topic_max_bytes, l->mqtt_topic_levels_max)) {
        *out_text = "the topic of the will is too long or too deep";
        return MQTT_REASON_BAD_TOPIC;
    }
    if (str_starts(pk->will.topic, STR("$SYS/")) && !sys_is_state(pk->will.topic, pk->client_id)) {
        *out_text = "below $SYS/ a client may publish its own state only, on "
                    "$SYS/broker/connection/CLIENTID/state";
        return MQTT_REASON_NOT_AUTHORIZED;
    }
    if (pk->will.qos > c->rules->qos_max) { /* MQTT 5, 3.2.2.3.4 */
        *out_text = "the QoS of the will is not offered here";
        return MQTT_REASON_BAD_QOS;
    }
    if (pk->will.retain && !c->rules->retain_available) { /* MQTT 5, 3.2.2.3.5 */
        *out_text = "retained wills are not offered here";
        return MQTT_REASON_NO_RETAIN;
    }
    return 0;
}

static void logged_in(struct conn *c, int code, struct identity *id)
{
    c->who = id;
    if (code || !id) {
        refuse(c, code == ERR_REFUSED ? MQTT_REASON_BAD_LOGIN : MQTT_REASON_UNAVAILABLE,
               code == ERR_REFUSED ? "bad user name or password" : "login is not possible now");
        return;
    }
    conn_busy_set(c, BUSY_CLAIM);
    check_will(c);
}

static void on_login(struct authz_login *l, int code, struct identity *id)
{
    struct conn *c = container_of(l, struct hello, login)->c;

    c->busy &= (uint8_t)~BUSY_LOGIN;
    logged_in(c, code, id);
}

static void login(struct conn *c)
{
    const struct mqtt_connect *pk = &c->hello->pk;
    const struct authz *z = c->part->b->authz;
    struct str certified = buf_str(&c->hello->certified);
    struct identity *id = NULL;
    int rc;

    if (c->rules->inside) {
        logged_in(c, 0, identity_new(ROLE_NODE, pk->client_id));
        return;
    }
    if (!z || !z->login) {
        struct str name = certified.n > 0 ? certified : pk->username;

        logged_in(c, 0, identity_new(name.n > 0 ? ROLE_DEVICE : ROLE_ANONYMOUS, name));
        return;
    }
    c->hello->peer = *conn_peer(c);
    c->hello->local = *conn_local(c);
    c->hello->login = (struct authz_login){
        .client_id = pk->client_id,
        .user = pk->username,
        .password = pk->password,
        .has_user = pk->has_username,
        .has_password = pk->has_password,
        .tls = conn_is_tls(c),
        .certified = certified,
        .anonymous = c->rules->anonymous,
        .peer = &c->hello->peer,
        .local = &c->hello->local,
        .loop = c->part->loop,
        .done = on_login,
    };
    rc = z->login(z->ctx, &c->hello->login, &id);
    if (rc == AUTHZ_LATER)
        c->busy |= BUSY_LOGIN; /* not paused: who goes meanwhile is not worked for */
    else
        logged_in(c, rc, rc ? NULL : id);
}

/* Who the client is by its certificate, where its listener wants to know. */
static bool certify(struct conn *c)
{
    struct hello *h = c->hello;

    h->certified = buf_init(CERT_NAME_MAX);
    if (c->rules->identity_from == CERT_NAME_NONE ||
        conn_cert_name(c, c->rules->identity_from, &h->certified) == 0)
        return true;
    refuse(c, MQTT_REASON_BAD_LOGIN, "no certificate names the client");
    return false;
}

static void assign_id(struct hello *h)
{
    char text[UUID_TEXT_LEN + 1];
    struct uuid u = uuid_new();

    h->assigned_id = str_dup(str_of(uuid_format(&u, text)));
    h->pk.client_id = str_of(h->assigned_id);
}

static void mount_will(struct conn *c)
{
    struct hello *h = c->hello;
    struct str topic;

    if (!h->pk.has_will || c->rules->mount_point.n == 0)
        return;
    topic = mount_topic(c->rules->mount_point, h->pk.will.topic, &c->part->mount_room);
    h->will_topic = str_dup(topic);
    h->pk.will.topic = str_from(h->will_topic, topic.n);
}

void conn_connect(struct conn *c, const struct mqtt_connect *pk, struct str packet)
{
    struct hello *h = NEW(struct hello);
    struct mqtt_packet again;
    const char *text = NULL;
    size_t used;
    uint8_t reason;

    metric_add(c->part->b->m.connects, 1);
    c->hello = h;
    h->c = c;
    c->version = (uint8_t)pk->version;
    c->v31 = pk->v31;
    h->bytes = mem_dup(packet.p, packet.n);
    if (mqtt_decode(str_from(h->bytes, packet.n), pk->version, packet.n, &again, &used, NULL))
        assert(false && "a packet decodes the same twice");
    h->pk = again.connect;
    mount_will(c);
    conn_hello_over(c);
    conn_move(c, CONN_AUTHENTICATING);
    if (c->rules->redirect) {
        redirect(c);
        return;
    }
    reason = check_connect(c, &h->pk, &text);
    if (reason) {
        refuse(c, reason, text);
        return;
    }
    reason = check_will_offered(c, &h->pk, &text);
    if (reason) {
        refuse_will(c, reason, text);
        return;
    }
    if (!certify(c))
        return;
    if (h->pk.client_id.n == 0)
        assign_id(h);
    login(c);
}

/* The will is published later by the server in the client's name, so it is asked for now. */
static void check_will(struct conn *c)
{
    int rc = 0;

    if (c->hello->pk.has_will)
        rc = conn_ask(c, 0, AUTHZ_PUBLISH, c->hello->pk.will.topic);
    if (rc == ERR_MORE)
        return;
    conn_answers_clear(c);
    if (rc) {
        refuse_will(c, MQTT_REASON_NOT_AUTHORIZED, "not allowed to publish its will");
        return;
    }
    conn_move(c, CONN_CLAIMING);
    holding_claim(c);
}

/* ---- the session ---- */

static struct message *make_will(struct conn *c)
{
    const struct mqtt_will *w = &c->hello->pk.will;
    struct str mount = c->rules->mount_point;
    struct buf props = buf_init(c->part->b->limits.mqtt_connect_max_bytes + mount.n);
    struct message_source src = {
        .topic = w->topic,
        .payload = w->payload,
        .qos = w->qos,
        .retain = w->retain,
        .room = MESSAGE_WILL_ROOM,
    };
    struct message *m;

    if (c->version == MQTT_V5)
        mount_forward(mount, &w->props, &props);
    src.props = buf_str(&props);
    /* The expiry of a will counts from its publication; will_publish() starts it. */
    if (c->version == MQTT_V5 && (w->props.has & MQTT_HAS(MESSAGE_EXPIRY)))
        src.expires_ms = (uint64_t)w->props.message_expiry_s * 1000 + 1;
    m = message_new(&src);
    buf_fini(&props);
    return m;
}

uint32_t conn_expiry_s(const struct conn *c, uint32_t asked_s)
{
    return asked_s < c->rules->session_expiry_max_s ? asked_s : c->rules->session_expiry_max_s;
}

static uint32_t expiry_of(const struct conn *c)
{
    const struct mqtt_connect *pk = &c->hello->pk;

    if (pk->version == MQTT_V311)
        return conn_expiry_s(c, pk->clean_start ? 0 : SESSION_NEVER);
    if (!(pk->props.has & MQTT_HAS(SESSION_EXPIRY)))
        return 0;
    return conn_expiry_s(c, pk->props.session_expiry_s);
}

static bool keep_none(void *ctx, const struct session_out *o)
{
    (void)ctx, (void)o;
    return false;
}

/* The session that was granted, or a new one where there is none to continue. */
static struct session *choose_session(struct conn *c, bool in_tree)
{
    struct hello *h = c->hello;
    struct session *s = h->session;
    struct part *p = c->part;
    const struct session_limits *limits =
        c->rules->inside ? inside_limits(c->rules->inside) : &p->b->session_limits;

    h->session = NULL;
    if (s && (h->pk.clean_start || !identity_is_same(s->who, c->who))) {
        if (in_tree)
            holding_leave_tree(p, s);
        will_publish(p, s);
        share_leave_all(p, s);
        h->ended = s->written ? s->serial : 0;
        session_free(s);
        s = NULL;
    }
    h->session_present = s != NULL;
    if (!s)
        s = session_new(h->pk.client_id, (++p->last_serial << 16) | p->index, limits);
    s->generation = h->generation;
    s->limits = limits;
    s->no_offline = !c->rules->offline_messages;
    /* Also what was kept while the broker was away, or by another listener's rules. */
    if (s->no_offline)
        metric_add(p->b->m.dropped_offline, session_drop_waiting(s, keep_none, NULL));
    identity_unref(s->who);
    s->who = identity_ref(c->who);
    return s;
}

static void take_settings(struct conn *c, struct session *s)
{
    const struct mqtt_connect *pk = &c->hello->pk;
    uint64_t aliases = c->part->b->limits.mqtt_alias_out_max;

    c->bridge = pk->bridge;
    s->expiry_s = expiry_of(c);
    message_unref(s->will);
    s->will = pk->has_will ? make_will(c) : NULL;
    s->will_delay_s = 0;
    if (pk->has_will && c->version == MQTT_V5 && (pk->will.props.has & MQTT_HAS(WILL_DELAY)))
        s->will_delay_s = pk->will.props.will_delay_s < c->rules->will_delay_max_s
                              ? pk->will.props.will_delay_s
                              : c->rules->will_delay_max_s;
    c->keep_alive_s = keep_alive_of(c, pk);
    c->answers_problems = true;
    if (c->version != MQTT_V5)
        return;
    if (pk->props.has & MQTT_HAS(REQUEST_PROBLEM_INFO))
        c->answers_problems = pk->props.request_problem_info != 0;
    if ((pk->props.has & MQTT_HAS(MAX_PACKET)) && pk->props.max_packet < c->max_out)
        c->max_out = pk->props.max_packet;
    if ((pk->props.has & MQTT_HAS(TOPIC_ALIAS_MAX)) && pk->props.topic_alias_max < aliases)
        aliases = pk->props.topic_alias_max;
    if ((pk->props.has & MQTT_HAS(TOPIC_ALIAS_MAX)) && aliases > 0)
        c->alias_out = alias_out_new((uint16_t)aliases);
}

/* False: larger than the client takes; without it there is no connection, and it has ended. */
static bool send_connack(struct conn *c, const struct session *s)
{
    const struct hello *h = c->hello;
    const struct broker_rules *r = c->rules;
    struct mqtt_packet pk = { .type = MQTT_CONNACK };
    struct mqtt_props *o = &pk.connack.props;
    struct buf out = buf_init(1024);
    bool fits;

    pk.connack.session_present = h->session_present && !c->v31;
    o->has = MQTT_HAS(RECEIVE_MAX) | MQTT_HAS(MAX_PACKET) | MQTT_HAS(TOPIC_ALIAS_MAX);
    o->receive_max = (uint16_t)r->inflight_max;
    o->max_packet = (uint32_t)r->packet_max_bytes;
    o->topic_alias_max = r->topic_alias_max;
    if (r->qos_max < 2) {
        o->has |= MQTT_HAS(MAX_QOS);
        o->max_qos = r->qos_max;
    }
    if (!r->retain_available) {
        o->has |= MQTT_HAS(RETAIN_AVAILABLE);
        o->retain_available = 0;
    }
    if (h->assigned_id) {
        o->has |= MQTT_HAS(ASSIGNED_CLIENT_ID);
        o->assigned_client_id = h->pk.client_id;
    }
    if (c->keep_alive_s != h->pk.keep_alive_s) {
        o->has |= MQTT_HAS(SERVER_KEEP_ALIVE);
        o->server_keep_alive_s = c->keep_alive_s;
    }
    if ((h->pk.props.has & MQTT_HAS(SESSION_EXPIRY)) && c->version == MQTT_V5 &&
        s->expiry_s != h->pk.props.session_expiry_s) {
        o->has |= MQTT_HAS(SESSION_EXPIRY);
        o->session_expiry_s = s->expiry_s;
    }
    mqtt_encode(&pk, c->version, &out);
    fits = out.n <= c->max_out;
    if (fits)
        conn_send(c, buf_str(&out));
    buf_fini(&out);
    if (fits)
        return true;
    metric_add(c->part->b->m.refused, 1);
    if (part_may_log(c->part))
        log_warn("mqtt", "connection refused", lf_str("client", h->pk.client_id),
                 lf_text("reason", "its maximum packet size is smaller than a CONNACK"));
    c->will_off = true; /* it was never accepted */
    conn_drop(c, ERR_LIMIT);
    return false;
}

/* Everything is decided and every worker knows our subscriptions: the client may be told. */
static void open_now(void *ctx)
{
    struct conn *c = ctx;
    struct hello *h = c->hello;
    struct session *s = h->session;
    uint32_t window = c->rules->inflight_max;
    bool opened;

    if (c->version == MQTT_V5 && (h->pk.props.has & MQTT_HAS(RECEIVE_MAX)) &&
        h->pk.props.receive_max < window)
        window = h->pk.props.receive_max;
    h->session = NULL;
    if (s)
        holding_of(c->part, s)->claimer = NULL;
    if (c->state != CONN_CLAIMING || !s) { /* it left, or was overtaken by a later claim */
        if (s)
            holding_unclaimed(c->part, s, h->session_present);
        conn_unhold(c);
        return;
    }
    take_settings(c, s);
    persist_will(c->part, s);
    session_attach(s, c, window);
    c->session = s;
    conn_move(c, CONN_OPEN);
    metric_gauge_add(c->part->b->m.connected, 1);
    c->since_uptime_ns = clock_uptime_ns(); /* before the client can know */
    opened = send_connack(c, s);
    c->hello = NULL;
    hello_free(h);
    if (!opened) {
        conn_unhold(c);
        return;
    }
    conn_rate_begin(c);
    conn_set_read_max(c, c->rules->packet_max_bytes);
    timer_stop(&c->timer);
    if (c->keep_alive_s > 0)
        timer_start(&c->timer, (uint64_t)c->keep_alive_s * 1500);
    conn_busy_clear(c, BUSY_CLAIM);
    conn_pump(c);
    conn_unhold(c);
}

static void on_open_written(void *ctx, int code, uint64_t seq)
{
    struct conn *c = ctx;

    (void)seq;
    if (c->hello->session && code) /* it begins nowhere, then */
        c->hello->session->expiry_s = 0;
    else if (c->hello->session)
        c->hello->session->begins = false;
    if (code && c->state == CONN_CLAIMING)
        refuse(c, code == ERR_FULL ? MQTT_REASON_QUOTA : MQTT_REASON_UNAVAILABLE,
               "its session could not be written down");
    open_now(c);
}

/* It lasts from this CONNECT on, and is written down. */
static bool begins_to_last(const struct conn *c, const struct session *s)
{
    return c->part->b->journal && c->rules->durability != BROKER_MEMORY && !s->written &&
           expiry_of(c) > 0;
}

/* What a CONNECT says of sessions that last is on the disk before the client is told. */
static void write_open(void *ctx)
{
    struct conn *c = ctx;
    struct hello *h = c->hello;
    struct session *s = h->session;
    struct part *p = c->part;

    if (h->ended)
        persist_end(p, h->ended, persist_how(c), h->begins ? NULL : on_open_written, c);
    if (h->begins && s) {
        persist_whole(p, s, persist_how(c), on_open_written, c);
    } else if (!h->ended) {
        if (s && s->written)
            persist_back(p, s, expiry_of(c));
        open_now(c);
    }
}

static void refuse_claim(struct conn *c, int code)
{
    if (c->state != CONN_CLAIMING)
        return;
    if (code == ERR_REFUSED) {
        metric_add(c->part->b->m.denied_session, 1);
        refuse(
            c, MQTT_REASON_NOT_AUTHORIZED,
            "another user has a session of that client id, which 'wayside sessions --kick CLIENT "
            "--session' would end");
        return;
    }
    refuse(c, MQTT_REASON_QUOTA, "too many sessions");
}

void conn_granted(struct conn *c, const struct grant *g)
{
    struct part *p = c->part;
    struct session *s;
    struct holding *k;
    bool news = false, in_tree, begins;

    if (g->code) {
        refuse_claim(c, g->code);
        conn_unhold(c);
        return;
    }
    c->hello->session = g->s;
    c->hello->generation = g->generation;
    s = c->hello->session = choose_session(c, g->in_tree);
    if (s == g->s)
        recheck_session(p, s, g->in_tree);
    begins = begins_to_last(c, s);
    in_tree = s == g->s && g->in_tree;
    if (begins && in_tree) { /* with the interest of one that does not last */
        holding_leave_tree(p, s);
        in_tree = false;
    }
    k = holding_add(p, s);
    k->claimer = c;
    if (begins) {
        s->round = p->round;
        s->begins = true;
        holding_lasts(k);
        share_lasts(p, s);
    }
    if (s->begins) /* also where that was overtaken, or failed */
        s->expiry_s = expiry_of(c);
    c->hello->begins = s->begins;
    if (!in_tree)
        news = holding_enter_tree(p, s);
    if (news)
        part_fence(p, write_open, c);
    else
        write_open(c);
}
