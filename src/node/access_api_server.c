/*
 * Requests become questions of the desk (node/access_desk_server.h); mistakes are answered with the
 * field that is to blame.
 */
#include "node/access_api_server.h"

#include "base/mem.h"
#include "hub/mqtt_api_server.h"
#include "node/access_desk_server.h"
#include "wire/json.h"

#define BODY_MAX   KIB(256)
#define FILTER_MAX 65535

struct asked {
    struct http_request *r;
    int status;     /* of success */
    const char *in; /* where the fields stand */
};

static int status_of(int code)
{
    switch (code) {
    case ERR_VALUE:
        return 422;
    case ERR_UNKNOWN:
        return 404;
    case ERR_EXISTS:
    case ERR_REFUSED:
        return 409;
    case ERR_BUSY:
    case ERR_STOPPED:
        return 503;
    default:
        return 500;
    }
}

static void on_answer(void *ctx, const struct access_answer *a)
{
    struct asked *q = ctx;
    const struct fault *f = &a->blame->fault;
    char text[sizeof(*f) + 32];

    if (!a->code) {
        http_respond_buf_take(q->r, q->status, "application/json", a->json);
    } else if (a->code == ERR_VALUE && a->blame->field) {
        struct field_error e = { .text = f->text, .type = "value_error" };

        memcpy(e.field, a->blame->field, strlen(a->blame->field) + 1);
        http_respond_invalid(q->r, q->in, &e, 1);
    } else {
        if (status_of(a->code) == 503)
            http_add(q->r, "Retry-After", STR("2"));
        http_respond_error(q->r, status_of(a->code), "%s", fault_text(f, text, sizeof(text)));
    }
    mem_free(q);
}

static void ask(struct access_desk *d, struct http_request *r, const struct access_ask *a,
                int status, const char *in)
{
    struct asked *q;

    if (!mqtt_api_is_local(r))
        return;
    q = NEW(struct asked);
    *q = (struct asked){ r, status, in };
    access_desk_ask(d, http_loop(r), a, "REST", on_answer, q);
}

/* ---- bodies ---- */

struct body {
    struct json_t *v;
    struct json_fields f;
    struct field_error errors[8];
};

/* False: it was answered. */
static bool body_begin(struct body *b, struct http_request *r)
{
    static const struct json_limits limits = { .depth_max = 2, .values_max = 20 };
    struct fault f = { 0 };

    b->v = NULL;
    if (!addr_is_local(http_peer(r))) {
        (void)mqtt_api_is_local(r); /* says so */
        return false;
    }
    if (json_parse(http_body(r), &limits, &b->v, NULL, &f)) {
        http_respond_error(r, 400, "the body is no JSON object: line %u, column %u: %s", f.line,
                           f.column, f.text);
        return false;
    }
    b->f = json_fields_init(b->v, "", b->errors, COUNT_OF(b->errors));
    return true;
}

static bool body_is_good(struct body *b, struct http_request *r)
{
    if (b->f.errors_count == 0)
        return true;
    http_respond_invalid(r, "body", b->errors,
                         b->f.errors_count < COUNT_OF(b->errors) ? b->f.errors_count
                                                                 : COUNT_OF(b->errors));
    json_free(b->v);
    return false;
}

/* ---- users ---- */

static void on_users(struct http_request *r, void *ctx)
{
    ask(ctx, r, &(struct access_ask){ .op = ACCESS_USERS }, 200, "query");
}

static void on_user_add(struct http_request *r, void *ctx)
{
    static const char *const names[] = { "user", "password", NULL };
    struct access_ask a = { .op = ACCESS_USER_ADD, .has_user = true };
    struct body b;

    if (!body_begin(&b, r))
        return;
    json_get_str(&b.f, "user", JSON_REQUIRED, 1, PASSWD_USER_MAX, &a.user);
    json_get_str(&b.f, "password", JSON_REQUIRED, ACCESS_PASSWORD_MIN, ACCESS_PASSWORD_MAX,
                 &a.password);
    json_fields_only(&b.f, names);
    if (!body_is_good(&b, r))
        return;
    ask(ctx, r, &a, 201, "body");
    json_free(b.v);
}

static void on_user_passwd(struct http_request *r, void *ctx)
{
    static const char *const names[] = { "password", NULL };
    struct access_ask a = { .op = ACCESS_USER_PASSWD,
                            .has_user = true,
                            .user = http_param_str(r, "user") };
    struct body b;

    if (!body_begin(&b, r))
        return;
    json_get_str(&b.f, "password", JSON_REQUIRED, ACCESS_PASSWORD_MIN, ACCESS_PASSWORD_MAX,
                 &a.password);
    json_fields_only(&b.f, names);
    if (!body_is_good(&b, r))
        return;
    ask(ctx, r, &a, 200, "body");
    json_free(b.v);
}

static void remove_user(struct http_request *r, void *ctx, const char *in)
{
    const struct access_ask a = { .op = ACCESS_USER_REMOVE,
                                  .has_user = true,
                                  .user = http_param_str(r, "user") };

    ask(ctx, r, &a, 200, in);
}

static void on_user_remove(struct http_request *r, void *ctx)
{
    remove_user(r, ctx, "path");
}

static void on_user_remove_query(struct http_request *r, void *ctx)
{
    remove_user(r, ctx, "query");
}

/* ---- rules ---- */

static void on_rules(struct http_request *r, void *ctx)
{
    struct str user = http_param_str(r, "user");
    const struct access_ask a = { .op = ACCESS_RULES, .has_user = user.p != NULL, .user = user };

    ask(ctx, r, &a, 200, "query");
}

static void on_rule_add(struct http_request *r, void *ctx)
{
    static const char *const names[] = { "user", "pattern", "access", "filter", NULL };
    struct access_ask a = { .op = ACCESS_RULE_ADD };
    struct body b;

    if (!body_begin(&b, r))
        return;
    a.has_user = json_get_str(&b.f, "user", JSON_OPTIONAL, 1, PASSWD_USER_MAX, &a.user);
    json_get_bool(&b.f, "pattern", JSON_OPTIONAL, &a.pattern);
    json_get_str(&b.f, "access", JSON_REQUIRED, 1, 16, &a.access);
    json_get_str(&b.f, "filter", JSON_REQUIRED, 1, FILTER_MAX, &a.topic);
    json_fields_only(&b.f, names);
    if (!body_is_good(&b, r))
        return;
    ask(ctx, r, &a, 201, "body");
    json_free(b.v);
}

static void on_rule_remove(struct http_request *r, void *ctx)
{
    struct str user = http_param_str(r, "user");
    const struct access_ask a = { .op = ACCESS_RULE_REMOVE,
                                  .has_user = user.p != NULL,
                                  .user = user,
                                  .pattern = http_param_bool(r, "pattern", false),
                                  .access = http_param_str(r, "access"),
                                  .topic = http_param_str(r, "filter") };

    ask(ctx, r, &a, 200, "query");
}

static void on_why(struct http_request *r, void *ctx)
{
    struct str user = http_param_str(r, "user");
    const struct access_ask a = { .op = ACCESS_WHY,
                                  .has_user = user.p != NULL,
                                  .user = user,
                                  .topic = http_param_str(r, "topic"),
                                  .client = http_param_str(r, "client") };

    ask(ctx, r, &a, 200, "query");
}

/* ---- the table ---- */

#define USER(in, text, ...)                                                                        \
    {                                                                                              \
        "user", in, HTTP_STRING, .least = 1, .most = PASSWD_USER_MAX, .help = text, __VA_ARGS__    \
    }
static const struct http_param user_params[] = {
    USER(HTTP_IN_PATH, "the user"),
    { 0 },
};
static const struct http_param user_query[] = {
    USER(HTTP_IN_QUERY, "the user, whose name may hold a /", .required = true),
    { 0 },
};
static const struct http_param rules_params[] = {
    USER(HTTP_IN_QUERY, "only what is about this user: its own rules, and patterns"),
    { 0 },
};
static const struct http_param rule_params[] = {
    USER(HTTP_IN_QUERY, "whose; absent: clients without a user name, or everybody (pattern)"),
    { "pattern", HTTP_IN_QUERY, HTTP_BOOLEAN, .help = "true: a rule for everybody" },
    { "access", HTTP_IN_QUERY, HTTP_STRING, .required = true, .least = 1, .most = 16,
      .help = "read, write, readwrite or deny" },
    { "filter", HTTP_IN_QUERY, HTTP_STRING, .required = true, .least = 1, .most = FILTER_MAX,
      .help = "the topic filter" },
    { 0 },
};
static const struct http_param why_params[] = {
    USER(HTTP_IN_QUERY, "who; absent: a client without a user name"),
    { "topic", HTTP_IN_QUERY, HTTP_STRING, .required = true, .least = 1, .most = FILTER_MAX,
      .help = "a topic, or a topic filter" },
    { "client", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = 65535,
      .help = "the client id (%c of patterns); the user's name when absent" },
    { 0 },
};

#define BODY_FLAGS HTTP_BODY_JSON | HTTP_BODY_NEEDED
#define A_PASSWORD "\"password\":{\"type\":\"string\",\"minLength\":8,\"maxLength\":256}"
#define USER_SCHEMA                                                                                 \
    "{\"type\":\"object\",\"required\":[\"user\",\"password\"],\"properties\":{\"user\":{\"type\":" \
    "\"string\",\"maxLength\":128}," A_PASSWORD "}}"
#define PASSWORD_SCHEMA                                                                            \
    "{\"type\":\"object\",\"required\":[\"password\"],\"properties\":{" A_PASSWORD "}}"
#define RULE_SCHEMA                                                                                 \
    "{\"type\":\"object\",\"required\":[\"access\",\"filter\"],\"properties\":{\"user\":{\"type\":" \
    "[\"string\",\"null\"]},\"pattern\":{\"type\":\"boolean\"},\"access\":{\"enum\":[\"read\","     \
    "\"write\",\"readwrite\",\"deny\"]},\"filter\":{\"type\":\"string\"}}}"

static const struct http_route routes[] = {
    { HTTP_GET, "/api/v1/mqtt/users", on_users, .tag = "mqtt access",
      .summary = "Who may log in by name (from this machine, as all here)" },
    { HTTP_POST, "/api/v1/mqtt/users", on_user_add, .flags = BODY_FLAGS, .body_max = BODY_MAX,
      .body_schema = USER_SCHEMA, .tag = "mqtt access",
      .summary = "Add a user to the password file; it may log in when this is answered" },
    { HTTP_PUT, "/api/v1/mqtt/users/{user}", on_user_passwd, .params = user_params,
      .flags = BODY_FLAGS, .body_max = BODY_MAX, .body_schema = PASSWORD_SCHEMA,
      .tag = "mqtt access", .summary = "Another password; connections of the old one end" },
    { HTTP_DELETE, "/api/v1/mqtt/users/{user}", on_user_remove, .params = user_params,
      .tag = "mqtt access", .summary = "Remove a user; its connections and sessions end" },
    { HTTP_PUT, "/api/v1/mqtt/user", on_user_passwd, .params = user_query, .flags = BODY_FLAGS,
      .body_max = BODY_MAX, .body_schema = PASSWORD_SCHEMA, .tag = "mqtt access",
      .summary = "Another password, for names that hold a /" },
    { HTTP_DELETE, "/api/v1/mqtt/user", on_user_remove_query, .params = user_query,
      .tag = "mqtt access", .summary = "Remove a user whose name holds a /" },
    { HTTP_GET, "/api/v1/mqtt/acl", on_rules, .params = rules_params, .tag = "mqtt access",
      .summary = "The rules that hold, with their lines of the access file" },
    { HTTP_POST, "/api/v1/mqtt/acl", on_rule_add, .flags = BODY_FLAGS, .body_max = BODY_MAX,
      .body_schema = RULE_SCHEMA, .tag = "mqtt access",
      .summary = "Add a rule; it holds when this is answered, for open connections too" },
    { HTTP_DELETE, "/api/v1/mqtt/acl", on_rule_remove, .params = rule_params, .tag = "mqtt access",
      .summary = "Remove a rule" },
    { HTTP_GET, "/api/v1/mqtt/acl/check", on_why, .params = why_params, .tag = "mqtt access",
      .summary = "What somebody may do with a topic, and which rule decides" },
};

void access_api_mount(struct access_desk *d, struct http_server *s)
{
    http_server_mount(s, routes, COUNT_OF(routes), d);
}
