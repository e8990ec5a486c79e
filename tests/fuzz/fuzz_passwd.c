/* Password files. Holds: a refusal has a place and a sentence that shows no password; whoever is in
 * an accepted file is the same as itself, and is not let in by a password that nobody hashed; a user that
 * is added, changed and removed leaves the others as they were. */
#include "fuzz/fuzz.h"

#include "base/buf.h"
#include "trust/passwd_edit.h"
#include "trust/textfile.h"

#define ITERATIONS_MAX 8 /* what matters here is the text */

static size_t users_of(struct str text)
{
    struct passwd *p = NULL;
    size_t n;

    FUZZ_CHECK(passwd_read(text, "pw", ITERATIONS_MAX, &p, NULL) == 0);
    n = passwd_users(p);
    passwd_free(p);
    return n;
}

static void edit(struct str text, struct str user)
{
    static const unsigned char salt[PASSWD_SALT] = { 7 };
    struct buf line = buf_init(1024), more = buf_init(1 << 20), less = buf_init(1 << 20);
    size_t before = users_of(text);
    bool known = passwd_edit_has(text, user);

    passwd_put_line(&line, user, STR("a password"), 1, salt);
    passwd_edit_set(text, user, buf_str(&line), &more);
    FUZZ_CHECK(users_of(buf_str(&more)) == before + !known);
    FUZZ_CHECK(passwd_edit_remove(buf_str(&more), user, &less) == 0);
    FUZZ_CHECK(users_of(buf_str(&less)) == before - known);
    FUZZ_CHECK(!line.over && !more.over && !less.over);
    buf_fini(&line);
    buf_fini(&more);
    buf_fini(&less);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str text = str_from(data, n), line;
    const char *why;
    struct textfile t = textfile_of(text, "pw");
    struct passwd *p = NULL;
    struct fault f = { 0 };
    size_t users = 0;
    int rc = passwd_read(text, "pw", ITERATIONS_MAX, &p, &f);

    if (rc) {
        FUZZ_CHECK(rc == ERR_VALUE && f.line > 0 && f.column > 0 && f.text[0] != '\0');
        return 0;
    }
    while (textfile_next(&t, &line)) {
        struct str name = str_trim(str_cut(&line, ':'));

        FUZZ_CHECK(line.p && line.n > 90 && line.p[0] == '$');
        FUZZ_CHECK(passwd_same(p, p, name));
        if (users < 4 && !passwd_user_check(name, &why))
            edit(text, name);
        if (users++ < 4)
            FUZZ_CHECK(!passwd_verify(p, name, STR("no such password")));
    }
    FUZZ_CHECK(users == passwd_users(p));
    FUZZ_CHECK(!passwd_verify(p, STR("nobody, surely"), STR("x")));
    edit(text, STR("somebody new"));
    passwd_free(p);
    return 0;
}
