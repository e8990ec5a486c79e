/* Datagrams over loopback. */
#include "unit/net/rig.h"

#include "net/datagram.h"

struct end {
    struct datagram *d;
    struct buf got;
    unsigned count, closed;
    struct addr last;
    bool answers, closes;
};

static void on_datagram(void *ctx, struct datagram *d, struct str bytes, const struct addr *from)
{
    struct end *e = ctx;

    assert_false(e->closed);
    e->count++;
    e->last = *from;
    buf_put(&e->got, bytes);
    if (e->answers)
        assert_int_equal(datagram_send(d, bytes, from), 0);
    if (e->closes)
        datagram_close(d, NULL);
}

static void on_closed(void *ctx)
{
    ((struct end *)ctx)->closed++;
}

static void end_open(struct end *e, struct rig *r, const char *host)
{
    struct fault f = { 0 };
    struct addr a;

    *e = (struct end){ .got = buf_init(10 * 1024 * 1024) };
    assert_int_equal(addr_parse(str_of(host), 0, &a), 0);
    if (datagram_open(r->l, &a, 0, on_datagram, e, &e->d, &f))
        fail_msg("%s", f.text);
    assert_true(addr_port(datagram_addr(e->d)) > 0);
}

static void end_close(struct end *e, struct rig *r)
{
    datagram_close(e->d, on_closed);
    datagram_close(e->d, on_closed);
    UNTIL(r, e->closed == 1);
    buf_fini(&e->got);
}

static void a_datagram_comes_with_its_source_and_is_answered(void **state)
{
    struct rig *r = rig_new_loop();
    struct end a, b;

    (void)state;
    end_open(&a, r, "127.0.0.1");
    end_open(&b, r, "127.0.0.1");
    b.answers = true;
    assert_int_equal(datagram_send(a.d, STR("ping"), datagram_addr(b.d)), 0);
    assert_int_equal(datagram_send(a.d, STR(""), datagram_addr(b.d)), 0);
    UNTIL(r, a.count == 2);
    assert_str(buf_str(&a.got), "ping");
    assert_true(addr_eq(&b.last, datagram_addr(a.d)));
    assert_true(addr_eq(&a.last, datagram_addr(b.d)));
    end_close(&a, r);
    end_close(&b, r);
    rig_free(r);
}

static void a_burst_is_received_in_order(void **state)
{
    struct rig *r = rig_new_loop();
    struct end a, b;
    unsigned i;

    (void)state;
    end_open(&a, r, "127.0.0.1");
    end_open(&b, r, "127.0.0.1");
    for (i = 0; i < 100; i++) {
        char block[100];

        memset(block, (int)i, sizeof(block));
        assert_int_equal(datagram_send(a.d, str_from(block, sizeof(block)), datagram_addr(b.d)), 0);
    }
    UNTIL(r, b.count == 100);
    for (i = 0; i < 100; i++)
        assert_int_equal(b.got.p[i * 100], i);
    end_close(&a, r);
    end_close(&b, r);
    rig_free(r);
}

static void one_that_is_too_long_is_dropped_and_counted(void **state)
{
    struct rig *r = rig_new_loop();
    char block[DATAGRAM_MAX + 1] = { 0 };
    struct end a, b;
    char *huge;

    (void)state;
    end_open(&a, r, "127.0.0.1");
    end_open(&b, r, "127.0.0.1");
    assert_int_equal(datagram_send(a.d, str_from(block, sizeof(block)), datagram_addr(b.d)), 0);
    assert_int_equal(datagram_send(a.d, str_from(block, DATAGRAM_MAX), datagram_addr(b.d)), 0);
    UNTIL(r, b.count == 1);
    assert_int_equal(b.got.n, DATAGRAM_MAX);
    assert_int_equal(datagram_dropped(b.d), 1);
    /* More than the kernel takes (UDP over IPv4: 65,507 bytes). */
    huge = mem_new(65508);
    assert_int_equal(datagram_send(a.d, str_from(huge, 65508), datagram_addr(b.d)), -EMSGSIZE);
    mem_free(huge);
    assert_int_equal(datagram_dropped(a.d), 1);
    end_close(&a, r);
    end_close(&b, r);
    rig_free(r);
}

static void closing_inside_the_call_ends_it(void **state)
{
    struct rig *r = rig_new_loop();
    struct end a, b;

    (void)state;
    end_open(&a, r, "127.0.0.1");
    end_open(&b, r, "127.0.0.1");
    b.closes = true;
    assert_int_equal(datagram_send(a.d, STR("1"), datagram_addr(b.d)), 0);
    assert_int_equal(datagram_send(a.d, STR("2"), datagram_addr(b.d)), 0);
    UNTIL(r, b.count == 1);
    rig_turns(r, 5);
    assert_int_equal(b.count, 1);
    buf_fini(&b.got);
    end_close(&a, r);
    rig_free(r);
}

static void a_port_in_use_is_said(void **state)
{
    struct rig *r = rig_new_loop();
    struct datagram *d = NULL;
    struct fault f = { 0 };
    struct end a;

    (void)state;
    end_open(&a, r, "127.0.0.1");
    assert_int_equal(datagram_open(r->l, datagram_addr(a.d), 0, on_datagram, &a, &d, &f),
                     -EADDRINUSE);
    assert_non_null(strstr(f.text, "in use"));
    assert_null(d);
    end_close(&a, r);
    rig_free(r);
}

static void one_port_can_be_shared_by_several_loops(void **state)
{
    struct rig *r = rig_new_loop();
    struct loop *other = loop_new();
    struct datagram *d, *e;
    struct addr a;

    (void)state;
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &a), 0);
    assert_int_equal(datagram_open(r->l, &a, DATAGRAM_REUSEPORT, on_datagram, NULL, &d, NULL), 0);
    assert_int_equal(
        datagram_open(other, datagram_addr(d), DATAGRAM_REUSEPORT, on_datagram, NULL, &e, NULL), 0);
    assert_int_equal(addr_port(datagram_addr(d)), addr_port(datagram_addr(e)));
    datagram_close(d, NULL);
    datagram_close(e, NULL);
    loop_free(other);
    rig_free(r);
}

RUN(TEST(a_datagram_comes_with_its_source_and_is_answered), TEST(a_burst_is_received_in_order),
    TEST(one_that_is_too_long_is_dropped_and_counted), TEST(closing_inside_the_call_ends_it),
    TEST(a_port_in_use_is_said), TEST(one_port_can_be_shared_by_several_loops))
