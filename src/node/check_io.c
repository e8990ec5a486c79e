/* A look at the files of a configuration, by the very calls of the start. */
#include "node/check_io.h"

#include "node/access_io.h"
#include "node/files_io.h"
#include "node/tls_io.h"

/* Several listeners may have the same certificate. */
static bool is_said(const struct conf_report *r, const struct fault *f)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->items[i].at.file, f->file) == 0 && strcmp(r->items[i].at.text, f->text) == 0)
            return true;
    return false;
}

static void note(struct conf_report *r, int rc, const struct fault *f)
{
    if (rc && !is_said(r, f))
        conf_report_add(r, f);
}

static void check_mqtt(const struct settings *s, struct conf_report *r)
{
    const struct mqtt_settings *m = &s->mqtt;
    struct access *a = NULL;
    struct fault f = { 0 };

    note(r, access_io_load(m, &s->limits, NULL, 0, &a, &f), &f);
    access_free(a);
    for (size_t i = 0; i < m->listeners.count; i++) {
        struct tls_context *tls = NULL;

        note(r, tls_io_listener(CONF_ITEM_AT(m->listeners, struct listener_settings, i), &tls, &f),
             &f);
        tls_free(tls);
    }
    for (size_t i = 0; i < m->bridges.count; i++) {
        struct tls_context *tls = NULL;

        note(r, tls_io_bridge(CONF_ITEM_AT(m->bridges, struct bridge_settings, i), &tls, &f), &f);
        tls_free(tls);
    }
}

int check_files(const struct conf *conf, struct conf_report *r)
{
    const struct settings *s = conf_root(conf);
    struct tls_context *api = NULL, *uplink = NULL;
    size_t errors = r->errors;
    struct fault f = { 0 };

    note(r, files_check_data(s->node.data.p, &f), &f);
    if (s->has_mqtt)
        check_mqtt(s, r);
    if (s->has_api)
        note(r, tls_io_api(&s->api, &api, &f), &f);
    if (s->has_edge && s->edge.has_uplink)
        note(r, tls_io_uplink(&s->edge.uplink, &uplink, &f), &f);
    tls_free(api);
    tls_free(uplink);
    return r->errors > errors ? ERR_VALUE : 0;
}
