#ifndef TESTS_FUZZ_INGEST_CASE_H
#define TESTS_FUZZ_INGEST_CASE_H
/*
 * One way in as text: a first line that names it ("message TOPIC", "sensor", "data", "line"), then
 * the body. The unit test and the fuzzer read the same files.
 */
#include "ingest/ingest.h"

#include "base/buf.h"

#define CASE_ARRIVAL_NS 1700000000123456789

static inline int ingest_case(const struct topics *t, const struct limits *lim, struct str text,
                              struct arena *a, struct record *out, struct refusal *why)
{
    struct str body = text, way = str_cut(&body, '\n');
    struct ingest_line line = { 0 };
    int rc;

    if (str_starts(way, STR("message "))) {
        struct ingest_message m = { .topic = str_skip(way, 8),
                                    .payload = body,
                                    .client_id = STR("client-1"),
                                    .arrival_ns = CASE_ARRIVAL_NS };

        return ingest_message(t, lim, &m, a, out, NULL, why);
    }
    if (str_eq(way, STR("sensor")))
        return ingest_body(INGEST_SENSOR_DATA, lim, body, CASE_ARRIVAL_NS, a, out, why);
    if (str_eq(way, STR("data")))
        return ingest_body(INGEST_API_DATA, lim, body, CASE_ARRIVAL_NS, a, out, why);
    rc = ingest_line(lim, body, STR("node-1"), CASE_ARRIVAL_NS, a, &line, why);
    *out = line.record;
    return rc;
}

#endif
