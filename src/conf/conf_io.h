#ifndef CONF_CONF_IO_H
#define CONF_CONF_IO_H
/* Configuration out of files. Blocking; for the start, a reload's own thread and the command line. */
#include "conf/conf.h"

/* Reads path ("-": standard input) over the text of a preset (name NULL: none) and loads both. A
 * file that cannot be read is an error in *r. path NULL: the preset alone. */
MUST_USE int conf_io_load(const struct conf_schema *s, const struct conf_source *preset,
                          const char *path, struct conf **out, struct conf_report *r);
/* The same over several texts (at most CONF_IO_BELOW_MAX), later ones over earlier ones. */
#define CONF_IO_BELOW_MAX 4
MUST_USE int conf_io_load_over(const struct conf_schema *s, const struct conf_source *below,
                               size_t count, const char *path, struct conf **out,
                               struct conf_report *r);
/* A whole file of at most out->max bytes. */
MUST_USE int conf_io_read(const char *path, struct buf *out, struct fault *f);
/* Reads a KEY_file from disk. */
extern const struct conf_reader conf_io_reader;

#endif
