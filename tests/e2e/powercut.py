"""A power cut on a real ext4: the data folders of an edge and of its hub, journals and database, are on a
loop-mounted image; at a random moment under load both processes are stopped (SIGSTOP) and the image's
backing file copied. What the file system had not been told to flush is not in it, exactly as on a disk
whose power goes. The processes are killed, the copy mounted in place of the image, and both started again
on it. Every reading that the edge acknowledged must then be in the hub's database: the edge lets go what
its hub took, and the hub's journal lets go what is safe in the database, so there is no other copy.

Or a hub alone, whose clients have sessions that last: nothing that was acknowledged may be missing in the end, nothing
of QoS 2 may come twice (mqtt_peers.py).

A live copy would not be of one moment: the processes must stand still; what the kernel writes back by
itself meanwhile only makes the copy better than the worst case, never worse."""
import os
import random
import signal
import subprocess
import time

from faults import FaultyDisk, Feeder, check_all_there, stored_numbers
from harness import Skip, free_port, until
from mqtt_peers import LIMITS, Load

IMAGE_MIB = 512  # a hole but for what is written
CUTS_ON_A_DISK = 10  # then a fresh one: the database grows with every round
# Small segments, so that what may be let go of is soon gone.
JOURNAL = "journal: {segment: 256KiB, quota: 32MiB, free_floor: 0}"


def sh(*args):
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Disk:
    """An ext4 on an image of its own."""

    def __init__(self, box):
        if os.geteuid() != 0:
            raise Skip("mounting an image needs root")
        self.dir, self.mount, self.generation, self.image = box.dir, box.dir / "disk", 0, None
        self.mount.mkdir()

    def next_image(self):
        self.generation += 1
        return self.dir / f"disk-{self.generation}.img"

    def fresh(self):
        """An empty one is in its place."""
        image = self.next_image()
        with open(image, "wb") as f:
            f.truncate(IMAGE_MIB << 20)
        sh("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        try:
            self.swap(image)
        except (OSError, subprocess.CalledProcessError) as e:
            raise Skip(f"no loop device can be mounted here: {e}")

    def copy(self):
        """As the disk is if the power goes now."""
        after = self.next_image()
        sh("cp", "--sparse=always", str(self.image), str(after))
        return after

    def swap(self, after):
        self.close()
        sh("mount", "-o", "loop", str(after), str(self.mount))
        self.image = after

    def close(self):
        if self.image:
            sh("umount", str(self.mount))
            self.image.unlink()
        self.image = None


def on_disk(box, disk, no_sync):
    """A hub and an edge, not started, whose data is on the disk."""
    port = free_port()
    hub = box.hub(name="hub", start=False, extra=JOURNAL, mqtt=f'    - {{address: "127.0.0.1:{port}"}}')
    edge = box.edge(port, start=False, extra=JOURNAL)
    faulty = FaultyDisk(box, disk.mount) if no_sync else None
    if faulty:
        faulty.set(no_sync=1)
    for n in (hub, edge):
        move_to(disk, n, faulty)
    return hub, edge


def move_to(disk, node, faulty):
    node.configure(node.config.read_text().replace(str(node.data()), str(disk.mount / node.name), 1))
    node.env = faulty.env if faulty else {}


def cut(nodes, disk, feeders):
    """The power of all of them goes, and comes again."""
    for n in nodes:
        os.kill(n.process.pid, signal.SIGSTOP)
    after = disk.copy()
    for f in feeders:
        f.end = True  # what was answered before is still read
    for f in feeders:
        f.join()
    for n in nodes:
        n.kill()
    disk.swap(after)
    for n in nodes:
        n.start()


def stop(nodes):
    for n in reversed(nodes):
        if n.process:
            status = n.stop()
            assert status == 0, f"{n.name} ended with status {status} on SIGTERM"


def run(box, rounds, seed=None, no_sync=False, say=None):
    """Rounds of load and cut. Returns (acknowledged, lost): lost is 0, or this raises, unless no_sync."""
    rng = random.Random(seed)
    disk = Disk(box)
    nodes = hub, edge = on_disk(box, disk, no_sync)
    try:
        acked = lost = 0
        for i in range(rounds):
            if i % CUTS_ON_A_DISK == 0:
                stop(nodes)
                disk.fresh()
                for n in nodes:
                    n.start()
            feeders = [Feeder(box.dir / "edge.ingest", f"-{i}-{k}", window=32, filler=rng.randrange(20, 400)) for k in range(3)]
            for f in feeders:
                f.start()
            moment = time.monotonic() + rng.uniform(0.2, 1.2)
            until(lambda: time.monotonic() > moment and all(f.acked for f in feeders), "the moment of the cut", 20)
            cut(nodes, disk, feeders)
            acked += sum(len(f.acked) for f in feeders)
            if no_sync:
                until(lambda: edge.get_status()["uplink"]["backlog"] == 0, "what is left to arrive", 30)
                lost += sum(len(set(f.acked) - set(stored_numbers(hub, f.stream))) for f in feeders)
            else:
                check_all_there(hub, feeders, f"power cut {i + 1}")
            if say:
                say(i + 1, acked, lost)
        stop(nodes)
        return acked, lost
    finally:
        for n in nodes:
            if n.process and n.process.poll() is None:
                n.kill()  # it holds the mount
        disk.close()


def run_broker(box, rounds, seed=None, no_sync=False, say=None):
    """The same for the broker's own promises. Returns (acknowledged, missing)."""
    rng, port, disk = random.Random(seed), free_port(), Disk(box)
    hub = box.hub(name="hub", start=False, node=", workers: 2", extra=LIMITS, mqtt=f'    - {{address: "127.0.0.1:{port}"}}')
    hub.mqtt_port = port
    try:
        disk.fresh()
        faulty = FaultyDisk(box, disk.mount) if no_sync else None
        if faulty:
            faulty.set(no_sync=1)
        move_to(disk, hub, faulty)
        hub.start()
        load = Load(hub)
        for i in range(rounds):
            load.await_more(f"acknowledgements before power cut {i + 1}")
            moment = time.monotonic() + rng.uniform(0.1, 0.8)
            until(lambda: time.monotonic() > moment, "the moment of the cut", 20)
            cut([hub], disk, [])
            if say:
                say(i + 1, load.count(), 0)
        load.finish()
        lost = sum(len(m) for m in load.missing().values())
        return (load.count(), lost) if no_sync else (load.check(), lost)
    finally:
        if hub.process and hub.process.poll() is None:
            hub.kill()
        disk.close()
