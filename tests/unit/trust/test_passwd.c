/* Password files that the real mosquitto_passwd wrote, and every mistake in them with its place. */
#include "unit/unit.h"

#include "base/buf.h"
#include "base/mem.h"
#include "trust/passwd.h"

/* mosquitto_passwd 2.0.11: -b FILE ann "correct horse", bob x, -H sha512 carl "old style", and so on. */
/* clang-format off */
static const char written[] =
    "# users\n"
    "ann:$7$101$N7p8nFvMfEzGJg6f$j4MRP5T28wRIssUanXWzDpxawidtNg/beBK4RIu7zdlQPHE2yGeD"
    "JNdO6Z4dGnav376QZjAMs7sd9QLI3dgb2A==\n"
    "bob:$7$101$5FZjQUVdpD7OMUs6$gp/XJC8vBRXgNqZjY6oIg9l92je0lpmelEGbOfzxcnCNKV71+sU2"
    "PBDLdd7RdCgI6D8blNx4BAAGdOTSzf21Cg==\r\n"
    "\n"
    "carl:$6$Zi5D8R07j6NUXP5y$QfuRcC0QSXtK17NU2UXfErbOro9vu/mA9iwRs/3kVnxK/FfYT6F1DMX"
    "beXPqtz8Nxtei/ms4JR+YoNyoCrvjYw==\n"
    "uml \303\244\303\266\303\274:$7$101$P3MVUMR3kuuZ5TOe$QqCAwrra0w8b1jxH2ENfNkqIvLo"
    "C4AH9NBbUGtpojXCrlWoZlMOHqjhlXnzg89MmK9XKAbG8TY9AdZTi8eDxLA==\n"
    "empty:$7$101$L62tYKf4k+EXMNns$opDz6eFbZQnhoLnCoiPWlfeiZvSshSnon9N38sgMD9k9mbRflp"
    "BIp43biSVPlKD+uyHXGtVo2QQtYvZnS7SthA==";
/* clang-format on */

#define SALT "N7p8nFvMfEzGJg6f"
#define HASH                                                                                       \
    "j4MRP5T28wRIssUanXWzDpxawidtNg/beBK4RIu7zdlQPHE2yGeDJNdO6Z4dGnav376QZjAMs7sd9QLI3dgb2A=="

static struct passwd *users(const char *text)
{
    struct passwd *p = NULL;
    struct fault f = { 0 };

    if (passwd_read(str_of(text), "pw", 1000, &p, &f))
        fail_msg("%u:%u: %s", f.line, f.column, f.text);
    return p;
}

static bool is(const struct passwd *p, const char *user, const char *password)
{
    return passwd_verify(p, str_of(user), str_of(password));
}

static void what_mosquitto_passwd_wrote(void **state)
{
    struct passwd *p = users(written);

    (void)state;
    assert_int_equal(passwd_users(p), 5);
    assert_true(is(p, "ann", "correct horse"));
    assert_true(is(p, "bob", "x"));
    assert_true(is(p, "carl", "old style"));
    assert_true(is(p, "uml \303\244\303\266\303\274", "p\303\244ssw\303\266rd"));
    assert_true(is(p, "empty", ""));
    assert_false(is(p, "ann", "correct hors"));
    assert_false(is(p, "ann", "correct horse "));
    assert_false(is(p, "ann", "x"));
    assert_false(is(p, "ann", ""));
    assert_false(is(p, "bob", ""));
    assert_false(is(p, "carl", "old styl"));
    assert_false(is(p, "Ann", "correct horse"));
    assert_false(is(p, "nobody", "correct horse"));
    assert_false(is(p, "nobody", ""));
    assert_false(is(p, "", ""));
    assert_false(passwd_verify(p, STR_NONE, STR_NONE));
    passwd_free(p);
    passwd_free(NULL);
}

static void an_empty_file_knows_nobody(void **state)
{
    struct passwd *p = users("# nobody\n");

    (void)state;
    assert_int_equal(passwd_users(p), 0);
    assert_false(is(p, "ann", "correct horse"));
    passwd_free(p);
}

/* The costliest line decides what every question costs; the answers stay right. */
static void lines_of_different_cost(void **state)
{
    struct passwd *p =
        users("carl:$6$Zi5D8R07j6NUXP5y$QfuRcC0QSXtK17NU2UXfErbOro9vu/mA9iwRs/3kVnxK/"
              "FfYT6F1DMXbeXPqtz8Nxtei/ms4JR+YoNyoCrvjYw==\n"
              "dear:$7$1000$" SALT "$" HASH "\nann:$7$101$" SALT "$" HASH "\n");

    (void)state;
    assert_true(is(p, "carl", "old style"));
    assert_true(is(p, "ann", "correct horse"));
    assert_false(is(p, "dear", "correct horse"));
    assert_false(is(p, "carl", "correct horse"));
    passwd_free(p);
}

static void what_stayed_the_same(void **state)
{
    struct passwd *a = users(written);
    struct passwd *b = users("ann:$7$101$" SALT "$" HASH "\nbob:$7$101$" SALT "$" HASH);
    struct passwd *c = users("ann:$7$102$" SALT "$" HASH);

    (void)state;
    assert_true(passwd_same(a, b, STR("ann")));
    assert_false(passwd_same(a, b, STR("bob")));
    assert_false(passwd_same(a, b, STR("carl")));
    assert_false(passwd_same(a, c, STR("ann")));
    assert_false(passwd_same(a, b, STR("nobody")));
    assert_false(passwd_same(a, NULL, STR("ann")));
    assert_false(passwd_same(NULL, NULL, STR("ann")));
    passwd_free(a);
    passwd_free(b);
    passwd_free(c);
}

static void every_mistake_has_its_place(void **state)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *says;
    } rows[] = {
        { "ann:hunter2", 1, 5, "mosquitto_passwd -U x/pw" },
        { "\xef\xbb\xbf"
          "ann:$6$" SALT "$" HASH,
          1, 1, "byte order mark" },
        { "# two files, one behind the other\n\xef\xbb\xbf"
          "ann:$6$" SALT "$" HASH,
          2, 1, "begins with a byte order mark" },
        { "# c\n  ann:\n", 2, 7, "'ann' is not hashed" },
        { "ann\n", 1, 1, "no ':'" },
        { ":$6$a$b\n", 1, 1, "is empty" },
        { "\xff:$6$a$b\n", 1, 1, "no UTF-8" },
        { "ann:$5$abc$def", 1, 5, "a kind that is unknown" },
        { "ann:$2b$12$abcdefghijk", 1, 5, "a kind that is unknown" },
        { "ann:$argon2id$v=19$m=65536", 1, 5, "a kind that is unknown" },
        { "ann:$", 1, 5, "a kind that is unknown" },
        { "ann:$6", 1, 5, "damaged" },
        { "ann:$6$" SALT, 1, 5, "damaged" },
        { "ann:$6$" SALT "$", 1, 5, "damaged" },
        { "ann:$6$$" HASH, 1, 5, "damaged" },
        { "ann:$6$" SALT "$AAAA", 1, 5, "damaged" },
        { "ann:$6$" SALT "$" HASH "$", 1, 5, "damaged" },
        { "ann:$6$" SALT "$" HASH ":x", 1, 5, "damaged" },
        { "ann:$6$N7p8=FvMfEzGJg6f$" HASH, 1, 5, "damaged" },
        { "ann:$6$N7p8nFvMfEzGJg6$" HASH, 1, 5, "damaged" },
        { "ann:$7", 1, 5, "are no number" },
        { "ann:$7$" SALT "$" HASH, 1, 8, "are no number" },
        { "ann:$7$0$" SALT "$" HASH, 1, 8, "are no number" },
        { "ann:$7$-1$" SALT "$" HASH, 1, 8, "are no number" },
        { "ann:$7$1001$" SALT "$" HASH, 1, 8, "limits.password_iterations_max (1000)" },
        { "ann:$7$4294967397$" SALT "$" HASH, 1, 8, "limits.password_iterations_max" },
        { "ann:$7$101$" SALT "$" HASH "\nbob:$7$101$" SALT "$" HASH "\n ann:$7$101$" SALT "$" HASH,
          3, 2, "'ann' stands in line 1 already" },
    };
    struct passwd *p = NULL;
    struct fault f;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        f = (struct fault){ 0 };
        assert_int_equal(passwd_read(str_of(rows[i].text), "x/pw", 1000, &p, &f), ERR_VALUE);
        if (f.line != rows[i].line || f.column != rows[i].column || !strstr(f.text, rows[i].says) ||
            strcmp(f.file, "x/pw") != 0)
            fail_msg("%s: %s:%u:%u: %s", rows[i].text, f.file, f.line, f.column, f.text);
        assert_null(strstr(f.text, "hunter2"));
        assert_null(strstr(f.text, SALT));
    }
}

RUN(TEST(what_mosquitto_passwd_wrote), TEST(an_empty_file_knows_nobody),
    TEST(lines_of_different_cost), TEST(what_stayed_the_same), TEST(every_mistake_has_its_place))
