/*
 * Whatever comes in by any way. Holds: what is accepted is a record that the journal takes, its
 * JSON is JSON for the store as well, it has a topic, and that topic with the same payload gives
 * the same record again; what is refused says why.
 */
#include "fuzz/fuzz.h"
#include "fuzz/ingest_case.h"

#include "store/leaves.h"

static struct topics *table;

static void check_again(const struct limits *lim, const struct record *r)
{
    struct arena a = arena_init(ingest_arena_bytes(lim));
    struct buf topic = buf_init(4096);
    struct record again = { 0 };
    struct refusal why = { 0 };
    struct ingest_message m = { .arrival_ns = r->wall_ns };
    int rc;

    if (r->kind == RECORD_RESULT)
        goto out; /* its id is put into the payload: not the same again */
    FUZZ_CHECK(ingest_topic(r, &topic) == 0);
    m.topic = buf_str(&topic);
    m.payload = r->payload;
    rc = ingest_message(table, lim, &m, &a, &again, NULL, &why);
    /* A time that an older row did not look at may be refused on our own topic. */
    if (rc < 0) {
        FUZZ_CHECK(str_eq(str_of(why.field), STR("timestamp")));
        goto out;
    }
    FUZZ_CHECK(str_eq(again.device, r->device) && again.kind == r->kind);
    FUZZ_CHECK(str_eq(again.payload, r->payload));
out:
    arena_fini(&a);
    buf_fini(&topic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct limits lim = limits_default();
    struct arena a = arena_init(ingest_arena_bytes(&lim));
    struct record r = { 0 };
    struct refusal why = { 0 };
    enum leaf_kind kind = LEAF_NULL;
    int rc;

    if (!table)
        table = topics_new(NULL, 0, TOPICS_DEFAULTS, NULL);
    rc = ingest_case(table, &lim, str_from(data, n), &a, &r, &why);
    if (rc == 0) {
        FUZZ_CHECK(record_check(&r, (size_t)lim.record_payload_max_bytes + 4096) == 0);
        FUZZ_CHECK(r.content_type.n > 0 || leaves_each(r.payload, NULL, NULL, &kind) == 0);
        FUZZ_CHECK(kind != LEAF_ARRAY);
        check_again(&lim, &r);
    } else if (rc != ERR_UNKNOWN) {
        FUZZ_CHECK(why.code == rc && why.text[0] && why.type);
    }
    arena_fini(&a);
    return 0;
}
