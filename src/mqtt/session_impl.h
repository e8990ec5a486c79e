#ifndef MQTT_SESSION_IMPL_H
#define MQTT_SESSION_IMPL_H
/* What session.c and session_restore.c share, and nobody else. */
#include "mqtt/session.h"

/* How many packet ids there are. */
uint32_t session_id_count(const struct session *s);
/* What a message takes of the room of a queue. */
size_t session_queued_size(const struct message *m, struct sub_ids ids);
/* At the end of the ring, counted if it has a message. */
void session_ring_put(struct session *s, const struct session_item *it);

#endif
