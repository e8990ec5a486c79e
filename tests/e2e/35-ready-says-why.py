"""What cannot be done for the moment is said with its reason on /ready, and nothing else stops: a locked
database delays rows only, a full journal refuses each client in its own protocol's words, and both
mend themselves."""
import json
import socket
import sqlite3
import struct

from harness import LineSocket, SLOW, main, until


def ready(node):
    status, _, body = node.request("GET", "/ready", service="health")
    return status, body.decode()


def test_a_locked_database_delays_rows_and_nothing_else(box):
    hub = box.hub()
    assert ready(hub) == (200, "READY\n")
    assert hub.request("POST", "/api/v1/data", {"device_id": "d", "n": -1})[0] == 200
    until(lambda: len(hub.get("/api/v1/readings?device=d")["items"]) == 1, "the first row")
    db = sqlite3.connect(hub.dir / "data" / "wayside.db", isolation_level=None, timeout=20)
    db.execute("BEGIN IMMEDIATE")
    for n in range(50):
        status, _, body = hub.request("POST", "/api/v1/data", {"device_id": "d", "n": n})
        assert status == 200, (n, status, body)
    status, text = until(lambda: (r := ready(hub))[0] == 503 and r, "/ready to say no", 30)
    assert text.startswith("NOT_READY\n") and "the store takes no records" in text, text
    s = json.loads(hub.cli("status", "--json", "--control", str(box.dir / "hub.sock")).stdout)
    assert s["ready"] is False and "store" in s["reason"], s
    assert hub.request("GET", "/health", service="health")[2] == b"OK", "alive it is"
    status, headers, body = hub.request("GET", "/api/v1/readings?device=d")
    assert status == 200 and headers.get("Wayside-Behind") == "true", (status, headers)
    assert len(json.loads(body)["items"]) == 1
    assert hub.logged(msg="does not take records; the journal keeps them")
    db.execute("ROLLBACK")
    db.close()
    until(lambda: len(hub.get("/api/v1/readings?device=d")["items"]) == 51, "all rows after the release", 30)
    until(lambda: ready(hub) == (200, "READY\n"), "/ready to say yes")
    got = [i["value"]["n"] for i in hub.get("/api/v1/readings?device=d")["items"]]
    assert got == list(range(49, -2, -1)), got


def text(s):
    s = s.encode() if isinstance(s, str) else s
    return struct.pack(">H", len(s)) + s


class Mqtt:
    """An MQTT client by hand: what is sent and read is seen byte by byte."""

    def __init__(self, address, version, client_id):
        self.version, self.s, self.buffer = version, socket.create_connection(address, timeout=20 * SLOW), b""
        body = text("MQTT") + bytes([version, 2, 0, 0]) + (b"\x00" if version == 5 else b"") + text(client_id)
        self.s.sendall(bytes([0x10, len(body)]) + body)
        assert self.packet()[1][1] == 0

    def packet(self):
        while True:
            if len(self.buffer) >= 2:
                n, shift, at = 0, 0, 1
                while at < len(self.buffer):
                    n |= (self.buffer[at] & 127) << shift
                    shift += 7
                    at += 1
                    if self.buffer[at - 1] < 128:
                        break
                if len(self.buffer) >= at + n:
                    out = self.buffer[0], self.buffer[at:at + n]
                    self.buffer = self.buffer[at + n:]
                    return out
            got = self.s.recv(65536)
            if not got:
                raise ConnectionError("closed")
            self.buffer += got

    def publish(self, topic, payload, packet_id):
        body = text(topic) + struct.pack(">H", packet_id) + (b"\x00" if self.version == 5 else b"") + payload
        n, length = len(body), b""
        while True:
            length += bytes([n & 127 | (128 if n > 127 else 0)])
            n >>= 7
            if n == 0:
                break
        self.s.sendall(b"\x32" + length + body)


BIG = b'{"text":"' + b"x" * 60000 + b'"}'


def test_a_full_journal_refuses_each_in_its_own_words(box):
    hub = box.hub(extra="journal: {segment: 64KiB, quota: 1MiB}")
    db = sqlite3.connect(hub.dir / "data" / "wayside.db", isolation_level=None, timeout=20)
    db.execute("BEGIN IMMEDIATE")
    five = Mqtt(hub.address("mqtt"), 5, "five")
    # Several, so that each worker has one that is the first to find out.
    olds = [Mqtt(hub.address("mqtt"), 4, f"old{i}") for i in range(8)]
    acked, code = 0, 0
    for n in range(1, 60):
        five.publish("wayside/five/reading/blob", BIG, n)
        kind, body = five.packet()
        assert kind == 0x40, kind
        code = body[2] if len(body) > 2 else 0
        if code:
            break
        acked += 1
    assert code == 0x97 and acked > 5, (code, acked)
    # 3.1.1 knows no refusal: the connection is held and nothing is acknowledged that is not kept.
    for i, old in enumerate(olds):
        for n in (1, 2):
            old.publish(f"wayside/old{i}/reading/blob", b'{"n":%d,"text":"%s"}' % (n, b"x" * 60000), n)
    status, headers, body = until(
        lambda: (r := hub.request("POST", "/api/v1/data", {"device_id": "http", "text": "x" * 60000}))[0] == 503 and r,
        "503 over HTTP")
    assert int(headers["Retry-After"]) > 0 and b"journal is full" in body, (headers, body)
    status, text_ = until(lambda: (r := ready(hub))[0] == 503 and r, "/ready to say no", 30)
    assert text_.startswith("NOT_READY\n") and "the journal is full" in text_, text_
    for old in olds:
        old.s.setblocking(False)
        try:
            got = old.s.recv(100)
        except BlockingIOError:
            got = None
        assert got is None, f"a 3.1.1 client was answered {got!r} by a full journal"
        old.s.setblocking(True)
        old.s.settimeout(30 * SLOW)
    # Everything that needs no journal goes on.
    assert hub.request("GET", "/health", service="health")[2] == b"OK"
    assert hub.request("GET", "/api/v1/readings")[0] == 200
    five.s.sendall(b"\x82\x09\x00\x63\x00\x00\x03a/b\x01")
    assert five.packet()[0] == 0x90
    five.publish("a/b", b"live", 77)
    seen = {p[0] & 0xF0: p[1] for p in (five.packet(), five.packet())}
    assert set(seen) == {0x30, 0x40} and len(seen[0x40]) == 2, seen
    assert hub.metric("wayside_ingest_failed_total") >= 1
    db.execute("ROLLBACK")
    db.close()
    for i, old in enumerate(olds):
        for n in (1, 2):
            kind, body = old.packet()
            assert kind == 0x40 and body[:2] == bytes([0, n]), f"old{i} is acknowledged once there is room"
        got = [r["value"]["n"] for r in hub.get(f"/api/v1/readings?device=old{i}")["items"]]
        assert got == [2, 1], f"old{i} was acknowledged and has {got}"
    until(lambda: len(hub.get("/api/v1/readings?device=five")["items"]) == acked, "exactly what was acknowledged", 30)
    until(lambda: hub.request("POST", "/api/v1/data", {"device_id": "http", "n": 1})[0] == 200, "room again")
    until(lambda: ready(hub) == (200, "READY\n"), "/ready to say yes")


def test_a_message_that_waits_for_room_is_not_acknowledged_by_a_stop(box):
    hub = box.hub(extra="journal: {segment: 64KiB, quota: 1MiB}")
    db = sqlite3.connect(hub.dir / "data" / "wayside.db", isolation_level=None, timeout=20)
    db.execute("BEGIN IMMEDIATE")
    olds, acked = [Mqtt(hub.address("mqtt"), 4, f"old{i}") for i in range(4)], []
    for n in range(1, 8):
        for i, old in enumerate(olds):
            old.publish(f"wayside/old{i}/reading/blob", b'{"n":%d,"text":"%s"}' % (n, b"x" * 60000), n)
    until(lambda: "the journal is full" in ready(hub)[1], "a full journal")
    assert hub.stop(20) == 0
    for i, old in enumerate(olds):
        try:
            while True:
                kind, body = old.packet()
                assert kind == 0x40
                acked.append((f"old{i}", body[1]))
        except ConnectionError:
            pass
    db.execute("ROLLBACK")
    db.close()
    hub.start()
    assert 5 < len(acked) < 28, len(acked)
    for device, n in acked:
        got = [r["value"]["n"] for r in hub.get(f"/api/v1/readings?device={device}")["items"]]
        assert n in got, f"{device} {n} was acknowledged; stored are {got}"


def test_a_full_journal_of_an_edge_is_an_error_on_the_line(box):
    edge = box.edge(1, extra="journal: {segment: 64KiB, quota: 1MiB}")
    s = LineSocket(box.dir / "edge.ingest")
    acked, answer = 0, {}
    for n in range(60):
        s.send({"stream": "blob", "value": {"text": "x" * 60000}, "id": str(n)})
        answer = s.answer()
        if "error" in answer:
            break
        acked += 1
    assert acked > 5 and "journal is full" in answer.get("error", ""), (acked, answer)
    assert answer["id"] == str(acked), answer
    status, why = until(lambda: (r := ready(edge))[0] == 503 and r, "/ready to say no", 30)
    assert "journal" in why, why
    # The hub comes: what was acknowledged arrives, and there is room again.
    edge.stop()
    hub = box.hub()
    edge.config.write_text(edge.config.read_text().replace('"127.0.0.1:1"', f'"127.0.0.1:{hub.port("mqtt")}"'))
    edge.start()
    until(lambda: len(hub.get("/api/v1/readings?device=edge&limit=1000")["items"]) == acked, "the acknowledged records", 30)
    s = LineSocket(box.dir / "edge.ingest")
    s.send({"stream": "blob", "value": 1, "id": "again"})
    assert s.answer() == {"ack": "again"}
    until(lambda: ready(edge) == (200, "READY\n"), "/ready to say yes")


main(globals())
