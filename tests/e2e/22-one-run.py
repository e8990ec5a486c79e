"""One run through everything at once: 500 readings a second from the local socket; the hub is killed for
20 s and the edge for 2 s meanwhile; then the link loses every packet for 10 s. Nothing is lost, nothing
comes twice, nothing out of order, in SQLite and in PostgreSQL."""
import os
import time

from faults import Feeder, check_all_there, newest_number, stored_numbers
from harness import SLOW, Link, Postgres, main, until

AWAY = float(os.environ.get("WAYSIDE_AWAY", "20"))
HOLE = AWAY / 2
RATE = 500


def lasts(seconds):
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end, "the time to pass", seconds + 10)


def first_after(hub, feeder, mark, what, seconds):
    """How long until something that was handed in after mark is in the store."""
    start = time.monotonic()
    until(lambda: newest_number(hub, feeder.stream) >= mark, what, 30)
    took = time.monotonic() - start
    print(f"    {what}: {took:.2f} s")
    assert took <= seconds * SLOW, f"{what} took {took:.1f} s"


def one_run(box, store=""):
    link = Link(box)
    hub = box.hub(name="hub", start=False, extra=store, mqtt=f"""    - {{address: "{link.addresses[0]}:1883", anonymous: allow}}""")
    hub.netns = link.names[0]
    edge = box.edge(1883, start=False)
    edge.config.write_text(edge.config.read_text().replace("127.0.0.1:1883", f"{link.addresses[0]}:1883", 1))
    edge.netns = link.names[1]
    hub.start()
    edge.start()
    feeder = Feeder(box.dir / "edge.ingest", rate=RATE)
    feeder.start()
    until(lambda: len(stored_numbers(hub, feeder.stream)) > RATE, "readings to flow")

    killed = feeder.sent
    hub.kill()
    lasts(AWAY / 2)
    edge.kill()
    lasts(2)
    edge.start()
    lasts(AWAY / 2 - 2)
    before = feeder.acked[-1]
    hub.start()
    first_after(hub, feeder, killed, "the first reading after the hub's return", 2)
    until(lambda: newest_number(hub, feeder.stream) > before, "the backlog to drain", 30)

    link.cut()
    mark = feeder.sent
    lasts(HOLE)
    assert newest_number(hub, feeder.stream) <= mark, "the link was not cut"
    link.mend()
    first_after(hub, feeder, mark + 1, "the first reading after the black hole", 4)
    feeder.end = True
    feeder.join()
    assert feeder.acked[-1] > RATE * (AWAY + HOLE) * 0.7, "the feeder did not keep its rate"
    assert feeder.refused == 0, f"{feeder.refused} readings were refused: {feeder.errors}"
    check_all_there(hub, [feeder], "one run")
    print(f"    {len(feeder.acked)} acknowledged, all there once and in order")


def test_one_run_into_sqlite(box):
    one_run(box)


def test_one_run_into_postgresql(box):
    server = Postgres(box)
    one_run(box, f'store: {{postgres: "{server.conninfo}"}}')
    rows, numbers = server.psql("SELECT count(*), count(DISTINCT value->>'n') FROM wayside.readings WHERE device = 'edge'").split("|")
    assert rows == numbers and int(rows) > RATE * AWAY, (rows, numbers)


main(globals())
