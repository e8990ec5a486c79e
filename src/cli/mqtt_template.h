#ifndef CLI_MQTT_TEMPLATE_H
#define CLI_MQTT_TEMPLATE_H
/*
 * Templates of `mqtt sub --format`: text with fields in braces. Pure.
 *
 *     {topic} {topic.N}         the topic, its level N from 1
 *     {payload}                 escaped; {raw} byte for byte, {hex}, {base64}, {size} in bytes
 *     {json} {json.a.b.0}       the payload as JSON on one line, a value in it (nothing if there is none)
 *     {qos} {retain} {dup}      0 to 2; true, false
 *     {time} {unix} {number}    when it came: RFC 3339, seconds; which it is, from 1
 *     {type} {response} {correlation} {expiry} {user.NAME}    properties of MQTT 5
 *     {{ }} \n \t \r \0 \e \\   themselves
 */
#include "cli/mqtt_message.h"

struct mqtt_template;

/* A mistake: ERR_SYNTAX, *f says what and where (column). text must outlive the template. */
MUST_USE int mqtt_template_new(struct str text, struct mqtt_template **out, struct fault *f);
void mqtt_template_free(struct mqtt_template *t); /* NULL is legal */
/* Appends the text of one message, without a line feed of its own. */
void mqtt_template_put(const struct mqtt_template *t, const struct mqtt_message *m,
                       struct buf *out);

#endif
