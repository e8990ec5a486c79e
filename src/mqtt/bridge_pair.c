/*
 * The memory of a bridge: does what the two sessions know still fit together?
 *
 * A server that was sent QoS 2 keeps the packet id until PUBREL. When the sender's session is lost meanwhile,
 * the new one gives the same ids to new messages, and the receiver takes them for repeats: they are lost
 * without a word. So the ids of the older session are released before anything is handed on
 * (bridge_relay_sweep()). That may be interrupted, by a connection that ends or the end of the program, and
 * then both servers say "session present" as if all were well. So it is owed until it was done: in here, and
 * over a restart by a mark in the local session, which a new session cannot have.
 *
 * Without the mark both are swept after a start. That takes nothing away: nothing is handed on before the mark
 * is written, so there is no message whose id would be missed.
 *
 * What is left: the program is killed between the CONNACK of a far server that forgot us and the record that
 * takes the mark off.
 */
#include "mqtt/bridge_pair.h"

void bridge_pair_begin(struct bridge_pair *p, bool local_present, bool marked)
{
    *p = (struct bridge_pair){ .marked = local_present && marked, .local_new = !local_present };
    p->stale[BRIDGE_FAR] = !p->marked;
    p->stale[BRIDGE_LOCAL] = local_present && !p->marked;
    p->untold = !p->marked;
}

void bridge_pair_far(struct bridge_pair *p, bool session_present)
{
    p->far_new = !session_present;
    if (session_present)
        return;
    p->stale[BRIDGE_FAR] = false;
    p->stale[BRIDGE_LOCAL] = true;
    p->marked = false;
    p->untold = true;
}

void bridge_pair_local(struct bridge_pair *p, bool session_present)
{
    p->local_new = !session_present;
    if (session_present)
        return;
    p->stale[BRIDGE_LOCAL] = false;
    p->stale[BRIDGE_FAR] = !p->far_new;
    p->marked = false;
}

bool bridge_pair_settled(const struct bridge_pair *p)
{
    return p->marked;
}

void bridge_pair_settle(struct bridge_pair *p)
{
    p->stale[BRIDGE_FAR] = p->stale[BRIDGE_LOCAL] = false;
    p->marked = true;
}
