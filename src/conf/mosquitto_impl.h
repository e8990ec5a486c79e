#ifndef CONF_MOSQUITTO_IMPL_H
#define CONF_MOSQUITTO_IMPL_H
/* The parts of mosquitto.h: the table of directives, the lines, the settings. Inside conf/ only. */
#include "conf/mosquitto.h"
#include "conf/report.h"

/* Whom a directive is about. */
enum mosquitto_scope {
    SCOPE_GLOBAL,
    SCOPE_SECURITY, /* the listener above it with per_listener_settings, else all */
    SCOPE_LISTENER, /* the listener above it, else the default one */
    SCOPE_BRIDGE,   /* the connection above it */
    SCOPE_PLUGIN,   /* the plugin above it */
};
enum mosquitto_kind {
    KIND_WORD, /* the first word */
    KIND_TEXT, /* the rest of the line, blanks and all */
    KIND_PATH, /* a TEXT that names a file */
    KIND_BOOL,
    KIND_NUMBER,
};
enum mosquitto_way {
    WAY_OWN,    /* mosquitto_settings.c or mosquitto_listeners.c has a function for it */
    WAY_SET,    /* the setting `to` gets the value */
    WAY_IGNORE, /* makes no difference; `say` tells why */
    WAY_WARN,   /* is not kept, which is harmless */
    WAY_REFUSE, /* is not kept, and the hub does not start */
    WAY_PART,   /* a part of the bridge or plugin above it */
};
enum mosquitto_flags {
    ROW_MANY = 1,   /* may be given more than once */
    ROW_STARTS = 2, /* above all listeners it starts the default one, as in mosquitto */
    ROW_SECRET = 4, /* the value is never shown */
    ROW_SOFT = 8,   /* SET: without its setting only a warning */
    ROW_MOST = 16, /* SET: `none` stands for the most that the setting takes; else nothing is set */
    ROW_PREFIX = 32, /* the name is only the beginning */
};
enum mosquitto_id {
    ID_NONE,
    ID_ACL_FILE,
    ID_ALLOW_ANONYMOUS,
    ID_BIND_ADDRESS,
    ID_CAFILE,
    ID_CAPATH,
    ID_CERTFILE,
    ID_CONNECTION,
    ID_CRLFILE,
    ID_EXPIRATION,
    ID_INCLUDE_DIR,
    ID_KEYFILE,
    ID_LISTENER,
    ID_LOG_DEST,
    ID_LOG_TYPE,
    ID_MAX_PACKET_SIZE,
    ID_MESSAGE_SIZE_LIMIT,
    ID_MOUNT_POINT,
    ID_PASSWORD_FILE,
    ID_PER_LISTENER,
    ID_PLUGIN,
    ID_PORT,
    ID_PROTOCOL,
    ID_REQUIRE_CERTIFICATE,
    ID_SOCKET_DOMAIN,
    ID_TLS_VERSION,
    ID_USE_IDENTITY,
    ID_USE_SUBJECT,
    ID_COUNT,
};

struct mosquitto_row {
    const char *name; /* NULL ends the table */
    enum mosquitto_scope scope;
    enum mosquitto_kind kind;
    enum mosquitto_way way;
    enum mosquitto_id id; /* OWN */
    unsigned flags;
    int64_t least, most; /* NUMBER, as mosquitto has it; both 0: any */
    const char *none;    /* NUMBER: stands for "no limit" */
    const char *only; /* BOOL: only this value is refused; the other one is as it is here anyway */
    const char *to;   /* the setting: "limits.NAME", "mqtt.KEY", "mqtt.listeners[].KEY" */
    const char *within; /* NUMBER: the limit for all listeners, which is raised if need be */
    const char *say;    /* why; or with SET and OWN, what differs */
    const char *mend;   /* what to write instead */
};
extern const struct mosquitto_row mosquitto_rows[];
/* NULL: mosquitto has no such directive. */
const struct mosquitto_row *mosquitto_row(struct str name);
/* The name that was meant, or NULL. */
const char *mosquitto_guess(struct str name);

enum mosquitto_fate { FATE_UNDERSTOOD, FATE_IGNORED, FATE_REFUSED, FATE_FATAL, FATE_MISTAKE };

struct mosquitto_listener;
struct mosquitto_line {
    struct mosquitto_line *next;
    const struct mosquitto_row *row; /* NULL: unknown */
    struct yaml_place at, value_at;
    struct str name, value; /* as written; a value of one word without what follows it */
    struct mosquitto_listener *listener;
    struct mosquitto_line *whole; /* the connection that it is a part of */
    int64_t number;
    bool on; /* BOOL */
    enum mosquitto_fate fate;
    bool done, silent; /* decided; not explained by itself, since it is a part of something */
    struct str say;
};
struct mosquitto_listener {
    struct mosquitto_listener *next;
    struct mosquitto_line *line; /* `listener`; NULL: the default one */
    struct mosquitto_line *has[ID_COUNT];
    struct mosquitto_line *started; /* the default one: the line that started it */
    struct str addresses[2];        /* as YAML, for each a listener of ours */
    size_t address_count;
};

enum mosquitto_section {
    SECTION_ROOT,
    SECTION_LOG,
    SECTION_LIMITS,
    SECTION_MQTT,
    SECTION_LISTENER
};
struct mosquitto_setting {
    struct mosquitto_setting *next;
    enum mosquitto_section section;
    const struct mosquitto_listener *listener; /* SECTION_LISTENER; NULL: all of them */
    struct str key, value;                     /* value: YAML */
    const struct mosquitto_line *line; /* NULL: no line says so, it is mosquitto's default */
};

/* A connection, as one of mqtt.bridges. */
struct mosquitto_bridge {
    struct mosquitto_bridge *next;
    struct mosquitto_line *line;
    struct mosquitto_setting *settings, *topics;
    bool tls, silent, local_only;
};

struct mosquitto {
    struct arena arena;
    const struct conf_schema *schema;
    const struct mosquitto_world *world; /* during mosquitto_new() only */
    struct conf_report *report;          /* the same */
    const struct conf_source *main;
    struct mosquitto_line *lines, **lines_end;
    size_t line_count, file_count;
    struct mosquitto_listener standard, *listeners, **listeners_end;
    struct mosquitto_line *has[ID_COUNT]; /* what is about all */
    struct mosquitto_line *security;      /* the first of that scope */
    struct mosquitto_line *explicit;      /* the first of listener, port, bind_address */
    bool per_listener;
    struct mosquitto_setting *settings, **settings_end;
    struct mosquitto_bridge *bridges, **bridges_end;
    struct buf yaml, notes;
    struct conf_origin *origins;
    size_t origin_count, origin_cap;
    struct conf_source translated;
};

/* ---- mosquitto_read.c: lines, each with its row, its place and its listener ---- */
void mosquitto_read(struct mosquitto *m, const struct conf_source *file);
/* The line cannot be as it is: an error at the value (or the name). */
void mosquitto_mistake(struct mosquitto *m, struct mosquitto_line *l, const char *mend,
                       const char *fmt, ...) PRINTF_LIKE(4, 5);

/* ---- mosquitto_settings.c: what a line becomes ---- */
/* Decides all lines. */
void mosquitto_decide(struct mosquitto *m);
void mosquitto_fate(struct mosquitto *m, struct mosquitto_line *l, enum mosquitto_fate fate,
                    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* FATE_FATAL with an error; mend may be NULL. */
void mosquitto_refuse(struct mosquitto *m, struct mosquitto_line *l, const char *mend,
                      const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The schema's row of "mqtt.listeners[].qos_max"; NULL: there is none. */
const struct conf_row *mosquitto_target(const struct mosquitto *m, const char *path);
/* Sets `path` (of the listener; NULL: of all) to value, which is YAML. line may be NULL. */
void mosquitto_set(struct mosquitto *m, const struct mosquitto_listener *of, const char *path,
                   struct str value, struct mosquitto_line *line);
/* As mosquitto_set() with the line's own value, when the schema has the setting and takes the value;
 * else the line is refused. Says so in the line. */
void mosquitto_set_line(struct mosquitto *m, struct mosquitto_line *l);
/* In the arena. */
struct str mosquitto_quoted(struct mosquitto *m, struct str text);
/* Absolute. */
struct str mosquitto_path(struct mosquitto *m, struct str path);
/* Whether the file of the line can be read; if not, that is an error. */
bool mosquitto_readable(struct mosquitto *m, struct mosquitto_line *l);

/* ---- mosquitto_listeners.c: listeners and who may use them ---- */
void mosquitto_decide_listeners(struct mosquitto *m);

/* ---- mosquitto_bridges.c: connections ---- */
/* Whether the schema has bridges; without them a connection is refused as a whole. */
bool mosquitto_has_bridges(const struct mosquitto *m);
void mosquitto_decide_bridges(struct mosquitto *m);

#endif
