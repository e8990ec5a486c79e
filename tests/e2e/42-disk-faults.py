"""The disk fails under a loaded edge, in every way that a disk can: what was acknowledged is there, what
could not be kept was refused, the node says why it is not ready, and goes on by itself."""
import time

from faults import ALLOCATE, EIO, ENOSPC, FOREVER, OPEN, RENAME, SYNC, WRITE, FaultyDisk, Feeder, check_all_there
from harness import main, until


def ready(node):
    status, _, body = node.request("GET", "/ready", service="health")
    return (status == 200, body.decode())


def loaded(box):
    """A hub, an edge on a disk that can fail, and two feeders."""
    hub = box.hub(name="hub")
    edge = box.edge(hub.port("mqtt"), start=False, extra="journal: {segment: 64KiB, quota: 4MiB, free_floor: 0}")
    disk = FaultyDisk(box, edge.dir / "data" / "journal")
    edge.env = disk.env
    edge.start()
    feeders = [Feeder(box.dir / "edge.ingest", i, rate=500) for i in range(2)]
    for f in feeders:
        f.start()
    until(lambda: all(len(f.acked) > 200 for f in feeders), "readings to be acknowledged")
    return hub, edge, disk, feeders


def goes_on(feeders, seconds=20):
    marks = [len(f.acked) for f in feeders]
    until(lambda: all(len(f.acked) > m + 200 for f, m in zip(feeders, marks)), "acknowledgements to go on", seconds)


def finish(hub, edge, disk, feeders, what):
    """As after a crash in the middle of it: killed, started again, and everything compared."""
    edge.kill()
    for f in feeders:
        f.end = True
        f.join()
    edge.start()
    check_all_there(hub, feeders, what)


def test_one_flush_fails(box):
    hub, edge, disk, feeders = loaded(box)
    disk.fail(SYNC, EIO, times=1)
    until(lambda: disk.get("failed") == 1, "the flush to fail")
    goes_on(feeders)
    assert sum(f.refused for f in feeders) == 0, "one failed flush is mended by a new segment"
    assert edge.metric("wayside_journal_flush_failures_total") >= 1
    finish(hub, edge, disk, feeders, "one failed flush")


def away(box, mask, error, words):
    hub, edge, disk, feeders = loaded(box)
    disk.fail(mask, error)
    until(lambda: all(f.refused > 0 for f in feeders), "readings to be refused")
    until(lambda: not ready(edge)[0], "the node to be not ready")
    assert "journal" in ready(edge)[1], ready(edge)[1]
    refused = [f.acked[-1] for f in feeders]
    mark = time.monotonic()
    until(lambda: time.monotonic() - mark > 2, "the fault to last", 5)
    assert [f.acked[-1] for f in feeders] == refused or mask == ALLOCATE, "acknowledged although the disk fails"
    disk.heal()
    goes_on(feeders)
    until(lambda: ready(edge)[0], "the node to be ready again")
    errors = set().union(*(f.errors for f in feeders))
    assert any(w in e for e in errors for w in words), errors
    finish(hub, edge, disk, feeders, f"calls {mask} failing with {error}")


def test_flushes_fail_for_2_seconds(box):
    away(box, SYNC, EIO, ["disk"])


def test_writes_fail_for_2_seconds(box):
    away(box, WRITE, EIO, ["disk"])


def test_the_disk_is_full_for_2_seconds(box):
    away(box, WRITE | ALLOCATE, ENOSPC, ["full", "disk"])


def test_everything_fails_for_2_seconds(box):
    away(box, SYNC | WRITE | ALLOCATE | RENAME | OPEN, EIO, ["disk"])


def test_ready_comes_back_with_nobody_handing_in(box):
    hub, edge, disk, feeders = loaded(box)
    disk.fail(SYNC, EIO)
    until(lambda: all(f.refused > 0 for f in feeders), "readings to be refused")
    for f in feeders:
        f.end = True
        f.join()
    until(lambda: not ready(edge)[0], "the node to be not ready")
    disk.heal()
    until(lambda: ready(edge)[0], "the node to be ready again")
    check_all_there(hub, feeders, "after a fault with nobody left")


def test_every_third_flush_fails(box):
    hub, edge, disk, feeders = loaded(box)
    for _ in range(20):
        failed = disk.get("failed")
        disk.fail(SYNC, EIO, times=1, skip=2)
        until(lambda: disk.get("failed") > failed, "a flush to fail")
    disk.heal()
    goes_on(feeders)
    finish(hub, edge, disk, feeders, "every third flush failing")


def test_short_writes_are_invisible(box):
    hub, edge, disk, feeders = loaded(box)
    disk.set(short_writes=1)
    goes_on(feeders)
    assert sum(f.refused for f in feeders) == 0
    finish(hub, edge, disk, feeders, "short writes")


main(globals())
