#ifndef CLI_MQTT_TARGET_H
#define CLI_MQTT_TARGET_H
/*
 * Where an MQTT server is, as people write it. Pure.
 *
 *     mqtt://hub.example.org            mqtts://pi@hub.example.org:8883
 *     mqtt://[fd00::1]:1884             unix:/run/wayside/mqtt.sock
 */
#include "base/buf.h"

#define MQTT_TARGET_TEXT_MAX 256
#define MQTT_PORT            1883
#define MQTT_PORT_TLS        8883

struct mqtt_target {
    char host[MQTT_TARGET_TEXT_MAX]; /* name, address, or "unix:/path" */
    uint16_t port;                   /* 0: none was named */
    bool tls;
    bool has_user, has_password;
    char user[MQTT_TARGET_TEXT_MAX], password[MQTT_TARGET_TEXT_MAX];
};

/* Whether a word is meant to be a URL rather than a topic. */
bool mqtt_target_is_url(struct str word);
/* ERR_VALUE: *f says what is wrong with it and how to write it. */
MUST_USE int mqtt_target_parse(struct str url, struct mqtt_target *out, struct fault *f);
/* "hub:1883", "[::1]:1883" or "unix:/path", for messages. */
void mqtt_target_text(const struct mqtt_target *t, struct buf *out);

#endif
