#ifndef MQTT_CLIENT_PART_H
#define MQTT_CLIENT_PART_H
/* Inside the pure client: what client.c asks of its window (client_window.c) and its
 * subscriptions (client_subs.c). */
#include "mqtt/client.h"

/* client_window.c */
void client_window_init(struct client *c);
void client_window_fini(struct client *c);
/* The connection ended: kept publications wait for the next, the others wait for client_lost(). */
void client_window_down(struct client *c);
/* A session stands; without session_present the kept ones are new to the server. */
void client_window_up(struct client *c, bool session_present);
/* PUBACK, a PUBREC that refuses, or PUBCOMP. False: nobody waits for this id. */
bool client_window_acked(struct client *c, enum mqtt_type type, const struct mqtt_ack *a,
                         struct client_done *out);
/* A PUBREC that does not refuse: PUBREL goes to out. */
void client_window_received(struct client *c, uint16_t id, uint64_t now_ms);

/* client_subs.c */
void client_subs_fini(struct client *c);
void client_subs_down(struct client *c);
/* Subscribes all again. */
void client_subs_up(struct client *c, uint64_t now_ms);
/* SUBACK. False: nobody waits for this id. */
bool client_subs_acked(struct client *c, const struct mqtt_suback *a, struct client_event *out);

#endif
