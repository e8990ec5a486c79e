#ifndef CLI_MQTT_ARGS_H
#define CLI_MQTT_ARGS_H
/*
 * The options of `mqtt pub` and `mqtt sub`: their tables, and what a command line means. Pure: the
 * environment comes in as values, files are named and not read.
 */
#include "cli/command.h"
#include "cli/mqtt_login.h"
#include "cli/mqtt_template.h"
#include "wire/mqtt.h"

extern const struct command_option mqtt_pub_options[], mqtt_sub_options[];
extern const char mqtt_pub_more[], mqtt_sub_more[];

/* What MQTT allows in one packet, less room for topic and properties. */
#define MQTT_ARGS_PAYLOAD_MAX (MQTT_VARINT_MAX - (1u << 20))

struct mqtt_pub_args {
    struct mqtt_login login;
    enum mqtt_pub_from { PUB_MESSAGE, PUB_FILE, PUB_STDIN, PUB_LINES, PUB_CLEAR } from;
    struct str topic;
    const char *message, *file;
    uint8_t qos;
    bool retain, yes, verbose;
    struct buf props; /* encoded, for MQTT 5 */
    uint64_t repeat;  /* 0: until it is ended */
    uint64_t every_ms, timeout_ms;
    struct str filters[COMMAND_ARGS_MAX + COMMAND_GIVEN_MAX]; /* to be cleared */
    size_t filter_count;
};

struct mqtt_sub_args {
    struct mqtt_login login;
    struct str filters[COMMAND_ARGS_MAX + COMMAND_GIVEN_MAX];
    size_t filter_count;
    uint8_t qos;
    enum mqtt_sub_as { SUB_LINE, SUB_JSON, SUB_FORMAT, SUB_RAW } as;
    struct mqtt_template *format;
    uint64_t count;      /* 0: no end */
    uint64_t timeout_ms; /* 0: none */
    bool retained_only, no_retained, keep_session;
    uint32_t session_expiry_s; /* 0: a day */
    enum mqtt_colour { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER } colour;
};

/* ERR_VALUE: *f has the sentence. Each is ended by its _fini, in any case. */
MUST_USE int mqtt_pub_args_read(const struct command_call *c, const struct mqtt_env *env,
                                struct mqtt_pub_args *out, struct fault *f);
void mqtt_pub_args_fini(struct mqtt_pub_args *a);
MUST_USE int mqtt_sub_args_read(const struct command_call *c, const struct mqtt_env *env,
                                struct mqtt_sub_args *out, struct fault *f);
void mqtt_sub_args_fini(struct mqtt_sub_args *a);

#endif
