"""A hub that comes back from a backup, is wiped, or loses one of its two halves, while edges are copied and
restored from images: what the edges still have is there again under its own identity, the rest is told."""
import shutil
import signal

from faults import stored_numbers
from harness import LineSocket, main, until

SMALL = "journal: {segment: 64KiB, quota: 8MiB, free_floor: 0}"


def hand_in(box, name, numbers, stream="a"):
    s = LineSocket(box.dir / f"{name}.ingest")
    for n in numbers:
        s.send({"stream": stream, "value": {"n": n, "f": "x" * 120}})
    for _ in numbers:
        assert "ack" in s.answer()
    s.close()


def start_away(node):
    """What it sends to is away, so it does not become ready."""
    node.start(ready=False)
    service = "health" if node.command[0] == "hub" else "socket"  # the last of them
    until(lambda: node.logged(msg="listening", service=service), node.name)


def drained(edge):
    until(lambda: edge.get_status()["uplink"]["backlog"] == 0, f"{edge.name} to have sent all", 30)


def have(hub, device, numbers, stream="a", seconds=20):
    """All of these and nothing twice."""
    want = set(numbers)
    until(lambda: want <= set(stored_numbers(hub, stream, device)), "what was handed in", seconds)
    got = stored_numbers(hub, stream, device)
    assert len(got) == len(set(got)), "stored twice"


def all_or_told(hub, handed_in):
    """Of what was handed in per device, as many are told as lost as are missing."""
    missing = 0
    for device, numbers in handed_in.items():
        got = stored_numbers(hub, "a", device)
        assert len(got) == len(set(got)), "stored twice"
        missing += len(set(numbers) - set(got))
    gaps = hub.get("/api/v1/gaps?limit=1000")["items"]
    lost = sum(g["last"] - g["first"] + 1 for g in gaps)
    assert missing == lost, f"{missing} are missing, {lost} are told: {gaps}"
    return missing


def replace(what, by):
    shutil.rmtree(what)
    shutil.copytree(by, what)


def test_image_and_backup_restored_together(box):
    hub = box.hub(name="hub")
    edge = box.edge(hub.keep_port())
    hand_in(box, "edge", range(100))
    drained(edge)
    hub.stop()
    shutil.copytree(box.dir / "hub" / "data", box.dir / "backup")
    hub.start()
    hand_in(box, "edge", range(100, 150))
    drained(edge)
    edge.stop()
    shutil.copytree(box.dir / "edge" / "data", box.dir / "image")
    edge.start()
    hand_in(box, "edge", range(150, 400))
    drained(edge)
    edge.stop()
    hub.stop()
    replace(box.dir / "hub" / "data", box.dir / "backup")
    replace(box.dir / "edge" / "data", box.dir / "image")
    start_away(edge)
    hub.start()
    # The hub knows the start before up to 100, the image goes to 150 and may have let go what it sent.
    hand_in(box, "edge", range(1000, 1010))
    have(hub, "edge", [*range(100), *range(1000, 1010)])
    assert edge.get_status()["uplink"]["rewinds"] >= 1
    assert all_or_told(hub, {"edge": [*range(150), *range(1000, 1010)]}) <= 50


def test_a_wiped_hub_hears_of_both_copies(box):
    hub = box.hub(name="hub")
    port = hub.keep_port()
    a = box.edge(port, name="a")
    hand_in(box, "a", range(50))
    drained(a)
    a.stop()
    b = box.edge(port, name="b", start=False)
    shutil.copytree(box.dir / "a" / "data", box.dir / "b" / "data")
    a.start()
    b.start()
    hand_in(box, "a", range(50, 400))
    hand_in(box, "b", range(1000, 1100))
    drained(a)
    drained(b)
    b.stop()
    hub.stop()
    shutil.rmtree(box.dir / "hub" / "data")
    hub.start()
    hand_in(box, "a", [400])
    have(hub, "a", [400])
    lost = all_or_told(hub, {"a": range(401)})
    assert lost <= 50, "only what they have in common may be gone from a"
    b.start()
    hand_in(box, "b", [1100])
    have(hub, "b", [1100])
    assert all_or_told(hub, {"a": range(401), "b": range(1000, 1101)}) >= lost


def test_a_hub_in_the_middle_that_loses_its_journal_passes_on_what_there_is(box):
    cloud = box.hub(name="cloud")
    up = cloud.keep_port()
    middle = box.hub(name="middle", extra=f'edge: {{host: {{enabled: false}}, uplink: {{hub: "127.0.0.1:{up}"}}}}')
    edge = box.edge(middle.keep_port(), extra=SMALL)
    hand_in(box, "edge", range(100))
    have(cloud, "edge", range(100))
    cloud.stop()
    hand_in(box, "edge", range(100, 3000))
    have(middle, "edge", range(3000))
    drained(edge)
    edge.process.send_signal(signal.SIGSTOP)
    middle.stop()
    shutil.rmtree(box.dir / "middle" / "data" / "journal")
    start_away(middle)
    # It remembers that over another restart, with a journal that is not empty any more.
    assert middle.request("POST", "/api/v1/data", {"device_id": "own", "n": 1})[0] == 200
    middle.stop()
    start_away(middle)
    edge.process.send_signal(signal.SIGCONT)
    cloud.start()
    hand_in(box, "edge", [3000])
    have(cloud, "edge", [3000])
    drained(edge)
    drained(middle)
    assert all_or_told(cloud, {"edge": range(3001)}) < 2900, "nothing was sent again"
    assert all_or_told(middle, {"edge": range(3001)}) == 0


def test_a_segment_that_was_lost_and_came_back_holds_nothing_up(box):
    hub = box.hub(name="hub")
    edge = box.edge(hub.keep_port())
    hand_in(box, "edge", range(10))
    drained(edge)
    hub.stop()
    edge.stop()
    start_away(edge)
    hand_in(box, "edge", range(10, 110))
    edge.stop()
    newest = max((box.dir / "edge" / "data" / "journal").glob("*.seg"))
    newest.rename(box.dir / "away")
    start_away(edge)
    hand_in(box, "edge", range(1000, 1010))
    edge.stop()
    (box.dir / "away").rename(newest)
    start_away(edge)
    hand_in(box, "edge", range(2000, 2010))
    hub.start()
    have(hub, "edge", [*range(110), *range(1000, 1010), *range(2000, 2010)])
    hand_in(box, "edge", [3000])
    have(hub, "edge", [3000])
    drained(edge)


main(globals())
