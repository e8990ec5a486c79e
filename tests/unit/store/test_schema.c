/* The steps of the schema: their numbers, and that each can be taken on what the ones before made. */
#include "store/schema.h"

#include "unit/unit.h"

#include <sqlite3.h>

static void versions_rise_by_one(void **state)
{
    size_t count = 0;
    const struct schema_step *steps = schema_steps(&count);

    (void)state;
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(steps[i].version, i + 1);
    assert_int_equal(schema_version(), count);
}

static void every_step_runs_on_the_one_before(void **state)
{
    size_t count = 0;
    const struct schema_step *steps = schema_steps(&count);
    sqlite3 *db = NULL;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sqlite3_exec(db, steps[i].sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

RUN(TEST(versions_rise_by_one), TEST(every_step_runs_on_the_one_before))
