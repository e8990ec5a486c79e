/* WebSocket frames: every vector in any pieces, and what the encoder writes, read back. */
#include "wire/ws.h"

#include "base/buf.h"

#include "unit/unit.h"

#include "unit/wire/vectors.h"

#include <stdlib.h>

static int read_all(struct str in, size_t step, size_t room_n, enum ws_side side, struct buf *data,
                    struct wire_why *why)
{
    struct ws_decoder d;
    struct ws_event ev;
    char *room = malloc(room_n);
    size_t used, n = step;
    int rc = 0;

    ws_decoder_init(&d, side, 4096);
    while (in.n > 0 && rc == 0) {
        rc = ws_decode(&d, str_sub(in, 0, n), room, room_n, &ev, &used, why);
        if (rc)
            break;
        in = str_skip(in, used);
        assert_true(used > 0 || ev.kind != WS_EV_NONE);
        if (ev.kind == WS_EV_DATA)
            buf_put(data, ev.bytes);
    }
    free(room);
    return rc;
}

static void one_vector(const struct vector *v)
{
    static const size_t steps[] = { 100000, 1, 3 }, rooms[] = { 65536, 1, 5 };

    for (size_t i = 0; i < 3; i++) {
        struct buf data = buf_init(1 << 20);
        struct wire_why why = { 0 };
        int rc = read_all(buf_str(&v->bytes), steps[i], rooms[i], WS_SERVER, &data, &why);

        buf_fini(&data);
        if (strcmp(v->expect, "ok") == 0) {
            if (rc)
                fail_msg("%s: %s", v->name, why.text);
            continue;
        }
        assert_string_equal(v->expect, "bad");
        if (rc != ERR_PROTO || (unsigned)why.code != v->code)
            fail_msg("%s, step %zu: %s %d", v->name, steps[i], err_text(rc), why.code);
    }
}

static void vectors(void **state)
{
    (void)state;
    assert_true(vectors_each("ws", one_vector) > 25);
}

static void round_trip(void **state)
{
    static const size_t sizes[] = { 0, 1, 125, 126, 4096 };
    static const unsigned char mask[4] = { 1, 2, 3, 4 };
    static char payload[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (char)(i * 7);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (unsigned masked = 0; masked < 2; masked++) {
            struct buf frame = buf_init(1 << 20), data = buf_init(1 << 20);
            struct str p = { payload, sizes[i] };

            ws_encode(&frame, WS_BINARY, true, p, masked ? mask : NULL);
            assert_int_equal(
                read_all(buf_str(&frame), 13, 100, masked ? WS_SERVER : WS_CLIENT, &data, NULL), 0);
            assert_true(str_eq(buf_str(&data), p));
            buf_fini(&data);
            assert_int_equal(
                read_all(buf_str(&frame), 13, 100, masked ? WS_CLIENT : WS_SERVER, &data, NULL),
                ERR_PROTO);
            buf_fini(&frame);
            buf_fini(&data);
        }
}

static void large_heads(void **state)
{
    unsigned char head[WS_HEAD_MAX];

    (void)state;
    assert_int_equal(ws_head(WS_BINARY, true, 65535, head), 4);
    assert_int_equal(ws_head(WS_BINARY, true, 65536, head), 10);
    assert_memory_equal(head, "\x82\x7f\0\0\0\0\0\1\0\0", 10);
    assert_int_equal(ws_head(WS_TEXT, false, 5, head), 2);
    assert_memory_equal(head, "\x01\x05", 2);
}

static void message_borders(void **state)
{
    static const unsigned char mask[4] = { 9, 9, 9, 9 };
    struct buf in = buf_init(1000);
    struct ws_decoder d;
    struct ws_event ev;
    char room[64];
    size_t used;

    (void)state;
    ws_encode(&in, WS_TEXT, false, STR("ab"), mask);
    ws_encode(&in, WS_PING, true, STR("p"), mask);
    ws_encode(&in, WS_CONT, true, STR("c"), mask);
    ws_encode_close(&in, 1001, STR("bye"), mask);
    ws_decoder_init(&d, WS_SERVER, 0);
    assert_int_equal(ws_decode(&d, buf_str(&in), room, sizeof(room), &ev, &used, NULL), 0);
    assert_true(ev.kind == WS_EV_DATA && ev.text && ev.first && !ev.last);
    buf_consume(&in, used);
    assert_int_equal(ws_decode(&d, buf_str(&in), room, sizeof(room), &ev, &used, NULL), 0);
    assert_true(ev.kind == WS_EV_PING);
    assert_str(ev.bytes, "p");
    buf_consume(&in, used);
    assert_int_equal(ws_decode(&d, buf_str(&in), room, sizeof(room), &ev, &used, NULL), 0);
    assert_true(ev.kind == WS_EV_DATA && !ev.first && ev.last);
    assert_str(ev.bytes, "c");
    buf_consume(&in, used);
    assert_int_equal(ws_decode(&d, buf_str(&in), room, sizeof(room), &ev, &used, NULL), 0);
    assert_true(ev.kind == WS_EV_CLOSE && ev.code == 1001);
    assert_str(ev.bytes, "bye");
    buf_fini(&in);
}

static void a_frame_beyond_its_limit_is_refused_by_its_head(void **state)
{
    static const char mask[4] = { 1, 2, 3, 4 };
    static const struct {
        uint64_t n;
        int rc;
    } cases[] = { { 300, 0 }, { 301, ERR_PROTO }, { UINT64_C(1) << 40, ERR_PROTO } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char head[WS_HEAD_MAX];
        size_t n = ws_head(WS_BINARY, false, cases[i].n, head), used;
        struct wire_why why = { 0 };
        struct ws_decoder d;
        struct ws_event ev;
        char room[64];

        head[1] |= 0x80;
        memcpy(head + n, mask, sizeof(mask));
        ws_decoder_init(&d, WS_SERVER, 0);
        d.frame_max = 300;
        assert_int_equal(
            ws_decode(&d, str_from(head, n + sizeof(mask)), room, sizeof(room), &ev, &used, &why),
            cases[i].rc);
        assert_int_equal(why.code, cases[i].rc ? 1009 : 0);
    }
}

static void long_reason_is_cut(void **state)
{
    char reason[200];
    struct buf out = buf_init(1000);

    (void)state;
    memset(reason, 'r', sizeof(reason));
    memcpy(reason + 122, "\xc3\xa9", 2); /* a character across the cut */
    ws_encode_close(&out, 1000, (struct str){ reason, sizeof(reason) }, NULL);
    assert_int_equal(out.n, 2 + 2 + 122);
    buf_clear(&out);
    ws_encode_close(&out, 0, STR_NONE, NULL);
    assert_memory_equal(out.p, "\x88\0", 2);
    buf_fini(&out);
}

static void close_codes(void **state)
{
    static const unsigned good[] = { 1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999 };
    static const unsigned bad[] = { 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535 };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(ws_close_code_ok(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(ws_close_code_ok(bad[i]));
}

RUN(TEST(vectors), TEST(round_trip), TEST(large_heads), TEST(message_borders),
    TEST(a_frame_beyond_its_limit_is_refused_by_its_head), TEST(long_reason_is_cut),
    TEST(close_codes))
