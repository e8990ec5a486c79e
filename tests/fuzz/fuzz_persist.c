/* Operations of the broker's log, several in one input (each behind a length byte; behind 0 are the clocks of those
 * that follow): whatever they
 * claim, the state that they give can be taken and freed, within its limits. */
#include "fuzz/fuzz.h"

#include "mqtt/restore.h"

#include "base/rd.h"

static const struct session_limits limits = { .subscriptions_max = 100,
                                              .inflight_max = 10,
                                              .queue_max_messages = 50,
                                              .queue_max_bytes = 100000 };

static struct timeline_clocks read_clocks(struct rd *in)
{
    struct timeline_clocks c = { .wall_ms = (int64_t)rd_le64(in) / 1000000 };

    c.uptime_ms = (int64_t)(rd_le64(in) / 1000000);
    c.boot.b[0] = rd_u8(in);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct restore_options o = { .limits = &limits,
                                 .clocks = { .wall_ms = 1000000, .boot.b = { 1 } },
                                 .now_ms = 5000 };
    struct restore *r = restore_new(&o);
    struct rd in = rd_init(str_from((const char *)data, n));
    struct session *s;
    struct message *m;
    struct str key;
    uint64_t seq = 0;

    while (rd_left(&in) > 0) {
        size_t want = rd_u8(&in), left = rd_left(&in);
        struct timeline_clocks clocks;
        struct persist p;
        struct str op;

        if (want == 0) {
            clocks = read_clocks(&in);
            restore_clocks(r, &clocks);
            continue;
        }
        op = rd_bytes(&in, want < left ? want : left);
        seq++;
        if (restore_apply(r, seq, op) == 0)
            FUZZ_CHECK(persist_decode(op, &p) == 0);
    }
    restore_finish(r);
    while ((s = restore_take_session(r))) {
        FUZZ_CHECK(s->sent <= s->count && s->count < 70000 && s->serial <= restore_last_serial(r));
        session_free(s);
    }
    while ((m = restore_take_owed(r, &key))) {
        FUZZ_CHECK(message_seq(m) != 0 && m->qos > 0 && key.n > 0);
        message_unref(m);
    }
    while ((m = restore_take_retained(r))) {
        FUZZ_CHECK(message_payload(m).n > 0);
        message_unref(m);
    }
    restore_free(r);
    return 0;
}
