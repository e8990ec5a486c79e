#ifndef CLI_VALUES_H
#define CLI_VALUES_H
/* Values of options: times, numbers, QoS. Pure. Each leaves *out alone when the option was not given.
 * ERR_VALUE: *f says what is wrong with it and how to write it. */
#include "cli/command.h"

/* "250ms", "1.5s", "2m", "1h", or seconds without a unit. ERR_SYNTAX, ERR_LIMIT beyond a year. */
MUST_USE int values_parse_ms(struct str s, uint64_t *out);
MUST_USE int values_ms(const struct command_call *c, const char *name, uint64_t least,
                       uint64_t *out, struct fault *f);
/* A time as whole seconds, at least 1: what MQTT counts in. */
MUST_USE int values_seconds(const struct command_call *c, const char *name, uint32_t *out,
                            struct fault *f);
MUST_USE int values_number(const struct command_call *c, const char *name, uint64_t least,
                           uint64_t *out, struct fault *f);
/* Of the option --qos. */
MUST_USE int values_qos(const struct command_call *c, uint8_t *out, struct fault *f);

#endif
