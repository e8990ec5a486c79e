/* Batches of other nodes on their way into a real journal: none overtakes one that was refused. The
 * two functions of the broker that the module calls are played here. */
#include "hub/uplink_server.h"

#include "base/cell.h"
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

static void live(void *ctx, struct loop *l, const struct record *r)
{
    (void)ctx;
    (void)l;
    (void)r;
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
    b->uplink = uplink_server_new(b->journal, 1, &b->limits, NULL, live, NULL);
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
    int verdict;
    struct broker_token token;
};

static void publish(void *ctx, struct loop *l)
{
    struct sending *s = ctx;
    struct buf topic = buf_init(128), payload = buf_init(MIB(1));
    struct batch_writer w;
    struct broker_message m = { .qos = 1, .version = 5, .client_id = STR("edge") };
    struct addr peer;
    char text[UUID_TEXT_LEN + 1], *filler = mem_new(s->bytes);
    const char *reason = NULL;

    memset(filler, '7', s->bytes);
    assert_int_equal(addr_parse(STR("127.0.0.1"), s->port, &peer), 0);
    batch_writer_init(&w, &s->bed->edge, MIB(1));
    for (uint64_t seq = s->first; seq <= s->last; seq++) {
        struct record r = { .kind = RECORD_READING,
                            .device = STR("pi"),
                            .stream = STR("env"),
                            .wall_ns = 1700000000000000000,
                            .seq = seq,
                            .origin = s->bed->edge,
                            .origin_seq = seq,
                            .payload = str_from(filler, s->bytes) };

        assert_int_equal(batch_add(&w, &r), 0);
    }
    assert_int_equal(batch_finish(&w, BATCH_PLAIN, NULL, &payload), 0);
    batch_writer_fini(&w);
    buf_printf(&topic, "%s%s", UPLINK_TOPIC, uuid_format(&s->bed->edge, text));
    m.topic = buf_str(&topic);
    m.payload = buf_str(&payload);
    m.peer = &peer;
    s->verdict = uplink_server_publish(s->bed->uplink, l, &m, &s->token, &reason);
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

/* A sender that leaves a hole behind, goes on elsewhere and comes back by another connection. */
static void test_a_hole_is_of_its_connection(void **state)
{
    struct bed b;
    struct sending bad = { .first = 1, .last = 1, .bytes = 65000, .port = 1000 };
    struct sending behind = { .first = 5, .last = 6, .bytes = 100, .port = 1000 };
    struct sending back = { .first = 5, .last = 6, .bytes = 100, .port = 3000 };

    (void)state;
    bed_start(&b);
    send_all(&b, &bad, 1);
    assert_int_equal(code_of(&bad), ERR_LIMIT);
    send_all(&b, &behind, 1);
    assert_int_equal(code_of(&behind), ERR_BUSY);
    send_all(&b, &back, 1);
    assert_int_equal(code_of(&back), 0);
    bed_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_behind_a_refused_batch_is_refused_until_it_came_again),
        cmocka_unit_test(test_a_hole_is_of_its_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
