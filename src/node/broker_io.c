/*
 * The broker of a node out of its settings: what holds for the clients of a listener, and the log in
 * which it writes down what must outlive it.
 */
#include "node/broker_io.h"

#include "base/log.h"
#include "base/mem.h"
#include "mqtt/broker.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

/* "local" is a matter of the listener's address, not of the client's: who reaches an open listener
 * from this machine may well be a proxy for somebody else, and who comes by a proxy always is. */
static enum authz_anonymous rule_of(unsigned char anonymous, const struct addr *listens,
                                    bool proxied)
{
    if (anonymous != ANONYMOUS_LOCAL)
        return anonymous;
    return addr_is_local(listens) && !proxied ? ANONYMOUS_ALLOW : ANONYMOUS_DENY;
}

struct broker_rules broker_io_api_rules(const struct settings *s, const struct limits *l)
{
    struct broker_rules r = broker_rules_default(l);

    r.anonymous = rule_of(s->api.anonymous, &s->api.address, false);
    return r;
}

struct broker_rules broker_io_rules(const struct settings *s, const struct limits *l,
                                    const struct listener_settings *ls)
{
    struct broker_rules r = broker_rules_default(l);

    r.anonymous = rule_of(ls->anonymous, &ls->address, ls->proxy_protocol);
    r.durability =
        (enum broker_durability)(ls->has_durability ? ls->durability : s->mqtt.durability);
    r.identity_from = (enum cert_name)ls->identity_from;
    r.mount_point = ls->mount_point;
    r.redirect = ls->redirect;
    r.server_reference = ls->server_reference;
    if (ls->packet_max_bytes > 0)
        r.packet_max_bytes = ls->packet_max_bytes;
    if (ls->inflight_max > 0)
        r.inflight_max = (uint32_t)ls->inflight_max;
    if (ls->has_keepalive_max)
        r.keepalive_max_s = (uint16_t)ls->keepalive_max_s;
    if (ls->has_qos_max)
        r.qos_max = (uint8_t)ls->qos_max;
    if (ls->has_retain_available)
        r.retain_available = ls->retain_available;
    r.offline_messages = ls->offline_messages;
    if (ls->has_message_rate_max)
        r.message_rate_max = ls->message_rate_max;
    if (ls->has_byte_rate_max)
        r.byte_rate_max = ls->byte_rate_max_bytes;
    if (ls->has_session_expiry_max)
        r.session_expiry_max_s = (uint32_t)(ls->session_expiry_max_ms / 1000);
    if (ls->has_will_delay_max)
        r.will_delay_max_s = (uint32_t)(ls->will_delay_max_ms / 1000);
    if (ls->has_topic_alias_max)
        r.topic_alias_max = (uint16_t)ls->topic_alias_max;
    return r;
}

/* Of the segments in a log; 0 without any. */
static uint64_t largest_segment(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    struct stat st;
    uint64_t largest = 0;

    while (d && (e = readdir(d)))
        if (str_ends(str_of(e->d_name), STR(".seg")) && fstatat(dirfd(d), e->d_name, &st, 0) == 0 &&
            (uint64_t)st.st_size > largest)
            largest = (uint64_t)st.st_size;
    if (d)
        closedir(d);
    return largest;
}

/* Segments in which the largest packet fits; also one that was taken while the limit was higher, or no round
 * could write it anew. */
static uint64_t log_segment(const struct limits *l, const char *dir)
{
    uint64_t packet =
        l->mqtt_packet_max_bytes + KIB(256); /* a client inside may send so much more */
    uint64_t there = largest_segment(dir);
    uint64_t segment = MIB(4);

    while (segment < MIB(64) && (journal_payload_max(segment) < packet || segment < there))
        segment *= 2;
    return segment;
}

struct broker_topic *broker_io_topics(const struct settings *s)
{
    struct broker_topic *all =
        s->mqtt.topics.count ? mem_new_array(s->mqtt.topics.count, sizeof(*all)) : NULL;

    for (size_t i = 0; i < s->mqtt.topics.count; i++) {
        const struct topic_settings *t = CONF_ITEM_AT(s->mqtt.topics, struct topic_settings, i);

        all[i] = (struct broker_topic){ t->filter, (enum broker_durability)t->durability };
    }
    return all;
}

static bool wants_log(const struct mqtt_settings *m)
{
    bool wanted = m->durability != BROKER_MEMORY;

    for (size_t i = 0; i < m->listeners.count && !wanted; i++) {
        const struct listener_settings *ls =
            CONF_ITEM_AT(m->listeners, struct listener_settings, i);

        wanted = ls->has_durability && ls->durability != BROKER_MEMORY;
    }
    for (size_t i = 0; i < m->topics.count && !wanted; i++)
        wanted = CONF_ITEM_AT(m->topics, struct topic_settings, i)->durability != BROKER_MEMORY;
    return wanted;
}

int broker_io_log_open(const struct settings *s, const struct limits *l, const char *dir,
                       struct journal **out, struct fault *f)
{
    struct journal_options o = journal_options_default();
    struct limits limits = *l; /* of records; what is in them has limits of its own */

    *out = NULL;
    if (!s->has_mqtt || !wants_log(&s->mqtt))
        return 0;
    o.segment_bytes = log_segment(l, dir);
    o.quota_bytes = s->mqtt.log_quota_bytes;
    if (o.quota_bytes < 4 * o.segment_bytes) {
        log_warn("mqtt", "mqtt.log_quota is less than four segments, and taken as that",
                 lf_u64("bytes", 4 * o.segment_bytes));
        o.quota_bytes = 4 * o.segment_bytes;
    }
    o.quota_is_soft = true; /* the broker refuses publications before */
    o.free_floor_bytes = s->journal.free_floor_bytes;
    o.lazy_flush_ms = s->mqtt.flush_interval_ms;
    limits.record_payload_max_bytes = journal_payload_max(o.segment_bytes);
    return journal_open(dir, &o, &limits, NULL, NULL, out, f);
}

void broker_io_look(const struct journal *log, const struct broker *b, struct node_state *state)
{
    struct journal_status js;

    if (b)
        state_set(state, NOT_READY_MQTT_MEMORY, broker_memory_is_low(b));
    if (!log || !b)
        return;
    journal_status(log, &js);
    /* What was refused last says nothing about now: whoever refuses is asked. */
    state_set(state, NOT_READY_MQTT_LOG_FULL, broker_log_is_low(b) && !broker_disk_is_low(b));
    state_set(state, NOT_READY_MQTT_DISK, broker_disk_is_low(b) || js.error == -ENOSPC);
    state_set(state, NOT_READY_MQTT_LOG, js.error && js.error != ERR_FULL && js.error != -ENOSPC);
}
