/* Times in cells: what is read out is at most a sixteenth too large. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/histogram.h"

static struct histogram h;

static int empty(void **state)
{
    (void)state;
    h = (struct histogram){ 0 };
    return 0;
}

static void every_time_reads_back_within_a_sixteenth(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int d = -1; d <= 1; d++) {
            uint64_t v = (UINT64_C(1) << bit) + (uint64_t)d, got;

            h = (struct histogram){ 0 };
            histogram_add(&h, v);
            histogram_add(&h, UINT64_MAX); /* so that the cell is not cut to the largest */
            got = histogram_at(&h, 0.5);
            assert_true(got >= v);
            assert_true(got - v <= v / 16);
        }
    }
}

static void parts_are_found(void **state)
{
    (void)state;
    assert_int_equal(histogram_at(&h, 0.5), 0);
    for (uint64_t i = 1; i <= 1000; i++)
        histogram_add(&h, i * 1000);
    assert_int_equal(h.count, 1000);
    assert_int_equal(h.max, 1000000);
    assert_in_range(histogram_at(&h, 0.5), 500000, 532000);
    assert_in_range(histogram_at(&h, 0.99), 990000, 1000000);
    assert_int_equal(histogram_at(&h, 1), 1000000); /* never beyond the largest */
    assert_in_range(histogram_at(&h, 0), 1000, 1063);
}

static void two_are_added_up(void **state)
{
    static struct histogram other;

    (void)state;
    histogram_add(&h, 10);
    histogram_add(&other, 5000);
    histogram_add(&other, 7);
    histogram_merge(&h, &other);
    assert_int_equal(h.count, 3);
    assert_int_equal(h.max, 5000);
    assert_int_equal(histogram_at(&h, 0.34), 10);
}

static void times_have_three_digits(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        { 0, "0 ns" },
        { 999, "999 ns" },
        { 1000, "1.0 us" },
        { 12345, "12.3 us" },
        { 99960, "100 us" },
        { 850000, "850 us" },
        { 1234567, "1.23 ms" },
        { 12345678, "12.3 ms" },
        { 123456789, "123 ms" },
        { 2100000000, "2.10 s" },
        { UINT64_C(61000000000), "61.00 s" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf b = buf_init(100);

        histogram_time(cases[i].ns, &b);
        assert_string_equal(buf_cstr(&b), cases[i].text);
        buf_fini(&b);
    }
}

static void the_plot_shows_each_step_from_the_first_to_the_last(void **state)
{
    struct buf b = buf_init(10000);

    (void)state;
    histogram_plot(&h, 2, &b);
    assert_int_equal(b.n, 0);
    for (int i = 0; i < 30; i++)
        histogram_add(&h, 15000);
    for (int i = 0; i < 60; i++)
        histogram_add(&h, 1500);
    for (int i = 0; i < 10; i++)
        histogram_add(&h, 90000);
    histogram_plot(&h, 2, &b);
    assert_string_equal(
        buf_cstr(&b),
        "  up to   2 us  60.00 %  ##################################################\n"
        "  up to   5 us   0.00 %\n"
        "  up to  10 us   0.00 %\n"
        "  up to  20 us  30.00 %  #########################\n"
        "  up to  50 us   0.00 %\n"
        "  up to 100 us  10.00 %  #########\n");
    buf_fini(&b);
}

static void nothing_is_left_out_of_the_plot(void **state)
{
    struct buf b = buf_init(10000);
    double sum = 0;
    struct str rest;

    (void)state;
    histogram_add(&h, 50000); /* its cell ends behind the last step */
    histogram_plot(&h, 0, &b);
    assert_string_equal(
        buf_cstr(&b),
        "up to  50 us 100.00 %  ##################################################\n");
    buf_clear(&b);
    for (unsigned bit = 0; bit < 39; bit++)
        histogram_add(&h, UINT64_C(1) << bit);
    histogram_plot(&h, 0, &b);
    rest = buf_str(&b);
    while (rest.n > 0) {
        struct str line = str_cut(&rest, '\n');
        double v;

        assert_int_equal(str_to_double(str_trim(str_sub(line, 12, 7)), &v), 0);
        sum += v;
    }
    assert_true(sum > 99.9 && sum < 100.1);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_time_reads_back_within_a_sixteenth, empty),
        cmocka_unit_test_setup(parts_are_found, empty),
        cmocka_unit_test_setup(two_are_added_up, empty),
        cmocka_unit_test_setup(times_have_three_digits, empty),
        cmocka_unit_test_setup(the_plot_shows_each_step_from_the_first_to_the_last, empty),
        cmocka_unit_test_setup(nothing_is_left_out_of_the_plot, empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
