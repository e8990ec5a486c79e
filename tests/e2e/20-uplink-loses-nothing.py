"""The hub is killed for 20 s while an edge reads 100 readings a second from its socket, then the edge
is killed too; both start again: every acknowledged reading is in the store once, in order."""
import contextlib
import os
import sqlite3
import time

from faults import Feeder, arrived_numbers, check_all_there, check_numbers, stored_numbers
from harness import main, until

AWAY = float(os.environ.get("WAYSIDE_AWAY", "20"))
RATE = 100


def fails(check, *args):
    """What it says."""
    try:
        check(*args)
    except AssertionError as e:
        return str(e)
    return ""


def test_killed_hub_and_killed_edge_lose_nothing(box):
    hub = box.hub(name="hub")
    port = hub.keep_port()
    edge = box.edge(port)
    feeder = Feeder(box.dir / "edge.ingest", rate=RATE)
    feeder.start()
    until(lambda: len(stored_numbers(hub, feeder.stream)) > 50, "readings to flow")
    hub.kill()
    mark = time.monotonic()
    until(lambda: time.monotonic() - mark > AWAY, "the time away", AWAY + 5)
    edge.kill()
    edge.start()
    hub.start()
    until(lambda: feeder.acked and feeder.acked[-1] > AWAY * RATE * 0.8, "the feeder to go on", 30)
    feeder.end = True
    feeder.join()
    check_all_there(hub, [feeder], "after both were killed")


def test_the_check_itself_notices_what_is_wrong(box):
    assert fails(check_numbers, [0, 1, 2], 4, [0, 1, 2, 3], "right") == ""
    for got, word in (([0, 2], "lost"), ([0, 1, 1, 2], "twice"), ([0, 2, 1], "out of order"), ([0, 1, 2, 9], "invented")):
        assert word in fails(check_numbers, [0, 1, 2], 4, got, "wrong"), (got, word)


def test_the_check_notices_rows_that_came_in_another_order(box):
    """Two rows of a good database change places; the edge's numbers and times of them stay what they are."""
    hub = box.hub(name="hub")
    box.edge(hub.keep_port())
    feeder = Feeder(box.dir / "edge.ingest", rate=500)
    feeder.start()
    until(lambda: len(feeder.acked) > 50, "acknowledgements")
    feeder.end = True
    feeder.join()
    check_all_there(hub, [feeder], "as they came")
    hub.stop()
    with contextlib.closing(sqlite3.connect(hub.data() / "wayside.db")) as db, db:
        a, b = (i for i, in db.execute("SELECT id FROM records WHERE json_extract(payload, '$.n') IN (20, 30) ORDER BY id"))
        for old, new in ((a, -1), (b, a), (-1, b)):
            db.execute("UPDATE records SET id = ? WHERE id = ?", (new, old))
    hub.start()
    assert [arrived_numbers(hub, feeder.stream)[n] for n in (20, 30)] == [30, 20]
    assert "out of order" in fails(check_all_there, hub, [feeder], "two changed places")


main(globals())
