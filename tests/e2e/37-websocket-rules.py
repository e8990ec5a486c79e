"""Any web page may try to open a socket to loopback: a foreign Origin or Host is refused with 403 and a
sentence that says what to do, the same host and programs without Origin are let in, and a WebSocket
that does not speak MQTT is refused."""
import base64
import json
import os
import socket

from harness import SLOW, main, until


def upgrade(address, path="/mqtt", origin=None, host=None, protocol="mqtt", extra=()):
    """Status, head and the socket of a WebSocket handshake."""
    s = socket.create_connection(address, timeout=20 * SLOW)
    lines = [f"GET {path} HTTP/1.1", f"Host: {host or '%s:%d' % address}", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}", "Sec-WebSocket-Version: 13"]
    if origin:
        lines.append(f"Origin: {origin}")
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    s.sendall(("\r\n".join([*lines, *extra]) + "\r\n\r\n").encode())
    data = b""
    while b"\r\n\r\n" not in data:
        got = s.recv(65536)
        if not got:
            break
        data += got
    head, _, rest = data.partition(b"\r\n\r\n")
    if not head:
        raise AssertionError("no answer to the handshake")
    status = int(head.split()[1])
    if status != 101:
        length = [int(l.split(b":")[1]) for l in head.split(b"\r\n") if l.lower().startswith(b"content-length:")]
        while length and len(rest) < length[0]:
            rest += s.recv(65536)
    return status, head.decode(), rest, s


def frame(payload, opcode=2, fin=True, mask=True):
    assert len(payload) < 126
    key = os.urandom(4)
    head = bytes([(0x80 if fin else 0) | opcode, (0x80 if mask else 0) | len(payload)])
    if not mask:
        return head + payload
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


CONNECT = bytes.fromhex("100e00044d5154540402003c0002") + b"ws"


def doors(hub):
    return [(hub.address("mqtt-websocket"), "/mqtt"), (hub.address("mqtt-websocket"), "/"), (hub.address("api"), "/mqtt")]


def test_mqtt_at_the_api_asks_for_the_address_of_its_listener(box):
    """Not for the client's: who reaches an open one from this machine may be a proxy for anybody."""
    for name, api, let_in in (("own", '"127.0.0.1:0"', True), ("open", '"0.0.0.0:0"', False), ("allow", '"0.0.0.0:0", anonymous: allow', True),
                              ("deny", '"127.0.0.1:0", anonymous: deny', False)):
        hub = box.hub(name=name, start=False)
        hub.config.write_text(hub.config.read_text().replace('api: {address: "127.0.0.1:0"}', f"api: {{address: {api}}}"))
        hub.start()
        status, head, rest, s = upgrade(("127.0.0.1", hub.port("api")))
        assert status == 101, head
        s.sendall(frame(CONNECT))
        while len(rest) < 6:
            rest += s.recv(100)
        assert rest[:6] == b"\x82\x04\x20\x02\x00" + (b"\x00" if let_in else b"\x04"), (name, rest)
        assert bool([l for l in hub.logged(level="warn", module="mqtt") if "live values" in l["msg"]]) == (name == "open")
        s.close()
        hub.stop()


def test_foreign_origins_are_refused_with_a_sentence(box):
    hub = box.hub()
    for address, path in doors(hub):
        for origin in ("https://evil.example", "http://127.0.0.1.evil.example", "null", "http://localhost:1", "file://",
                       "http://127.0.0.1:%d@evil.example" % address[1], "http://127.0.0.1"):
            status, head, body, s = upgrade(address, path, origin=origin)
            s.close()
            assert status == 403, (path, origin, head)
            assert ("api.origins" if address == hub.address("api") else "mqtt.listeners[].origins") in json.loads(body)["detail"], body
    for method, path in (("GET", "/api/v1/devices"), ("POST", "/api/v1/data"), ("OPTIONS", "/api/v1/data"), ("GET", "/")):
        status, headers, body = hub.request(method, path, {"device_id": "x"} if method == "POST" else None,
                                            {"Origin": "https://evil.example"})
        assert status == 403, (method, path, status)
        assert "Access-Control-Allow-Origin" not in headers
    assert hub.get("/api/v1/devices")["items"] == [], "a refused POST stored something"


def test_a_foreign_host_is_refused_against_dns_rebinding(box):
    hub = box.hub()
    port = hub.port("api")
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example"):
        status, _, body = hub.request("GET", "/api/v1/devices", headers={"Host": host})
        assert status == 403 and b"api.hosts" in body, (host, status, body)
        # The page of evil.example asks its own name, which now points here.
        status, head, body, s = upgrade(hub.address("api"), host=host, origin=f"http://{host}")
        s.close()
        assert status == 403, head
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", f"192.168.1.7:{port}"):
        assert hub.request("GET", "/api/v1/devices", headers={"Host": host})[0] == 200, host


def test_a_listener_takes_any_name_unless_being_near_lets_somebody_in(box):
    node_red = "http://127.0.0.1:1880"
    for name, rules, any_name in (("near", 'address: "127.0.0.1:0"', False), ("allow", 'address: "127.0.0.1:0", anonymous: allow', False),
                                  ("password", 'address: "127.0.0.1:0", anonymous: deny', True), ("open", 'address: ":0", anonymous: allow', True),
                                  ("network", 'address: ":0"', True)):
        hub = box.hub(name=name, mqtt=f"    - {{{rules}, protocol: websocket}}\n")
        address = ("127.0.0.1", hub.port("mqtt-websocket"))
        host = f"broker.lan:{address[1]}"

        def answers(host, origin):
            status, head, body, s = upgrade(address, host=host, origin=origin)
            s.close()
            return status, body

        status, body = answers(host, f"http://{host}")  # as paho does, and as a page does whose name is ours for now
        assert status == (101 if any_name else 403), (name, status)
        if not any_name:
            assert b"mqtt.listeners[].hosts" in body, body
        for origin in (node_red, "http://evil.example"):
            status, body = answers(host if any_name else None, origin)
            assert status == 403 and b"mqtt.listeners[].origins" in body, (name, origin, status)
        said = until(lambda: hub.logged(level="info", msg="refused for its Host or Origin"), "the refusal in the log")
        want = {"host": host, "origin": node_red, "allowed_by": "mqtt.listeners[].origins"} if any_name else \
            {"host": host, "origin": f"http://{host}", "allowed_by": "mqtt.listeners[].hosts"}
        assert len(said) == 1 and want.items() <= said[0].items(), said
        hub.stop()
        if name == "near":
            hub.config.write_text(hub.config.read_text().replace("protocol: websocket", f"protocol: websocket, hosts: [broker.lan], origins: ['{node_red}']"))
            hub.start()
            address = ("127.0.0.1", hub.port("mqtt-websocket"))
            host = f"broker.lan:{address[1]}"
            assert answers(host, f"http://{host}")[0] == 101
            assert answers(None, node_red)[0] == 101
            assert answers(None, "http://evil.example")[0] == 403
            hub.stop()


def test_the_same_host_and_programs_are_let_in(box):
    hub = box.hub()
    for address, path in doors(hub):
        for origin in (None, f"http://{address[0]}:{address[1]}"):
            status, head, rest, s = upgrade(address, path, origin=origin)
            assert status == 101, head
            assert "sec-websocket-protocol: mqtt" in head.lower(), head
            s.sendall(frame(CONNECT))
            assert (rest + s.recv(100)).endswith(b"\x20\x02\x00\x00"), "no CONNACK"
            s.close()


def test_listed_origins_and_hosts_are_let_in(box):
    hub = box.hub()
    hub.stop()
    hub.config.write_text(hub.config.read_text().replace(
        'api: {address: "127.0.0.1:0"}', 'api: {address: "127.0.0.1:0", hosts: [hub.lan], origins: ["https://panel.lan"]}'))
    hub.start()
    assert hub.request("GET", "/api/v1/devices", headers={"Host": "hub.lan"})[0] == 200
    status, headers, _ = hub.request("GET", "/api/v1/devices", headers={"Origin": "https://panel.lan"})
    assert status == 200 and headers["Access-Control-Allow-Origin"] == "https://panel.lan", headers
    assert hub.request("GET", "/api/v1/devices", headers={"Origin": "https://panel.lan.evil.example"})[0] == 403
    assert hub.request("GET", "/api/v1/devices", headers={"Origin": "http://panel.lan"})[0] == 403
    for address, path in doors(hub):
        status, head, _, s = upgrade(address, path, origin="https://panel.lan")
        s.close()
        assert status == 101, head


def test_what_does_not_speak_mqtt_is_refused(box):
    hub = box.hub()
    for address, path in doors(hub):
        for protocol in ("chat", None, "MQTTX"):
            status, head, _, s = upgrade(address, path, protocol=protocol)
            s.close()
            assert 400 <= status < 500, (protocol, head)
        status, head, _, s = upgrade(address, path, protocol="chat, mqtt")
        s.close()
        assert status == 101 and "sec-websocket-protocol: mqtt" in head.lower(), head
        status, head, _, s = upgrade(address, "/elsewhere")
        s.close()
        assert status in (200, 404), head
    # Not a handshake at all: the page's address with a plain GET.
    status, headers, _ = hub.request("GET", "/mqtt")
    assert status in (400, 426), (status, headers)


def test_broken_frames_close_the_socket_with_the_code(box):
    hub = box.hub()
    cases = [(frame(CONNECT, mask=False), 1002), (frame(b"\xff\xfe", opcode=1), 1007), (frame(b"", opcode=3), 1002),
             (bytes([0xF2, 0x80, 0, 0, 0, 0]), 1002), (frame(b"x" * 100, opcode=8 + 1, fin=False), 1002),
             (bytes([0x82, 0xFF]) + b"\xff" * 8 + b"abcd", 1002), (frame(CONNECT, opcode=1), 1003),
             (frame(b"\x00\x00\x00\x00"), 1002)]
    for data, code in cases:
        status, head, rest, s = upgrade(hub.address("mqtt-websocket"))
        assert status == 101
        s.sendall(data)
        got = rest or s.recv(4096)
        s.close()
        assert got[:1] == b"\x88", (data[:10], got)
        assert int.from_bytes(got[2:4], "big") == code, (data[:10], got)
    status, _, _, s = upgrade(hub.address("mqtt-websocket"))
    assert status == 101
    s.sendall(frame(CONNECT))
    until(lambda: s.recv(100), "the broker to go on")
    s.close()


def test_a_frame_that_announces_too_much_is_refused_at_once(box):
    hub = box.hub(extra="limits: {ws_message_max: 2KiB, mqtt_connect_max: 1KiB, mqtt_packet_max: 100KiB}")
    for connected, fits in (False, 3 << 10), (True, 102 << 10):
        for length, refused in (fits, False), (fits + 1, True), (1 << 40, True):
            _, _, rest, s = upgrade(hub.address("mqtt-websocket"))
            if connected:
                s.sendall(frame(CONNECT))
                while len(rest) < 6:
                    rest += s.recv(100)
                rest = rest[6:]
            head = b"\x7e" + length.to_bytes(2, "big") if length < 65536 else b"\x7f" + length.to_bytes(8, "big")
            s.sendall(bytes([0x82, head[0] | 0x80]) + head[1:] + bytes(4))
            if refused:
                got = rest or s.recv(4096)
                assert got[:1] == b"\x88" and int.from_bytes(got[2:4], "big") == 1009, (length, got)
            else:  # it goes on with the payload: of packets that a client may send
                s.sendall(b"\xc0\x00" * 4 if connected else CONNECT)
                assert (rest or s.recv(4096))[:1] == b"\x82", length
            s.close()


def test_packets_may_be_split_over_frames_anywhere(box):
    hub = box.hub()
    _, _, rest, s = upgrade(hub.address("api"))
    packets = CONNECT + b"\x82\x08\x00\x01\x00\x03a/b\x00" + b"\x30\x06\x00\x03a/bX"
    for i, b in enumerate(packets):
        s.sendall(frame(bytes([b]), opcode=2 if i % 3 == 0 else 0, fin=i % 3 == 2 or i == len(packets) - 1))
        if i % 5 == 0:
            s.sendall(frame(b"p", opcode=9))  # a ping inside a fragmented message
    got = rest
    while b"\x30\x06\x00\x03a/bX" not in got or b"\x90\x03\x00\x01\x00" not in got:
        more = s.recv(4096)
        assert more, got
        got += more
    assert b"\x20\x02\x00\x00" in got and b"\x8a\x01p" in got, got
    s.close()


main(globals())
