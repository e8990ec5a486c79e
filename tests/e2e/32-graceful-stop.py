"""SIGTERM under load: requests under way are answered, MQTT 5 clients are told, the process ends with
status 0 within its limit, and after the next start nothing that was acknowledged is missing."""
import http.client
import json
import signal
import socket
import struct
import threading
import time

from harness import LineSocket, SLOW, main, until


class Poster(threading.Thread):
    """POSTs numbered records on one connection and keeps those that were answered 200."""

    def __init__(self, hub, name):
        super().__init__(daemon=True)
        self.address, self.name_, self.acked, self.broken = hub.address("api"), name, [], []

    def run(self):
        c = http.client.HTTPConnection(*self.address, timeout=30 * SLOW)
        n = 0
        while True:
            try:
                c.request("POST", "/api/v1/data", json.dumps({"device_id": self.name_, "n": n}),
                          {"Content-Type": "application/json"})
            except OSError:
                return  # not sent: the server is gone
            try:
                r = c.getresponse()
                r.read()
            except (OSError, http.client.HTTPException) as e:
                # An idle connection may be closed just as the request leaves; that is no answer lost.
                if not isinstance(e, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
                    self.broken.append(repr(e))
                return
            if r.status == 200:
                self.acked.append(n)
            elif r.status != 503:
                self.broken.append(r.status)
            n += 1


def text(s):
    return struct.pack(">H", len(s)) + s.encode()


class Publisher(threading.Thread):
    """Publishes with QoS 1, a window of 20, and keeps what was acknowledged and how it ended."""

    def __init__(self, hub, version, name):
        super().__init__(daemon=True)
        self.version, self.name_, self.acked, self.end = version, name, [], None
        self.s = socket.create_connection(hub.address("mqtt"), timeout=30 * SLOW)
        body = text("MQTT") + bytes([version, 2, 0, 60]) + (b"\x00" if version == 5 else b"") + text(name)
        self.s.sendall(bytes([0x10, len(body)]) + body)

    def run(self):
        buffer, sent, extra = b"", 0, b"\x00" if self.version == 5 else b""
        try:
            while True:
                while sent - len(self.acked) < 20:
                    n = sent + 1
                    body = text(f"wayside/{self.name_}/reading/count") + struct.pack(">H", n) + extra + str(n).encode()
                    self.s.sendall(bytes([0x32, len(body)]) + body)
                    sent = n
                got = self.s.recv(65536)
                if not got:
                    return
                buffer += got
                while len(buffer) >= 2 and len(buffer) >= 2 + buffer[1]:
                    packet, buffer = buffer[:2 + buffer[1]], buffer[2 + buffer[1]:]
                    if packet[0] == 0x40 and (len(packet) == 4 or packet[4] == 0):
                        self.acked.append(int.from_bytes(packet[2:4], "big"))
                    elif packet[0] == 0xE0:
                        self.end = packet[2] if packet[1] else 0
        except OSError:
            pass


def stored(hub, query):
    items, page = [], hub.get(f"/api/v1/readings?{query}&limit=10000")
    items += page["items"]
    while page["next"]:
        page = hub.get(f"/api/v1/readings?{query}&limit=10000&before={page['next']}")
        items += page["items"]
    return items


def test_nothing_acknowledged_is_missing_and_clients_are_told(box):
    hub = box.hub()
    posters = [Poster(hub, f"post{i}") for i in range(3)]
    publishers = [Publisher(hub, 4 + i % 2, f"pub{i}") for i in range(4)]
    for t in posters + publishers:
        t.start()
    until(lambda: all(len(t.acked) > 50 for t in posters + publishers), "traffic", 20)
    begin = time.monotonic()
    assert hub.stop(15) == 0, hub.tail()
    took = time.monotonic() - begin
    assert took < 8 * SLOW, f"the stop took {took:.1f} s although every client reads"
    for t in posters + publishers:
        t.join(30 * SLOW)
        assert not t.is_alive()
    for t in publishers:
        if t.version == 5:
            assert t.end == 0x8B, f"DISCONNECT {t.end}"
    for t in posters:
        assert not t.broken, t.broken
    hub.start()
    for t in posters:
        got = [i["value"]["n"] for i in reversed(stored(hub, f"device={t.name_}"))]
        assert not set(t.acked) - set(got), f"{t.name_}: acknowledged and lost: {sorted(set(t.acked) - set(got))[:10]}"
        assert len(got) == len(set(got)) and got == sorted(got)
    for t in publishers:
        got = [i["value"] for i in reversed(stored(hub, f"device={t.name_}"))]
        assert not set(t.acked) - set(got), f"{t.name_}: acknowledged and lost: {sorted(set(t.acked) - set(got))[:10]}"
        assert len(got) == len(set(got)) and got == sorted(got)


def test_a_request_under_way_is_answered(box):
    hub = box.hub()
    s = socket.create_connection(hub.address("api"), timeout=30 * SLOW)
    body = json.dumps({"device_id": "slow", "n": 1}).encode()
    s.sendall(b"POST /api/v1/data HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
              % len(body) + body[:5])
    until(lambda: hub.metric("active_connections") >= 1, "the request to begin")
    hub.process.send_signal(signal.SIGTERM)

    def closed():
        try:
            socket.create_connection(hub.address("api"), timeout=5).close()
        except ConnectionRefusedError:
            return True
    until(closed, "the stop to reach the API")
    s.sendall(body[5:])
    got = b""
    while True:
        more = s.recv(4096)
        if not more:
            break
        got += more
    assert got.startswith(b"HTTP/1.1 200 "), got
    assert b"connection: close" in got.lower(), got
    assert hub.process.wait(20 * SLOW) == 0
    hub.start()
    assert len(stored(hub, "device=slow")) == 1


def test_clients_that_never_read_or_finish_do_not_hold_it_up(box):
    hub = box.hub()
    half = socket.create_connection(hub.address("api"), timeout=30 * SLOW)
    half.sendall(b"POST /api/v1/data HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    deaf = socket.create_connection(hub.address("api"), timeout=30 * SLOW)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
    mute = socket.create_connection(hub.address("mqtt"), timeout=30 * SLOW)
    mute.sendall(b"\x10")
    begin = time.monotonic()
    assert hub.stop(25) == 0
    assert time.monotonic() - begin < 15 * SLOW
    for s in (half, deaf, mute):
        s.close()


def test_an_edge_answers_the_lines_it_has_read(box):
    edge = box.edge(1)
    sockets = [LineSocket(box.dir / "edge.ingest") for _ in range(4)]
    for s in sockets:
        for n in range(200):
            s.send({"stream": "s", "value": n})
    acked = []
    hurry = threading.Thread(target=lambda: acked.append(edge.stop(15)))
    hurry.start()
    answers = []
    for s in sockets:
        count = 0
        try:
            while True:
                assert "ack" in s.answer()
                count += 1
        except (ConnectionError, OSError):
            pass
        answers.append(count)
    hurry.join()
    assert acked == [0]
    hub = box.hub()
    edge.config.write_text(edge.config.read_text().replace('"127.0.0.1:1"', f'"127.0.0.1:{hub.port("mqtt")}"'))
    edge.start()
    until(lambda: len(stored(hub, "device=edge&stream=s")) >= sum(answers), "what was acknowledged", 20)


def test_sigint_ends_it_as_well_and_a_second_signal_is_harmless(box):
    hub = box.hub()
    hub.process.send_signal(signal.SIGINT)
    hub.process.send_signal(signal.SIGTERM)
    assert hub.process.wait(20 * SLOW) == 0
    assert hub.logged(msg="stopped")


main(globals())
