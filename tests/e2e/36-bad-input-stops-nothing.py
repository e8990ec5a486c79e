"""Whatever strangers send to any port, whole or in pieces, fast or slowly, is refused: good clients
work meanwhile and afterwards, memory stays bounded, and what was refused is counted."""
import os
import random
import socket
import struct
import threading
import time

from harness import LineSocket, SLOW, main, until

CONNECT = bytes.fromhex("100e00044d5154540402003c0002") + b"ok"


def rss_kib(node, what="RssAnon"):
    for line in open(f"/proc/{node.process.pid}/status"):
        if line.startswith(what + ":"):
            return int(line.split()[1])
    raise AssertionError(what)


def descriptors(node):
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


def doors(hub, edge=None):
    found = [("tcp", hub.address(s)) for s in ("mqtt", "mqtt-websocket", "api", "health")]
    found.append(("unix", str(hub.box.dir / "hub.sock")))
    if edge:
        found += [("unix", str(edge.box.dir / "edge.sock")), ("unix", str(edge.box.dir / "edge.ingest")),
                  ("tcp", edge.address("health"))]
    return found


def dial(door, timeout=5):
    s = socket.socket(socket.AF_UNIX if door[0] == "unix" else socket.AF_INET)
    s.settimeout(timeout)
    s.connect(door[1])
    return s


def throw(door, data, half_close=False, wait=0.05):
    """Sends as much as is taken, reads what comes, and goes."""
    try:
        s = dial(door)
    except OSError:
        return b""
    got = b""
    try:
        s.settimeout(wait)
        s.sendall(data)
        if half_close:
            s.shutdown(socket.SHUT_WR)
        while len(got) < 100000:
            more = s.recv(65536)
            if not more:
                break
            got += more
    except OSError:
        pass
    finally:
        s.close()
    return got


def good_clients_work(hub, edge, n):
    assert hub.request("POST", "/api/v1/data", {"device_id": "good", "n": n})[0] == 200
    assert hub.get("/api/v1/readings?device=good&limit=1")["items"][0]["value"]["n"] == n
    with dial(("tcp", hub.address("mqtt")), 20) as s:
        s.sendall(CONNECT + b"\x32" + mqtt_body("wayside/g/reading/door", b"1"))
        got = b""
        while len(got) < 8:
            more = s.recv(100)
            assert more, got
            got += more
        assert got == b"\x20\x02\x00\x00\x40\x02\x00\x01", got
    assert hub.request("GET", "/health", service="health")[2] == b"OK"
    if edge:
        line = LineSocket(edge.box.dir / "edge.ingest")
        line.send({"stream": "good", "value": n, "id": f"g{n}"})
        assert line.answer() == {"ack": f"g{n}"}
        line.close()
        assert edge.cli("status", "--control", str(edge.box.dir / "edge.sock")).returncode == 0
    assert hub.cli("status", "--control", str(hub.box.dir / "hub.sock")).returncode == 0


def mqtt_body(topic, payload, packet_id=1):
    body = struct.pack(">H", len(topic)) + topic.encode() + struct.pack(">H", packet_id) + payload
    return bytes([len(body)]) + body


WHOLE = {
    "mqtt": [CONNECT, bytes.fromhex("100e00044d5154540502003c0000") + b"\x01a",
             CONNECT + b"\x30" + mqtt_body("a/b", b"x"), CONNECT + b"\x82\x08\x00\x01\x00\x03a/b\x00",
             CONNECT + b"\xc0\x00\xe0\x00"],
    "http": [b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
             b"POST /api/v1/data HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
             b'{"device_id":"x"}',
             b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n\x82\x90abcd" + b"\x71" * 16],
    "line": [b'{"stream":"door","value":1,"id":"a"}\n', b'{"cmd":"status"}\n', b'{"cmd":"sessions"}\n'],
}
LONG = [b"\x10\xff\xff\xff\x7f" + b"x" * 100000, b"\x10\xff\xff\xff\xff\xff\xff", b"GET /" + b"a" * 200000,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000, b"POST /api/v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /api/v1/data HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
        b"GET /?" + b"a&" * 7000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/v1/readings?" + b"limit=1&" * 1900 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET " + b"/a" * 7000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"{" * 300000, b'{"a":' * 50000 + b"\n", b"x" * 700000 + b"\n",
        b"\n" * 100000, b'{"stream":"a","value":' + b"9" * 100000 + b"}\n", b"\x16\x03\x01\x02\x00\x01" + b"\x00" * 511, b"\x00" * 65536]


def test_random_bytes_half_packets_and_oversized_ones(box):
    hub = box.hub()
    edge = box.edge(hub.port("mqtt"))
    seed = int(os.environ.get("WAYSIDE_SEED", "0")) or random.randrange(1 << 30)
    print(f"    seed {seed}")
    rng = random.Random(seed)
    good_clients_work(hub, edge, 0)
    before = rss_kib(hub)
    n = 0
    for door in doors(hub, edge):
        for data in LONG:
            throw(door, data)
        for kind in WHOLE.values():
            for whole in kind:
                for _ in range(4):
                    cut = bytearray(whole[:rng.randrange(1, len(whole) + 1)])
                    for _ in range(rng.randrange(3)):
                        cut[rng.randrange(len(cut))] = rng.randrange(256)
                    throw(door, bytes(cut), rng.random() < 0.5, 0.01)
        for _ in range(10):
            throw(door, rng.randbytes(rng.randrange(1, 5000)), rng.random() < 0.5, 0.01)
        n += 1
        good_clients_work(hub, edge, n)
    assert hub.metric("wayside_mqtt_protocol_errors_total") > 10
    grown = rss_kib(hub) - before
    assert grown < 60 * 1024 * max(1, SLOW), f"{grown} KiB more after bad input (seed {seed})"
    until(lambda: hub.metric("wayside_mqtt_connections") <= 1, "all but the edge to be gone")  # the edge's uplink


def test_idle_and_slow_connections_are_ended_and_good_ones_work(box):
    hub = box.hub(extra="limits: {mqtt_connect_timeout: 1s, http_head_timeout: 1s, http_idle_timeout: 1500ms, "
                        "http_body_timeout: 1s}")
    edge = box.edge(hub.port("mqtt"))
    good_clients_work(hub, edge, 0)
    before, files = rss_kib(hub), descriptors(hub)
    idle = [dial(door) for door in doors(hub) if door[0] == "tcp" for _ in range(50)]
    slow = [dial(("tcp", hub.address(s))) for s in ("api", "health", "mqtt-websocket", "mqtt") for _ in range(5)]
    bodies = [dial(("tcp", hub.address("api"))) for _ in range(5)]
    for s in bodies:
        s.sendall(b"POST /api/v1/data HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 100\r\n\r\n{")
    ended = [False]

    def drip():
        heads = [b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 1000 if i < 15 else CONNECT for i in range(20)]
        for at in range(1000):
            if ended[0]:
                return
            for s, head in zip(slow, heads):
                if head == CONNECT and at + 1 >= len(head):
                    continue  # its last byte never comes
                try:
                    s.sendall(head[at % len(head):at % len(head) + 1])
                except OSError:
                    pass
            time.sleep(0.05)
    t = threading.Thread(target=drip, daemon=True)
    t.start()
    good_clients_work(hub, edge, 1)
    assert rss_kib(hub) - before < 20 * 1024 * max(1, SLOW), "idle connections cost too much"
    for s in idle + bodies:
        s.settimeout(20 * SLOW)
        try:
            while s.recv(4096):
                pass
        except ConnectionError:
            pass
        s.close()
    ended[0] = True
    t.join()
    until(lambda: descriptors(hub) <= files + 25, "the connections to be gone")
    for s in slow:
        s.settimeout(20 * SLOW)
        try:
            while s.recv(4096):
                pass
        except ConnectionError:
            pass
        s.close()
    good_clients_work(hub, edge, 2)
    until(lambda: descriptors(hub) <= files + 2, "every descriptor to be given back")


def test_a_client_that_does_not_read_is_cut_and_costs_a_bounded_amount(box):
    hub = box.hub(extra="limits: {mqtt_queue_max: 1MiB, send_queue_max: 256KiB}")
    deaf = dial(("tcp", hub.address("mqtt")))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(CONNECT + b"\x82\x06\x00\x01\x00\x01#\x00")
    assert deaf.recv(4) == b"\x20\x02\x00\x00"
    web = dial(("tcp", hub.address("api")))
    web.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    before = rss_kib(hub)
    with dial(("tcp", hub.address("mqtt")), 30) as s:
        s.sendall(CONNECT.replace(b"ok", b"tx"))
        s.recv(4)
        payload = b"x" * 16000
        body = b"\x00\x03big" + payload
        packet = b"\x30" + bytes([len(body) & 127 | 128, len(body) >> 7]) + body
        for _ in range(1500):
            s.sendall(packet)
        s.sendall(b"\xc0\x00")
        assert s.recv(2) == b"\xd0\x00", "the publisher waits for a deaf subscriber"
    for _ in range(200):
        try:
            web.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
            web.settimeout(0.2)
        except OSError:
            break
    grown = rss_kib(hub) - before
    assert grown < 20 * 1024 * max(1, SLOW), f"{grown} KiB for two who do not read"
    assert hub.metric("wayside_mqtt_messages_dropped_total") > 0
    good_clients_work(hub, None, 1)
    deaf.close()
    web.close()


def test_large_answers_to_slow_readers_do_not_add_up(box):
    hub = box.hub()
    for n in range(150):
        assert hub.request("POST", "/api/v1/data", {"device_id": "big", "text": "x" * 200000})[0] == 200
    assert len(hub.request("GET", "/api/v1/readings?limit=10000")[2]) > 30e6, "one alone gets its answer"
    slow = []
    for _ in range(30):
        s = dial(("tcp", hub.address("api")), 60 * SLOW)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /api/v1/readings?limit=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        slow.append(s)
    codes = [s.recv(12)[9:12] for s in slow]
    assert set(codes) == {b"200", b"503"}, codes
    assert rss_kib(hub, "VmHWM") < 500 * 1024 * max(1, SLOW), "30 large answers are held at once"
    good_clients_work(hub, None, 1)
    for s in slow:
        s.close()
    until(lambda: len(hub.request("GET", "/api/v1/readings?limit=10000")[2]) > 30e6, "room again")


def test_too_many_connections_leave_room_for_the_operator(box):
    hub = box.hub(extra="limits: {connections_max: 60}")
    held = []
    for _ in range(150):
        try:
            held.append(dial(("tcp", hub.address("mqtt"))))
        except OSError:
            break
    r = hub.cli("status", "--json", "--control", str(box.dir / "hub.sock"))
    assert r.returncode == 0
    for s in held:
        s.close()
    until(lambda: hub.request("GET", "/health", service="health")[2] == b"OK", "room again")
    good_clients_work(hub, None, 1)


main(globals())
