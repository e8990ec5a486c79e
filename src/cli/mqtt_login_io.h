#ifndef CLI_MQTT_LOGIN_IO_H
#define CLI_MQTT_LOGIN_IO_H
/* What a login names in files. */
#include "cli/mqtt_login.h"

struct tls_context;

#define MQTT_PASSWORD_MAX 4096

/* Appends the password, if there is one, to *password (of MQTT_PASSWORD_MAX) and sets *out_tls when TLS
 * is wanted: freed with tls_free(). An error: *f says which file and why. */
MUST_USE int mqtt_login_open(const struct mqtt_login *l, struct buf *password,
                             struct tls_context **out_tls, struct fault *f);

#endif
