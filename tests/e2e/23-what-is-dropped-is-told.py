"""A quota that drops the oldest: what is lost is counted and told to the hub as a gap, to the record."""
from faults import Feeder, stored_numbers
from harness import main, until


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


main(globals())
