#ifndef CLI_MQTT_LOGIN_H
#define CLI_MQTT_LOGIN_H
/* How the MQTT commands reach a server: their common options and what these mean. Pure: the
 * environment comes in as values, files are named and not read. */
#include "cli/command.h"
#include "cli/mqtt_target.h"
#include "wire/mqtt.h"

/* clang-format off */
#define MQTT_OPTIONS_SERVER                                                                             \
    { "host", 'H', "HOST", "server: name, address or the path of a Unix socket (127.0.0.1); or write a URL" }, \
    { "port", 'p', "PORT", "its port; 1883, with TLS 8883" }
#define MQTT_OPTIONS_LOGIN                                                                              \
    { "user", 'u', "NAME", "user name" },                                                          \
    { "password-file", 'P', "FILE", "file whose first line is the password; or set WAYSIDE_MQTT_PASSWORD" }, \
    { "tls", 0, NULL, "encrypted, as with mqtts://; the server's name must be that of its certificate" }, \
    { "ca", 0, "FILE", "who signs the server's certificate (PEM); else the system decides. Implies --tls" }, \
    { "cert", 0, "FILE", "our own certificate (PEM), with --key" },                                \
    { "key", 0, "FILE", "its key (PEM)" },                                                         \
    { "id", 'i', "ID", "client id; one is made up" },                                              \
    { "protocol", 'V', "VERSION", "5 (default) or 3.1.1" }
/* clang-format on */

struct mqtt_env {
    const char *url, *password; /* WAYSIDE_MQTT_URL, WAYSIDE_MQTT_PASSWORD; NULL: not set */
};

struct mqtt_login {
    struct mqtt_target to; /* port set */
    const char *password_file, *ca, *cert, *key;
    const char *id; /* NULL: one is made */
    enum mqtt_version version;
};

/* url: of the command line, or NULL. ERR_VALUE: *f has the sentence. */
MUST_USE int mqtt_login_read(const struct command_call *c, const struct mqtt_env *env,
                             const char *url, struct mqtt_login *l, struct fault *f);

#endif
