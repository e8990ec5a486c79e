#ifndef INGEST_TOPICS_H
#define INGEST_TOPICS_H
/*
 * The topic table: which MQTT topics become records, and of what. A row names a topic filter and
 * says where the device, the stream and the time come from and which fields must hold what. The
 * same table serves edge, hub and API (the older REST routes are rows too). Immutable after it was
 * made, so it may be used from any thread.
 */
#include "journal/record.h"

/* Where the device's name comes from. */
enum topic_device {
    TOPIC_DEVICE_LEVEL,  /* a named level of the filter: device = "id" for `cameras/{id}/health` */
    TOPIC_DEVICE_FIELD,  /* a member of the payload's object: device = "device_id" */
    TOPIC_DEVICE_FIXED,  /* always `device` */
    TOPIC_DEVICE_CLIENT, /* the MQTT client id */
};

/* Where the record's time comes from. A time is text by RFC 3339, with its offset. */
enum topic_time {
    TOPIC_TIME_OPTIONAL, /* the field; arrival when it is absent; refused when it is no time */
    TOPIC_TIME_REQUIRED, /* the field; refused when absent */
    TOPIC_TIME_LENIENT,  /* the field when it is a time, else arrival (devices nobody can mend) */
    TOPIC_TIME_ARRIVAL,  /* always arrival */
};

/* A rule for one member of the payload's object. A member with a range must be a JSON number. */
struct topic_field {
    struct str name;
    bool required;
    bool has_min, has_max;
    double min, max; /* inclusive */
};

#define TOPIC_LEVELS_MAX 16 /* levels of a filter in the table */
#define TOPIC_ROWS_MAX   256
#define TOPIC_FIELDS_MAX 32 /* rules of one row */

/* A row as it is written by a person. Strings are copied when the table is made. */
struct topic_row {
    /* Levels are text, `+`, or a name in braces: `lprserver/cameras/{id}/detection`. No '#'. */
    struct str topic;
    enum record_kind kind;
    enum topic_device device_from;
    struct str
        device; /* the level's name, the field, or the fixed device; empty for the client id */
    struct str stream; /* a stream name, or `{name}` of a level */
    enum topic_time time_from;
    struct str time_field; /* empty: "timestamp" */
    const struct topic_field *fields;
    size_t field_count;
    /* The message already is on wayside's own topic of its record: it need not be published there
     * again, and any JSON but an array is a payload. Rows without it take JSON objects only. */
    bool canonical;
};

struct topics;

/* The rows in order; the first that matches a topic decides. Rows given come before the built-in
 * ones when TOPICS_DEFAULTS is set. On a mistake NULL, and *f says which row (f->line counts rows
 * from 1) and what to write instead. */
enum topics_flags { TOPICS_PLAIN = 0, TOPICS_DEFAULTS = 1 };
struct topics *topics_new(const struct topic_row *rows, size_t count, enum topics_flags flags,
                          struct fault *f);
void topics_free(struct topics *t);

/* The built-in rows (decided defaults: wayside/…, sensor/data, device/status, sensors/metrics,
 * lprserver/cameras/…), for `config show` and the manual. */
const struct topic_row *topics_defaults(size_t *count);
/* The built-in row of sensor/data, whose shape REST and the local socket take as well. */
const struct topic_row *topics_sensor_data(void);

/* What a topic's match gives: the row and the values of its named levels, as views into `topic`. */
struct topic_match {
    const struct topic_row *row;
    struct str device; /* when the row takes it from a level; else {NULL, 0} */
    struct str stream; /* of the level, or the row's own */
    struct str id;     /* the level named {id} that is neither of the two; else {NULL, 0} */
};

/* True and *out when a row matches. The first level decides in one hash lookup for topics that
 * match none. `+` and `{name}` match one level that is not empty. */
bool topics_match(const struct topics *t, struct str topic, struct topic_match *out);

/* Whether a publisher that is `device` may be heard on this topic: the row takes the device from a
 * level that says `device`, from the client, or from the payload (whose field the caller must then
 * compare with the record that comes out). False when no row matches or the device is fixed. */
bool topics_derives(const struct topics *t, struct str topic, struct str device);

#endif
