/* Users, rules and the reasons of decisions, as tables and sentences. What was typed by strangers (names,
 * filters) is cleaned before a terminal sees it. */
#include "cli/show_access.h"

#include "cli/safe_text.h"
#include "cli/show_json.h"

static void put_safe(struct buf *out, const struct json_t *v, const char *name)
{
    safe_text(show_str(v, name), out);
}

/* ---- users ---- */

int show_users(struct str json, struct buf *out)
{
    struct json_t *v = NULL;
    const struct json_t *all;
    int rc = show_parse(json, &v, out);

    if (rc)
        return rc;
    all = json_member(v, "users");
    if (json_count(all) == 0)
        buf_put(out, STR("nobody can log in by name; wayside user add NAME\n"));
    else
        buf_printf(out, "%-24s %-14s %5s  %s\n", "USER", "FROM", "LINE", "HASH");
    for (size_t i = 0; i < json_count(all); i++) {
        const struct json_t *u = json_element(all, i);
        uint64_t line = show_u64(u, "line"), iterations = show_u64(u, "iterations");

        show_cell(out, show_str(u, "user"), 24);
        if (line == 0) {
            buf_put(out, STR("mqtt.users\n"));
            continue;
        }
        buf_printf(out, "%-14s %5llu  %.*s", "password file", (unsigned long long)line,
                   STR_ARG(show_str(u, "hash")));
        if (iterations > 0)
            buf_printf(out, ", %llu iterations", (unsigned long long)iterations);
        buf_u8(out, '\n');
    }
    if (show_str(v, "password_file").n > 0) {
        buf_put(out, STR("\npassword file: "));
        put_safe(out, v, "password_file");
    } else {
        buf_put(out, STR("\nno password file; name one under mqtt.password_file"));
    }
    buf_u8(out, '\n');
    json_free(v);
    return 0;
}

/* "; COMMAND NAME", where the name can be copied, and the end of the line. */
static void put_command(struct buf *out, const char *command, struct str name)
{
    struct buf word = buf_init(65536);

    if (safe_word(name, &word) && !buf_check(&word))
        buf_printf(out, "; %s %s", command, buf_cstr(&word));
    buf_u8(out, '\n');
    buf_fini(&word);
}

static const char later[] = "; a node that runs takes it with `wayside reload`\n";

/* USER between FILE, and what follows from it where it is in force. */
static int user_done(struct str json, struct buf *out, const char *between, const char *after)
{
    struct json_t *v = NULL;
    int rc = show_parse(json, &v, out);
    uint64_t left;

    if (rc)
        return rc;
    put_safe(out, v, "user");
    buf_put(out, str_of(between));
    put_safe(out, v, "password_file");
    buf_put(out, str_of(show_bool(v, "in_force") ? after : later));
    left = show_u64(v, "rules_left");
    if (left > 0) {
        buf_printf(out, "%llu rule%s below that name stay%s in the access file",
                   (unsigned long long)left, left == 1 ? "" : "s", left == 1 ? "s" : "");
        put_command(out, "wayside acl list", show_str(v, "user"));
    }
    json_free(v);
    return 0;
}

int show_user_added(struct str json, struct buf *out)
{
    return user_done(json, out, " is in ", " and may log in\n");
}

int show_user_passwd(struct str json, struct buf *out)
{
    return user_done(json, out, " has another password in ", "; whoever used the old one is out\n");
}

int show_user_removed(struct str json, struct buf *out)
{
    return user_done(json, out, " is no more in ", "; its connections and sessions are ended\n");
}

/* ---- rules ---- */

static void put_who(struct buf *out, const struct json_t *rule, size_t width)
{
    if (show_bool(rule, "pattern"))
        show_cell(out, STR("(everybody)"), width);
    else if (show_str(rule, "user").n == 0)
        show_cell(out, STR("(without a name)"), width);
    else
        show_cell(out, show_str(rule, "user"), width);
}

int show_rules(struct str json, struct buf *out)
{
    struct json_t *v = NULL;
    const struct json_t *all;
    int rc = show_parse(json, &v, out);

    if (rc)
        return rc;
    all = json_member(v, "rules");
    if (show_str(v, "acl_file").n == 0) {
        buf_put(out, STR("no access file: whoever is let in may do everything. Name one under "
                         "mqtt.acl_file\n"));
        json_free(v);
        return 0;
    }
    if (json_count(all) > 0)
        buf_printf(out, "%5s  %-24s %-9s %s\n", "LINE", "WHO", "ACCESS", "FILTER");
    for (size_t i = 0; i < json_count(all); i++) {
        const struct json_t *r = json_element(all, i);

        buf_printf(out, "%5llu  ", (unsigned long long)show_u64(r, "line"));
        put_who(out, r, 24);
        buf_printf(out, "%-9.*s ", STR_ARG(show_str(r, "access")));
        put_safe(out, r, "filter");
        buf_u8(out, '\n');
    }
    buf_printf(out,
               "%saccess file: ", json_count(all) > 0 ? "\n" : "no rules, so nothing is allowed; ");
    put_safe(out, v, "acl_file");
    buf_u8(out, '\n');
    json_free(v);
    return 0;
}

static int rule_done(struct str json, struct buf *out, bool added)
{
    struct json_t *v = NULL;
    int rc = show_parse(json, &v, out);

    if (rc)
        return rc;
    put_safe(out, v, "acl_file");
    if (added)
        buf_printf(out, ":%llu", (unsigned long long)show_u64(v, "line"));
    buf_put(out, show_bool(v, "pattern") ? STR(": pattern ") : STR(": topic "));
    put_safe(out, v, "access");
    buf_u8(out, ' ');
    put_safe(out, v, "filter");
    if (!show_bool(v, "pattern")) {
        buf_put(out, STR(" of "));
        if (show_str(v, "user").n > 0)
            put_safe(out, v, "user");
        else
            buf_put(out, STR("clients without a name"));
    }
    if (!show_bool(v, "in_force"))
        buf_printf(out, " is %s%s", added ? "added" : "removed", later);
    else
        buf_put(out, added ? STR(" holds from now on\n") : STR(" is removed and holds no more\n"));
    if (json_member(v, "known") &&
        !show_bool(v, "known")) { /* a certificate may name it all the same */
        buf_put(out, STR("nobody can log in by that name and a password yet"));
        put_command(out, "wayside user add", show_str(v, "user"));
    }
    json_free(v);
    return 0;
}

int show_rule_added(struct str json, struct buf *out)
{
    return rule_done(json, out, true);
}

int show_rule_removed(struct str json, struct buf *out)
{
    return rule_done(json, out, false);
}

/* ---- why ---- */

static void put_verdict(struct buf *out, const struct json_t *v, const char *verb)
{
    const struct json_t *d = json_member(v, verb);

    if (!d)
        return;
    buf_printf(out, "%-9s  %s  ", verb, show_bool(d, "allowed") ? "yes" : "NO ");
    if (show_u64(d, "line") > 0) {
        put_safe(out, v, "acl_file");
        buf_printf(out, ":%llu: ", (unsigned long long)show_u64(d, "line"));
        put_safe(out, d, "rule");
    } else {
        buf_put(out, show_str(d, "because"));
    }
    buf_u8(out, '\n');
}

int show_why(struct str json, struct buf *out)
{
    struct json_t *v = NULL;
    int rc = show_parse(json, &v, out);

    if (rc)
        return rc;
    if (show_str(v, "user").n > 0)
        put_safe(out, v, "user");
    else
        buf_put(out, STR("a client without a name"));
    if (show_str(v, "client").n > 0) {
        buf_put(out, STR(", with the client id "));
        put_safe(out, v, "client");
    }
    buf_put(out, STR(", and "));
    put_safe(out, v, "topic");
    buf_u8(out, '\n');
    if (!show_bool(v, "known"))
        buf_put(out, STR("           (there is no such user, so it cannot log in)\n"));
    put_verdict(out, v, "publish");
    put_verdict(out, v, "subscribe");
    json_free(v);
    return 0;
}

bool show_why_allows(struct str json)
{
    struct buf ignored = buf_init(4096);
    struct json_t *v = NULL;
    bool any = false;

    if (show_parse(json, &v, &ignored) == 0)
        any = show_bool(json_member(v, "publish"), "allowed") ||
              show_bool(json_member(v, "subscribe"), "allowed");
    json_free(v);
    buf_fini(&ignored);
    return any;
}
