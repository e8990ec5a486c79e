#ifndef CONF_CONF_H
#define CONF_CONF_H
/*
 * Settings declared as rows. A row is one key: its type, where its value is stored, its default,
 * what is allowed, whether it reloads, one line of help. From the rows come reading, checking, the
 * dump, the manual and the JSON Schema, so they cannot disagree. Pure; conf/conf_io.h reads files.
 *
 *     struct mqtt_conf { bool anonymous; uint64_t idle_ms; struct conf_list listeners; };
 *     static const struct conf_row listener_rows[] = {
 *         { "address", CONF_ADDRESS, CONF_AT(struct listener_conf, address), .port = 1883,
 *           .flags = CONF_REQUIRED, .help = "where to listen" },
 *         { 0 },
 *     };
 *     const struct conf_row mqtt_conf_rows[] = {
 *         { "anonymous", CONF_BOOL, CONF_AT(struct mqtt_conf, anonymous), .def = "false",
 *           .help = "let clients in without a name" },
 *         { "idle", CONF_DURATION, CONF_AT(struct mqtt_conf, idle_ms), .def = "30s", .min = 1000,
 *           .max = 3600000, .flags = CONF_RELOAD, .help = "…" },
 *         { "listeners", CONF_LIST, CONF_AT(struct mqtt_conf, listeners),
 *           CONF_ITEM(struct listener_conf, listener_rows), .def = "[{address: 127.0.0.1:1883}]",
 *           .help = "…" },
 *         { 0 },
 *     };
 *     { "mqtt", CONF_SECTION, CONF_AT(struct node_conf, mqtt), CONF_HAS(struct node_conf, has_mqtt),
 *       .rows = mqtt_conf_rows, .help = "the MQTT broker" },
 *
 * Reading is strict: YAML 1.2 without anchors, aliases, merge keys and tags; every key known and
 * once; only true and false are booleans; numbers of time and size carry their unit; what other
 * readers of YAML would take for a number or a truth must be quoted to be a text.
 *
 * Several sources (a preset, then the file) are laid over each other: sections key by key, all else
 * (lists too) replaces what was below.
 */
#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"

enum conf_type {
    CONF_END,    /* ends a table */
    CONF_BOOL,   /* bool */
    CONF_INT,    /* int8_t … int64_t, by size */
    CONF_UINT,   /* uint8_t … uint64_t, by size */
    CONF_DOUBLE, /* double */
    CONF_TEXT,   /* struct str, zero-terminated; {NULL, 0} without value and default */
    CONF_PATH,   /* struct str; a relative path is taken from the folder of the file it stands in */
    CONF_ENUM,   /* enum or unsigned char (by size): one of names */
    CONF_DURATION, /* unsigned ms, by size: "500ms" "30s" "5m" "2h", and 0 */
    CONF_SIZE,     /* unsigned bytes, by size: 4096 "64KiB" "16MiB" "1GiB" "1TiB" */
    CONF_ADDRESS,  /* struct addr: "127.0.0.1:1883" "[::1]:1883" ":1883" "unix:/path" */
    CONF_HOST,     /* struct conf_host: "name:port" or an address */
    CONF_TEXTS,    /* struct conf_texts: a list of texts */
    CONF_PAIRS,    /* struct conf_pairs: keys of the user's own, each with a text */
    CONF_SECTION,  /* a struct within the struct, with rows */
    CONF_LIST,     /* struct conf_list: a list of sections */
    CONF_MAP,      /* struct conf_list: sections under names of the user's own; the item's first
                      member is `struct str name` */
    CONF_ANY,      /* taken and not looked at (older systems' files); `has` says that it is there */
    CONF_IGNORED,  /* gives a warning; help says why it means nothing here */
    CONF_GONE,     /* refused; help says what to write instead */
};

enum conf_flags {
    CONF_RELOAD = 1,    /* takes effect by a reload; else at the next start */
    CONF_SECRET = 2,    /* shown as "***"; a line of the file that names it is not shown */
    CONF_REQUIRED = 4,  /* must be given wherever its section stands; a list: at least one item */
    CONF_FILE = 8,      /* TEXT: `KEY_file: PATH` may be given instead; one line feed at its end is
                           dropped */
    CONF_CUT_UNIT = 16, /* the key is written without its last "_bytes", "_ms" (rows of limits.h) */
};

struct conf_name {
    const char *text;
    int value;
};
struct conf_say;

struct conf_row {
    const char *key; /* NULL ends a table */
    enum conf_type type;
    size_t offset, size;
    size_t has;      /* offset + 1 of a bool beside the value: the key was given; 0: none. A section
                   with it is optional: absent, its struct stays zero and `has` false; empty
                   (`api:`), it is on with defaults; `api: false` turns off what a preset turned on */
    const char *def; /* as in the file; lists: "[…]" in YAML. NULL: zero, empty */
    uint64_t number; /* UINT, DURATION, SIZE: the default when def is NULL */
    int64_t min, max;          /* INT, UINT, DURATION, SIZE; TEXT: bytes, lists: items (0: no most).
                                   Both 0: what fits */
    double real_min, real_max; /* DOUBLE; both 0: any */
    uint16_t port;             /* ADDRESS, HOST: port when none is written; 0: it must be */
    unsigned flags;
    const char *unit;              /* shown in the manual: "%", "°C", "messages" */
    const struct conf_name *names; /* ENUM; ends with {NULL} */
    const struct conf_row *rows;   /* SECTION, LIST, MAP */
    size_t item_size;              /* LIST, MAP */
    /* What no row can say: value is what is stored at offset (for a section its struct, complete).
     * Reports with conf_complain(). Called only when the value itself was right. */
    void (*check)(const void *value, struct conf_say *say);
    /* LIST, MAP: the same for each item; its keys are then those that conf_complain() may name. */
    void (*item_check)(const void *item, struct conf_say *say);
    const char *help; /* one line, no full stop needed */
};
#define CONF_AT(type_, field)   .offset = offsetof(type_, field), .size = sizeof(((type_ *)0)->field)
#define CONF_HAS(type_, field)  .has = offsetof(type_, field) + 1
#define CONF_ITEM(type_, rows_) .rows = (rows_), .item_size = sizeof(type_)

struct conf_list {
    void *items; /* count structs of item_size */
    size_t count;
};
#define CONF_ITEM_AT(list, type_, i) (&((const type_ *)(list).items)[i])
struct conf_texts {
    struct str *items;
    size_t count;
};
struct conf_pair {
    struct str key, value;
};
struct conf_pairs {
    struct conf_pair *items; /* in the order of the file */
    size_t count;
};
struct conf_host {
    struct str host; /* name or address without brackets, zero-terminated; {NULL, 0}: not given */
    uint16_t port;
};

struct conf_schema {
    const char *title; /* "wayside", for manual and schema */
    const struct conf_row *rows;
    size_t size;                                           /* of the root struct */
    void (*check)(const void *root, struct conf_say *say); /* may be NULL */
};

/* Caps on what is read; more than any sane file. */
#define CONF_FILE_MAX     (1u << 20)  /* bytes of one file */
#define CONF_DEPTH_MAX    16          /* nesting */
#define CONF_NODES_MAX    50000       /* keys, values and items of one file */
#define CONF_SECRET_MAX   (64u << 10) /* bytes of a KEY_file */
#define CONF_PROBLEMS_MAX 100

/* ---- what is wrong ---- */
struct conf_problem {
    bool warning;
    bool hidden;     /* its line may hold a secret */
    struct fault at; /* file, line, column, sentence */
    char *mend;      /* what to write; NULL: the sentence says it */
    char
        *line; /* the line of the file, without line feed; NULL: unknown, or it may hold a secret */
};
struct conf_report {
    struct conf_problem *items; /* in the order of the files and their lines */
    size_t count, cap;
    size_t errors; /* items that are no warnings, and those dropped beyond CONF_PROBLEMS_MAX */
    size_t dropped;
    const struct conf_row *rows; /* of the schema that is loaded: which lines hold a secret */
};
static inline struct conf_report conf_report_init(void)
{
    return (struct conf_report){ 0 };
}
void conf_report_fini(struct conf_report *r);
/* One more error, found by somebody else (in a file that a setting names, for instance). */
void conf_report_add(struct conf_report *r, const struct fault *f);
/* For a terminal: each problem with its line and a caret under the column. */
void conf_report_render(const struct conf_report *r, struct buf *out);
/* {"errors":n,"problems":[{file,line,column,text,mend,warning}]} */
void conf_report_json(const struct conf_report *r, struct buf *out);
/* The first error as a fault (with "… and 3 more"); f->code 0 when there is none. */
void conf_report_fault(const struct conf_report *r, struct fault *f);

/* For row.check: the value is wrong. key: a key of that section whose place is meant, or the way to one that
 * is deeper ("listeners[1].address"); NULL: the value itself. What is not given has the place of what it
 * would stand in. */
void conf_complain(struct conf_say *say, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The value itself is wrong and holds a secret: its line is not shown. */
void conf_complain_secret(struct conf_say *say, const char *text);
/* "FILE:LINE" of a key (as above, all of the way); false: it was not given. */
#define CONF_WHERE_SIZE 200
bool conf_where(const struct conf_say *say, const char *key, char out[CONF_WHERE_SIZE]);

/* ---- loading ---- */
struct conf_source;
/* Where a line of a text that was made comes from. */
struct conf_origin {
    const struct conf_source *source;
    unsigned line, column; /* line 0: from nowhere */
};
struct conf_source {
    const char *name; /* of the file, as shown; borrowed for the call */
    struct str text;
    const struct conf_origin *origins; /* NULL, or one for each line: problems are shown there */
    size_t origin_count;
};
/* Reads the text of a `KEY_file`. NULL where files may not be read: then KEY_file is refused. */
struct conf_reader {
    int (*read)(void *ctx, const char *path, struct buf *out, struct fault *f);
    void *ctx;
};

/* One loaded configuration; immutable, so any thread may read it. */
struct conf;

/* Reads the sources, later ones over earlier ones, and collects all that is wrong in *r (which the
 * caller has initialised; warnings may be there on success too). ERR_VALUE when there is an error;
 * then *out is untouched. An empty source is no error. */
MUST_USE int conf_load(const struct conf_schema *s, const struct conf_source *sources, size_t count,
                       const struct conf_reader *reader, struct conf **out, struct conf_report *r);
void conf_free(struct conf *c); /* NULL is legal */
/* The root struct; it and all it points to live until conf_free(). */
const void *conf_root(const struct conf *c);
const struct conf_schema *conf_schema_of(const struct conf *c);

/* ---- from the rows ---- */
enum conf_dump_flags {
    CONF_DUMP_PLAIN = 0,
    CONF_DUMP_HELP = 1,    /* the help of each key as a comment */
    CONF_DUMP_SECRETS = 2, /* secrets as they are (only for tests and for importing) */
    CONF_DUMP_CHANGED = 4, /* only what is not default */
};
/* The effective configuration as YAML that loads to the same (apart from secrets, written "***"):
 * what is not default is marked "# set"; sections that are off stand there as comments. */
void conf_dump(const struct conf *c, unsigned flags, struct buf *out);
/* JSON Schema, draft 2020-12. */
void conf_schema_json(const struct conf_schema *s, struct buf *out);
/* The manual in Markdown: a table per section. */
void conf_manual(const struct conf_schema *s, struct buf *out);

/* What differs: `changed` is called with each path ("mqtt.listeners[0].address") and whether a
 * reload brings it into effect. Both are of the same schema. Returns how many differ. */
size_t conf_diff(const struct conf *from, const struct conf *to,
                 void (*changed)(void *ctx, const char *path, bool reloads), void *ctx);

/* Calls with each text that is set and secret (CONF_SECRET). */
void conf_secrets(const struct conf *c, void (*secret)(struct str value));

/* ---- rows that others share ---- */
/* The rows of struct limits, from LIMITS_LIST. */
extern const struct conf_row conf_limits_rows[];

/* The name among `names` (count of them) nearest to `to`, for "did you mean"; NULL when none is
 * near. */
const char *conf_guess(struct str to, const char *const *names, size_t count);

#endif
