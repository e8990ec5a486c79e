#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H
/*
 * The command line as a table. From the rows come parsing, help, completion and the manual, so
 * they cannot disagree. Pure.
 *
 * Exit status everywhere: 0 done, 1 failed, 2 wrong usage, 3 problems were found.
 */
#include "base/buf.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PROBLEMS = 3 };

struct command_option {
    const char *name;  /* "config": --config; NULL ends a table */
    char letter;       /* 'c': -c; 0: none */
    const char *value; /* "FILE": takes a value; NULL: a flag */
    const char *help;  /* one line */
};

#define COMMAND_ARGS_MAX    32
#define COMMAND_OPTIONS_MAX 40
#define COMMAND_GIVEN_MAX   64 /* options on one command line */

struct command_call;
struct command {
    const char *name; /* "journal ls"; a row per command, groups by their first word */
    const char *args; /* "[DIR]", "URL TOKEN"; "" none. Upper-case words are needed, […] are not,
                         and … after one repeats it */
    const char *help; /* one line */
    const char *more; /* paragraphs and examples; may be NULL */
    const struct command_option *options; /* may be NULL */
    int (*run)(const struct command_call *call);
};

struct command_table {
    const char *program; /* "wayside" */
    const char *title;   /* one line about the program */
    const struct command *rows;
    size_t count;
};

/* A parsed command line; views of argv. */
struct command_call {
    const struct command_table *table;
    const struct command *command;
    const char *args[COMMAND_ARGS_MAX];
    size_t arg_count;
    const char *values[COMMAND_OPTIONS_MAX]; /* by the option's place, the last; NULL: not given */
    struct {
        unsigned char option; /* its place */
        const char *value;
    } given[COMMAND_GIVEN_MAX]; /* all, in their order */
    size_t given_count;
};

/* Finds the command and its options. 0: *out is to be run. 1: help or version was asked for and is
 * in *text (print it, status 0). ERR_VALUE: wrong usage, *text says what and leads on (status 2). */
MUST_USE int command_parse(const struct command_table *t, int argc, char *const *argv,
                           struct command_call *out, struct buf *text);
/* The value of an option (a flag: "1"), or NULL. The name must be one of the command's. */
const char *command_value(const struct command_call *c, const char *name);

/* For an option that may be given several times: its values in their order, NULL behind the last. */
const char *command_value_at(const struct command_call *c, const char *name, size_t index);

void command_help(const struct command_table *t, struct buf *out);
void command_help_one(const struct command_table *t, const struct command *c, struct buf *out);
/* A page for man(1). */
void command_man(const struct command_table *t, struct buf *out);
/* All of it in Markdown. */
void command_manual(const struct command_table *t, struct buf *out);
/* Completion for "bash", "zsh" or "fish". ERR_VALUE: another shell. */
MUST_USE int command_completion(const struct command_table *t, const char *shell, struct buf *out);

#endif
