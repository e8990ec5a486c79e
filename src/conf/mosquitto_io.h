#ifndef CONF_MOSQUITTO_IO_H
#define CONF_MOSQUITTO_IO_H
/* mosquitto.conf out of files. Blocking; for the start, a reload's own thread and the command line. */
#include "conf/mosquitto.h"

/* Reads path and what it includes, and translates. NULL when the file cannot be read; then and when it
 * has mistakes or refused lines, *r has errors. */
struct mosquitto *mosquitto_io_read(const struct conf_schema *s, const char *path,
                                    struct conf_report *r);

#endif
