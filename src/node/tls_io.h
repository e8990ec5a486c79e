#ifndef NODE_TLS_IO_H
#define NODE_TLS_IO_H
/* The certificates, keys and authorities that settings name, for the start and for a check of the file. *out is NULL
 * where there is no TLS. The fault names the file. Blocking. */
#include "net/tls.h"
#include "node/settings.h"

MUST_USE int tls_io_listener(const struct listener_settings *s, struct tls_context **out,
                             struct fault *f);
MUST_USE int tls_io_api(const struct api_settings *s, struct tls_context **out, struct fault *f);
MUST_USE int tls_io_bridge(const struct bridge_settings *s, struct tls_context **out,
                           struct fault *f);
MUST_USE int tls_io_uplink(const struct uplink_settings *s, struct tls_context **out,
                           struct fault *f);

#endif
