#ifndef CONF_MOSQUITTO_H
#define CONF_MOSQUITTO_H
/*
 * mosquitto.conf (of mosquitto 2) as a configuration of wayside: read, translated into YAML that the
 * ordinary loader reads, and explained line by line. Pure; conf/mosquitto_io.h reads the files.
 *
 *     struct mosquitto *m = mosquitto_new(&settings_schema, &source, &world, &report);
 *     sources[n++] = *mosquitto_yaml(m);      // for conf_load(); its mistakes point to mosquitto.conf
 *     mosquitto_explain(m, &text);            // what each line became
 *     mosquitto_free(m);                      // after the load and after the report was shown
 *
 * Every directive of mosquitto.conf(5) is known. Each line is understood, ignored since it makes no
 * difference here, refused since the hub would do less than the line asks (a warning when that is
 * harmless, an error when it would be less safe or lose something), or a mistake. Which settings exist is
 * asked of the schema: a directive whose setting it has not is refused by that setting's name.
 */
#include "conf/conf.h"

struct mosquitto;

/* What a pure file cannot know. */
struct mosquitto_world {
    const char
        *cwd;  /* relative paths are taken from here, as mosquitto does; borrowed for the call */
    bool ipv6; /* this machine has IPv6: "all addresses" are of both kinds */
    /* The names in a folder, each zero-terminated, in any order. Folder and files are named as in the
     * file, so relative ones are taken from cwd. */
    int (*list)(void *ctx, const char *dir, struct buf *out, struct fault *f);
    int (*read)(void *ctx, const char *path, struct buf *out, struct fault *f);
    /* 0, or why a file that a line names cannot be read. NULL: not asked. */
    int (*readable)(void *ctx, const char *path, struct fault *f);
    void *ctx;
};

#define MOSQUITTO_FILES_MAX 100   /* of all include_dir together */
#define MOSQUITTO_LINES_MAX 10000 /* of all files together */

/* Reads and translates. Always returns something; when *r has errors, it is not to be run. */
struct mosquitto *mosquitto_new(const struct conf_schema *s, const struct conf_source *file,
                                const struct mosquitto_world *w, struct conf_report *r);
void mosquitto_free(struct mosquitto *m); /* NULL is legal */
/* The translation; each of its lines knows the line of mosquitto.conf that it comes from. */
const struct conf_source *mosquitto_yaml(const struct mosquitto *m);
/* One line for each directive: "mosquitto.conf:3: max_qos 1: refused: …", then how many of each. */
void mosquitto_explain(const struct mosquitto *m, struct buf *out);
/* The translation for people who move over: with the lines it comes from, what was not kept, and a
 * word on the passwords that are in it. */
void mosquitto_import(const struct mosquitto *m, struct buf *out);

#endif
