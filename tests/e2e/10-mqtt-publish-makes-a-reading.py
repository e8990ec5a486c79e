"""A reading that a device hands over by MQTT, HTTP, the local socket or MQTT over WebSocket becomes a
device and a row, and a bad one becomes a counted refusal that stops nothing else."""
import json
import subprocess

from harness import LineSocket, SLOW, Skip, main, until

GOOD = {"device_id": "t1", "temperature": 21.5, "humidity": 40, "timestamp": "2026-01-01T00:00:00Z"}


def pub(hub, topic, payload, qos=1, extra=()):
    return subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", topic, "-m",
                           payload if isinstance(payload, str) else json.dumps(payload), "-q", str(qos), *extra],
                          capture_output=True, text=True, timeout=30 * SLOW)


def readings(hub, query):
    return hub.get(f"/api/v1/readings?{query}")["items"]


def test_mosquitto_pub_makes_a_device_and_a_reading(box):
    hub = box.hub()
    assert pub(hub, "sensor/data", GOOD).returncode == 0
    items = until(lambda: readings(hub, "device=t1"), "the reading")
    assert len(items) == 1
    assert items[0]["stream"] == "env" and items[0]["value"] == GOOD, items
    assert items[0]["time"] == "2026-01-01T00:00:00.000Z", items
    devices = hub.get("/api/v1/devices")["items"]
    assert [d["device"] for d in devices] == ["t1"], devices
    assert devices[0]["streams"][0]["stream"] == "env"


def test_post_sensor_data_is_seen_by_the_next_get(box):
    hub = box.hub()
    for n in range(20):
        status, _, body = hub.request("POST", "/sensor-data", {**GOOD, "temperature": n})
        assert status == 200, (status, body)
        stored = json.loads(body)
        assert stored["device_id"] == "t1" and stored["temperature"] == n, stored
        status, _, body = hub.request("GET", "/sensor-data/t1?limit=1")
        assert status == 200 and json.loads(body)[0]["temperature"] == n, body
    assert len(json.loads(hub.request("GET", "/sensor-data/t1")[2])) == 20
    status, _, body = hub.request("GET", "/sensor-data/nobody")
    assert status == 404 and json.loads(body) == {"detail": "Device not found"}, body


def test_post_data_takes_any_object(box):
    hub = box.hub()
    status, _, body = hub.request("POST", "/api/v1/data", {"device_id": "d9", "x": 1})
    assert status == 200 and json.loads(body) == {"status": "success"}, body
    status, _, body = hub.request("POST", "/api/v1/data", {"y": 2})
    assert status == 200, body
    assert readings(hub, "device=d9")[0]["stream"] == "data"
    assert readings(hub, "device=api")[0]["value"] == {"y": 2}
    status, _, body = hub.request("POST", "/api/v1/data", "[1]", {"Content-Type": "application/json"})
    assert status == 422, body


def test_paho_over_websocket_as_existing_devices_do(box):
    try:
        import paho.mqtt.client as mqtt
    except ImportError:
        raise Skip("python3-paho-mqtt is not installed")
    hub = box.hub()
    payload = {"temp_humidity": 23.5, "temp_pressure": 24.1, "humidity": 45.2, "pressure": 1013.25, "pitch": 2.3,
               "roll": -1.8, "yaw": 89.5, "accel_x": 0.02, "accel_y": -0.01, "accel_z": 0.98}
    client = mqtt.Client(transport="websockets", protocol=mqtt.MQTTv311)
    client.ws_set_options(path="/mqtt")
    client.connect("127.0.0.1", hub.port("mqtt-websocket"), keepalive=60)
    client.loop_start()
    try:
        client.publish("sensors/metrics", json.dumps(payload), qos=0)
        items = until(lambda: readings(hub, "device=picam"), "the reading of picam")
    finally:
        client.disconnect()
        client.loop_stop()
    assert items[0]["value"] == payload, items
    assert items[0]["seq"] >= 1, items


def test_bad_values_get_422_with_the_field_over_http(box):
    hub = box.hub()
    no_time = {k: v for k, v in GOOD.items() if k != "timestamp"}
    cases = [({**GOOD, "temperature": 101}, "temperature"), ({**GOOD, "humidity": -1}, "humidity"),
             ({**GOOD, "device_id": "a b"}, "device_id"), ({**GOOD, "device_id": "a\n"}, "device_id"),
             ({**GOOD, "device_id": "x" * 51}, "device_id"), (no_time, "timestamp"),
             ({**GOOD, "timestamp": "yesterday"}, "timestamp"), ({**GOOD, "temperature": "21"}, "temperature"),
             ({**GOOD, "temperature": True}, "temperature")]
    for body, field in cases:
        status, _, data = hub.request("POST", "/sensor-data", body)
        assert status == 422, (body, status, data)
        detail = json.loads(data)["detail"]
        assert detail[0]["loc"][-1] == field and detail[0]["msg"] and detail[0]["type"], (body, detail)
    for raw in (b"{", b'{"device_id": "t1", "device_id": "t2"}', b'{"temperature": NaN}', b"\xff\xfe", b"[" * 100000):
        status, _, data = hub.request("POST", "/sensor-data", raw, {"Content-Type": "application/json"})
        assert status in (400, 422), (raw[:20], status, data)
    assert hub.get("/api/v1/devices")["items"] == []


def test_bad_values_are_counted_and_logged_over_mqtt(box):
    hub = box.hub()
    for body in ({**GOOD, "temperature": 101}, {**GOOD, "humidity": -1}, {**GOOD, "device_id": "a b"},
                 {k: v for k, v in GOOD.items() if k != "timestamp"}):
        r = pub(hub, "sensor/data", body, extra=("-V", "5"))
        assert r.returncode == 0 or "153" in r.stderr or "Payload" in r.stderr, r
    assert pub(hub, "sensor/data", "{").returncode == 0  # 3.1.1 knows no reason codes: it is acknowledged
    until(lambda: hub.metric("wayside_ingest_refused_total") == 5, "five refusals counted")
    assert hub.logged(msg="reading refused"), "a refusal is logged"
    assert pub(hub, "sensor/data", GOOD).returncode == 0
    until(lambda: readings(hub, "device=t1"), "the good reading after the bad ones")


def test_a_refusal_is_told_once_a_minute_for_each_client(box):
    """With its topic and the reason: a client of 3.1.1, or by QoS 0, learns nothing of it."""
    hub = box.hub(node=", workers: 1")  # each worker counts minutes of its own
    for qos in (0, 1, 2):
        assert pub(hub, "device/status", "online", qos, ("-i", "lamp", "-r")).returncode == 0
        until(lambda: hub.metric("wayside_ingest_refused_total") == qos + 1, "the refusal to be counted")
    assert pub(hub, "sensors/metrics", "{}x", 1, ("-i", "other")).returncode == 0
    until(lambda: hub.logged(msg="reading refused", client="other"), "a word about the other client")
    said = hub.logged(msg="reading refused")
    assert [(l["client"], l["topic"]) for l in said] == [("lamp", "device/status"), ("other", "sensors/metrics")], said
    assert all("no valid JSON" in l["why"] for l in said), said
    assert hub.metric("wayside_ingest_refused_total") == 4
    kept = box.dir / hub.name / "data" / "refused.jsonl"
    until(lambda: [json.loads(l)["topic"] for l in kept.read_text().splitlines()] == 3 * ["device/status"] + ["sensors/metrics"],
          "all of them in the file of refused records")


def test_without_the_built_in_rows_their_topics_are_as_any_other(box):
    hub = box.hub("ingest_builtin: false\ningest:\n  - {topic: sensors/metrics, device: cam, stream: env}")
    assert pub(hub, "device/status", "online", extra=("-r", "-V", "5")).returncode == 0
    sub = subprocess.run(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "device/status", "-C", "1", "-W", "20"],
                         capture_output=True, text=True, timeout=30 * SLOW)
    assert sub.stdout == "online\n", sub
    assert pub(hub, "sensor/data", GOOD).returncode == 0
    assert pub(hub, "sensors/metrics", {"x": 1}).returncode == 0
    until(lambda: readings(hub, "device=cam"), "the reading of the one row")
    assert [d["device"] for d in hub.get("/api/v1/devices")["items"]] == ["cam"]
    # What is no topic is as before.
    assert hub.request("POST", "/sensor-data", GOOD)[0] == 200


def test_canonical_topics_are_ingested_and_seen_live(box):
    hub = box.hub()
    sub = box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "wayside/+/reading/+", "-v",
                  "-C", "2", "-W", "20", stdout=subprocess.PIPE, text=True)
    until(lambda: hub.metric("wayside_mqtt_subscriptions") == 1, "the subscription")
    assert pub(hub, "sensor/data", GOOD).returncode == 0
    assert pub(hub, "wayside/pi-7/reading/load", "0.25").returncode == 0
    out, _ = sub.communicate(timeout=30 * SLOW)
    lines = dict(l.split(" ", 1) for l in out.splitlines())
    assert json.loads(lines["wayside/t1/reading/env"]) == GOOD, out
    assert lines["wayside/pi-7/reading/load"] == "0.25", out
    until(lambda: readings(hub, "device=pi-7"), "the canonical reading")
    assert readings(hub, "device=pi-7")[0]["value"] == 0.25
    # What the hub itself republishes is not ingested again.
    assert len(readings(hub, "device=t1")) == 1


def test_local_socket_lines_are_answered_when_durable(box):
    hub = box.hub()
    edge = box.edge(hub.port("mqtt"))
    s = LineSocket(box.dir / "edge.ingest")
    s.send({"stream": "door", "value": {"open": True}, "id": "line-1"})
    assert s.answer() == {"ack": "line-1"}
    s.send(GOOD)
    assert "ack" in s.answer()
    s.send(b"{ nonsense")
    assert "error" in s.answer()
    s.send({"stream": "a b", "value": 1})
    assert "error" in s.answer()
    s.send({"stream": "door", "value": 2})
    assert "ack" in s.answer()
    s.close()
    until(lambda: len(readings(hub, "device=edge")) == 2, "both lines at the hub")
    until(lambda: len(readings(hub, "device=t1")) == 1, "the line of the device t1 at the hub")


def test_lists_are_paged(box):
    hub = box.hub()
    for n in range(25):
        assert hub.request("POST", "/api/v1/data", {"device_id": f"d{n:02}", "n": n})[0] == 200
    seen, path = [], "/api/v1/devices?limit=10"
    while path:
        page = hub.get(path)
        seen += [d["device"] for d in page["items"]]
        path = page["next"] and f"/api/v1/devices?limit=10&after={page['next']}"
    assert seen == [f"d{n:02}" for n in range(25)], seen
    seen, path = [], "/api/v1/readings?limit=7"
    while path:
        page = hub.get(path)
        seen += [r["value"]["n"] for r in page["items"]]
        path = page["next"] and f"/api/v1/readings?limit=7&before={page['next']}"
    assert seen == list(range(24, -1, -1)), seen


main(globals())
