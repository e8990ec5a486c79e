/*
 * The uplink's window. One read of the journal is under way at a time; its result is published
 * when the connection that it was made for still stands. Nothing is kept of a batch but its last
 * number: after a disconnection reading starts again behind what the hub has acknowledged.
 */
#include "edge/uplink.h"

#include <assert.h>

void uplink_init(struct uplink *u, uint64_t acked_seq, unsigned window, uint64_t rate)
{
    assert(window >= 1 && window <= UPLINK_WINDOW_MAX);
    *u = (struct uplink){
        .acked_seq = acked_seq, .read_seq = acked_seq, .window = window, .news = true, .rate = rate
    };
}

void uplink_connected(struct uplink *u)
{
    u->connected = true;
    u->generation++;
    u->inflight = 0;
    u->first = 0;
    u->read_seq = u->acked_seq;
    u->news = true;
}

void uplink_disconnected(struct uplink *u)
{
    u->connected = false;
    u->generation++;
    u->inflight = 0;
    u->first = 0;
    u->read_seq = u->acked_seq;
}

void uplink_news(struct uplink *u)
{
    u->news = true;
}

bool uplink_rewind(struct uplink *u, uint64_t first_seq, uint64_t have_seq)
{
    uint64_t to = have_seq > 0 ? have_seq : u->back[u->first];

    /* Every step leads back, so there is an end: what begins with number 1 is always taken. */
    if (u->inflight == 0 || first_seq != u->acked_seq + 1 || have_seq >= u->acked_seq)
        return false;
    u->acked_seq = u->read_seq = to < u->acked_seq ? to : 0;
    u->generation++;
    u->inflight = 0;
    u->first = 0;
    u->news = true;
    return true;
}

/* A moment's worth may go at once, so that short pauses do not cost rate. */
#define PACE_BURST_US 200000u

void uplink_sent(struct uplink *u, uint64_t now_us, uint64_t bytes)
{
    if (u->rate == 0)
        return;
    if (u->pace_us + PACE_BURST_US < now_us)
        u->pace_us = now_us - PACE_BURST_US;
    u->pace_us += bytes * 1000000 / u->rate;
}

bool uplink_lags(struct uplink *u, uint64_t head_seq)
{
    bool lags = u->connected && u->acked_seq < u->heads[1];

    u->heads[1] = u->heads[0];
    u->heads[0] = head_seq;
    return lags;
}

bool uplink_want_read(struct uplink *u, uint64_t now_us, uint64_t *after, uint32_t *generation,
                      uint64_t *wait_us)
{
    *wait_us = 0;
    if (!u->connected || u->reading || !u->news || u->inflight >= u->window)
        return false;
    if (u->pace_us > now_us) {
        *wait_us = u->pace_us - now_us;
        return false;
    }
    u->reading = true;
    u->news = false; /* what comes from here on is news for the read after this one */
    *after = u->read_seq;
    *generation = u->generation;
    return true;
}

bool uplink_read_done(struct uplink *u, uint32_t generation, uint64_t last, uint64_t back)
{
    assert(u->reading);
    u->reading = false;
    if (generation != u->generation || !u->connected) {
        u->news = true; /* its records are still to be sent */
        return false;
    }
    if (last == 0)
        return false;
    assert(last > u->read_seq);
    u->read_seq = last;
    u->last[(u->first + u->inflight) % UPLINK_WINDOW_MAX] = last;
    u->back[(u->first + u->inflight) % UPLINK_WINDOW_MAX] = back;
    u->inflight++;
    u->news = true; /* there may be more behind it */
    return true;
}

void uplink_read_failed(struct uplink *u)
{
    assert(u->reading);
    u->reading = false;
}

uint64_t uplink_acked(struct uplink *u)
{
    assert(u->inflight > 0);
    u->acked_seq = u->last[u->first];
    u->first = (u->first + 1) % UPLINK_WINDOW_MAX;
    u->inflight--;
    return u->acked_seq;
}
