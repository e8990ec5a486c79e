/*
 * The PROXY header in front of an accepted connection (wire/proxy.c), before TLS and before any
 * protocol. Only peers that the listener trusts may say for whom they speak, and they must: a
 * listener with this rule has no way around it, or whoever reaches it could choose his address.
 *
 * The stream is shaking meanwhile, in its listener's list of those nobody but net/ knows of; what
 * arrived behind the header goes on as if it had been first.
 */
#include "net/tls_impl.h"

#include "base/log.h"
#include "wire/proxy.h"

#include <assert.h>
#include <errno.h>

#define LOG_EVERY_MS 1000

struct stream_proxy {
    struct unbegun unbegun;
};

static void refuse(struct stream *s, const struct listener_proxy *rule, const char *why)
{
    struct loop *l = s->loop;
    uint64_t now = loop_now_ms(l);
    char peer[ADDR_TEXT_SIZE];

    metric_add(rule->refused, 1);
    s->code = ERR_PROTO;
    if (!l->proxy_logged_ms || now - l->proxy_logged_ms >= LOG_EVERY_MS) {
        log_warn("net", "connection without a valid PROXY header",
                 lf_text("peer", addr_format(stream_peer(s), peer)), lf_text("why", why),
                 lf_u64("more", l->proxy_unlogged));
        l->proxy_logged_ms = now;
        l->proxy_unlogged = 0;
    } else {
        l->proxy_unlogged++;
    }
    stream_kill(s, false);
}

static bool is_trusted(const struct listener_proxy *rule, const struct addr *peer)
{
    /* Who may open a Unix socket is decided by its permissions. */
    if (addr_is_unix(peer) || (rule->trusted_count == 0 && addr_is_local(peer)))
        return true;
    for (size_t i = 0; i < rule->trusted_count; i++)
        if (addr_net_has(&rule->trusted[i], peer))
            return true;
    return false;
}

void stream_proxy_begin(struct stream *s)
{
    const struct listener_proxy *rule = listener_proxy_rule(s->listener);

    if (!is_trusted(rule, stream_peer(s))) {
        refuse(s, rule, "it comes from none of trusted_proxies");
        return;
    }
    s->proxy = NEW(struct stream_proxy);
    listener_wait(&s->proxy->unbegun, s);
    stream_timer_in(s, rule->timeout_ms);
    stream_poll(s, false);
}

void stream_proxy_input(struct stream *s, struct str bytes)
{
    const struct listener_proxy *rule = listener_proxy_rule(s->listener);
    struct proxy_header h;
    struct wire_why why = { 0 };
    struct kept *k;
    struct str rest;
    size_t used = 0;
    int rc;

    kept_append(&s->kept, bytes);
    rest = kept_str(s->kept);
    rc = proxy_decode(rest, rule->header_max_bytes, &h, &used, &why);
    if (rc == ERR_MORE)
        return;
    if (rc) {
        refuse(s, rule, why.text);
        return;
    }
    k = s->kept; /* rest lies in it */
    s->kept = NULL;
    stream_proxy_drop(s);
    stream_timer_stop(s);
    if (h.has_peer)
        stream_note_peer(s, &h.peer);
    stream_accepted(s);
    rest = str_skip(rest, used);
    if (rest.n > 0 && s->tls && s->state <= STREAM_OPEN)
        stream_tls_input(s, rest);
    else if (rest.n > 0 && s->state == STREAM_OPEN)
        stream_take(s, rest);
    kept_drop(&k);
}

void stream_proxy_late(struct stream *s)
{
    refuse(s, listener_proxy_rule(s->listener), "it did not come in time");
}

void stream_proxy_drop(struct stream *s)
{
    if (!s->proxy)
        return;
    listener_wait_over(&s->proxy->unbegun);
    mem_free(s->proxy);
    s->proxy = NULL;
}
