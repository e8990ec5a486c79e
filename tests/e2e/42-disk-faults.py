"""The disk fails under a loaded edge, in every way that a disk can: what was acknowledged is there, what
could not be kept was refused, the node says why it is not ready, and goes on by itself."""
import os
import subprocess
import time

from faults import ALLOCATE, EIO, ENOSPC, FOREVER, OPEN, RENAME, SYNC, WRITE, FaultyDisk, Feeder, check_all_there
from harness import Skip, main, until
from mqtt_raw import Client


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


class SmallDisk:
    """A file system of this size on a folder of the box."""

    def __init__(self, box, folder, size):
        if os.geteuid() != 0:
            raise Skip("mounting a small disk needs root")
        folder.mkdir(parents=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], stderr=subprocess.DEVNULL).returncode:
            raise Skip("no file system can be mounted here")
        self.folder = folder
        box.servers.append(self)

    def close(self):
        subprocess.run(["umount", self.folder], check=True)


def lasting(hub, name):
    return Client(hub, 5, name, clean=False, props={"session_expiry": 3600})


def fill(pub, first):
    """Publishes what waits for somebody who is away until that is refused and refused; the numbers that were taken."""
    taken, refused, n = [], 0, first
    while refused < 20:
        code = pub.publish("q/x", b"%07d" % n + bytes(8000), 1)
        assert code in (0, 0x97), f"refused with {code:#x}"
        if code == 0:
            taken.append(n)
        refused += code != 0
        n += 1
    return taken


def take(hub, count):
    """As many as wait, acknowledged."""
    keep = lasting(hub, "keep")
    found = [int(keep.message("q/x").payload[:7]) for _ in range(count)]
    keep.ping()
    keep.close()
    return found


def full_and_empty_again(box, size, journal, kill):
    SmallDisk(box, box.dir / "hub" / "data", size)
    hub = box.hub(extra=f"{journal}\nlimits: {{mqtt_queue_max: 1GiB}}")
    log = hub.data() / "mqtt"
    used = lambda: sum(f.stat().st_size for f in log.glob("*.seg"))
    keep = lasting(hub, "keep")
    keep.subscribe(("q/#", 1))
    keep.close()
    taken = fill(Client(hub, 5, "pub"), 0)
    assert len(taken) > 200, len(taken)
    # A round may find that less is alive than was thought, and let in a little more.
    until(lambda: "the disk has no space for the broker's log" in ready(hub)[1] or taken.extend(fill(Client(hub, 5, "pub"), taken[-1] + 1000)), "its reason")
    told = [l for l in hub.lines() if "the disk has no space" in l.get("msg", "")]
    assert told and told[0]["free"] > 0 and "free_floor" in told[0], told
    lasting(hub, "new").close()
    most = used()
    if kill:
        hub.kill()
        hub.start()
        taken += fill(Client(hub, 5, "pub"), taken[-1] + 1000)
        for _ in range(5):  # each start writes the log anew, or not to the end
            hub.kill()
            hub.start()
    # A third goes, and what is left is all there.
    third = len(taken) // 3
    assert take(hub, third) == taken[:third]
    if kill:
        hub.kill()
        hub.start()
    rest = taken[third:]
    assert take(hub, len(rest)) == rest
    pub = Client(hub, 5, "pub")
    until(lambda: pub.publish("q/y", b"1", 1) == 0, "publications to be taken again", 30)
    until(lambda: used() < most * 3 / 4, "the log to become smaller", 30)
    until(lambda: ready(hub)[0], "the broker to be ready again", 30)
    assert len(fill(pub, 0)) > 200


def test_a_broker_on_a_full_disk_goes_on_once_messages_are_taken(box):
    full_and_empty_again(box, "64m", "", kill=False)


def test_a_broker_on_a_full_disk_goes_on_after_it_was_killed(box):
    full_and_empty_again(box, "24m", "journal: {free_floor: 1MiB, segment: 64KiB, quota: 1MiB}", kill=True)


main(globals())
