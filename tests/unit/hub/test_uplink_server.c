/* Batches of other nodes on their way into a real journal: none overtakes one that was refused. The
 * two functions of the broker that the module calls are played here. */
#include "hub/uplink_server.h"

#include "base/cell.h"
#include "base/clock.h"
#include "base/mem.h"
#include "journal/batch.h"
#include "net/workers.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 20000

/* ---- the broker, played ---- */

struct broker_token {
    struct cell done; /* 1 + what it was ended with, negated */
};

static struct gate *ended;

void broker_publish_done(struct broker_token *token, int code, bool route, const char *reason)
{
    (void)reason;
    assert_false(route);
    cell_set(&token->done, 1 + (uint64_t)-code);
    gate_open(ended);
}

struct blob *broker_message_blob(const struct broker_message *m)
{
    return blob_new(m->payload);
}

/* ---- a hub's journal and its uplink ---- */

struct bed {
    char dir[64];
    struct workers *workers;
    struct journal *journal;
    struct uplink_server *uplink;
    struct uuid edge;
    struct limits limits;
};

static struct cell shown; /* records that were only shown */
static struct cell told;  /* 1 + what the last sender was told that it is at */

static void live(void *ctx, struct loop *l, const struct record *r, bool is_stored)
{
    (void)ctx;
    (void)l;
    (void)r;
    if (!is_stored)
        cell_add(&shown, 1);
}

static void have(void *ctx, struct loop *l, const struct uuid *journal, uint64_t first,
                 uint64_t seq)
{
    (void)ctx;
    (void)l;
    (void)journal;
    assert_true(first > seq);
    cell_set(&told, 1 + seq);
}

static void bed_start(struct bed *b)
{
    struct journal_options o = journal_options_default();
    struct fault f = { 0 };

    *b = (struct bed){ .edge = { { 7, 1, 2 } }, .limits = limits_default() };
    snprintf(b->dir, sizeof(b->dir), "/tmp/wayside-uplink-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    o.segment_bytes = KIB(64);
    o.quota_bytes = KIB(256);
    o.free_floor_bytes = 0;
    ended = gate_new();
    b->workers = workers_start(1);
    assert_int_equal(journal_open(b->dir, &o, &b->limits, NULL, NULL, &b->journal, &f), 0);
    b->uplink = uplink_server_new(&(struct uplink_server_options){
        .journal = b->journal, .limits = &b->limits, .live = live, .have = have });
    cell_set(&shown, 0);
    cell_set(&told, 0);
}

static void bed_stop(struct bed *b)
{
    DIR *d;
    struct dirent *e;
    char name[512];

    journal_close(b->journal);
    workers_stop(b->workers);
    uplink_server_free(b->uplink);
    workers_free(b->workers);
    gate_free(ended);
    d = opendir(b->dir);
    while (d && (e = readdir(d))) {
        snprintf(name, sizeof(name), "%s/%s", b->dir, e->d_name);
        if (e->d_name[0] != '.')
            unlink(name);
    }
    if (d)
        closedir(d);
    rmdir(b->dir);
}

/* One publication: records first..last of the edge, of that many bytes each. */
struct sending {
    struct bed *bed;
    uint64_t first, last;
    size_t bytes;
    uint16_t port;
    struct batch_sender sender;
    bool only_shown;
    int64_t wall_ns; /* 0: a time that is right */
    uint64_t since_uptime_ns;
    int verdict;
    struct broker_token token;
};

static void publish(void *ctx, struct loop *l)
{
    struct sending *s = ctx;
    struct buf topic = buf_init(128), payload = buf_init(MIB(1));
    struct batch_writer w;
    struct broker_message m = { .qos = 1, .version = 5, .client_id = STR("edge") };
    char text[UUID_TEXT_LEN + 1], *filler = mem_new(s->bytes);
    const char *reason = NULL;

    memset(filler, '7', s->bytes);
    batch_writer_init(&w, &s->bed->edge, MIB(1));
    for (uint64_t seq = s->first; seq <= s->last; seq++) {
        struct record r = { .kind = RECORD_READING,
                            .device = STR("pi"),
                            .stream = STR("env"),
                            .flags = RECORD_ARRIVAL,
                            .wall_ns = s->wall_ns ? s->wall_ns : 1700000000000000000,
                            .uptime_ns = seq * 1000000000,
                            .boot = s->sender.boot,
                            .seq = seq,
                            .origin = s->bed->edge,
                            .origin_seq = seq,
                            .payload = str_from(filler, s->bytes) };

        assert_int_equal(batch_add(&w, &r), 0);
    }
    assert_int_equal(batch_finish(&w, BATCH_PLAIN, &s->sender, &payload), 0);
    batch_writer_fini(&w);
    buf_printf(&topic, "%s%s", s->only_shown ? UPLINK_LIVE_TOPIC : UPLINK_TOPIC,
               uuid_format(&s->bed->edge, text));
    m.topic = buf_str(&topic);
    m.payload = buf_str(&payload);
    m.since_uptime_ns = s->since_uptime_ns;
    s->verdict = s->only_shown ? uplink_server_live(s->bed->uplink, l, &m, &reason)
                               : uplink_server_publish(s->bed->uplink, l, &m, &s->token, &reason);
    mem_free(filler);
    buf_fini(&topic);
    buf_fini(&payload);
}

/* All on the worker at once, so that none is answered before the last was handed in. */
struct burst {
    struct sending *s;
    size_t n;
};

static void publish_all(void *ctx, struct loop *l)
{
    struct burst *b = ctx;

    for (size_t i = 0; i < b->n; i++)
        publish(&b->s[i], l);
}

static int code_of(struct sending *s)
{
    if (s->verdict != BROKER_LATER_CONSUME)
        return s->verdict;
    while (cell_get(&s->token.done) == 0)
        assert_true(gate_wait(ended, WAIT_MS));
    return -(int)(cell_get(&s->token.done) - 1);
}

static void send_all(struct bed *b, struct sending *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s[i].bed = b;
    workers_each(b->workers, publish_all, &(struct burst){ s, n });
}

/* The edge's numbers as the hub's sink reads them, repeats left out as the store does it: what
 * comes later with a lower number than another is lost. */
static uint64_t stored(struct bed *b)
{
    struct journal_reader *r = journal_reader_new(b->journal, NULL, 0, KIB(64));
    struct record out[64];
    uint64_t cursor = 0, rows = 0;
    size_t n = 0;

    do {
        assert_int_equal(journal_reader_next(r, out, COUNT_OF(out), KIB(64), &n), 0);
        for (size_t i = 0; i < n; i++) {
            if (!uuid_eq(&out[i].origin, &b->edge) || out[i].origin_seq <= cursor)
                continue;
            cursor = out[i].origin_seq;
            rows++;
        }
    } while (n > 0);
    journal_reader_free(r);
    return rows;
}

/* The middle one holds a record that this hub may not take; the one behind it is good. */
static void test_what_is_behind_a_refused_batch_is_refused_until_it_came_again(void **state)
{
    struct bed b;
    struct sending s[] = { { .first = 1, .last = 3, .bytes = 100, .port = 1000 },
                           { .first = 4, .last = 6, .bytes = 65000, .port = 1000 },
                           { .first = 7, .last = 9, .bytes = 100, .port = 1000 } };
    struct sending late = { .first = 10, .last = 12, .bytes = 100, .port = 1000 };
    struct sending other = { .first = 1, .last = 9, .bytes = 100, .port = 2000 };
    struct sending again[] = { { .first = 4, .last = 6, .bytes = 100, .port = 1000 },
                               { .first = 7, .last = 12, .bytes = 100, .port = 1000 } };

    (void)state;
    bed_start(&b);
    send_all(&b, s, COUNT_OF(s));
    assert_int_equal(code_of(&s[0]), 0);
    assert_int_equal(code_of(&s[1]), ERR_LIMIT);
    assert_int_equal(code_of(&s[2]), ERR_BUSY);
    send_all(&b, &late, 1); /* the answer has not reached the edge yet */
    assert_int_equal(code_of(&late), ERR_BUSY);
    assert_int_equal(stored(&b), 3);

    send_all(&b, again, COUNT_OF(again));
    assert_int_equal(code_of(&again[0]), 0);
    assert_int_equal(code_of(&again[1]), 0);
    assert_int_equal(stored(&b), 12);
    /* Another connection of the same node has nothing to do with that. */
    send_all(&b, &other, 1);
    assert_int_equal(code_of(&other), 0);
    bed_stop(&b);
}

/* Whoever is not known begins with number 1, unless it is not known who is known. */
static void test_a_hole_is_refused_and_told(void **state)
{
    struct bed b;
    struct sending early = { .first = 5, .last = 6, .bytes = 100 };
    struct sending first = { .first = 1, .last = 6, .bytes = 100 };
    struct sending hole = { .first = 9, .last = 9, .bytes = 100 };
    struct sending next = { .first = 7, .last = 9, .bytes = 100 };
    const struct senders *all;

    (void)state;
    bed_start(&b);
    all = uplink_server_senders(b.uplink);
    send_all(&b, &early, 1);
    assert_int_equal(code_of(&early), ERR_BUSY);
    assert_int_equal(cell_get(&told), 1);
    send_all(&b, &first, 1);
    assert_int_equal(code_of(&first), 0);
    send_all(&b, &hole, 1);
    assert_int_equal(code_of(&hole), ERR_BUSY);
    assert_int_equal(cell_get(&told), 7);
    assert_int_equal(stored(&b), 6);
    send_all(&b, &next, 1);
    assert_int_equal(code_of(&next), 0);
    assert_int_equal(stored(&b), 9);
    assert_int_equal(cell_get(&all->shown_count), 1);
    assert_int_equal(cell_get(&all->shown[0]->have_seq), 9);
    assert_int_equal(cell_get(&all->shown[0]->holes), 2);
    assert_string_equal(sender_name(all->shown[0]), "edge");
    bed_stop(&b);
}

static void test_what_was_there_before_is_known(void **state)
{
    struct bed b;
    struct sending hole = { .first = 102, .last = 103, .bytes = 100 };
    struct sending next = { .first = 101, .last = 103, .bytes = 100 };
    struct sending repeat = { .first = 90, .last = 110, .bytes = 100 };

    (void)state;
    bed_start(&b);
    uplink_server_seed(b.uplink, &b.edge, 0, 100);
    send_all(&b, &hole, 1);
    assert_int_equal(code_of(&hole), ERR_BUSY);
    assert_int_equal(cell_get(&told), 101);
    send_all(&b, &next, 1);
    assert_int_equal(code_of(&next), 0);
    send_all(&b, &repeat, 1);
    assert_int_equal(code_of(&repeat), 0);
    bed_stop(&b);
}

static void test_marks_say_where_a_sender_stands(void **state)
{
    struct bed b;
    struct sending s = { .first = 1, .last = 4, .bytes = 100 };
    struct journal_reader *r;
    struct record out[16];
    size_t n = 0;

    (void)state;
    bed_start(&b);
    send_all(&b, &s, 1);
    assert_int_equal(code_of(&s), 0);
    r = journal_reader_new(b.journal, NULL, 0, KIB(64));
    assert_int_equal(journal_reader_next(r, out, COUNT_OF(out), KIB(64), &n), 0);
    assert_int_equal(n, 5);
    assert_int_equal(out[4].kind, RECORD_MARK);
    assert_true(uuid_eq(&out[4].origin, &b.edge));
    assert_int_equal(out[4].origin_seq, 4);
    journal_reader_free(r);
    bed_stop(&b);
}

static void test_a_clock_that_was_never_set_is_corrected(void **state)
{
    struct bed b;
    struct sending s = {
        .first = 1,
        .last = 3,
        .bytes = 100,
        .wall_ns = 12000000000,
        .sender = { .boot = { { 9 } }, .uptime_ns = 10000000000, .wall_ns = 20000000000 }
    };
    struct journal_reader *r;
    struct record out[16];
    int64_t before = clock_wall_ns();
    size_t n = 0;

    (void)state;
    bed_start(&b);
    send_all(&b, &s, 1);
    assert_int_equal(code_of(&s), 0);
    r = journal_reader_new(b.journal, NULL, 0, KIB(64));
    assert_int_equal(journal_reader_next(r, out, COUNT_OF(out), KIB(64), &n), 0);
    assert_int_equal(out[1].flags, RECORD_ARRIVAL | RECORD_CORRECTED);
    assert_true(out[1].sent_ns == 12000000000);
    /* It was handed in 8 s of uptime before the batch was sent. */
    assert_true(out[1].wall_ns >= before - 8000000000 && out[1].wall_ns <= clock_wall_ns());
    journal_reader_free(r);
    bed_stop(&b);
}

/* 5 minutes behind: too much for a connection of a second, not for one of 10 minutes. */
static void test_what_may_have_been_held_up_is_not_corrected(void **state)
{
    struct bed b;
    struct sending s = { .first = 1, .last = 1, .bytes = 100 };
    int64_t wall_ns = clock_wall_ns() - 300000000000;
    const int flags[] = { RECORD_ARRIVAL, RECORD_ARRIVAL | RECORD_CORRECTED };
    struct journal_reader *r;
    struct record out[16];
    size_t n = 0;

    (void)state;
    bed_start(&b);
    s.wall_ns = wall_ns;
    s.sender = (struct batch_sender){ .boot = { { 9 } }, .uptime_ns = 1000000000 };
    s.sender.wall_ns = wall_ns;
    s.since_uptime_ns = clock_uptime_ns() - 600000000000;
    send_all(&b, &s, 1);
    assert_int_equal(code_of(&s), 0);
    s.first = s.last = 2;
    s.sender.uptime_ns = 2000000000;
    s.wall_ns = s.sender.wall_ns = wall_ns + 1000000000;
    s.since_uptime_ns = clock_uptime_ns() - 1000000000;
    s.token = (struct broker_token){ 0 };
    send_all(&b, &s, 1);
    assert_int_equal(code_of(&s), 0);
    r = journal_reader_new(b.journal, NULL, 0, KIB(64));
    assert_int_equal(journal_reader_next(r, out, COUNT_OF(out), KIB(64), &n), 0);
    assert_int_equal(n, 4); /* each with its mark */
    assert_int_equal(out[0].flags, flags[0]);
    assert_int_equal(out[2].flags, flags[1]);
    journal_reader_free(r);
    bed_stop(&b);
}

static void test_what_is_only_shown_is_not_kept(void **state)
{
    struct bed b;
    struct sending s = { .first = 77, .last = 77, .bytes = 100, .only_shown = true };

    (void)state;
    bed_start(&b);
    send_all(&b, &s, 1);
    assert_int_equal(s.verdict, BROKER_CONSUME);
    assert_int_equal(cell_get(&shown), 1);
    assert_int_equal(journal_head(b.journal), 0);
    bed_stop(&b);
}

/* More than may be in memory is refused for now; one alone is taken whatever the limit. */
static void test_what_waits_for_the_disk_is_bounded(void **state)
{
    struct bed b;
    struct sending s[12];
    size_t taken = 0, busy = 0;

    (void)state;
    bed_start(&b);
    b.limits.uplink_pending_max_bytes = KIB(100);
    for (size_t i = 0; i < COUNT_OF(s); i++)
        s[i] = (struct sending){ .first = 1, .last = 2, .bytes = KIB(20) };
    send_all(&b, s, COUNT_OF(s));
    for (size_t i = 0; i < COUNT_OF(s); i++) {
        taken += code_of(&s[i]) == 0;
        busy += code_of(&s[i]) == ERR_BUSY;
    }
    assert_int_equal(taken + busy, COUNT_OF(s));
    assert_int_equal(taken, 1);
    s[0] = (struct sending){ .first = 1, .last = 5, .bytes = KIB(20) };
    send_all(&b, s, 1);
    assert_int_equal(code_of(&s[0]), 0);
    bed_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_behind_a_refused_batch_is_refused_until_it_came_again),
        cmocka_unit_test(test_a_hole_is_refused_and_told),
        cmocka_unit_test(test_what_was_there_before_is_known),
        cmocka_unit_test(test_marks_say_where_a_sender_stands),
        cmocka_unit_test(test_a_clock_that_was_never_set_is_corrected),
        cmocka_unit_test(test_what_may_have_been_held_up_is_not_corrected),
        cmocka_unit_test(test_what_waits_for_the_disk_is_bounded),
        cmocka_unit_test(test_what_is_only_shown_is_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
