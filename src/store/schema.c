/*
 * What the database looks like, for store_sqlite_io.c, which runs the steps, and for whoever wants
 * to read the file with other tools.
 *
 * Names of devices, streams, origins and content types stand once in a table of their own; a row of
 * records holds small numbers, so that the payload is most of it. A payload that is JSON is stored
 * as text, anything else as a blob. Times are UTC ns since 1970.
 *
 * The three indexes of records are the three ways of asking: newest first of a stream, of a device,
 * of everything (the last is also the one by which old rows will be dropped). Each entry ends with
 * the row's id, so equal times keep the order of arrival.
 *
 * origins.last_seq is the cursor of exactly-once; sinks.position is ours in the hub's journal.
 */
#include "store/schema.h"

#include "base/mem.h"

static const char step_1[] = "CREATE TABLE devices ("
                             " id INTEGER PRIMARY KEY,"
                             " name TEXT NOT NULL UNIQUE,"
                             " title TEXT,"
                             " location TEXT,"
                             " first_seen_ns INTEGER NOT NULL,"
                             " last_seen_ns INTEGER NOT NULL,"
                             " last_wall_ns INTEGER NOT NULL"
                             ") STRICT;"
                             "CREATE TABLE streams ("
                             " id INTEGER PRIMARY KEY,"
                             " device_id INTEGER NOT NULL REFERENCES devices (id),"
                             " name TEXT NOT NULL,"
                             " kind INTEGER NOT NULL,"
                             " fields TEXT NOT NULL DEFAULT '[]',"
                             " count INTEGER NOT NULL DEFAULT 0,"
                             " last_wall_ns INTEGER NOT NULL DEFAULT 0,"
                             " last_id INTEGER,"
                             " UNIQUE (device_id, name, kind)"
                             ") STRICT;"
                             "CREATE TABLE origins ("
                             " id INTEGER PRIMARY KEY,"
                             " uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),"
                             " last_seq INTEGER NOT NULL"
                             ") STRICT;"
                             "CREATE TABLE contents ("
                             " id INTEGER PRIMARY KEY,"
                             " name TEXT NOT NULL UNIQUE"
                             ") STRICT;"
                             "CREATE TABLE sinks ("
                             " journal BLOB PRIMARY KEY CHECK (length(journal) = 16),"
                             " position INTEGER NOT NULL"
                             ") WITHOUT ROWID, STRICT;"
                             "CREATE TABLE gaps ("
                             " id INTEGER PRIMARY KEY,"
                             " origin_id INTEGER NOT NULL REFERENCES origins (id),"
                             " first_seq INTEGER NOT NULL,"
                             " last_seq INTEGER NOT NULL,"
                             " wall_ns INTEGER NOT NULL,"
                             " received_ns INTEGER NOT NULL,"
                             " reason TEXT NOT NULL"
                             ") STRICT;"
                             "CREATE TABLE records ("
                             " id INTEGER PRIMARY KEY,"
                             " stream_id INTEGER NOT NULL REFERENCES streams (id),"
                             " device_id INTEGER NOT NULL,"
                             " wall_ns INTEGER NOT NULL,"
                             " received_ns INTEGER NOT NULL,"
                             " origin_id INTEGER NOT NULL,"
                             " origin_seq INTEGER NOT NULL,"
                             " local_seq INTEGER,"  /* NULL: the same as origin_seq */
                             " content_id INTEGER," /* NULL: JSON */
                             " payload ANY NOT NULL"
                             ") STRICT;"
                             "CREATE INDEX records_stream ON records (stream_id, wall_ns);"
                             "CREATE INDEX records_device ON records (device_id, wall_ns);"
                             "CREATE INDEX records_wall ON records (wall_ns);";

static const struct schema_step steps[] = {
    { 1, step_1 },
};

const struct schema_step *schema_steps(size_t *count)
{
    *count = COUNT_OF(steps);
    return steps;
}

unsigned schema_version(void)
{
    return steps[COUNT_OF(steps) - 1].version;
}
