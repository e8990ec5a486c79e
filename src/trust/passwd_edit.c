/*
 * Lines of password files, written as mosquitto_passwd writes them, so that both can work on one
 * file: $7$, PBKDF2-HMAC-SHA512 (RFC 8018), salt and hash in base64.
 */
#include "trust/passwd_edit.h"

#include "base/base64.h"
#include "trust/textfile.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

int passwd_user_check(struct str user, const char **out_text)
{
    if (user.n == 0 || user.n > PASSWD_USER_MAX || !utf8_valid_mqtt(user))
        *out_text = "must be UTF-8 text of 1 to 128 bytes";
    else if (str_starts(user, UTF8_MARK))
        *out_text = "may not begin with a byte order mark, which nobody sees";
    else if (!str_eq(str_trim(user), user) || user.p[0] == '#')
        *out_text = "may not begin with #, nor begin or end with a blank";
    else if (str_find(user, ':') < user.n)
        *out_text = "may hold no ':', which ends the name in a password file";
    else if (has_control(user))
        *out_text = "may hold no control characters";
    else
        return 0;
    return ERR_VALUE;
}

void passwd_put_line(struct buf *out, struct str user, struct str password, unsigned iterations,
                     const unsigned char salt[PASSWD_SALT])
{
    unsigned char hash[64]; /* SHA-512 */

    if (password.n > INT_MAX ||
        PKCS5_PBKDF2_HMAC(password.p ? password.p : "", (int)password.n, salt, PASSWD_SALT,
                          (int)iterations, EVP_sha512(), sizeof(hash), hash) != 1)
        abort(); /* out of memory */
    buf_put(out, user);
    buf_printf(out, ":$7$%u$", iterations);
    base64_put(out, str_from(salt, PASSWD_SALT));
    buf_put(out, STR("$"));
    base64_put(out, str_from(hash, sizeof(hash)));
    OPENSSL_cleanse(hash, sizeof(hash));
}

bool passwd_edit_next(struct textfile *at, struct str *out_user, struct str *out_hash)
{
    struct str line;

    if (!textfile_next(at, &line))
        return false;
    *out_user = str_trim(str_cut(&line, ':'));
    *out_hash = line.p ? line : STR("");
    return true;
}

/* Where the user's line stands, without its line feed. */
static bool find(struct str text, struct str user, size_t *out_start, size_t *out_end)
{
    struct textfile t = textfile_of(text.p ? text : STR(""), "");
    struct str name, hash;

    while (passwd_edit_next(&t, &name, &hash)) {
        if (!str_eq(name, user))
            continue;
        *out_start = (size_t)(t.start - text.p);
        *out_end = t.rest.p ? (size_t)(t.rest.p - text.p) - 1 : text.n;
        return true;
    }
    return false;
}

void passwd_edit_set(struct str text, struct str user, struct str line, struct buf *out)
{
    size_t start = text.n, end = text.n;

    if (find(text, user, &start, &end)) {
        if (end > start && text.p[end - 1] == '\r')
            end--;
        buf_put(out, str_sub(text, 0, start));
        buf_put(out, line);
        buf_put(out, str_skip(text, end));
        return;
    }
    buf_put(out, text);
    if (text.n > 0 && text.p[text.n - 1] != '\n')
        buf_u8(out, '\n');
    buf_put(out, line);
    buf_u8(out, '\n');
}

int passwd_edit_remove(struct str text, struct str user, struct buf *out)
{
    size_t start, end;

    if (!find(text, user, &start, &end))
        return ERR_UNKNOWN;
    buf_put(out, str_sub(text, 0, start));
    buf_put(out, str_skip(text, end < text.n ? end + 1 : end));
    return 0;
}

bool passwd_edit_has(struct str text, struct str user)
{
    size_t start, end;

    return find(text, user, &start, &end);
}
