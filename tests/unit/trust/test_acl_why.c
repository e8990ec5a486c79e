/* The rule that decides, and that it never tells another story than the decision. */
#include "unit/unit.h"

#include "base/buf.h"
#include "base/mem.h"
#include "trust/acl_why.h"

static struct acl *rules(struct str text)
{
    struct acl *a = NULL;
    struct fault f = { 0 };

    if (acl_read(text, "acl", &a, &f))
        fail_msg("%u:%u: %s", f.line, f.column, f.text);
    return a;
}

static const char file[] = "topic read open/#\n"       /* 1 */
                           "user ann\n"                /* 2 */
                           "topic readwrite plant/#\n" /* 3 */
                           "topic read plant/+/x\n"    /* 4 */
                           "topic deny plant/7/#\n"    /* 5 */
                           "pattern write dev/%c/#\n"  /* 6 */
                           "pattern deny dev/%c/no\n"; /* 7 */

static void expect(const char *user, const char *client, enum acl_asked asked, const char *object,
                   bool allowed, unsigned line)
{
    struct acl *a = rules(str_of(file));
    struct acl_who who = { user != NULL, str_of(user), str_of(client) };
    struct acl_why why = acl_why(a, &who, asked, str_of(object));

    if (why.allowed != allowed || why.line != line)
        fail_msg("%s: got %d by line %u", object, why.allowed, why.line);
    acl_free(a);
}

static void the_line_that_decides(void **state)
{
    (void)state;
    expect("ann", "c", ACL_ASKED_PUBLISH, "plant/1/x", true, 3);
    expect("ann", "c", ACL_ASKED_PUBLISH, "plant/7/x", false, 5);
    expect("ann", "c", ACL_ASKED_SUBSCRIBE, "plant/1/#", true, 3);
    expect("ann", "c", ACL_ASKED_SUBSCRIBE, "plant/#", false, 5); /* touches the deny */
    expect("ann", "c", ACL_ASKED_SUBSCRIBE, "open/x", false, 0);
    expect(NULL, "c", ACL_ASKED_SUBSCRIBE, "open/x", true, 1);
    expect(NULL, "c", ACL_ASKED_PUBLISH, "open/x", false, 0);
    expect("bob", "c", ACL_ASKED_PUBLISH, "dev/c/x", true, 6);
    expect("bob", "c", ACL_ASKED_PUBLISH, "dev/c/no", false, 7);
    expect("bob", "c", ACL_ASKED_PUBLISH, "dev/d/x", false, 0);
    expect("bob", "a+b", ACL_ASKED_PUBLISH, "dev/a+b/x", false, 0);  /* nothing by patterns */
    expect("bob", "a+b", ACL_ASKED_PUBLISH, "dev/who/no", false, 7); /* and no way around */
}

/* Small, so that rules meet: levels of one letter, wildcards, marks. */
static uint32_t turn(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static void filter(uint32_t *seed, struct buf *out, bool wild, bool marks)
{
    static const char *const levels[] = { "a", "b", "$a", "+", "%c", "%u", "x%c" };
    unsigned n = 1 + turn(seed) % 3, kinds = marks ? 7 : wild ? 4 : 3;

    for (unsigned i = 0; i < n; i++)
        buf_printf(out, "%s%s", i ? "/" : "", levels[turn(seed) % kinds]);
    if (wild && turn(seed) % 3 == 0)
        buf_put(out, STR("/#"));
}

static void rules_at_random(uint32_t *seed, struct buf *out)
{
    static const char *const words[] = { "read ", "write ", "readwrite ", "deny " };

    for (unsigned i = 0, n = turn(seed) % 8; i < n; i++) {
        bool pattern = turn(seed) % 3 == 0;

        if (turn(seed) % 3 == 0)
            buf_printf(out, "user %s\n", turn(seed) % 2 ? "a" : "b");
        buf_printf(out, "%s %s", pattern ? "pattern" : "topic", words[turn(seed) % 4]);
        filter(seed, out, true, pattern);
        buf_u8(out, '\n');
    }
}

static void it_agrees_with_the_decision(void **state)
{
    static const char *const users[] = { NULL, "a", "b", "a+" }, *const clients[] = { "a", "b",
                                                                                      "" };
    uint32_t seed = 7;
    unsigned granted = 0, denied = 0;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        struct buf text = buf_init(4096), object = buf_init(100);
        bool publish = turn(&seed) % 2;
        struct acl_who who = { 0 };
        struct acl_why why;
        struct acl *a;
        bool may;

        rules_at_random(&seed, &text);
        filter(&seed, &object, !publish, false);
        who.user = str_of(users[turn(&seed) % 4]);
        who.has_user = who.user.p != NULL;
        who.client_id = str_of(clients[turn(&seed) % 3]);
        a = rules(buf_str(&text));
        may = publish ? acl_may_publish(a, &who, buf_str(&object))
                      : acl_may_subscribe(a, &who, buf_str(&object));
        why = acl_why(a, &who, publish ? ACL_ASKED_PUBLISH : ACL_ASKED_SUBSCRIBE, buf_str(&object));
        if (why.allowed != may || (may && why.line == 0))
            fail_msg("%s of '%s': decided %d, explained %d by line %u\n%s",
                     publish ? "publish" : "subscribe", buf_cstr(&object), may, why.allowed,
                     why.line, buf_cstr(&text));
        granted += may;
        denied += !may && why.line > 0;
        acl_free(a);
        buf_fini(&text);
        buf_fini(&object);
    }
    assert_true(granted > 500 && denied > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_that_decides),
        cmocka_unit_test(it_agrees_with_the_decision),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
