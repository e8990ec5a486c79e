#ifndef CLI_MQTT_IO_H
#define CLI_MQTT_IO_H
/* `mqtt pub` and `mqtt sub`. */
#include "cli/mqtt_args.h"

int mqtt_pub(const struct command_call *c);
int mqtt_sub(const struct command_call *c);

/* Says what is wrong with a command line, as command_parse() does. Returns EXIT_USAGE. */
int mqtt_usage(const struct command_call *c, const struct fault *f);
struct mqtt_env mqtt_env_get(void);

/* `mqtt pub --clear`: the topics that are to be cleared, asked for when there are filters. EXIT_DONE,
 * or what to end with. Freed with mqtt_clear_free(). */
struct mqtt_clear_list {
    char **topics;
    size_t count, cap;
};
MUST_USE int mqtt_clear_find(const struct mqtt_pub_args *a, struct mqtt_clear_list *out);
void mqtt_clear_free(struct mqtt_clear_list *l);

#endif
