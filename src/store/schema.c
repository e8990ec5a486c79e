/*
 * What the database looks like, for sqlite_io.c, which runs the steps, and for whoever wants
 * to read the file with other tools.
 *
 * Names of devices, streams, origins and content types stand once in a table of their own; a row of
 * records holds small numbers, so that the payload is most of it. A payload that is JSON is stored
 * as text, anything else as a blob. Times are UTC ns since 1970.
 *
 * The two indexes of records are the two ways of asking: newest first of a stream and of everything
 * (the last is also the one by which old rows will be dropped). Each entry ends with the row's id, so
 * equal times keep the order of arrival.
 *
 * origins.last_seq is the cursor of exactly-once, one for each (journal, epoch); a mark has the epoch
 * of the batch that it stands for. A journal's high_seq is the highest over its epochs but 0. sinks.position is ours in the hub's
 * journal. ids are those that senders gave, for as long as they may come again. Numbers above 2^63
 * are kept as the negative ones of the same bits. Nobody writes or reads streams.last_id any more; it
 * stays, since a step that drops it would lock out the program before it for nothing.
 *
 * Version 1 knew no epochs; its cursors become those of epoch 0. No journal of its time is read any
 * more, so nothing that it stored can come again.
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

static const char step_2[] =
    "CREATE TABLE journals ("
    " id INTEGER PRIMARY KEY,"
    " uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),"
    " high_seq INTEGER NOT NULL DEFAULT 0,"
    " gaps INTEGER NOT NULL DEFAULT 0,"
    " lost INTEGER NOT NULL DEFAULT 0,"
    " forks INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "INSERT INTO journals (id, uuid, high_seq, gaps, lost)"
    " SELECT id, uuid, last_seq,"
    " (SELECT count(*) FROM gaps g WHERE g.origin_id = o.id),"
    " (SELECT CAST(total(g.last_seq - g.first_seq + 1) AS INTEGER) FROM gaps g"
    "  WHERE g.origin_id = o.id)"
    " FROM origins o;"
    "CREATE TABLE origins_2 ("
    " id INTEGER PRIMARY KEY,"
    " journal_id INTEGER NOT NULL REFERENCES journals (id),"
    " epoch INTEGER NOT NULL,"
    " last_seq INTEGER NOT NULL,"
    " UNIQUE (journal_id, epoch)"
    ") STRICT;"
    "INSERT INTO origins_2 (id, journal_id, epoch, last_seq) SELECT id, id, 0, last_seq"
    " FROM origins;"
    "DROP TABLE origins;"
    "ALTER TABLE origins_2 RENAME TO origins;"
    "ALTER TABLE records ADD COLUMN sent_ns INTEGER;" /* NULL: wall_ns was not corrected */
    "ALTER TABLE devices ADD COLUMN journal_id INTEGER REFERENCES journals (id);"
    "UPDATE devices SET journal_id = (SELECT o.journal_id FROM records r"
    " JOIN origins o ON o.id = r.origin_id WHERE r.device_id = devices.id"
    " ORDER BY r.wall_ns DESC LIMIT 1);"
    "CREATE TABLE forks ("
    " id INTEGER PRIMARY KEY,"
    " journal_id INTEGER NOT NULL REFERENCES journals (id),"
    " epoch INTEGER NOT NULL,"
    " first_seq INTEGER NOT NULL,"
    " other_seq INTEGER NOT NULL,"
    " noticed_ns INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE ids ("
    " stream_id INTEGER NOT NULL,"
    " id BLOB NOT NULL,"
    " wall_ns INTEGER NOT NULL,"
    " seen_ns INTEGER NOT NULL,"
    " PRIMARY KEY (stream_id, id)"
    ") WITHOUT ROWID, STRICT;"
    "CREATE INDEX ids_seen ON ids (seen_ns);"
    "CREATE INDEX gaps_origin ON gaps (origin_id);";

/* sink: the hub's journal through which the cursor got where it is. */
static const char step_3[] = "ALTER TABLE origins ADD COLUMN sink BLOB;"
                             "UPDATE origins SET sink = (SELECT journal FROM sinks LIMIT 1)"
                             " WHERE (SELECT count(*) FROM sinks) = 1;"
                             "DROP INDEX gaps_origin;"
                             "CREATE INDEX gaps_origin ON gaps (origin_id, last_seq);";

/* A quarter of what a row cost to write. A device's rows are found by its streams. */
static const char step_4[] = "DROP INDEX records_device;";

static const struct schema_step steps[] = {
    { 1, step_1 },
    { 2, step_2 },
    { 3, step_3 },
    { 4, step_4 },
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
