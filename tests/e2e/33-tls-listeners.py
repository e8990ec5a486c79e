"""MQTT, the API and the uplink over TLS with certificates made here: the right authority is trusted, a
wrong one is not, and a new certificate is used after a reload without ending a connection."""
import json
import shutil
import socket
import ssl
import subprocess
import warnings

from certs import authority, certificate
from harness import SLOW, main, until

PAYLOAD = '{"device_id":"t1","temperature":21.5,"humidity":40,"timestamp":"2026-01-01T00:00:00Z"}'


def install(box, name):
    """What the hub's files say from now on."""
    for kind in ("key", "crt"):
        shutil.copy(box.dir / f"{name}.{kind}", box.dir / f"server.{kind}")


def tls_hub(box, users=""):
    authority(box)
    certificate(box, "one")
    install(box, "one")
    pair = f"cert: {box.dir}/server.crt, key: {box.dir}/server.key"
    hub = box.hub(start=False, mqtt=f"""    - {{address: "127.0.0.1:0", {pair}}}
    - {{address: "127.0.0.1:0", protocol: websocket, {pair}}}
{users}""")
    hub.config.write_text(hub.config.read_text().replace('api: {address: "127.0.0.1:0"}',
                                                         f'api: {{address: "127.0.0.1:0", {pair}}}'))
    return hub.start()


def context(box, ca="ca"):
    return ssl.create_default_context(cafile=str(box.dir / f"{ca}.crt"))


def connect(box, address, ca="ca"):
    return context(box, ca).wrap_socket(socket.create_connection(address, timeout=20 * SLOW), server_hostname="127.0.0.1")


def curl(box, hub, path, *args, ca="ca", body=None):
    r = subprocess.run(["curl", "-sS", "--cacert", str(box.dir / f"{ca}.crt"), f"https://127.0.0.1:{hub.port('api')}{path}", *args],
                       capture_output=True, text=True, timeout=30 * SLOW, input=body)
    return r


def test_mosquitto_pub_and_curl_over_tls(box):
    hub = tls_hub(box)
    for version in ("mqttv311", "mqttv5"):
        r = subprocess.run(["mosquitto_pub", "--cafile", str(box.dir / "ca.crt"), "-h", "127.0.0.1", "-p", str(hub.port("mqtt")),
                            "-t", "sensor/data", "-m", PAYLOAD, "-q", "1", "-V", version], capture_output=True, text=True, timeout=30 * SLOW)
        assert r.returncode == 0, r.stderr
    items = json.loads(curl(box, hub, "/api/v1/readings?device=t1").stdout)["items"]
    assert len(items) == 2, items
    r = curl(box, hub, "/sensor-data", "-H", "Content-Type: application/json", "-d", PAYLOAD)
    assert json.loads(r.stdout)["device_id"] == "t1", r
    big = json.dumps({"device_id": "big", "text": "x" * 200000})
    assert json.loads(curl(box, hub, "/api/v1/data", "-H", "Content-Type: application/json", "-d", "@-",
                           body=big).stdout)["status"] == "success"
    got = json.loads(curl(box, hub, "/api/v1/readings?device=big").stdout)["items"][0]["value"]
    assert len(got["text"]) == 200000


def test_a_stranger_authority_is_not_trusted(box):
    hub = tls_hub(box)
    authority(box, "stranger")
    r = subprocess.run(["mosquitto_pub", "--cafile", str(box.dir / "stranger.crt"), "-h", "127.0.0.1", "-p", str(hub.port("mqtt")),
                        "-t", "sensor/data", "-m", PAYLOAD, "-q", "1"], capture_output=True, text=True, timeout=30 * SLOW)
    assert r.returncode != 0
    assert curl(box, hub, "/health", ca="stranger").returncode == 60
    # Plain text and nonsense at the TLS doors disturb nobody.
    for service in ("mqtt", "api", "mqtt-websocket"):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 3000, b"\x10\x0e\x00\x04MQTT"):
            with socket.create_connection(hub.address(service), timeout=20 * SLOW) as s:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
    assert json.loads(curl(box, hub, "/health").stdout)["status"] == "healthy"


def test_old_protocol_versions_are_refused(box):
    hub = tls_hub(box)
    warnings.simplefilter("ignore", DeprecationWarning)  # naming TLS 1.1 is the point here
    for version, good in ((ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_1, False)):
        c = context(box)
        c.set_ciphers("DEFAULT:@SECLEVEL=0")
        c.minimum_version = c.maximum_version = version
        try:
            s = c.wrap_socket(socket.create_connection(hub.address("api"), timeout=20 * SLOW), server_hostname="127.0.0.1")
            s.close()
            worked = True
        except (ssl.SSLError, ConnectionError):
            worked = False
        assert worked == good, version


def test_a_new_certificate_is_used_after_a_reload_and_connections_stay(box):
    hub = tls_hub(box)
    old = connect(box, hub.address("mqtt"))
    old.sendall(bytes.fromhex("100e00044d5154540402003c0002") + b"ka")
    assert old.recv(4) == b"\x20\x02\x00\x00"
    before = ssl.get_server_certificate(hub.address("api"))
    certificate(box, "two")
    install(box, "two")
    hub.cli("reload", "--control", str(box.dir / "hub.sock"))
    until(lambda: hub.logged(msg="reloaded"), "the reload")
    for service in ("api", "mqtt", "mqtt-websocket"):
        assert ssl.get_server_certificate(hub.address(service)) != before, f"{service} shows the old certificate"
    old.sendall(b"\xc0\x00")
    assert old.recv(2) == b"\xd0\x00", "the reload ended a connection"
    # A key that does not belong to the certificate: the good pair stays, and the log says why.
    certificate(box, "three")
    shutil.copy(box.dir / "three.key", box.dir / "server.key")
    hub.cli("reload", "--control", str(box.dir / "hub.sock"))
    until(lambda: hub.logged(msg="the old certificate stays in use"), "a word about the mismatch")
    assert json.loads(curl(box, hub, "/health").stdout)["status"] == "healthy"
    old.sendall(b"\xc0\x00")
    assert old.recv(2) == b"\xd0\x00"
    # One that is gone: which one, since there may be many.
    (box.dir / "server.crt").unlink()
    hub.cli("reload", "--control", str(box.dir / "hub.sock"))
    until(lambda: [l for l in hub.logged(msg="the old certificate stays in use") if l["file"].endswith("/server.crt")], "the name of the file")
    old.close()


def test_an_uplink_over_tls_trusts_its_authority_only(box):
    from harness import LineSocket
    hub = tls_hub(box)
    authority(box, "stranger")
    edge = box.edge(hub.port("mqtt"), start=False)
    text = edge.config.read_text()
    edge.config.write_text(text.replace("uplink: {", f"uplink: {{tls: true, ca: {box.dir}/stranger.crt, "))
    edge.start()
    s = LineSocket(box.dir / "edge.ingest")
    s.send({"stream": "door", "value": 1, "id": "a"})
    assert s.answer() == {"ack": "a"}
    until(lambda: [l for l in edge.lines() if l["level"] == "warn" and l["module"] == "uplink"], "a word about the certificate")
    assert not edge.logged(msg="connected")
    edge.stop()
    edge.config.write_text(text.replace("uplink: {", f"uplink: {{tls: true, ca: {box.dir}/ca.crt, "))
    edge.start()
    until(lambda: json.loads(curl(box, hub, "/api/v1/readings?device=edge").stdout)["items"], "the record at the hub", 20)


def test_a_certificate_that_cannot_be_used_is_said_at_the_start(box):
    authority(box)
    certificate(box, "one")
    certificate(box, "two")
    for cert, key in (("one.crt", "two.key"), ("one.crt", "nobody.key"), ("one.key", "one.key")):
        hub = box.hub(start=False, name=f"hub{cert[:3]}{key[:3]}{cert[-1]}",
                      mqtt=f'    - {{address: "127.0.0.1:0", cert: {box.dir}/{cert}, key: {box.dir}/{key}}}\n')
        hub.start(ready=False)
        assert hub.process.wait(20 * SLOW) == 1, hub.tail()
        assert f"{box.dir}/" in hub.tail(3), hub.tail()


main(globals())
