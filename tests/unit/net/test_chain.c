/* What is put into a chain comes out in order, whatever the mix and however it is consumed. */
#include "unit/unit.h"

#include "net/chain.h"

#include <stdlib.h>

static char next_byte;

static void fill(char *p, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        p[i] = next_byte++;
}

static void bytes_come_out_as_they_went_in(void **state)
{
    struct loop *l = loop_new();
    struct chain c = { 0 };
    char expect = 0, block[9000];
    size_t put = 0, taken = 0;
    unsigned i;

    (void)state;
    srand(3);
    next_byte = 0;
    for (i = 0; i < 2000; i++) {
        size_t n = (size_t)rand() % (i % 7 ? 100 : 9000) + 1, have;
        struct iovec iov[CHAIN_IOV_MAX];
        struct blob *b;
        int count, k;

        switch (rand() % 3) {
        case 0:
            fill(block, n);
            chain_put(l, &c, str_from(block, n));
            break;
        case 1:
            n = n % 2048 + 1;
            fill(chain_room(l, &c, 2048), n);
            chain_commit(&c, n);
            break;
        default:
            b = blob_alloc(n + 10);
            fill(b->bytes + 5, n);
            chain_put_blob(l, &c, b, 5, n);
            blob_unref(b);
        }
        put += n;
        count = chain_iov(&c, iov, &have);
        have = (size_t)rand() % (have + 1);
        taken += have;
        for (k = 0, n = have; k < count && n > 0; k++) {
            size_t j, part = iov[k].iov_len < n ? iov[k].iov_len : n;

            for (j = 0; j < part; j++)
                assert_int_equal(((char *)iov[k].iov_base)[j], expect++);
            n -= part;
        }
        chain_consume(l, &c, have);
        assert_int_equal(c.n, put - taken);
        assert_true(c.n > 0 || !c.first);
    }
    chain_clear(l, &c);
    assert_null(c.first);
    assert_null(c.last);
    loop_free(l);
}

static void a_large_payload_is_referred_to_and_a_small_one_copied(void **state)
{
    struct loop *l = loop_new();
    struct chain c = { 0 };
    struct blob *b = blob_alloc(CHAIN_COPY_MAX + 1);

    (void)state;
    fill(b->bytes, b->n);
    chain_put_blob(l, &c, b, 1, CHAIN_COPY_MAX);
    assert_int_equal(atomic_load(&b->refs), 1);
    chain_put_blob(l, &c, b, 0, CHAIN_COPY_MAX + 1);
    assert_int_equal(atomic_load(&b->refs), 2);
    chain_consume(l, &c, c.n - 1);
    assert_int_equal(atomic_load(&b->refs), 2);
    chain_consume(l, &c, 1);
    assert_int_equal(atomic_load(&b->refs), 1);
    blob_unref(b);
    loop_free(l);
}

static void small_writes_share_a_chunk(void **state)
{
    struct loop *l = loop_new();
    struct chain c = { 0 };
    struct iovec iov[CHAIN_IOV_MAX];
    size_t n;
    unsigned i;

    (void)state;
    for (i = 0; i < 100; i++)
        chain_put(l, &c, STR("0123456789"));
    assert_in_range(chain_iov(&c, iov, &n), 1, 2);
    assert_int_equal(n, 1000);
    chain_clear(l, &c);
    assert_int_equal(l->free_small_count, 1);
    assert_int_equal(l->free_large_count, 1);
    loop_free(l);
}

RUN(TEST(bytes_come_out_as_they_went_in),
    TEST(a_large_payload_is_referred_to_and_a_small_one_copied), TEST(small_writes_share_a_chunk))
