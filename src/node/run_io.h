#ifndef NODE_RUN_IO_H
#define NODE_RUN_IO_H
/* Loading a configuration and running a node until it is told to end: the daemon itself. */
#include "conf/conf.h"

/* The preset's text with the folder for data that fits this user. Freed by mem_free. NULL: there is
 * no such preset. */
char *run_preset(const char *preset);
/* What is laid over the preset; either may be NULL. */
struct run_files {
    const char *config;    /* a file of ours, over all else */
    const char *mosquitto; /* a mosquitto.conf, below it */
};
/* Reads the files over the preset. Problems are in *r; what the lines of mosquitto.conf became is
 * added to *explained (may be NULL). The log shows none of its secrets from then on. */
MUST_USE int run_load(const char *preset, const struct run_files *files, struct conf **out,
                      struct conf_report *r, struct buf *explained);
/* Loads, starts, serves until SIGTERM or SIGINT, reloads on SIGHUP, stops. Problems of the
 * configuration are printed to stderr, and what became of a mosquitto.conf. 0 after a clean end; ERR_VALUE: the configuration is wrong
 * (already printed); else *f. To be called before any thread exists. */
MUST_USE int run_node(const char *preset, const struct run_files *files, struct fault *f);
/* Where the control socket of a preset is by default. Freed by mem_free. */
char *run_control_path(const char *preset);

#endif
