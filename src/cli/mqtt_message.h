#ifndef CLI_MQTT_MESSAGE_H
#define CLI_MQTT_MESSAGE_H
/* A message of MQTT as text: for people, and for programs. Pure. */
#include "base/buf.h"
#include "wire/mqtt_props.h"

struct mqtt_message {
    struct str topic, payload;
    uint8_t qos;
    bool retain, dup;
    const struct mqtt_props *props; /* never NULL */
    int64_t wall_ns;                /* when it came */
    uint64_t number;                /* from 1 */
};

/* "topic  payload" and a line feed; JSON on one line, other text and bytes escaped, bytes that are no
 * text shortened to MESSAGE_BYTES_SHOWN. colour: with colours, and retained messages are marked. */
#define MESSAGE_BYTES_SHOWN 64
void mqtt_message_line(const struct mqtt_message *m, bool colour, struct buf *out);
/* One JSON object and a line feed: time, topic, qos, retain, the payload (as JSON when it is JSON, as a
 * text when it is one, else as `payload_base64`), and `properties` when there are any. */
void mqtt_message_json(const struct mqtt_message *m, struct buf *out);

#endif
