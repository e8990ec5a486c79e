/* TLS contexts out of the settings. */
#include "node/tls_io.h"

#include <assert.h>

static int server(const struct tls_server_options *o, struct tls_context **out, struct fault *f)
{
    *out = NULL;
    return o->cert_file ? tls_server_new(o, out, f) : 0;
}

int tls_io_listener(const struct listener_settings *s, struct tls_context **out, struct fault *f)
{
    return server(
        &(struct tls_server_options){
            .cert_file = settings_or_none(s->cert),
            .key_file = settings_or_none(s->key),
            .ca_file = settings_or_none(s->client_ca),
            .crl_file = settings_or_none(s->client_crl),
            .peer = s->require_certificate ? TLS_PEER_REQUIRED : TLS_PEER_OPTIONAL,
        },
        out, f);
}

int tls_io_api(const struct api_settings *s, struct tls_context **out, struct fault *f)
{
    return server(&(struct tls_server_options){ .cert_file = settings_or_none(s->cert),
                                                .key_file = settings_or_none(s->key) },
                  out, f);
}

int tls_io_bridge(const struct bridge_settings *s, struct tls_context **out, struct fault *f)
{
    struct tls_client_options o = { .ca_file = settings_or_none(s->ca),
                                    .cert_file = settings_or_none(s->cert),
                                    .key_file = settings_or_none(s->key) };
    struct str host;
    uint16_t port;
    bool tls;

    *out = NULL;
    if (settings_bridge_address(s->address, &host, &port, &tls))
        assert(false && "checked by the row");
    return tls ? tls_client_new(&o, out, f) : 0;
}

int tls_io_uplink(const struct uplink_settings *s, struct tls_context **out, struct fault *f)
{
    struct tls_client_options o = { .ca_file = settings_or_none(s->ca) };

    *out = NULL;
    return s->tls ? tls_client_new(&o, out, f) : 0;
}
