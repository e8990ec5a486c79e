#ifndef INGEST_INGEST_H
#define INGEST_INGEST_H
/*
 * Records out of what arrives: an MQTT message, a REST body, a line of the local socket. Pure: the
 * arrival time comes in as an argument. The same on edge, hub and API.
 *
 * What is a payload. A JSON object or scalar is stored exactly as sent, unknown members included
 * (record.content_type stays empty: JSON). Arrays, text that is no JSON, duplicate keys, NaN, deep
 * nesting and numbers beyond a double are refused, since two readers could take them in two ways.
 * One exception: an MQTT 5 message on one of wayside's own topics whose sender declares a content
 * type other than application/json is stored as its bytes with that type. On topics of older
 * systems only objects are taken. A command's result, whose id stands only in its topic, is stored
 * as {"id":ID,"result":<as sent>}. A message with an empty payload (which clears a retained topic)
 * is no record.
 *
 * Numbers that a rule names must be JSON numbers: true, "21.5" and null are refused.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "ingest/topics.h"

/* Why something was refused; a person can read it, an older REST client can parse it. */
struct refusal {
    int code;         /* ERR_SYNTAX, ERR_VALUE, ERR_LIMIT */
    char field[80];   /* "temperature"; "" when the body as a whole is meant */
    const char *type; /* as pydantic names it: "value_error.number.not_le"; constant */
    char text[240];   /* a sentence that says what is wrong and what to send instead */
    bool has_limit;   /* limit: the bound that was passed (pydantic's ctx.limit_value) */
    double limit;
};

/* The MQTT 5 user property (name; its value is "1") on what the hub publishes again on a record's
 * own topic: a message that carries it is never ingested. */
#define INGEST_MARK "wayside-record"

struct ingest_message {
    struct str topic, payload;
    struct str client_id;
    struct str content_type; /* of MQTT 5; empty when there is none */
    int64_t arrival_ns;      /* wall clock, UTC ns */
};

/* A record out of an MQTT message. Its strings are views into the message, the table, or the
 * arena. 0; ERR_UNKNOWN when no row matches or the payload is empty (nothing to ingest, not a
 * failure); otherwise refused, and *why says why. *out_canonical (may be NULL): the message is
 * already on the record's own topic. */
MUST_USE int ingest_message(const struct topics *t, const struct limits *lim,
                            const struct ingest_message *m, struct arena *a, struct record *out,
                            bool *out_canonical, struct refusal *why);

/* The REST routes that make records. */
enum ingest_route {
    INGEST_SENSOR_DATA, /* POST /sensor-data: device_id, temperature, humidity, timestamp; all
                         * required; stream "env" */
    INGEST_API_DATA,    /* POST /api/v1/data: any JSON object; device_id or "api"; stream "data";
                         * its timestamp when it is one by RFC 3339, else arrival */
};
MUST_USE int ingest_body(enum ingest_route route, const struct limits *lim, struct str body,
                         int64_t arrival_ns, struct arena *a, struct record *out,
                         struct refusal *why);

/*
 * One line of the local socket, without its line feed: a JSON object in one of three shapes.
 *   1. {"stream": S, "value": V, …}   the payload is V exactly as written (object or scalar)
 *   2. {"stream": S, …}               the payload is the whole object
 *   3. {"device_id": D, …} without "stream": as on the topic sensor/data; the payload is the whole
 *      object
 * Beside them, in 1 and 2: "device" (absent: default_device), "kind" ("reading" when absent),
 * "timestamp" (RFC 3339; absent: arrival). In all: "id", text of 1..128 bytes or a whole number,
 * which the answer to this line repeats, and by which the store drops what is sent twice within 10
 * minutes (record.id is its hash). In shape 1 other members are refused: they would be lost.
 */
struct ingest_line {
    struct record record;
    struct str id; /* as JSON (with its quotes), a view into the line or the arena; {NULL, 0} when
                    * there is none. Also set when the line was refused, if it could be read. */
};
MUST_USE int ingest_line(const struct limits *lim, struct str line, struct str default_device,
                         int64_t arrival_ns, struct arena *a, struct ingest_line *out,
                         struct refusal *why);

/* The topic on which a record is published live: wayside/{device}/reading/{stream} and so on. A
 * result's id is the "id" of its payload. Appends to *out; ERR_VALUE for a result without id. */
MUST_USE int ingest_topic(const struct record *r, struct buf *out);

/* How much arena one call may take for a payload of n bytes at most. */
size_t ingest_arena_bytes(const struct limits *lim);

#endif
