"""kill -9 at any moment, several times in a row: every reading that was acknowledged by HTTP, MQTT or the
local socket is in the store once, in order, after the next start."""
import http.client
import json
import random
import socket
import struct
import threading
import time

from faults import arrived_numbers, check_numbers
from harness import LineSocket, SLOW, main, until


def text(s):
    return struct.pack(">H", len(s)) + s.encode()


class Source(threading.Thread):
    """Hands over numbers until the other side dies, and keeps those that were acknowledged."""

    def __init__(self, node, kind, first):
        super().__init__(daemon=True)
        self.node, self.kind, self.n, self.acked = node, kind, first, []
        self.start()

    def run(self):
        try:
            getattr(self, self.kind)()
        except (OSError, http.client.HTTPException):
            pass

    def http(self):
        c = http.client.HTTPConnection(*self.node.address("api"), timeout=30 * SLOW)
        while True:
            n, self.n = self.n, self.n + 1
            c.request("POST", "/api/v1/data", json.dumps({"device_id": "http", "n": n}), {"Content-Type": "application/json"})
            r = c.getresponse()
            r.read()
            if r.status == 200:
                self.acked.append(n)

    def mqtt(self):
        s = socket.create_connection(self.node.address("mqtt"), timeout=30 * SLOW)
        s.sendall(bytes([0x10, 16]) + text("MQTT") + b"\x04\x02\x00\x3c" + text("kill"))
        assert s.recv(4) == b"\x20\x02\x00\x00"
        waiting, buffer = [], b""
        while True:
            while len(waiting) < 30:
                n, self.n = self.n, self.n + 1
                body = text("wayside/mqtt/reading/data") + struct.pack(">H", n % 65535 + 1) + b'{"n":%d}' % n
                s.sendall(bytes([0x32, len(body)]) + body)
                waiting.append(n)
            got = s.recv(4096)
            if not got:
                return
            buffer += got
            while len(buffer) >= 4:
                assert buffer[:2] == b"\x40\x02" and int.from_bytes(buffer[2:4], "big") == waiting[0] % 65535 + 1
                self.acked.append(waiting.pop(0))
                buffer = buffer[4:]

    def line(self):
        s, waiting = LineSocket(self.node.box.dir / "edge.ingest"), []
        while True:
            while len(waiting) < 30:
                n, self.n = self.n, self.n + 1
                s.send({"stream": "data", "value": {"n": n}, "id": str(n)})
                waiting.append(n)
            assert s.answer() == {"ack": str(waiting[0])}
            self.acked.append(waiting.pop(0))


def check(hub, device, sources):
    acked = {n for s in sources for n in s.acked}
    assert len(acked) > 100, f"{device}: only {len(acked)} were acknowledged"
    until(lambda: max(acked) in arrived_numbers(hub, "data", device), f"the last reading of {device}", 30)
    check_numbers(acked, max(s.n for s in sources), arrived_numbers(hub, "data", device), device)


def alive_for(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:  # the time is the input: when to kill
        time.sleep(0.01)


def test_a_hub_that_is_killed_again_and_again(box):
    hub = box.hub(extra="journal: {segment: 64KiB}")
    sources, n = {"http": [], "mqtt": []}, {"http": 0, "mqtt": 0}
    for _ in range(5):
        now = [Source(hub, kind, n[kind]) for kind in sources]
        until(lambda: all(len(s.acked) > 30 for s in now), "acknowledgements")
        alive_for(random.random() * 0.4)
        hub.kill()
        for s in now:
            s.join(20 * SLOW)
            sources[s.kind].append(s)
            n[s.kind] = s.n
        hub.start()
    for kind in sources:
        check(hub, kind, sources[kind])


def test_an_edge_and_its_hub_that_are_killed_in_turn(box):
    hub = box.hub()
    port = hub.port("mqtt")
    hub.config.write_text(hub.config.read_text().replace('{address: "127.0.0.1:0"}', f'{{address: "127.0.0.1:{port}"}}', 1))
    edge = box.edge(port, extra="journal: {segment: 64KiB}")
    sources, n = [], 0
    for round in range(4):
        s = Source(edge, "line", n)
        until(lambda: len(s.acked) > 200, "acknowledged lines")
        if round % 2:
            hub.kill()
            hub.start()
        alive_for(random.random() * 0.3)
        edge.kill()
        s.join(20 * SLOW)
        sources.append(s)
        n = s.n
        edge.start()
    check(hub, "edge", sources)


main(globals())
