#ifndef UNIT_MQTT_SESSION_KIT_H
#define UNIT_MQTT_SESSION_KIT_H
/* A session and numbered messages for it. */
#include "mqtt/session.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct session_limits limits = {
    .subscriptions_max = 10, .inflight_max = 5, .queue_max_messages = 50, .queue_max_bytes = 5000
};
static int conn; /* its address stands for a connection */

static inline struct message *msg(uint32_t n, uint64_t expires_ms)
{
    struct message_source src = {
        .topic = STR("t"), .payload = str_from(&n, sizeof(n)), .expires_ms = expires_ms, .qos = 2
    };

    return message_new(&src);
}

static inline uint32_t number(const struct message *m)
{
    uint32_t n;

    memcpy(&n, message_payload(m).p, sizeof(n));
    return n;
}

static inline int push(struct session *s, uint32_t n, unsigned qos)
{
    struct message *m = msg(n, 0);
    int rc = session_push(s, m, qos, false, (struct sub_ids){ 0 });

    message_unref(m);
    return rc;
}

#endif
