/*
 * Each answer is made from what holds, not from what stands in the files: a file that somebody has
 * changed and not reloaded decides nothing yet.
 *
 * No password is ever in an answer, a fault or a log line; no hash either.
 */
#include "node/access_ask.h"

#include "base/mem.h"
#include "mqtt/sys_topics.h"
#include "trust/acl_edit.h"
#include "trust/acl_why.h"
#include "trust/textfile.h"
#include "wire/json.h"
#include "wire/mqtt_topic.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- checking ---- */

static int blame(struct access_blame *b, int code, const char *field, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static int blame(struct access_blame *b, int code, const char *field, const char *fmt, ...)
{
    va_list ap;

    b->field = field;
    b->fault = (struct fault){ .code = code };
    va_start(ap, fmt);
    vsnprintf(b->fault.text, sizeof(b->fault.text), fmt, ap);
    va_end(ap);
    return code;
}

bool access_ask_edits_users(const struct access_ask *a)
{
    return a->op == ACCESS_USER_ADD || a->op == ACCESS_USER_PASSWD || a->op == ACCESS_USER_REMOVE;
}

bool access_ask_edits_rules(const struct access_ask *a)
{
    return a->op == ACCESS_RULE_ADD || a->op == ACCESS_RULE_REMOVE;
}

static int check_password(const struct access_ask *a, struct access_blame *b)
{
    if (a->password.n < ACCESS_PASSWORD_MIN || a->password.n > ACCESS_PASSWORD_MAX)
        return blame(b, ERR_VALUE, "password", "the password must have %u to %u bytes",
                     ACCESS_PASSWORD_MIN, ACCESS_PASSWORD_MAX);
    return 0;
}

static int check_user(const struct access_ask *a, struct access_blame *b)
{
    const char *why;

    if (passwd_user_check(a->user, &why))
        return blame(b, ERR_VALUE, "user", "the user '%s' %s", textfile_show(a->user).text, why);
    return 0;
}

static int check_rule(const struct access_ask *a, struct access_blame *b)
{
    const char *why;
    unsigned access;

    if (a->pattern && a->has_user)
        return blame(b, ERR_VALUE, "user",
                     "a pattern is for everybody; leave the user out (%%u stands for the name)");
    if (a->has_user && check_user(a, b))
        return ERR_VALUE;
    if (!acl_access_from(a->access, &access))
        return blame(b, ERR_VALUE, "access",
                     "'%s' is no access; write read, write, readwrite or deny",
                     textfile_show(a->access).text);
    if (acl_filter_check(a->topic, &why))
        return blame(b, ERR_VALUE, "filter", "'%s' %s", textfile_show(a->topic).text, why);
    return 0;
}

int access_ask_check(const struct access_ask *a, struct access_blame *b)
{
    switch (a->op) {
    case ACCESS_USERS:
    case ACCESS_RULES:
        return 0;
    case ACCESS_USER_ADD:
    case ACCESS_USER_PASSWD:
        return check_user(a, b) ? ERR_VALUE : check_password(a, b);
    case ACCESS_USER_REMOVE:
        return 0; /* whatever stands in the file can be taken away */
    case ACCESS_RULE_ADD:
    case ACCESS_RULE_REMOVE:
        return check_rule(a, b);
    case ACCESS_WHY:
        if (!mqtt_filter_valid(a->topic))
            return blame(b, ERR_VALUE, "topic", "'%s' is neither a topic nor a topic filter",
                         textfile_show(a->topic).text);
        return 0;
    }
    return 0;
}

/* ---- changing a text ---- */

static int read_before(struct str text, const char *name, uint64_t iterations_max,
                       struct access_blame *b)
{
    struct passwd *p = NULL;
    int rc = passwd_read(text, name, iterations_max, &p, &b->fault);

    passwd_free(p);
    return rc;
}

int access_edit_users(const struct access_ask *a, const struct access_means *m, struct str text,
                      const char *name, struct buf *out, struct access_blame *b)
{
    bool known = passwd_edit_has(text, a->user);
    struct buf line = buf_init(1024);

    b->field = NULL;
    if (read_before(text, name, m->iterations_max, b))
        return ERR_VALUE;
    if (a->op == ACCESS_USER_ADD && known)
        return blame(b, ERR_EXISTS, "user",
                     "'%s' is a user of %s already; `wayside user passwd` sets another password",
                     textfile_show(a->user).text, name);
    if (a->op != ACCESS_USER_ADD && !known)
        return blame(b, ERR_UNKNOWN, "user",
                     "'%s' is no user of %s; `wayside user list` shows them",
                     textfile_show(a->user).text, name);
    if (a->op == ACCESS_USER_REMOVE)
        return passwd_edit_remove(text, a->user, out);
    passwd_put_line(
        &line, a->user, a->password,
        (unsigned)(m->iterations_max < PASSWD_ITERATIONS ? m->iterations_max : PASSWD_ITERATIONS),
        m->salt);
    passwd_edit_set(text, a->user, buf_str(&line), out);
    buf_fini(&line);
    return 0;
}

static int read_rules_before(struct str text, const char *name, struct access_blame *b)
{
    struct acl *acl = NULL;
    int rc = acl_read(text, name, &acl, &b->fault);

    acl_free(acl);
    return rc;
}

int access_edit_rules(const struct access_ask *a, struct str text, const char *name,
                      struct buf *out, unsigned *out_line, struct access_blame *b)
{
    struct acl_rule r = {
        .pattern = a->pattern, .has_user = a->has_user, .user = a->user, .filter = a->topic
    };

    b->field = NULL;
    *out_line = 0;
    if (read_rules_before(text, name, b) || !acl_access_from(a->access, &r.access))
        return ERR_VALUE;
    if (a->op == ACCESS_RULE_ADD) {
        if (acl_edit_add(text, &r, out, out_line))
            return blame(b, ERR_EXISTS, "filter", "this rule stands in %s:%u already", name,
                         *out_line);
        return 0;
    }
    if (acl_edit_remove(text, &r, out))
        return blame(b, ERR_UNKNOWN, "filter",
                     "%s has no such rule; `wayside acl list` shows them as they are to be named",
                     name);
    return 0;
}

/* ---- answers ---- */

static void put_name(struct json_writer *w, const char *key, const char *name)
{
    json_key(w, key);
    json_text(w, name);
}

static void put_file_users(const struct passwd *p, struct json_writer *w)
{
    struct textfile t = textfile_of(passwd_text(p), passwd_name(p));
    struct str user, hash;

    while (passwd_edit_next(&t, &user, &hash)) {
        uint64_t iterations = 0;
        bool pbkdf2 = str_starts(hash, STR("$7$"));

        json_begin_object(w);
        json_key(w, "user");
        json_str(w, user);
        put_name(w, "from", "file");
        json_put_u64(w, "line", t.line);
        put_name(w, "hash", pbkdf2 ? "PBKDF2-SHA512" : "SHA-512");
        hash = str_skip(hash, 3);
        if (pbkdf2 && str_to_u64(str_cut(&hash, '$'), &iterations) == 0)
            json_put_u64(w, "iterations", iterations);
        json_end_object(w);
    }
}

void access_put_users(const struct access *now, struct buf *out)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    put_name(&w, "password_file", now->passwd ? passwd_name(now->passwd) : NULL);
    json_key(&w, "users");
    json_begin_array(&w);
    for (size_t i = 0; i < now->user_count; i++) {
        json_begin_object(&w);
        json_key(&w, "user");
        json_str(&w, now->users[i].name);
        put_name(&w, "from", "configuration");
        json_end_object(&w);
    }
    if (now->passwd)
        put_file_users(now->passwd, &w);
    json_end_array(&w);
    json_end_object(&w);
}

static void put_who(struct json_writer *w, bool has_user, struct str user)
{
    json_key(w, "user");
    if (has_user)
        json_str(w, user);
    else
        json_nil(w);
}

static bool is_wanted(const struct access_ask *a, const struct acl_line *rule, struct str block)
{
    if (a->has_user && (rule->kind == ACL_LINE_PATTERN || !block.p || !str_eq(block, a->user)))
        return rule->kind == ACL_LINE_PATTERN; /* those are about that user as well */
    return true;
}

void access_put_rules(const struct access_ask *a, const struct access *now, struct buf *out)
{
    struct json_writer w = json_writer_init(out);
    struct textfile t = { 0 };
    struct str block = STR_NONE;
    struct acl_line rule;

    json_begin_object(&w);
    put_name(&w, "acl_file", now->acl ? acl_name(now->acl) : NULL);
    json_key(&w, "rules");
    json_begin_array(&w);
    if (now->acl)
        t = textfile_of(acl_text(now->acl), acl_name(now->acl));
    while (now->acl && acl_rule_next(&t, &block, &rule)) {
        bool pattern = rule.kind == ACL_LINE_PATTERN;

        if (!is_wanted(a, &rule, block))
            continue;
        json_begin_object(&w);
        json_put_u64(&w, "line", t.line);
        put_who(&w, !pattern && block.p, block);
        json_put_bool(&w, "pattern", pattern);
        put_name(&w, "access", acl_access_word(rule.access));
        json_key(&w, "filter");
        json_str(&w, rule.text);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
}

/* ---- why ---- */

struct question {
    const struct access *now;
    struct acl_who who;
    const struct identity *id; /* NULL: no user name */
    enum acl_asked asked;
    struct str object;
};

static bool is_allowed(const struct question *q)
{
    const struct authz_check c = {
        .who = q->id,
        .client_id = q->who.client_id,
        .action = q->asked == ACL_ASKED_PUBLISH ? AUTHZ_PUBLISH : AUTHZ_SUBSCRIBE,
        .object = q->object,
    };

    return access_check(q->now, &c) == 0;
}

static void put_rule(struct json_writer *w, const struct acl_why *why)
{
    const struct acl_line *r = &why->rule;

    json_put_u64(w, "line", why->line);
    json_key(w, "rule");
    json_printf(w, "%s %s %.*s", r->kind == ACL_LINE_PATTERN ? "pattern" : "topic",
                acl_access_word(r->access), STR_ARG(r->text));
}

/* What decides where no rule does; NULL: the rules do. */
static const char *without_rules(const struct question *q, bool allowed, const struct acl_why *why)
{
    bool publish = q->asked == ACL_ASKED_PUBLISH;
    bool state = publish && sys_is_state(q->object, q->who.client_id);

    if (allowed && state)
        return "a client says there whether it is connected, and needs no rule for it";
    if (allowed && access_is_nodes(q->object, publish))
        return "nodes hand their records over there, and need no rule for it";
    if (!allowed && publish && access_is_reserved(q->object) && !state &&
        !access_is_nodes(q->object, true))
        return "names below $SYS, $share and $wayside are the broker's own";
    if (!q->now->acl)
        return "there is no access file (mqtt.acl_file): whoever is let in may do it";
    if (why->line == 0)
        return "no rule grants it";
    return NULL;
}

static void put_verdict(struct json_writer *w, const char *key, const struct question *q)
{
    struct acl_why why = { 0 };
    struct str group, inner = q->object;
    bool allowed = is_allowed(q);
    const char *because;

    if (q->asked == ACL_ASKED_SUBSCRIBE &&
        mqtt_share_split(q->object, &group, &inner) == MQTT_SHARE_NO)
        inner = q->object;
    if (q->now->acl)
        why = acl_why(q->now->acl, &q->who, q->asked, inner);
    because = without_rules(q, allowed, &why);
    json_key(w, key);
    json_begin_object(w);
    json_put_bool(w, "allowed", allowed);
    put_name(w, "because",
             because   ? because
             : allowed ? "this rule grants it"
                       : "this rule denies it");
    if (!because)
        put_rule(w, &why);
    json_end_object(w);
}

void access_put_why(const struct access_ask *a, const struct access *now, struct buf *out)
{
    struct identity *id = a->has_user ? access_identity(a->user) : NULL;
    struct question q = {
        .now = now,
        .who = { a->has_user, a->user, a->client.n > 0 || !a->has_user ? a->client : a->user },
        .id = id,
        .object = a->topic,
    };
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    put_who(&w, a->has_user, a->user);
    json_key(&w, "client");
    json_str(&w, q.who.client_id);
    json_key(&w, "topic");
    json_str(&w, a->topic);
    put_name(&w, "acl_file", now->acl ? acl_name(now->acl) : NULL);
    json_put_bool(&w, "known", !a->has_user || access_has_user(now, a->user));
    if (mqtt_topic_valid(a->topic)) {
        q.asked = ACL_ASKED_PUBLISH;
        put_verdict(&w, "publish", &q);
    }
    q.asked = ACL_ASKED_SUBSCRIBE;
    put_verdict(&w, "subscribe", &q);
    json_end_object(&w);
    identity_unref(id);
}

void access_put_done(const struct access_ask *a, const struct access *now, unsigned line,
                     bool in_force, struct buf *out)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    json_put_bool(&w, "in_force", in_force);
    if (access_ask_edits_users(a)) {
        put_name(&w, "password_file", now->passwd ? passwd_name(now->passwd) : NULL);
        put_who(&w, true, a->user);
        if (a->op == ACCESS_USER_REMOVE && now->acl)
            json_put_u64(&w, "rules_left", acl_edit_count(acl_text(now->acl), a->user));
    } else {
        put_name(&w, "acl_file", now->acl ? acl_name(now->acl) : NULL);
        put_who(&w, a->has_user, a->user);
        json_put_bool(&w, "pattern", a->pattern);
        json_key(&w, "access");
        json_str(&w, a->access);
        json_key(&w, "filter");
        json_str(&w, a->topic);
        if (line > 0)
            json_put_u64(&w, "line", line);
        if (a->op == ACCESS_RULE_ADD && a->has_user && in_force) /* else its users are not known */
            json_put_bool(&w, "known", access_has_user(now, a->user));
    }
    json_end_object(&w);
}
