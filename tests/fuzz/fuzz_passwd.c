/* Password files. Holds: a refusal has a place and a sentence that shows no password; whoever is in
 * an accepted file is the same as itself, and is not let in by a password that nobody hashed. */
#include "fuzz/fuzz.h"

#include "trust/passwd.h"
#include "trust/textfile.h"

#define ITERATIONS_MAX 8 /* what matters here is the text */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str text = str_from(data, n), line;
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
        if (users++ < 4)
            FUZZ_CHECK(!passwd_verify(p, name, STR("no such password")));
    }
    FUZZ_CHECK(users == passwd_users(p));
    FUZZ_CHECK(!passwd_verify(p, STR("nobody, surely"), STR("x")));
    passwd_free(p);
    return 0;
}
