/*
 * Password files of mosquitto. Each line's hash is compared in constant time. So that the time of
 * an answer tells neither whether a user exists nor how its line was made, every question costs as
 * many iterations as the costliest line has: what a line does not need is spent for nothing.
 *
 * A file may say how much work a login is, and whoever connects may make us do it. So the
 * iterations of a line are bounded (limits.password_iterations_max), with a clear refusal.
 *
 * PBKDF2: RFC 8018. Base64: RFC 4648, with padding.
 */
#include "trust/passwd.h"

#include "base/map.h"
#include "base/mem.h"
#include "trust/textfile.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define HASH_BYTES 64u /* SHA-512 */
#define SALT_MAX   64u /* mosquitto_passwd writes 12 */

struct entry {
    struct str name;     /* in passwd->text */
    unsigned line;       /* of the file */
    unsigned iterations; /* 0: the old kind, one SHA-512 */
    unsigned salt_n;
    unsigned char salt[SALT_MAX], hash[HASH_BYTES];
};

struct passwd {
    char *text; /* names */
    size_t text_n;
    char *name;
    struct map users;
    struct entry nobody; /* what an unknown user is compared with */
    unsigned most;       /* iterations of the costliest line */
};

/* ---- asking ---- */

static bool digest(const struct entry *e, struct str password, unsigned char out[HASH_BYTES])
{
    EVP_MD_CTX *c;
    bool good;

    if (e->iterations > 0)
        return PKCS5_PBKDF2_HMAC(password.p ? password.p : "", (int)password.n, e->salt,
                                 (int)e->salt_n, (int)e->iterations, EVP_sha512(), HASH_BYTES,
                                 out) == 1;
    c = EVP_MD_CTX_new();
    good = c && EVP_DigestInit_ex(c, EVP_sha512(), NULL) == 1 &&
           EVP_DigestUpdate(c, password.p, password.n) == 1 &&
           EVP_DigestUpdate(c, e->salt, e->salt_n) == 1 && EVP_DigestFinal_ex(c, out, NULL) == 1;
    EVP_MD_CTX_free(c);
    return good;
}

bool passwd_verify(const struct passwd *p, struct str user, struct str password)
{
    const struct entry *known = map_get(&p->users, user);
    const struct entry *e = known ? known : &p->nobody;
    struct entry rest = *e;
    unsigned char got[HASH_BYTES] = { 0 }, spent[HASH_BYTES];
    bool good;

    if (password.n > INT_MAX)
        return false;
    good = digest(e, password, got);
    rest.iterations = p->most - e->iterations;
    if (rest.iterations > 0)
        (void)!digest(&rest, password, spent);
    good &= CRYPTO_memcmp(got, e->hash, HASH_BYTES) == 0;
    OPENSSL_cleanse(got, sizeof(got));
    OPENSSL_cleanse(spent, sizeof(spent));
    return good && known;
}

static const struct entry *entry_of(const struct passwd *p, struct str user)
{
    return p ? map_get(&p->users, user) : NULL;
}

bool passwd_same(const struct passwd *a, const struct passwd *b, struct str user)
{
    const struct entry *x = entry_of(a, user), *y = entry_of(b, user);

    return x && y && x->iterations == y->iterations && x->salt_n == y->salt_n &&
           memcmp(x->salt, y->salt, x->salt_n) == 0 && memcmp(x->hash, y->hash, HASH_BYTES) == 0;
}

size_t passwd_users(const struct passwd *p)
{
    return p->users.count;
}

/* ---- reading ---- */

static bool is_base64(struct str s)
{
    size_t padding = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     c == '+' || c == '/';

        if (c == '=' && i + 2 >= s.n)
            padding++;
        else if (!digit || padding > 0)
            return false;
    }
    return s.n > 0 && s.n % 4 == 0;
}

/* How many bytes; 0: no base64, or more than there is room for. */
static unsigned decode(struct str s, unsigned char *out, size_t room)
{
    unsigned char bytes[(HASH_BYTES + 2) / 3 * 3 + 3];
    size_t n = s.n / 4 * 3;

    if (!is_base64(s) || n > sizeof(bytes) ||
        EVP_DecodeBlock(bytes, (const unsigned char *)s.p, (int)s.n) != (int)n)
        return 0;
    n -= (size_t)(s.p[s.n - 1] == '=') + (size_t)(s.p[s.n - 2] == '=');
    if (n > room)
        return 0;
    memcpy(out, bytes, n);
    return (unsigned)n;
}

/* $6$SALT$HASH or $7$ITERATIONS$SALT$HASH */
static int read_hash(const struct textfile *t, struct str hash, uint64_t iterations_max,
                     struct entry *e, struct fault *f)
{
    struct str rest = hash, kind, number, salt;
    uint64_t iterations = 0;

    if (hash.n == 0 || hash.p[0] != '$')
        return textfile_fault(t, f, hash.p,
                              "the password of '%s' is not hashed; hash all of the file with: "
                              "mosquitto_passwd -U %s",
                              textfile_show(e->name).text, t->name);
    rest = str_skip(rest, 1);
    kind = str_cut(&rest, '$');
    if (!str_eq(kind, STR("6")) && !str_eq(kind, STR("7")))
        return textfile_fault(t, f, hash.p,
                              "the hash of '%s' is of a kind that is unknown here ($6$ and $7$ are "
                              "known); set the password anew with: mosquitto_passwd %s '%s'",
                              textfile_show(e->name).text, t->name, textfile_show(e->name).text);
    if (kind.p[0] == '7') {
        number = str_cut(&rest, '$');
        if (str_to_u64(number, &iterations) || iterations == 0)
            return textfile_fault(t, f, number.p ? number.p : hash.p,
                                  "the iterations of '%s' are no number; set the password anew "
                                  "with: mosquitto_passwd %s '%s'",
                                  textfile_show(e->name).text, t->name,
                                  textfile_show(e->name).text);
        if (iterations > iterations_max || iterations > INT_MAX)
            return textfile_fault(t, f, number.p ? number.p : hash.p,
                                  "'%s' has %llu iterations, more than "
                                  "limits.password_iterations_max (%llu); raise that, or set the "
                                  "password anew with fewer",
                                  textfile_show(e->name).text, (unsigned long long)iterations,
                                  (unsigned long long)iterations_max);
    }
    e->iterations = (unsigned)iterations;
    salt = str_cut(&rest, '$');
    e->salt_n = decode(salt, e->salt, SALT_MAX);
    if (e->salt_n == 0 || !rest.p || decode(rest, e->hash, HASH_BYTES) != HASH_BYTES)
        return textfile_fault(t, f, hash.p,
                              "the hash of '%s' is damaged; set the password anew with: "
                              "mosquitto_passwd %s '%s'",
                              textfile_show(e->name).text, t->name, textfile_show(e->name).text);
    return 0;
}

static int read_line(struct passwd *p, const struct textfile *t, struct str line,
                     uint64_t iterations_max, struct fault *f)
{
    struct entry e = { .line = t->line }, *before, *kept;
    struct str rest = line;
    int rc;

    e.name = str_trim(str_cut(&rest, ':'));
    if (!rest.p)
        return textfile_fault(
            t, f, line.p, "the line has no ':'; write NAME:HASH, with: mosquitto_passwd %s NAME",
            t->name);
    if (e.name.n == 0 || !utf8_valid_mqtt(e.name))
        return textfile_fault(t, f, line.p,
                              "the name in front of ':' is %s; remove the line, or give it a name",
                              e.name.n == 0 ? "empty" : "no UTF-8 text");
    if (str_starts(e.name, UTF8_MARK)) /* as where two files were put together */
        return textfile_fault(
            t, f, line.p, "the line begins with a byte order mark, which nobody sees; remove it");
    rc = read_hash(t, rest, iterations_max, &e, f);
    if (rc)
        return rc;
    before = map_get(&p->users, e.name);
    if (before)
        return textfile_fault(t, f, line.p, "'%s' stands in line %u already; remove one of them",
                              textfile_show(e.name).text, before->line);
    kept = NEW(struct entry);
    *kept = e;
    map_put(&p->users, kept->name, kept);
    if (e.iterations > p->most)
        p->most = e.iterations;
    return 0;
}

int passwd_read(struct str text, const char *name, uint64_t iterations_max, struct passwd **out,
                struct fault *f)
{
    struct passwd *p = NEW(struct passwd);
    struct textfile t;
    struct str line;
    int rc = textfile_check(text, name, f);

    map_init(&p->users);
    p->text = mem_dup(text.p ? text.p : "", text.n);
    p->text_n = text.n;
    p->name = str_dup(str_of(name));
    t = textfile_of(str_from(p->text, text.n), name);
    while (!rc && textfile_next(&t, &line))
        rc = read_line(p, &t, line, iterations_max, f);
    p->nobody.iterations = p->most;
    p->nobody.salt_n = 12;
    if (rc)
        passwd_free(p);
    else
        *out = p;
    return rc;
}

void passwd_free(struct passwd *p)
{
    if (!p)
        return;
    map_empty(&p->users, mem_free);
    map_fini(&p->users);
    mem_free(p->text);
    mem_free(p->name);
    mem_free(p);
}

struct str passwd_text(const struct passwd *p)
{
    return str_from(p->text, p->text_n);
}

const char *passwd_name(const struct passwd *p)
{
    return p->name;
}
