"""For tests of durability: a feeder that remembers what was acknowledged, and orders to the disk that
fails (tests/faults/disk_fault.c)."""
import contextlib
import mmap
import os
import pathlib
import select
import socket
import sqlite3
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
    """The numbers of a feeder's stream that the hub's API tells, newest time first: that is not the order of
    their arrival."""
    found, query = [], f"/api/v1/readings?device={device}&stream={stream}&limit=10000"
    page = hub.get(query)
    while True:
        found += [i["value"]["n"] for i in page["items"]]
        if not page["next"]:
            return found
        page = hub.get(f"{query}&before={page['next']}")


def newest_number(hub, stream, device="edge"):
    """The one with the newest time that the hub's API tells; -1 before the first."""
    page = hub.get(f"/api/v1/readings?device={device}&stream={stream}&limit=1")
    return page["items"][0]["value"]["n"] if page["items"] else -1


def arrived_numbers(hub, stream, device="edge"):
    """The numbers of a feeder's stream in the order in which they became rows: from the hub's database
    itself, since what the edge says of a record (its time, its number) says nothing of when it came."""
    sql = ("SELECT {n} FROM {w}records r JOIN {w}streams s ON s.id = r.stream_id JOIN {w}devices d ON d.id = r.device_id"
           f" WHERE d.name = '{device}' AND s.name = '{stream}' ORDER BY r.id")
    server = hub.postgres()
    if server:
        return [int(n) for n in server.psql(sql.format(n="r.payload::json->>'n'", w="wayside.")).split()]
    with contextlib.closing(sqlite3.connect(f"file:{hub.data() / 'wayside.db'}?mode=ro", uri=True)) as db:
        return [n for n, in db.execute(sql.format(n="json_extract(r.payload, '$.n')", w=""))]


def check_numbers(acked, sent, got, what):
    """Of the numbers below sent, those that were acknowledged are in got, which is in order of arrival: each
    once, and none before a smaller one. A number that was not acknowledged may have been taken all the same."""
    lost = sorted(set(acked) - set(got))
    if lost:
        raise AssertionError(f"{what}: {len(lost)} of {len(acked)} acknowledged readings are lost: {lost[:10]}")
    if len(got) != len(set(got)):
        raise AssertionError(f"{what}: {len(got) - len(set(got))} readings are stored twice")
    late = [(a, b) for a, b in zip(got, got[1:]) if a > b]
    if late:
        raise AssertionError(f"{what}: {len(late)} readings are out of order: {late[:10]}")
    if set(got) - set(range(sent)):
        raise AssertionError(f"{what}: readings were invented")


def check_all_there(hub, feeders, what, device="edge", seconds=60):
    """Every acknowledged number is in the hub's database, once, and became a row in its turn; and the API
    tells all of them."""
    for f in feeders:
        if not f.acked:
            raise AssertionError(f"{what}: nothing was acknowledged on {f.stream}")
        last = max(f.acked)
        until(lambda: last in arrived_numbers(hub, f.stream, device), f"{what}: the last acknowledged reading of {f.stream}", seconds)
        got = arrived_numbers(hub, f.stream, device)
        check_numbers(f.acked, f.sent, got, f"{what}, {f.stream}")
        untold = sorted(set(got) - set(stored_numbers(hub, f.stream, device)))
        if untold:
            raise AssertionError(f"{what}: {len(untold)} rows of {f.stream} are not told by the API: {untold[:10]}")
