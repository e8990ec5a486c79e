#ifndef CLI_MQTT_REASONS_H
#define CLI_MQTT_REASONS_H
/* What an MQTT server's refusal means to the person at the keyboard, and what to do. Pure. */
#include "base/buf.h"
#include "wire/mqtt.h"

enum mqtt_refused {
    REFUSED_LOGIN,
    REFUSED_PUBLISH,
    REFUSED_PUBLISH_SYS, /* below $SYS/ */
    REFUSED_SUBSCRIBE
};

/* "0x87 not authorized (the server's own words); what to do". told: the server's reason string, or
 * empty. v: under 3.1.1 the numbers are those of its CONNACK or SUBACK. */
void mqtt_reason_say(enum mqtt_refused what, enum mqtt_version v, unsigned reason, struct str told,
                     struct buf *out);
/* Why there is no session: of the client's disconnected(). */
struct mqtt_down {
    const char *server; /* "hub:1883" */
    enum mqtt_version version;
    bool tls;
    bool was_up; /* a session had stood */
    int code;
    unsigned reason;
    struct str text;
    unsigned
        mute_sessions; /* so many in a row broke before anything was answered; 0: not why it ends */
    const char *twin;  /* the session never lasts: the id that another client may use; or NULL */
};
/* Whether `code` is the server's end of a connection. */
bool mqtt_down_is_closed(int code);
/* One sentence, and what to do. */
void mqtt_down_say(const struct mqtt_down *d, struct buf *out);
/* Whether trying again without changing anything is pointless. code: of the client's disconnected(). */
bool mqtt_reason_is_final(enum mqtt_version v, int code, unsigned reason);

#endif
