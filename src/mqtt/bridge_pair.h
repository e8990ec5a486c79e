#ifndef MQTT_BRIDGE_PAIR_H
#define MQTT_BRIDGE_PAIR_H
/*
 * Whether the two sessions of a bridge belong together: what one of them holds of packet ids is about the
 * other as it is now. Pure; whoever has the connections tells it what their servers said.
 */
#include "mqtt/bridge_relay.h"

struct bridge_pair {
    bool stale[2]; /* by enum bridge_side: that session may hold QoS 2 ids from before the other */
    bool marked;   /* the local session says for good that neither is */
    bool untold;   /* the far server may not have what is retained */
    bool far_new, local_new; /* that session began with its connection */
};

/* Of the first local connection since the program began; marked: what the local session says. */
void bridge_pair_begin(struct bridge_pair *p, bool local_present, bool marked);
/* Then of each life: of the far connection, and after that of each local one. */
void bridge_pair_far(struct bridge_pair *p, bool session_present);
void bridge_pair_local(struct bridge_pair *p, bool session_present);
/* False: stale[] are to be swept and the mark to be written before a message is handed on. */
bool bridge_pair_settled(const struct bridge_pair *p);
/* Both were done. */
void bridge_pair_settle(struct bridge_pair *p);

#endif
