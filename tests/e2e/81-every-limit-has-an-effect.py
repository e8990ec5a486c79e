"""Limits of the file take effect: each is set low and met by a real client. (Those that unit tests meet by
name are not repeated here.)"""
import http.client
import json
import socket
import time

from harness import LineSocket, SLOW, Skip, main, until
from mqtt_raw import Client


def client(hub, name, **kw):
    try:
        import paho.mqtt.client as mqtt
    except ImportError:
        raise Skip("python3-paho-mqtt is not installed")
    c = mqtt.Client(client_id=name, protocol=mqtt.MQTTv5)
    c.results, c.got = [], []
    c.on_connect = lambda c_, u, f, rc, p=None: c.results.append(rc.value)
    c.on_message = lambda c_, u, m: c.got.append(m)
    c.connect("127.0.0.1", hub.port("mqtt"), **kw)
    c.loop_start()
    until(lambda: c.results, f"{name}'s CONNACK")
    return c


def end(*clients):
    for c in clients:
        c.disconnect()
        c.loop_stop()


def test_sessions_are_bounded(box):
    hub = box.hub(extra="limits: {mqtt_sessions_max: 2}", node=", workers: 1")
    clients = [client(hub, f"c{n}") for n in range(5)]
    codes = [c.results[0] for c in clients]
    assert codes.count(0) >= 2 and codes[-1] != 0, codes
    end(*clients)


def test_retained_topics_are_bounded(box):
    """Whatever the worker, and what was refused does not come back with a start."""
    hub = box.hub(extra="limits: {mqtt_retained_max: 40}", node=", workers: 2")
    assert Client(hub, 5).retained(("x/#", 0)) == []  # the mark that ends it is the first of them
    c = Client(hub, 5, "c")
    codes = [c.publish(f"x/{n}", b"v", 1, retain=True) for n in range(100)]
    taken = {f"x/{n}" for n, code in enumerate(codes) if code == 0}
    assert set(codes) == {0, 0x97} and 39 <= len(taken) <= 40, codes  # one on its way to the other worker
    assert {p.topic for p in c.retained(("x/#", 0))} == taken
    hub.kill()
    hub.start()
    assert {p.topic for p in Client(hub, 5).retained(("x/#", 0))} == taken


def test_a_queue_is_bounded_by_bytes(box):
    hub = box.hub(extra="limits: {mqtt_queue_max: 4KiB}")
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    keep = Properties(PacketTypes.CONNECT)
    keep.SessionExpiryInterval = 300
    away = client(hub, "away", clean_start=True, properties=keep)
    away.subscribe("q", qos=1)
    until(lambda: hub.metric("wayside_mqtt_subscriptions") == 1, "the subscription")
    end(away)
    until(lambda: hub.metric("wayside_mqtt_connections") == 0, "it to be away")
    pub = client(hub, "pub")
    for _ in range(50):
        pub.publish("q", "x" * 1000, qos=1).wait_for_publish(10)
    back = client(hub, "away", clean_start=False, properties=keep)
    until(lambda: back.got, "what was kept")
    pub.publish("q", "end", qos=1).wait_for_publish(10)
    until(lambda: back.got[-1].payload == b"end", "the mark behind it")
    kept = len(back.got) - 1
    assert 1 <= kept <= 4, kept
    end(pub, back)


def test_http_requests_fields_and_bodies_are_bounded(box):
    hub = box.hub(extra="limits: {http_requests_max: 3, http_fields_max: 8, http_body_max: 100}")
    host, port = hub.address("api")
    c = http.client.HTTPConnection(host, port, timeout=20 * SLOW)
    last = None
    for n in range(3):
        c.request("GET", "/health")
        r = c.getresponse()
        r.read()
        last = r.getheader("Connection")
        assert r.status == 200
    assert last == "close", last
    c.close()
    status, _, _ = hub.request("GET", "/health", headers={f"X-{n}": "1" for n in range(12)})
    assert status == 431, status
    status, _, _ = hub.request("POST", "/api/v1/data", {"x": "y" * 200})
    assert status == 413, status
    status, _, _ = hub.request("POST", "/api/v1/data", {"x": "y"})
    assert status == 200, status


def test_json_depth_is_bounded(box):
    hub = box.hub(extra="limits: {json_depth_max: 3}")
    status, _, _ = hub.request("POST", "/api/v1/data", {"a": {"b": {"c": 1}}})
    assert status == 200, status
    status, _, body = hub.request("POST", "/api/v1/data", {"a": {"b": {"c": {"d": 1}}}})
    assert status == 422, (status, body)


def test_socket_clients_and_lines_are_bounded(box):
    hub = box.hub()
    box.edge(hub.port("mqtt"), extra="limits: {socket_clients_max: 2, socket_line_max: 200}")
    path = box.dir / "edge.ingest"
    a, b = LineSocket(path), LineSocket(path)
    for s in (a, b):
        s.send({"stream": "s", "value": 1})
        assert "ack" in s.answer()
    third = LineSocket(path)
    try:
        third.send({"stream": "s", "value": 1})
        assert third.answer() is None, "a third client was served"
    except (ConnectionError, OSError):
        pass
    a.send({"stream": "s", "value": "x" * 300})
    assert "socket_line_max" in a.answer()["error"]
    a.send({"stream": "s", "value": 2})
    assert "ack" in a.answer()


def test_what_waits_for_a_client_that_never_reads_is_bounded(box):
    hub = box.hub(extra="limits: {send_queue_max: 64KiB}")
    host, port = hub.address("mqtt")
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect((host, port))
    s.sendall(bytes.fromhex("101000044d5154540402003c0004736c6f77") + bytes.fromhex("8206000100017a00"))
    until(lambda: hub.metric("wayside_mqtt_subscriptions") == 1, "its subscription")
    pub = client(hub, "pub")
    for n in range(1500):  # far more than the kernel's buffers of both ends take
        pub.publish("z", b"x" * 10000, qos=1).wait_for_publish(20)
    # Messages of QoS 0 for a client that does not read are dropped and counted; memory stays bounded.
    dropped = until(lambda: hub.metric("wayside_mqtt_messages_dropped_total") or 0, "drops to be counted")
    assert dropped > 0
    end(pub)
    s.close()


def test_a_record_that_fits_into_no_segment_is_refused_at_the_door(box):
    hub = box.hub(extra="journal: {segment: 64KiB}")
    assert hub.logged(module="node", level="warn", record_payload_max=256 << 10)
    large = {"device_id": "d", "f": "x" * 100000}
    status, _, body = hub.request("POST", "/api/v1/data", large)
    assert status in (413, 422), (status, body)
    c = client(hub, "c")
    info = c.publish("wayside/d/reading/env", json.dumps(large), qos=1)
    info.wait_for_publish(10)
    until(lambda: hub.metric("wayside_ingest_refused_total") >= 1, "the refusal to be counted")
    until(lambda: "wayside/d/reading/env" in (box.dir / hub.name / "data" / "refused.jsonl").read_text(), "it to be written down")
    assert hub.request("POST", "/api/v1/data", {"device_id": "d", "n": 1})[0] == 200
    end(c)


def test_a_quota_of_less_than_four_segments_is_a_mistake_with_its_line(box):
    hub = box.hub(extra="journal: {segment: 2MiB, quota: 1MiB}", start=False)
    r = hub.cli("config", "check", str(hub.config), check=False)
    assert r.returncode != 0 and "quota" in r.stdout + r.stderr and "four segments" in r.stdout + r.stderr, r.stdout + r.stderr


main(globals())
