/* A record handed over with its strings copied. */
#include "unit/unit.h"

#include "base/mem.h"
#include "journal/put.h"

static int done_code;

static void on_done(struct journal_put *p, int code)
{
    done_code = code;
    assert_ptr_equal(p->ctx, &done_code);
    journal_put_free(p);
}

static void everything_is_copied(void **state)
{
    char device[] = "pi-1", stream[] = "env", type[] = "text/plain", payload[] = "hello";
    struct record r = { .kind = RECORD_READING,
                        .device = str_of(device),
                        .stream = str_of(stream),
                        .content_type = str_of(type),
                        .wall_ns = 7,
                        .payload = str_of(payload) };
    struct journal_put *p = journal_put_new(&r, NULL, NULL, on_done, &done_code);

    (void)state;
    memset(device, 'x', 4);
    memset(stream, 'x', 3);
    memset(type, 'x', 10);
    memset(payload, 'x', 5);
    assert_str(p->record.device, "pi-1");
    assert_str(p->record.stream, "env");
    assert_str(p->record.content_type, "text/plain");
    assert_str(p->record.payload, "hello");
    assert_int_equal(p->record.wall_ns, 7);
    assert_int_equal(p->entry.count, 1);
    assert_ptr_equal(p->entry.records, &p->record);
    p->entry.done(&p->entry, ERR_FULL);
    assert_int_equal(done_code, ERR_FULL);
}

static void a_blob_is_referred_to(void **state)
{
    struct blob *b = blob_new(STR("payload"));
    struct record r = {
        .kind = RECORD_READING, .device = STR("a"), .stream = STR("b"), .payload = blob_str(b)
    };
    struct journal_put *p = journal_put_new(&r, b, NULL, on_done, &done_code);

    (void)state;
    blob_unref(b); /* the entry holds its own */
    assert_str(p->record.payload, "payload");
    p->entry.done(&p->entry, 0);
    assert_int_equal(done_code, 0);
}

RUN(TEST(everything_is_copied), TEST(a_blob_is_referred_to))
