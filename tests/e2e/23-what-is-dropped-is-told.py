"""A quota that drops the oldest: what is lost is counted and told to the hub as a gap, to the record."""
import shutil

from faults import Feeder, stored_numbers
from harness import LineSocket, main, until


def test_gaps_account_for_exactly_what_is_missing(box):
    hub = box.hub(name="hub")
    edge = box.edge(hub.keep_port(), extra="journal: {segment: 64KiB, quota: 1MiB, free_floor: 0, drop_oldest: [reading]}")
    feeder = Feeder(box.dir / "edge.ingest", rate=2000)
    feeder.start()
    until(lambda: len(feeder.acked) > 1500, "readings", 30)
    acked = edge.get_status()["uplink"]["acked"]
    hub.kill()
    mark = len(feeder.acked)
    until(lambda: len(feeder.acked) > mark + 9000, "more readings than the quota holds", 60)
    feeder.end = True
    feeder.join()
    assert feeder.refused == 0
    hub.start()
    until(lambda: edge.get_status()["uplink"]["backlog"] == 0, "the rest to arrive", 30)
    last = feeder.acked[-1]
    until(lambda: last in stored_numbers(hub, feeder.stream), "the rest to be stored", 30)
    missing = sorted(set(feeder.acked) - set(stored_numbers(hub, feeder.stream)))
    assert missing, "nothing was dropped"
    gaps = hub.get("/api/v1/gaps?device=edge")["items"]
    told, dropped = sum(g["last"] - g["first"] + 1 for g in gaps), edge.get_status()["journal"]["dropped"]
    assert told == len(missing), (told, len(missing), missing[0], missing[-1], gaps)
    # When the hub was killed the edge had not heard yet of the last ones that it had taken.
    assert 0 <= dropped - len(missing) <= missing[0] - acked, (dropped, len(missing), missing[0], acked)
    assert [g["reason"] for g in gaps] == ["dropped"]
    assert missing == list(range(missing[0], missing[-1] + 1))
    assert edge.metric("wayside_journal_dropped_total") == dropped


DROPS = "journal: {segment: 64KiB, quota: 1MiB, free_floor: 0, drop_oldest: [reading]}"


def start(edge):
    """Its hub is away, so it does not become ready."""
    edge.start(ready=False)
    until(lambda: edge.logged(msg="listening", service="socket"), "the edge")


def hand_in(box, name, numbers, stream="a"):
    s = LineSocket(box.dir / f"{name}.ingest")
    for at in range(0, len(numbers), 100):
        for n in numbers[at:at + 100]:
            s.send({"stream": stream, "value": {"n": n, "f": "x" * 120}})
        for _ in numbers[at:at + 100]:
            assert "ack" in s.answer()
    s.close()


def told(hub):
    return sum(g["last"] - g["first"] + 1 for g in hub.get("/api/v1/gaps?limit=1000")["items"])


def test_the_second_life_of_a_restored_image_has_gaps_of_its_own(box):
    hub = box.hub(name="hub")
    edge = box.edge(hub.keep_port(), extra=DROPS)
    hand_in(box, "edge", range(10))
    until(lambda: len(stored_numbers(hub, "a", "edge")) == 10, "the first readings")
    edge.stop()
    shutil.copytree(box.dir / "edge" / "data", box.dir / "image")
    hub.stop()
    start(edge)
    hand_in(box, "edge", range(100, 9100))
    hub.start()
    until(lambda: 9099 in stored_numbers(hub, "a", "edge"), "the first life")
    first = told(hub)
    assert first == 9010 - len(stored_numbers(hub, "a", "edge")) > 0
    edge.stop()
    shutil.rmtree(box.dir / "edge" / "data")
    shutil.copytree(box.dir / "image", box.dir / "edge" / "data")
    hub.stop()
    start(edge)
    hand_in(box, "edge", range(10000, 17000))
    hub.start()
    until(lambda: 16999 in stored_numbers(hub, "a", "edge"), "the second life")
    missing = 7000 - sum(n >= 10000 for n in stored_numbers(hub, "a", "edge"))
    assert missing > 0 and told(hub) - first == missing, (missing, told(hub), first)


def test_two_copies_that_both_drop_are_both_told(box):
    hub = box.hub(name="hub")
    port = hub.keep_port()
    a = box.edge(port, name="a", extra=DROPS)
    hand_in(box, "a", range(10))
    until(lambda: len(stored_numbers(hub, "a", "a")) == 10, "the first readings")
    a.stop()
    b = box.edge(port, name="b", extra=DROPS, start=False)
    shutil.copytree(box.dir / "a" / "data", box.dir / "b" / "data")
    hub.stop()
    for node, count in ((a, 9000), (b, 7500)):
        start(node)
        hand_in(box, node.name, range(count), stream="s")
    hub.start()
    until(lambda: 8999 in stored_numbers(hub, "s", "a") and 7499 in stored_numbers(hub, "s", "b"), "both")
    missing = 9000 - len(stored_numbers(hub, "s", "a")) + 7500 - len(stored_numbers(hub, "s", "b"))
    assert told(hub) == missing > 0, (told(hub), missing)


main(globals())
