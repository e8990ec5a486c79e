/*
 * An acl_file, a line "===", a line "USER|CLIENT" (or "CLIENT": nobody's name), and topics or filters
 * a line. Holds: a refusal has a place and a sentence; what is answered about a name is what a
 * slow reading of the same rules answers; a subscription that is granted lets nothing in that may
 * not be received, and a filter that touches no deny matches no denied name; the rule that is said to
 * decide tells the same as the decision; a rule that is added is the only change, and is gone when it is
 * removed.
 */
#include "fuzz/fuzz.h"

#include "base/buf.h"
#include "trust/acl.h"
#include "trust/acl_edit.h"
#include "trust/acl_why.h"
#include "trust/passwd_edit.h"
#include "trust/textfile.h"
#include "wire/mqtt_topic.h"

#define ASKED_MAX 12

struct verdict {
    bool read, write, deny;
};

static bool odd(struct str s)
{
    return s.n == 0 || str_find(s, '+') < s.n || str_find(s, '#') < s.n || str_find(s, '/') < s.n;
}

/* The filter of a pattern for this client, level by level; false: it says nothing about it. */
static bool fill(const struct acl_who *who, bool strange, struct str filter, struct buf *out)
{
    buf_clear(out);
    if (str_find_str(filter, STR("%u")) < filter.n && !who->has_user)
        return false;
    for (bool first = true; filter.p; first = false) {
        struct str level = str_cut(&filter, '/');
        bool holds =
            str_find_str(level, STR("%c")) < level.n || str_find_str(level, STR("%u")) < level.n;

        if (!first)
            buf_put(out, STR("/"));
        if (holds && strange) {
            buf_put(out, STR("+"));
            continue;
        }
        for (size_t i = 0; i < level.n; i++) {
            struct str two = str_sub(level, i, 2);

            if (str_eq(two, STR("%c")) || str_eq(two, STR("%u")))
                buf_put(out, level.p[++i] == 'c' ? who->client_id : who->user);
            else
                buf_put(out, str_sub(level, i, 1));
        }
    }
    return !out->over;
}

/* The rule's own text decides on which side of '$' it is; within that side '$' is a letter. */
static bool matches(struct str text, struct str filter, struct str name)
{
    struct buf f = buf_init(1 << 17), n = buf_init(1 << 17);
    bool dollar = text.n > 0 && text.p[0] == '$', same;

    buf_put(&f, filter);
    buf_put(&n, name);
    if (dollar && f.n > 0 && f.p[0] == '$')
        f.p[0] = 'x';
    if (dollar && n.n > 0 && n.p[0] == '$')
        n.p[0] = 'x';
    same = dollar == (name.p[0] == '$') &&
           mqtt_filter_matches(str_from(f.p ? f.p : "", f.n), buf_str(&n));
    buf_fini(&f);
    buf_fini(&n);
    return same;
}

static struct verdict slow(struct str text, const struct acl_who *who, struct str name)
{
    struct textfile t = textfile_of(text, "acl");
    bool strange = odd(who->client_id) || (who->has_user && odd(who->user)), mine = !who->has_user;
    struct verdict v = { 0 };
    struct str line;
    struct buf b = buf_init(1 << 16);

    while (textfile_next(&t, &line)) {
        struct str word = textfile_word(&line), rest = line, access = textfile_word(&rest), filter;
        bool pattern = str_eq(word, STR("pattern")), deny, hit;

        if (str_eq(word, STR("user"))) {
            mine = who->has_user && str_eq(line, who->user);
            continue;
        }
        if (!pattern && !mine)
            continue;
        filter = rest.n > 0 ? rest : line;
        deny = rest.n > 0 && str_eq(access, STR("deny"));
        if (pattern && !fill(who, strange, filter, &b))
            continue;
        hit = matches(filter, pattern ? buf_str(&b) : filter, name);
        if (!hit || (pattern && strange && !deny))
            continue;
        v.deny |= deny;
        v.read |= !deny && !(rest.n > 0 && str_eq(access, STR("write")));
        v.write |= !deny && !(rest.n > 0 && str_eq(access, STR("read")));
    }
    buf_fini(&b);
    return v;
}

static void ask(const struct acl *a, struct str text, const struct acl_who *who,
                const struct str *asked, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct str name = asked[i];
        struct verdict v;

        if (!mqtt_topic_valid(name))
            continue;
        v = slow(text, who, name);
        FUZZ_CHECK(acl_may_receive(a, who, name) == (v.read && !v.deny));
        FUZZ_CHECK(acl_may_publish(a, who, name) == (v.write && !v.deny));
        FUZZ_CHECK(acl_is_denied(a, who, name) == v.deny);
        FUZZ_CHECK(acl_may_subscribe(a, who, name) == acl_may_receive(a, who, name));
        for (size_t k = 0; k < count; k++) {
            if (!mqtt_filter_valid(asked[k]) || !mqtt_filter_matches(asked[k], name))
                continue;
            FUZZ_CHECK(!acl_may_subscribe(a, who, asked[k]) || acl_may_receive(a, who, name));
            FUZZ_CHECK(!v.deny || acl_is_denied(a, who, asked[k]));
        }
    }
}

static size_t rules_of(struct str text)
{
    struct acl *a = NULL;
    size_t n;

    FUZZ_CHECK(acl_read(text, "acl", &a, NULL) == 0);
    n = acl_rules(a);
    acl_free(a);
    return n;
}

static void edit(struct str text, const struct acl_who *who, struct str filter)
{
    struct acl_rule r = {
        .has_user = who->has_user, .user = who->user, .access = ACL_WRITE, .filter = filter
    };
    struct buf more = buf_init(1 << 20), less = buf_init(1 << 20);
    const char *why;
    unsigned line = 0;
    size_t before = rules_of(text);

    if (acl_filter_check(filter, &why) || (who->has_user && passwd_user_check(who->user, &why)))
        return;
    r.pattern = !who->has_user && who->client_id.n % 2 == 1;
    if (acl_edit_add(text, &r, &more, &line) == 0) {
        FUZZ_CHECK(line > 0 && more.n > text.n && rules_of(buf_str(&more)) == before + 1);
        FUZZ_CHECK(acl_edit_remove(buf_str(&more), &r, &less) == 0);
        FUZZ_CHECK(rules_of(buf_str(&less)) == before);
    } else {
        FUZZ_CHECK(line > 0 && acl_edit_remove(text, &r, &less) == 0);
        FUZZ_CHECK(rules_of(buf_str(&less)) < before);
    }
    FUZZ_CHECK(!more.over && !less.over);
    buf_fini(&more);
    buf_fini(&less);
}

static void explain(const struct acl *a, const struct acl_who *who, struct str object)
{
    struct acl_why why = acl_why(a, who, ACL_ASKED_SUBSCRIBE, object);

    FUZZ_CHECK(why.allowed == acl_may_subscribe(a, who, object));
    FUZZ_CHECK(!why.allowed || why.line > 0);
    if (mqtt_topic_valid(object))
        FUZZ_CHECK(acl_why(a, who, ACL_ASKED_PUBLISH, object).allowed ==
                   acl_may_publish(a, who, object));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str all = str_from(data, n), asked[ASKED_MAX], text, rest, line;
    size_t at = str_find_str(all, STR("===\n")), count = 0;
    struct acl_who who = { 0 };
    struct fault f = { 0 };
    struct acl *a = NULL;
    int rc;

    text = str_sub(all, 0, at);
    rest = str_skip(all, at + 4);
    rc = acl_read(text, "acl", &a, &f);
    if (rc) {
        FUZZ_CHECK(rc == ERR_VALUE && f.line > 0 && f.column > 0 && f.text[0] != '\0');
        return 0;
    }
    line = str_cut(&rest, '\n');
    if (str_find(line, '|') < line.n) {
        who.has_user = true;
        who.user = str_cut(&line, '|');
    }
    who.client_id = line;
    while (rest.p && count < ASKED_MAX)
        asked[count++] = str_cut(&rest, '\n');
    for (size_t i = 0; i < count; i++) {
        if (mqtt_filter_valid(asked[i])) {
            (void)acl_is_denied(a, &who, asked[i]);
            explain(a, &who, asked[i]);
            edit(text, &who, asked[i]);
        }
    }
    ask(a, text, &who, asked, count);
    acl_free(a);
    return 0;
}
