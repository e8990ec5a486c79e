"""A power cut on a real ext4: the journal's folder is on a loop-mounted image; at a random moment under
load the process is stopped (SIGSTOP) and the image's backing file copied. What the file system had
not been told to flush is not in it, exactly as on a disk whose power goes. The process is killed, the
copy mounted in place of the image, and the node started again on it.

A live copy would not be of one moment: the process must stand still; what the kernel writes back by
itself meanwhile only makes the copy better than the worst case, never worse."""
import os
import pathlib
import random
import signal
import subprocess
import time

from faults import FaultyDisk, Feeder, check_all_there, stored_numbers
from harness import Skip, until

IMAGE_MIB = 48


def sh(*args):
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Disk:
    """An ext4 on an image of its own."""

    def __init__(self, box):
        if os.geteuid() != 0:
            raise Skip("mounting an image needs root")
        self.dir, self.mount, self.generation = box.dir, box.dir / "disk", 0
        self.mount.mkdir()
        self.image = self.dir / "disk-0.img"
        with open(self.image, "wb") as f:
            f.truncate(IMAGE_MIB << 20)
        sh("mkfs.ext4", "-q", "-F", "-m", "0", str(self.image))
        try:
            sh("mount", "-o", "loop", str(self.image), str(self.mount))
        except (OSError, subprocess.CalledProcessError) as e:
            raise Skip(f"no loop device can be mounted here: {e}")
        self.mounted = True

    def copy(self):
        """As the disk is if the power goes now."""
        self.generation += 1
        after = self.dir / f"disk-{self.generation}.img"
        sh("cp", "--sparse=always", str(self.image), str(after))
        return after

    def swap(self, after):
        sh("umount", str(self.mount))
        self.mounted = False
        self.image.unlink()
        sh("mount", "-o", "loop", str(after), str(self.mount))
        self.mounted = True
        self.image = after

    def close(self):
        if self.mounted:
            sh("umount", str(self.mount))
        self.mounted = False


def cut(node, disk, feeders):
    """The power goes, and comes again."""
    os.kill(node.process.pid, signal.SIGSTOP)
    after = disk.copy()
    for f in feeders:
        f.end = True  # what was answered before is still read
    for f in feeders:
        f.join()
    node.kill()
    disk.swap(after)
    node.start()


def run(box, rounds, seed=None, no_sync=False, say=None):
    """Rounds of load and cut. Returns (acknowledged, lost): lost is 0, or this raises, unless no_sync."""
    rng = random.Random(seed)
    hub = box.hub(name="hub")
    disk = Disk(box)
    try:
        edge = box.edge(hub.port("mqtt"), start=False, extra="journal: {segment: 256KiB, quota: 16MiB, free_floor: 0}")
        edge.config.write_text(edge.config.read_text().replace(str(edge.dir / "data"), str(disk.mount / "data"), 1))
        if no_sync:
            faulty = FaultyDisk(box, disk.mount / "data" / "journal")
            faulty.set(no_sync=1)
            edge.env = faulty.env
        edge.start()
        acked = lost = 0
        for i in range(rounds):
            feeders = [Feeder(box.dir / "edge.ingest", f"-{i}-{k}", window=32, filler=rng.randrange(20, 400)) for k in range(3)]
            for f in feeders:
                f.start()
            moment = time.monotonic() + rng.uniform(0.2, 1.2)
            until(lambda: time.monotonic() > moment and all(f.acked for f in feeders), "the moment of the cut", 20)
            cut(edge, disk, feeders)
            acked += sum(len(f.acked) for f in feeders)
            if no_sync:
                until(lambda: edge.get_status()["uplink"]["backlog"] == 0, "what is left to arrive", 30)
                lost += sum(len(set(f.acked) - set(stored_numbers(hub, f.stream))) for f in feeders)
            else:
                check_all_there(hub, feeders, f"power cut {i + 1}")
            if say:
                say(i + 1, acked, lost)
        edge.stop()
        return acked, lost
    finally:
        for n in box.nodes:
            if n.name == "edge" and n.process and n.process.poll() is None:
                n.kill()  # it holds the mount
        disk.close()
