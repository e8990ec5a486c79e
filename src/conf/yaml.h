#ifndef CONF_YAML_H
#define CONF_YAML_H
/*
 * YAML text as a tree with exact places. The only file that sees libfyaml is yaml.c. Inside conf/
 * only.
 */
#include "base/arena.h"
#include "conf/conf.h"

enum yaml_kind {
    YAML_TEXT,
    YAML_LIST,
    YAML_MAP,
    YAML_BAD, /* already reported (an alias); nobody should report it again */
};

struct yaml_place {
    const struct conf_source *source;
    unsigned line, column; /* from 1; columns in characters */
    bool hidden;           /* the line may hold a secret: only its number is told */
};
struct yaml_node {
    enum yaml_kind kind;
    bool plain;      /* a text without quotes */
    struct str text; /* zero-terminated */
    struct str key;  /* of a member of a map */
    bool seen;       /* for whoever reads the tree: this member has found its row */
    struct yaml_place at, key_at;
    struct yaml_node *first, *last, *next; /* members or items, in order */
    size_t count;
};

/* Parses one source. What is wrong is added to r; what can be understood nevertheless comes back:
 * NULL for an empty document. *out_partial: the text broke off, so what is missing may have stood
 * behind that. Nodes live in the arena. */
struct yaml_node *yaml_parse(struct arena *a, const struct conf_source *source,
                             struct conf_report *r, bool *out_partial);
/* Lays `over` on `base` (either may be NULL) and returns the result, made of both. */
struct yaml_node *yaml_overlay(struct yaml_node *base, struct yaml_node *over);
struct yaml_node *yaml_member(const struct yaml_node *map, struct str key);
/* A plain null, ~ or nothing. */
bool yaml_is_null(const struct yaml_node *n);

#endif
