"""Clients that log in by name need the right password and are told so in their protocol's own code;
clients without a name come in only where the listener lets them."""
import socket
import struct

from harness import SLOW, main, until

LISTENERS = """    - {address: "127.0.0.1:0"}
    - {address: "127.0.0.1:0", anonymous: deny}
    - {address: "0.0.0.0:0"}
    - {address: "0.0.0.0:0", anonymous: allow}
  users: [{name: ann, password: "correct horse"}, {name: bob, password: "battery staple"}]
"""


def text(s):
    s = s.encode() if isinstance(s, str) else s
    return struct.pack(">H", len(s)) + s


def connect(address, version, user=None, password=None, client_id="c"):
    """CONNACK's code, or the text of what came instead."""
    flags = 2 | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = text("MQTT") + bytes([version, flags]) + b"\x00\x3c" + (b"\x00" if version == 5 else b"") + text(client_id)
    body += (text(user) if user is not None else b"") + (text(password) if password is not None else b"")
    with socket.create_connection(address, timeout=20 * SLOW) as s:
        s.sendall(bytes([0x10]) + bytes([len(body)]) + body)
        data = s.recv(1000)
        if len(data) < 4 or data[0] != 0x20:
            return f"not a CONNACK: {data!r}"
        if data[3]:
            assert s.recv(100) == b"", "the connection goes on after a refusal"
        return data[3]


def hub_with_users(box):
    hub = box.hub(mqtt=LISTENERS)
    found = [l["address"].rpartition(":") for l in hub.logged(msg="listening", service="mqtt")]
    ports = [("127.0.0.1", int(p)) for _, _, p in found]
    assert len(ports) == 4
    return hub, ports


def test_the_right_password_works_and_a_wrong_one_is_refused_with_the_code(box):
    hub, ports = hub_with_users(box)
    for address in ports:
        for version, wrong in ((4, 4), (5, 0x86)):
            assert connect(address, version, "ann", "correct horse") == 0
            assert connect(address, version, "bob", "battery staple", "d") == 0, "another user, so another client id"
            for user, password in (("ann", "battery staple"), ("ann", "correct hors"), ("ann", "correct horse "),
                                   ("ann", ""), ("", "correct horse"), ("nobody", "correct horse"),
                                   ("Ann", "correct horse"), ("ann ", "correct horse")):
                assert connect(address, version, user, password) == wrong, (address, version, user, password)
            assert connect(address, version, "ann", None) == wrong, "a name without password"
    assert hub.metric("wayside_mqtt_connects_refused_total") == 4 * 2 * 9, hub.metric("wayside_mqtt_connects_refused_total")
    assert "correct horse" not in hub.log.read_text(), "a password is in the log"


def test_clients_without_a_name_come_in_by_the_listeners_rule(box):
    hub, (local, deny, wide, allow) = hub_with_users(box)
    for version, not_allowed in ((4, (4, 5)), (5, (0x86, 0x87))):
        assert connect(local, version) == 0, "loopback, by default"
        assert connect(deny, version) in not_allowed
        assert connect(wide, version) in not_allowed, "all addresses: nobody without a name by default"
        assert connect(allow, version) == 0
    until(lambda: hub.logged(msg="connection refused"), "refusals in the log")


def test_users_hold_over_websocket_too(box):
    import paho.mqtt.client as mqtt
    hub = box.hub(mqtt="""    - {address: "127.0.0.1:0"}
    - {address: "127.0.0.1:0", protocol: websocket, anonymous: deny}
  users: [{name: ann, password: "correct horse"}]
""")
    for password, want in (("correct horse", 0), ("wrong", 4), (None, None)):
        codes = []
        client = mqtt.Client(transport="websockets", protocol=mqtt.MQTTv311)
        client.ws_set_options(path="/mqtt")
        if password:
            client.username_pw_set("ann", password)
        client.on_connect = lambda c, u, f, rc: codes.append(rc)
        client.connect("127.0.0.1", hub.port("mqtt-websocket"))
        client.loop_start()
        try:
            until(lambda: codes, "an answer")
        finally:
            client.disconnect()
            client.loop_stop()
        assert codes[0] == want if want is not None else codes[0] in (4, 5), (password, codes)


def test_an_edge_with_a_wrong_password_says_so_and_keeps_its_records(box):
    from harness import LineSocket
    hub = box.hub(mqtt="""    - {address: "127.0.0.1:0", anonymous: deny}
  users: [{name: edge, password: "the right one"}]
""")
    edge = box.edge(hub.port("mqtt"))
    edge.stop()
    edge.config.write_text(edge.config.read_text().replace(
        "uplink: {", 'uplink: {user: edge, password: "the wrong one", '))
    edge.start()
    s = LineSocket(box.dir / "edge.ingest")
    s.send({"stream": "door", "value": 1, "id": "a"})
    assert s.answer() == {"ack": "a"}
    until(lambda: [l for l in edge.lines() if l["level"] in ("warn", "error") and l["module"] == "uplink" and
                   "bad user name or password" in l["text"]],
          "a word about the refusal", 15)
    assert "the wrong one" not in edge.log.read_text(), "a password is in the log"
    edge.stop()
    edge.config.write_text(edge.config.read_text().replace("the wrong one", "the right one"))
    edge.start()
    until(lambda: hub.get("/api/v1/readings?device=edge&stream=door")["items"], "the record after the right password", 20)


main(globals())
