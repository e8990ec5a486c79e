/* The queue against a plain list, in random steps. */
#include "mqtt/restore_queue.h"

#include "unit/unit.h"

#include <stdlib.h>

#define LIST_MAX 4000

static const struct session_limits limits = { .queue_max_messages = 1 };

struct list_item {
    uint64_t seq;
    uint32_t sub_id;
    uint16_t packet_id;
    bool done;
};
struct world {
    struct restore_queue q;
    struct list_item all[LIST_MAX];
    size_t count;
    unsigned seed;
};

static unsigned rnd(struct world *w, unsigned n)
{
    return (unsigned)rand_r(&w->seed) % n;
}

static struct message *numbered(uint64_t seq)
{
    return message_new(&(struct message_source){ .topic = STR("t"), .seq = seq });
}

static bool has_id(const struct world *w, uint16_t id)
{
    for (size_t i = 0; i < w->count; i++)
        if (!w->all[i].done && w->all[i].packet_id == id)
            return true;
    return false;
}

static void add(struct world *w, uint64_t seq, uint32_t sub_id, uint16_t id)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->all[i].seq == seq && w->all[i].sub_id == sub_id)
            return;
    restore_queue_add_take(&w->q,
                           &(struct restore_item){ .m = numbered(seq),
                                                   .seq = seq,
                                                   .sub_ids = sub_id,
                                                   .packet_id = id,
                                                   .state = id ? SESSION_SENT : SESSION_WAITING });
    w->all[w->count++] = (struct list_item){ seq, sub_id, has_id(w, id) ? 0 : id, .done = false };
    assert_true(w->count < LIST_MAX);
}

static void check(const struct world *w)
{
    uint64_t last = 0;
    size_t live = 0;

    for (uint32_t i = w->q.from; i < w->q.count; i++) {
        assert_true(w->q.items[i].seq >= last);
        last = w->q.items[i].seq;
    }
    for (size_t i = 0; i < w->count; i++) {
        const struct list_item *a = &w->all[i];
        const struct restore_item *it = restore_queue_find(&w->q, a->seq, a->sub_id);

        live += !a->done;
        if (a->done) {
            assert_null(it);
            continue;
        }
        assert_non_null(it);
        assert_int_equal(message_seq(it->m), a->seq);
        assert_int_equal(it->packet_id, a->packet_id);
        assert_non_null(restore_queue_find_any(&w->q, a->seq));
        if (a->packet_id != 0)
            assert_ptr_equal(restore_queue_find_id(&w->q, a->packet_id), it);
    }
    assert_int_equal(w->q.live, live);
}

static void step(struct world *w)
{
    struct list_item *a = w->count > 0 ? &w->all[rnd(w, (unsigned)w->count)] : NULL;
    uint64_t seq = w->count / 2 + 1;

    switch (rnd(w, 5)) {
    case 0:
        add(w, seq + rnd(w, 3), rnd(w, 2), 0);
        break;
    case 1:
        add(w, 1 + rnd(w, (unsigned)seq), 0, (uint16_t)rnd(w, 20));
        break;
    case 2:
        if (a && !a->done && a->packet_id == 0) {
            uint16_t id = (uint16_t)(1 + rnd(w, 30));

            if (has_id(w, id))
                break;
            restore_queue_set_id(&w->q, restore_queue_find(&w->q, a->seq, a->sub_id), id);
            a->packet_id = id;
        }
        break;
    default:
        if (!a || a->done)
            break;
        restore_queue_done(&w->q, restore_queue_find(&w->q, a->seq, a->sub_id));
        a->done = true;
    }
}

static void it_is_as_a_list(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        struct world w = { .seed = seed };

        restore_queue_init(&w.q, session_new(STR("c"), 1, &limits));

        for (unsigned i = 0; i < 1500; i++) {
            step(&w);
            if (i % 10 == 0)
                check(&w);
        }
        restore_queue_pack(&w.q);
        assert_int_equal(w.q.count, w.q.live);
        assert_int_equal(w.q.from, 0);
        check(&w);
        restore_queue_fini(&w.q);
        session_free(w.q.s);
    }
}

static void done_out_of_order_costs_no_memory(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);
    struct restore_queue q = { .s = s };

    (void)state;
    restore_queue_add_take(&q, &(struct restore_item){ .m = numbered(1), .seq = 1 });
    for (uint64_t i = 2; i < 10000; i++) {
        restore_queue_add_take(&q, &(struct restore_item){ .m = numbered(i), .seq = i });
        restore_queue_done(&q, restore_queue_find(&q, i, 0));
    }
    assert_int_equal(q.live, 1);
    assert_true(q.cap <= 128);
    restore_queue_fini(&q);
    session_free(s);
}

static void what_is_newer_is_carried_over(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);
    struct session *s2 = session_new(STR("c"), 1, &limits);
    struct restore_queue q = { .s = s }, before = { .s = s2 };
    const uint32_t two[] = { 4, 9 };
    struct sub_ids ids = { two, 2 };

    (void)state;
    for (uint64_t i = 1; i <= 6; i++)
        restore_queue_add_take(&before, &(struct restore_item){ .m = numbered(i), .seq = i });
    restore_queue_done(&before, restore_queue_find(&before, 5, 0));
    restore_queue_find(&before, 4, 0)->sub_ids = session_put_sub_ids(s2, ids);
    restore_queue_add_take(&q, &(struct restore_item){ .m = numbered(2), .seq = 2 });
    restore_queue_add_take(&q, &(struct restore_item){ .m = numbered(6), .seq = 6 });
    restore_queue_carry_over(&q, &before, 3);
    assert_int_equal(q.count, 3);
    assert_int_equal(q.items[0].seq, 2);
    assert_int_equal(q.items[1].seq, 4);
    assert_int_equal(q.items[2].seq, 6);
    assert_non_null(q.items[1].m);
    ids = session_sub_ids(s, &q.items[1].sub_ids);
    assert_true(ids.n == 2 && ids.at[1] == 9);
    assert_ptr_equal(restore_queue_find(&q, 4, 4), &q.items[1]);
    restore_queue_done(&q, &q.items[1]);
    assert_int_equal(s->id_sets->free, 1);
    restore_queue_fini(&before);
    session_free(s2);
    restore_queue_fini(&q);
    session_free(s);
}

/* The id's first holder keeps it; what is only told to be released under another's id is nothing. */
static void an_id_is_held_once(void **state)
{
    struct restore_item it = { .seq = 1, .packet_id = 7, .state = SESSION_RELEASED };
    struct session *s = session_new(STR("c"), 1, &limits);
    struct restore_queue q = { .s = s };

    (void)state;
    restore_queue_add_take(&q, &it);
    it.seq = 2;
    restore_queue_add_take(&q, &it);
    assert_int_equal(q.live, 1);
    it = (struct restore_item){ .m = numbered(3), .seq = 3, .packet_id = 7, .state = SESSION_SENT };
    restore_queue_add_take(&q, &it);
    assert_int_equal(q.items[1].packet_id, 0);
    assert_int_equal(q.items[1].state, SESSION_WAITING);
    assert_int_equal(restore_queue_find_id(&q, 7)->seq, 1);
    assert_null(restore_queue_find_id(&q, 0));
    restore_queue_fini(&q);
    session_free(s);
}

RUN(TEST(it_is_as_a_list), TEST(done_out_of_order_costs_no_memory),
    TEST(what_is_newer_is_carried_over), TEST(an_id_is_held_once))
