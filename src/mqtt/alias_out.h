#ifndef MQTT_ALIAS_OUT_H
#define MQTT_ALIAS_OUT_H
/*
 * The topic aliases that we use towards one client which allows them (MQTT 5, 3.3.2.3.4): a topic
 * is sent with an alias once and left out from then on. They hold for one connection. Pure.
 */
#include "base/str.h"

/* A shorter topic is always written out: an alias takes three bytes. */
#define ALIAS_OUT_TOPIC_MIN 4

struct alias_out;

/* max: at least 1; what the client allows and we want. */
struct alias_out *alias_out_new(uint16_t max);
void alias_out_free(struct alias_out *a); /* NULL is legal */

struct alias_use {
    uint16_t alias; /* 0: none, the topic is written out */
    bool known;     /* the client knows it: the topic is left out */
};
/* What to write for the topic. Changes nothing, since the packet may turn out too large. */
struct alias_use alias_out_find(const struct alias_out *a, struct str topic);
/* The packet that tells the client of what alias_out_find() gave has been sent. */
void alias_out_told(struct alias_out *a, struct str topic, uint16_t alias);

#endif
