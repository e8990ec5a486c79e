/*
 * WebSocket frames from clients and from servers. Holds: one byte at a time gives the same payload
 * and the same verdict as all at once; what is encoded is decoded as it was.
 */
#include "wire/ws.h"

#include "base/buf.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int read_all(struct str in, size_t step, size_t room_n, enum ws_side side, struct buf *out)
{
    struct ws_decoder d;
    struct ws_event ev;
    char room[64];
    size_t used;

    ws_decoder_init(&d, side, 1 << 20);
    while (in.n > 0) {
        if (ws_decode(&d, str_sub(in, 0, step), room, room_n, &ev, &used, NULL) != 0)
            return ERR_PROTO;
        assert(used <= in.n && (used > 0 || ev.kind == WS_EV_DATA));
        if (ev.kind == WS_EV_DATA)
            buf_put(out, ev.bytes);
        in = str_skip(in, used);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const unsigned char mask[4] = { 0xde, 0xad, 0xbe, 0xef };
    struct str in = str_from(data, n);

    for (unsigned side = WS_SERVER; side <= WS_CLIENT; side++) {
        struct buf a = buf_init(1 << 24), b = buf_init(1 << 24), f = buf_init(1 << 24);
        int rc = read_all(in, SIZE_MAX, 64, (enum ws_side)side, &a);
        int rc2 = read_all(in, 1, 7, (enum ws_side)side, &b);

        assert(rc == rc2);
        if (rc == 0)
            assert(str_eq(buf_str(&a), buf_str(&b)));
        buf_clear(&a);
        ws_encode(&f, WS_BINARY, true, in, side == WS_SERVER ? mask : NULL);
        assert(read_all(buf_str(&f), 50, 64, (enum ws_side)side, &a) == 0);
        assert(str_eq(buf_str(&a), in));
        buf_fini(&a);
        buf_fini(&b);
        buf_fini(&f);
    }
    return 0;
}
