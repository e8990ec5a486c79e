"""For tests of durability: a feeder that remembers what was acknowledged, and orders to the disk that
fails (tests/faults/disk_fault.c)."""
import mmap
import os
import pathlib
import select
import socket
import struct
import threading
import time

from harness import BIN, Skip, until

SYNC, WRITE, ALLOCATE, RENAME, OPEN = 1, 2, 4, 8, 16
EIO, ENOSPC = 5, 28
FOREVER = 0xFFFFFFFF
FIELDS = ("mask", "error", "skip", "times", "short_writes", "no_sync", "failed", "syncs")


class FaultyDisk:
    """Stands between one node and the files below a folder."""

    def __init__(self, box, folder):
        library = pathlib.Path(BIN).parent / "libdisk_fault.so"
        if not library.exists():
            raise Skip("this build has no disk that fails (sanitizers)")
        self.file = box.dir / "faults"
        self.file.write_bytes(bytes(4 * len(FIELDS)))
        with open(self.file, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.env = {"LD_PRELOAD": str(library), "WAYSIDE_FAULT_FILE": str(self.file),
                    "WAYSIDE_FAULT_DIR": os.path.realpath(folder)}

    def set(self, **values):
        for name, value in values.items():
            struct.pack_into("I", self.map, 4 * FIELDS.index(name), value)

    def get(self, name):
        return struct.unpack_from("I", self.map, 4 * FIELDS.index(name))[0]

    def fail(self, mask, error, times=FOREVER, skip=0):
        self.set(mask=0, error=error, times=times, skip=skip)
        self.set(mask=mask)

    def heal(self):
        self.set(mask=0, times=0, short_writes=0)


class Feeder(threading.Thread):
    """Numbered readings into a node's socket, by one connection with a window of lines; keeps which
    numbers were acknowledged, and which were refused. Connects again after a loss."""

    def __init__(self, path, number=0, window=64, rate=0, stream="count", filler=120):
        super().__init__(daemon=True)
        self.path, self.window, self.rate = str(path), window, rate
        self.stream, self.filler = f"{stream}{number}", "x" * filler
        self.sent, self.acked, self.refused, self.errors = 0, [], 0, set()
        self.end = False
        self.s, self.buffer, self.pending = None, b"", []

    def line(self):
        n, self.sent = self.sent, self.sent + 1
        self.pending.append(n)
        return b'{"stream":"%s","value":{"n":%d,"f":"%s"}}\n' % (
            self.stream.encode(), n, self.filler.encode())

    def take(self, data):
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            n = self.pending.pop(0)
            if line.startswith(b'{"ack"'):
                self.acked.append(n)
            else:
                self.refused += 1
                self.errors.add(line.split(b'"error":"')[1].split(b'"')[0].decode())

    def drain(self):
        """What was answered before the other end went away."""
        try:
            while self.s and select.select([self.s], [], [], 0)[0]:
                data = self.s.recv(1 << 16)
                if not data:
                    break
                self.take(data)
        except OSError:
            pass

    def run(self):
        due = time.monotonic()
        while not self.end:
            try:
                if self.s is None:
                    self.pending, self.buffer = [], b""
                    self.s = socket.socket(socket.AF_UNIX)
                    self.s.settimeout(5)
                    self.s.connect(self.path)
                count = self.window - len(self.pending)
                if self.rate:  # the rate is the input of the test, not a wait for a result
                    count = min(count, max(0, int((time.monotonic() - due) * self.rate)))
                    due += count / self.rate
                if count > 0:
                    self.s.sendall(b"".join(self.line() for _ in range(count)))
                if select.select([self.s], [], [], 0.005)[0]:
                    data = self.s.recv(1 << 16)
                    if not data:
                        raise ConnectionError
                    self.take(data)
            except OSError:
                self.drain()
                if self.s:
                    self.s.close()
                self.s = None
                time.sleep(0.01)  # between attempts to connect
        self.drain()


def stored_numbers(hub, stream, device="edge"):
    """The numbers of a feeder's stream in the hub's store, in the order of their arrival."""
    found, query = [], f"/api/v1/readings?device={device}&stream={stream}&limit=10000"
    page = hub.get(query)
    while True:
        found += [(i["seq"], i["value"]["n"]) for i in page["items"]]
        if not page["next"]:
            return [n for _, n in sorted(found)]
        page = hub.get(f"{query}&before={page['next']}")


def check_all_there(hub, feeders, what, device="edge", seconds=60, again=False):
    """Every acknowledged number is in the store, once, in order. again: a number that was not
    acknowledged may have been taken all the same."""
    for f in feeders:
        acked = set(f.acked)
        if not acked:
            raise AssertionError(f"{what}: nothing was acknowledged on {f.stream}")
        last = max(acked)
        until(lambda: last in stored_numbers(hub, f.stream, device), f"{what}: the last acknowledged reading of {f.stream}", seconds)
        got = stored_numbers(hub, f.stream, device)
        lost = sorted(acked - set(got))
        if lost:
            raise AssertionError(f"{what}: {len(lost)} of {len(acked)} acknowledged readings are lost: {lost[:10]}")
        if len(got) != len(set(got)):
            raise AssertionError(f"{what}: {len(got) - len(set(got))} readings are stored twice")
        if got != sorted(got):
            raise AssertionError(f"{what}: readings are out of order")
        if set(got) - set(range(f.sent)):
            raise AssertionError(f"{what}: readings were invented")
