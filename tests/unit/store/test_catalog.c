/* What a writer remembers of devices and streams, and what a transaction changes. */
#include "store/catalog.h"

#include "unit/unit.h"

#include <stdio.h>

static struct record record_of(const char *device, const char *stream, enum record_kind kind)
{
    return (struct record){ .device = str_of(device), .stream = str_of(stream), .kind = kind };
}

static void a_stream_is_of_its_device_name_and_kind(void **state)
{
    struct record rows[] = {
        record_of("ab", "c", RECORD_READING),
        record_of("a", "bc", RECORD_READING),
        record_of("ab", "c", RECORD_EVENT),
        record_of("ab", "", RECORD_READING),
    };
    struct catalog_device *d;
    struct catalog c;

    (void)state;
    catalog_init(&c);
    assert_null(catalog_find_device(&c, STR("ab")));
    d = catalog_add_device(&c, STR("ab"), 7, 70);
    assert_ptr_equal(catalog_find_device(&c, STR("ab")), d);
    assert_true(d->id == 7 && d->last_wall_ns == 70);
    for (int i = 0; i < 4; i++) {
        assert_null(catalog_find_stream(&c, &rows[i]));
        assert_int_equal(catalog_add_stream(&c, &rows[i], d, i, 0)->id, i);
    }
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 4; i++) {
            assert_int_equal(catalog_find_stream(&c, &rows[i])->id, i);
            assert_int_equal(catalog_find_stream(&c, &rows[i])->id, i);
        }
    catalog_forget(&c);
    assert_null(catalog_find_device(&c, STR("ab")));
    for (int i = 0; i < 4; i++)
        assert_null(catalog_find_stream(&c, &rows[i]));
    catalog_fini(&c);
}

static void what_was_touched_is_listed_once(void **state)
{
    struct record one = record_of("d", "one", RECORD_READING),
                  two = record_of("d", "two", RECORD_READING);
    struct catalog_stream *s, *t;
    struct catalog_device *d;
    struct catalog c;

    (void)state;
    catalog_init(&c);
    d = catalog_add_device(&c, STR("d"), 1, 50);
    s = catalog_add_stream(&c, &one, d, 2, 40);
    t = catalog_add_stream(&c, &two, d, 3, 60);
    assert_null(c.changed_streams);
    catalog_touch(&c, s);
    assert_int_equal(d->last_wall_ns, 50);
    catalog_touch(&c, t);
    catalog_touch(&c, s);
    assert_int_equal(d->last_wall_ns, 60);
    assert_ptr_equal(c.changed_streams, t);
    assert_ptr_equal(t->next_changed, s);
    assert_null(s->next_changed);
    assert_ptr_equal(c.changed_devices, d);
    assert_null(d->next_changed);
    catalog_forget(&c);
    assert_true(!c.changed_streams && !c.changed_devices);
    catalog_fini(&c);
}

static void it_says_when_it_is_full(void **state)
{
    struct catalog c;
    char name[16];

    (void)state;
    catalog_init(&c);
    for (int i = 0; i < 50000; i++) {
        snprintf(name, sizeof(name), "d%d", i);
        catalog_add_device(&c, str_of(name), i, 0);
    }
    assert_false(catalog_full(&c));
    catalog_add_device(&c, STR("one-more"), 1, 0);
    assert_true(catalog_full(&c));
    catalog_forget(&c);
    assert_false(catalog_full(&c));
    catalog_fini(&c);
}

RUN(TEST(a_stream_is_of_its_device_name_and_kind), TEST(what_was_touched_is_listed_once),
    TEST(it_says_when_it_is_full))
