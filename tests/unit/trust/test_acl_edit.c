/* One rule more or less, and every other byte as it was. */
#include "unit/unit.h"

#include "base/mem.h"
#include "trust/acl_edit.h"

#define NONE "-" /* a client without a name */

static struct acl_rule rule(const char *who, const char *access, const char *filter)
{
    struct acl_rule r = { .pattern = strcmp(who, "%") == 0, .filter = str_of(filter) };

    r.has_user = !r.pattern && strcmp(who, NONE) != 0;
    r.user = r.has_user ? str_of(who) : STR_NONE;
    assert_true(acl_access_from(str_of(access), &r.access));
    return r;
}

static void read_it(struct str text)
{
    struct acl *a = NULL;
    struct fault f = { 0 };

    if (acl_read(text, "acl", &a, &f))
        fail_msg("%u: %s\n%.*s", f.line, f.text, STR_ARG(text));
    acl_free(a);
}

static void add(const char *text, const char *who, const char *access, const char *filter,
                const char *want, unsigned want_line)
{
    struct acl_rule r = rule(who, access, filter);
    struct buf out = buf_init(10000);
    unsigned line = 0, again = 0;

    assert_int_equal(acl_edit_add(str_of(text), &r, &out, &line), 0);
    assert_string_equal(buf_cstr(&out), want);
    assert_int_equal(line, want_line);
    read_it(buf_str(&out));
    /* It is there now, and there it is found. */
    assert_int_equal(acl_edit_add(str_of(want), &r, &out, &again), ERR_EXISTS);
    assert_int_equal(again, want_line);
    buf_fini(&out);
}

static void removed(const char *text, const char *who, const char *access, const char *filter,
                    const char *want)
{
    struct acl_rule r = rule(who, access, filter);
    struct buf out = buf_init(10000);

    assert_int_equal(acl_edit_remove(str_of(text), &r, &out), want ? 0 : ERR_UNKNOWN);
    assert_string_equal(buf_cstr(&out), want ? want : "");
    buf_fini(&out);
}

static const char file[] = "# head\n"
                           "topic read open/#\n"
                           "\n"
                           "# the operator\n"
                           "# of the plant\n"
                           "user ann\n"
                           "topic plant/#\n"
                           "   # in between\n"
                           "\n"
                           "user bob\n"
                           "topic read x\n"
                           "user ann\n"
                           "topic deny plant/7\n"
                           "pattern write dev/%c/#\n"
                           "# the end\n";

static void behind_the_last_of_its_kind(void **state)
{
    (void)state;
    add(file, "ann", "write", "y",
        "# head\ntopic read open/#\n\n# the operator\n# of the plant\nuser ann\ntopic plant/#\n"
        "   # in between\n\nuser bob\ntopic read x\nuser ann\ntopic deny plant/7\n"
        "pattern write dev/%c/#\ntopic write y\n# the end\n",
        15);
    add(file, "bob", "readwrite", "a b/+",
        "# head\ntopic read open/#\n\n# the operator\n# of the plant\nuser ann\ntopic plant/#\n"
        "   # in between\n\nuser bob\ntopic read x\ntopic readwrite a b/+\nuser ann\n"
        "topic deny plant/7\npattern write dev/%c/#\n# the end\n",
        12);
    add(file, NONE, "deny", "open/7",
        "# head\ntopic read open/#\ntopic deny open/7\n\n# the operator\n# of the plant\nuser ann\n"
        "topic plant/#\n   # in between\n\nuser bob\ntopic read x\nuser ann\n"
        "topic deny plant/7\npattern write dev/%c/#\n# the end\n",
        3);
    add(file, "%", "read", "to/%u",
        "# head\ntopic read open/#\n\n# the operator\n# of the plant\nuser ann\ntopic plant/#\n"
        "   # in between\n\nuser bob\ntopic read x\nuser ann\ntopic deny plant/7\n"
        "pattern write dev/%c/#\npattern read to/%u\n# the end\n",
        15);
}

static void a_block_of_its_own(void **state)
{
    (void)state;
    add("", "ann", "read", "a", "user ann\ntopic read a\n", 2);
    add("", NONE, "read", "a", "topic read a\n", 1);
    add("", "%", "read", "a", "pattern read a\n", 1);
    add("user bob", "ann", "read", "a", "user bob\n\nuser ann\ntopic read a\n", 4);
    add("user bob", "bob", "read", "a", "user bob\ntopic read a\n", 2);
    /* No rule for nobody may come to stand below somebody. */
    add("# first\n\n# bob's\nuser bob\ntopic x\n", NONE, "read", "a",
        "# first\n\ntopic read a\n# bob's\nuser bob\ntopic x\n", 3);
    add("# bob's\nuser bob\n", NONE, "read", "a", "topic read a\n# bob's\nuser bob\n", 1);
    add("# only\n", NONE, "read", "a", "# only\ntopic read a\n", 2);
}

static void line_ends_stay(void **state)
{
    (void)state;
    add("user ann\r\ntopic x\r\n# y\r\n", "ann", "read", "a",
        "user ann\r\ntopic x\r\ntopic read a\r\n# y\r\n", 3);
    /* cut off between the two bytes of its last line end: a second carriage return would be part of the filter */
    add("user ann\r\ntopic x/#\r", "ann", "read", "a", "user ann\r\ntopic x/#\r\ntopic read a\r\n",
        3);
    removed("user ann\r\ntopic x\r\n# y\r\n", "ann", "readwrite", "x", "user ann\r\n# y\r\n");
}

static void what_is_taken_away(void **state)
{
    (void)state;
    removed(file, "ann", "readwrite", "plant/#",
            "# head\ntopic read open/#\n\n# the operator\n# of the plant\nuser ann\n"
            "   # in between\n\nuser bob\ntopic read x\nuser ann\ntopic deny plant/7\n"
            "pattern write dev/%c/#\n# the end\n");
    removed("topic a\nuser u\ntopic a\ntopic  readwrite  a\ntopic read a", "u", "readwrite", "a",
            "topic a\nuser u\ntopic read a");
    removed("topic a\nuser u\ntopic a", NONE, "readwrite", "a", "user u\ntopic a");
    removed("user u\ntopic read a", "u", "read", "a", "user u\n");
    removed("user u\npattern read a\ntopic read a", "%", "read", "a", "user u\ntopic read a");
    /* Not what is like it. */
    removed(file, "ann", "read", "plant/#", NULL);
    removed(file, "bob", "readwrite", "plant/#", NULL);
    removed(file, NONE, "readwrite", "plant/#", NULL);
    removed(file, "%", "readwrite", "plant/#", NULL);
    removed("", "ann", "read", "a", NULL);
}

static void rules_of_a_user(void **state)
{
    (void)state;
    assert_int_equal(acl_edit_count(str_of(file), STR("ann")), 2);
    assert_int_equal(acl_edit_count(str_of(file), STR("bob")), 1);
    assert_int_equal(acl_edit_count(str_of(file), STR("eve")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behind_the_last_of_its_kind),
        cmocka_unit_test(a_block_of_its_own),
        cmocka_unit_test(line_ends_stay),
        cmocka_unit_test(what_is_taken_away),
        cmocka_unit_test(rules_of_a_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
