/*
 * The OpenAPI 3.1 document, out of the same rows that dispatch requests: what is not in the
 * document does not exist, and what is in it is checked as it says.
 */
#include "http/route.h"

#include "wire/json.h"

static void schema(struct json_writer *w, const struct http_param *p)
{
    static const char *const types[] = {
        [HTTP_STRING] = "string",   [HTTP_INTEGER] = "integer", [HTTP_NUMBER] = "number",
        [HTTP_BOOLEAN] = "boolean", [HTTP_TIME] = "string",
    };
    bool string = p->type == HTTP_STRING;

    json_begin_object(w);
    json_key(w, "type");
    json_text(w, types[p->type]);
    if (p->type == HTTP_TIME) {
        json_key(w, "format");
        json_text(w, "date-time");
    } else if (p->least != 0 || p->most != 0) {
        json_key(w, string ? "minLength" : "minimum");
        json_i64(w, p->least);
        if (p->most != 0 || !string) {
            json_key(w, string ? "maxLength" : "maximum");
            json_i64(w, p->most);
        }
    }
    if (string && p->charset) {
        json_key(w, "pattern");
        json_printf(w, "^[%s]*$", p->charset);
    }
    json_end_object(w);
}

static void parameters(struct json_writer *w, const struct http_param *params)
{
    static const char *const places[] = {
        [HTTP_IN_PATH] = "path",
        [HTTP_IN_QUERY] = "query",
        [HTTP_IN_HEADER] = "header",
    };

    json_key(w, "parameters");
    json_begin_array(w);
    for (const struct http_param *p = params; p->name; p++) {
        json_begin_object(w);
        json_key(w, "name");
        json_text(w, p->name);
        json_key(w, "in");
        json_text(w, places[p->in]);
        json_put_bool(w, "required", p->required || p->in == HTTP_IN_PATH);
        if (p->help) {
            json_key(w, "description");
            json_text(w, p->help);
        }
        json_key(w, "schema");
        schema(w, p);
        json_end_object(w);
    }
    json_end_array(w);
}

static void content(struct json_writer *w, const char *type, const char *schema_text)
{
    json_key(w, "content");
    json_begin_object(w);
    json_key(w, type);
    json_begin_object(w);
    json_key(w, "schema");
    json_raw(w, str_of(schema_text ? schema_text : "{}"));
    json_end_object(w);
    json_end_object(w);
}

static void body(struct json_writer *w, const struct http_route *r)
{
    json_key(w, "requestBody");
    json_begin_object(w);
    json_put_bool(w, "required", (r->flags & HTTP_BODY_NEEDED) != 0);
    content(w, r->flags & HTTP_BODY_JSON ? "application/json" : "application/octet-stream",
            r->body_schema);
    json_end_object(w);
}

static void answer(struct json_writer *w, const char *status, const char *description)
{
    json_key(w, status);
    json_begin_object(w);
    json_key(w, "description");
    json_text(w, description);
}

static void answers(struct json_writer *w, const struct http_route *r)
{
    bool older = (r->flags & HTTP_STYLE_DETAIL) != 0;

    json_key(w, "responses");
    json_begin_object(w);
    if (r->ws) {
        answer(w, "101", "The connection is a WebSocket from here on");
        json_end_object(w);
    }
    if (r->handle) {
        answer(w, "200", "Done");
        if (r->answer_schema)
            content(w, "application/json", r->answer_schema);
        json_end_object(w);
    }
    answer(w, "default", "What went wrong");
    content(w, older ? "application/json" : "application/problem+json",
            older ? "{\"type\":\"object\",\"required\":[\"detail\"],\"properties\":{\"detail\":{}}}"
                  : "{\"$ref\":\"#/components/schemas/Problem\"}");
    json_end_object(w);
    json_end_object(w);
}

static void operation(struct json_writer *w, const struct http_route *r)
{
    static const char *const names[HTTP_METHOD_COUNT] = {
        [HTTP_GET] = "get",         [HTTP_HEAD] = "head",   [HTTP_POST] = "post",
        [HTTP_PUT] = "put",         [HTTP_PATCH] = "patch", [HTTP_DELETE] = "delete",
        [HTTP_OPTIONS] = "options", [HTTP_TRACE] = "trace",
    };

    json_key(w, names[r->method]);
    json_begin_object(w);
    json_key(w, "summary");
    json_text(w, r->summary);
    if (r->tag) {
        json_key(w, "tags");
        json_begin_array(w);
        json_text(w, r->tag);
        json_end_array(w);
    }
    if (r->params && r->params->name)
        parameters(w, r->params);
    if (r->body_max > 0)
        body(w, r);
    answers(w, r);
    json_end_object(w);
}

static bool same_path(const struct http_route *a, const struct http_route *b)
{
    return strcmp(a->path, b->path) == 0;
}

/* Is this the first row with its path? All of that path are then written together. */
static bool is_first(const struct http_mount *mounts, size_t mi, size_t ri)
{
    const struct http_route *r = &mounts[mi].rows[ri];

    for (size_t i = 0; i <= mi; i++)
        for (size_t k = 0; k < (i == mi ? ri : mounts[i].count); k++)
            if (!(mounts[i].rows[k].flags & HTTP_HIDDEN) && same_path(r, &mounts[i].rows[k]))
                return false;
    return true;
}

static void path_item(struct json_writer *w, const struct http_mount *mounts, size_t mount_count,
                      const struct http_route *first)
{
    json_key(w, first->path);
    json_begin_object(w);
    for (size_t i = 0; i < mount_count; i++)
        for (size_t k = 0; k < mounts[i].count; k++)
            if (!(mounts[i].rows[k].flags & HTTP_HIDDEN) && same_path(first, &mounts[i].rows[k]))
                operation(w, &mounts[i].rows[k]);
    json_end_object(w);
}

static void components(struct json_writer *w)
{
    json_key(w, "components");
    json_raw(w, STR("{\"schemas\":{\"Problem\":{\"type\":\"object\",\"description\":\"RFC 9457\","
                    "\"required\":[\"title\",\"status\"],\"properties\":{"
                    "\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},"
                    "\"detail\":{\"type\":\"string\"},\"errors\":{\"type\":\"array\",\"items\":{"
                    "\"type\":\"object\",\"properties\":{\"in\":{\"type\":\"string\"},"
                    "\"field\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"},"
                    "\"type\":{\"type\":\"string\"}}}}}}}}"));
}

void http_openapi(const struct http_mount *mounts, size_t mount_count, const char *title,
                  const char *version, const char *description, struct buf *out)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    json_key(&w, "openapi");
    json_text(&w, "3.1.0");
    json_key(&w, "info");
    json_begin_object(&w);
    json_key(&w, "title");
    json_text(&w, title ? title : "Wayside API");
    json_key(&w, "version");
    json_text(&w, version ? version : "0");
    if (description) {
        json_key(&w, "description");
        json_text(&w, description);
    }
    json_end_object(&w);
    json_key(&w, "paths");
    json_begin_object(&w);
    for (size_t i = 0; i < mount_count; i++)
        for (size_t k = 0; k < mounts[i].count; k++)
            if (!(mounts[i].rows[k].flags & HTTP_HIDDEN) && is_first(mounts, i, k))
                path_item(&w, mounts, mount_count, &mounts[i].rows[k]);
    json_end_object(&w);
    components(&w);
    json_end_object(&w);
}
