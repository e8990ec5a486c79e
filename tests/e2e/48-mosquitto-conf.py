"""The same mosquitto.conf given to mosquitto and to a hub: clients behave alike with both. The hub says at
its start what became of each line, and does not start where it would be less safe or lose something."""
import json
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess

from bridging import Mosquitto
from harness import BIN, ROOT, SLOW, Node, Skip, free_port, main, until

try:
    import paho.mqtt.client as mqtt
except ImportError:
    mqtt = None

GOLDEN = ROOT / "tests/golden/mosquitto"


def wayside(*args, cwd):
    return subprocess.run([BIN, *args], capture_output=True, text=True, cwd=cwd, timeout=60 * SLOW)


def has_setting(box, path):
    """Whether a file of ours can say it: settings that a line needs may come later."""
    at = json.loads(wayside("config", "schema", cwd=box.dir).stdout)
    for key in path.split("."):
        at = at["properties"].get(key.removesuffix("[]"))
        if at is None:
            return False
        at = at.get("items", at) if key.endswith("[]") else at
    return True


def hub_of(box, conf, name="hub", start=True):
    """A hub that is the broker of that file; all else of it is the test's own."""
    n = Node(box, name, ["hub", "--mosquitto-conf", str(conf)], f"""node: {{id: {name}, data: {box.dir / name / 'data'}}}
log: {{format: json}}
api: {{address: "127.0.0.1:0"}}
health: {{address: "127.0.0.1:0"}}
control: {{socket: {box.dir / name}.sock}}
""")
    box.nodes.append(n)
    return n.start() if start else n


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def mosquitto_of(box, conf, port):
    """Debian's mosquitto with that file, when one of its ports answers."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if not program:
        raise Skip("mosquitto is not installed")
    log = open(box.dir / "mosquitto.log", "ab")
    p = box.run(program, "-c", str(conf), stdout=log, stderr=log, cwd=conf.parent)
    log.close()
    until(lambda: p.poll() is not None or listens(port), "mosquitto to listen")
    assert p.poll() is None, (box.dir / "mosquitto.log").read_text()
    return p


def client(program, port, *args):
    r = subprocess.run([program, "-h", "127.0.0.1", "-p", str(port), *args], capture_output=True, text=True, timeout=60 * SLOW)
    return r.returncode == 0, r.stdout


def pub(port, *args, topic="a/b", message="x"):
    return client("mosquitto_pub", port, "-t", topic, "-m", message, *args)[0]


def get(port, topic, *args):
    """The one retained message of that topic; None: there is none, or no way to it."""
    good, out = client("mosquitto_sub", port, "-t", topic, "-C", "1", "-W", "2", *args)
    return (out.strip() or None) if good else None  # mosquitto_sub also ends well when no filter was granted


def over_websocket(port, topic):
    """As get(), with MQTT over WebSocket."""
    if mqtt is None:
        raise Skip("python3-paho-mqtt is not installed")
    c, got, codes = mqtt.Client(transport="websockets"), [], []
    c.on_connect = lambda c, u, f, rc: (codes.append(rc), c.subscribe(topic, 1))
    c.on_message = lambda c, u, m: got.append(m.payload.decode())
    c.connect("127.0.0.1", port)
    c.loop_start()
    until(lambda: got or (codes and codes[0]), "an answer over WebSocket")
    c.disconnect()
    c.loop_stop()
    return got[0] if got else codes[0]


def with_both(box, conf, port, behave):
    """What behave() says with mosquitto and then with a hub, which must be the same."""
    p = mosquitto_of(box, conf, port)
    theirs = behave()
    p.terminate()
    p.wait(20 * SLOW)
    hub = hub_of(box, conf)
    ours = behave()
    assert ours == theirs, f"mosquitto: {theirs}\nhub:       {ours}"
    return hub, ours


def filled(name, **ports):
    text = (GOLDEN / name).read_text()
    for word, port in ports.items():
        text = text.replace(f"@{word}@", str(port))
    return text


def home(box):
    """A file with an included one: a listener that lets in nobody, one that lets in all, one for browsers."""
    ports = {"DENY": free_port(), "OPEN": free_port(), "WEB": free_port()}
    folder = box.dir / "hub"
    (folder / "conf.d").mkdir(parents=True)
    conf = folder / "mosquitto.conf"
    conf.write_text(filled("hub-start.conf", **ports))
    (folder / "conf.d" / "doors.conf").write_text(filled("hub-start-included.conf", **ports))
    (folder / "conf.d" / "ignored.txt").write_text("nonsense\n")
    return conf, ports


def test_clients_find_the_same_broker(box):
    conf, ports = home(box)
    deny, door, web = ports["DENY"], ports["OPEN"], ports["WEB"]

    def behave():
        said = []
        for version in ("mqttv311", "mqttv5"):
            v = ("-V", version)
            topic = f"kept/{version}"
            said += [pub(deny, *v), pub(deny, *v, "-u", "bob", "-P", "wrong"), pub(door, *v), pub(door, *v, "-q", "2"),
                     pub(door, *v, "-q", "1", "-r", topic=topic, message="last"), get(door, topic, *v), get(deny, topic, *v),
                     over_websocket(web, topic), pub(door, *v, "-q", "1", message="y" * 3000),
                     pub(door, *v, "-q", "1", message="y" * 5000)]
        return said

    hub, said = with_both(box, conf, door, behave)
    assert said[:10] == [False, False, True, True, True, "last", None, "last", True, False], said
    # With MQTT 5 the client was told how large a packet may be, and does not send it.
    assert said[10:19] == said[:9], said
    assert {l["address"] for l in hub.logged(msg="listening", service="mqtt")} == {f"127.0.0.1:{deny}", f"127.0.0.1:{door}"}


def test_every_topic_is_the_clients_own(box):
    """Also those that a hub of another file takes for readings."""
    port = free_port()
    conf = box.dir / "m.conf"
    conf.write_text(f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n")
    topics = ("device/status", "sensor/data", "sensors/metrics", "lprserver/cameras/1/health", "wayside/d/status", "wayside/d/reading/x")

    def behave():
        for version in ("mqttv311", "mqttv5"):
            for qos in "012":
                for topic in topics:
                    message = f"{version} {qos}"
                    assert pub(port, "-V", version, "-q", qos, "-r", topic=topic, message=message), (topic, message)
                    until(lambda: get(port, topic) == message, f"'{message}' on {topic}")

    hub, _ = with_both(box, conf, port, behave)
    assert hub.metric("wayside_ingest_refused_total") == 0
    hub.stop()
    hub.config.write_text(hub.config.read_text() + "ingest_builtin: true\n")
    hub.start()
    assert pub(port, "-V", "mqttv311", "-q", "1", topic="device/status", message="online")
    until(lambda: hub.metric("wayside_ingest_refused_total") == 1, "the built-in row to be back")


def test_the_report_at_the_start_is_the_golden_text(box):
    conf, ports = home(box)
    hub = hub_of(box, "mosquitto.conf")
    said = hub.log.read_text()
    want = filled("hub-start.txt", **ports)
    assert said.startswith(want), f"{said}\ninstead of\n{want}"
    assert want and said[len(want):].startswith('{"time"'), f"more is said than the golden text: {said}"


def test_what_is_refused_keeps_the_hub_from_starting(box):
    (box.dir / "hub").mkdir()
    shutil.copy(GOLDEN / "hub-refused.conf", box.dir / "hub" / "mosquitto.conf")
    hub = hub_of(box, "mosquitto.conf", start=False)
    hub.start(ready=False)
    assert hub.process.wait(20 * SLOW) == 3
    want = (GOLDEN / "hub-refused.txt").read_text()
    assert hub.log.read_text() == want, f"{hub.log.read_text()}\ninstead of\n{want}"
    assert "geheim" not in want
    r = wayside("config", "import", "--mosquitto-conf", "mosquitto.conf", cwd=hub.dir)
    assert r.returncode == 3
    assert r.stderr in want and "'psk_hint hub' is refused" in r.stderr
    assert "# mosquitto.conf:4: psk_hint hub: refused" in r.stdout and "geheim" not in r.stderr


def test_files_that_cannot_be_read_are_told_with_their_line(box):
    folder = box.dir / "files"
    folder.mkdir()
    conf = folder / "m.conf"
    conf.write_text("listener 18830 127.0.0.1\nallow_anonymous true\nacl_file /nowhere/rules\n")
    r = wayside("hub", "--mosquitto-conf", "m.conf", cwd=folder)
    assert r.returncode == 3 and "m.conf:3:" in r.stderr, r
    assert ("/nowhere/rules: No such file" if has_setting(box, "mqtt.acl_file") else "needs the setting mqtt.acl_file") in r.stderr, r
    conf.write_text("listener 18830 127.0.0.1\ncertfile /nowhere/c\nkeyfile /nowhere/k\n")
    r = wayside("hub", "--mosquitto-conf", "m.conf", cwd=folder)
    assert r.returncode == 3 and "m.conf:2:10: 'certfile': cannot open /nowhere/c: No such file" in r.stderr, r
    conf.write_text("include_dir /nowhere\n")
    r = wayside("hub", "--mosquitto-conf", "m.conf", cwd=folder)
    assert r.returncode == 3 and "m.conf:1:13: cannot open /nowhere" in r.stderr, r
    r = wayside("hub", "--mosquitto-conf", "none.conf", cwd=folder)
    assert r.returncode == 3 and "none.conf: No such file" in r.stderr, r
    assert wayside("edge", "--mosquitto-conf", "m.conf", cwd=folder).returncode == 2
    assert wayside("config", "import", cwd=folder).returncode == 2


def openssl(box, *args):
    r = subprocess.run(["openssl", *args], cwd=box.dir, capture_output=True, text=True, timeout=60 * SLOW)
    assert r.returncode == 0, r.stderr


def test_a_listener_with_certificates(box):
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    for name in ("server", "stranger"):
        openssl(box, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
                f"{name}.crt", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    port = free_port()
    conf = box.dir / "m.conf"
    conf.write_text(f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\ncertfile {box.dir}/server.crt\n"
                    f"keyfile {box.dir}/server.key\ncafile {box.dir}/server.crt\ntls_version tlsv1.2\n")

    def handshake(version):
        c = ssl.create_default_context(cafile=str(box.dir / "server.crt"))
        c.minimum_version = c.maximum_version = version
        with c.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20 * SLOW), server_hostname="localhost") as s:
            return s.version()

    def behave():
        return [pub(port, "--cafile", str(box.dir / "server.crt"), "-q", "1"), pub(port, "--cafile", str(box.dir / "stranger.crt")),
                pub(port), handshake(ssl.TLSVersion.TLSv1_2), handshake(ssl.TLSVersion.TLSv1_3)]

    _, said = with_both(box, conf, port, behave)
    assert said == [True, False, False, "TLSv1.2", "TLSv1.3"], said


def test_no_listener_is_this_machine_only(box):
    """Where mosquitto takes port 1883, which may be taken here: only what the hub would do."""
    conf = box.dir / "m.conf"
    conf.write_text("# nothing\n")
    r = wayside("config", "import", "--mosquitto-conf", "m.conf", cwd=box.dir)
    assert r.returncode == 0 and r.stderr == "", r
    addresses = [l.split('"')[1] for l in r.stdout.splitlines() if "address:" in l]
    assert addresses in (["127.0.0.1:1883", "[::1]:1883"], ["127.0.0.1:1883"]), r.stdout
    assert r.stdout.count("anonymous: allow") == len(addresses)


def test_users_of_a_password_file(box):
    if not shutil.which("mosquitto_passwd"):
        raise Skip("mosquitto_passwd is not installed")
    port = free_port()
    conf, passwords = box.dir / "m.conf", box.dir / "passwords"
    passwords.touch()
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "alice", "correct horse"], check=True, timeout=60 * SLOW)
    conf.write_text(f"user root\nlistener {port} 127.0.0.1\npassword_file {passwords}\n")
    if not has_setting(box, "mqtt.password_file"):
        r = wayside("hub", "--mosquitto-conf", str(conf), cwd=box.dir)
        assert r.returncode == 3 and f"{conf}:3:1: " in r.stderr and "needs the setting mqtt.password_file" in r.stderr, r
        return

    def behave():
        return [pub(port, "-u", "alice", "-P", "correct horse"), pub(port, "-u", "alice", "-P", "wrong"), pub(port, "-u", "bob", "-P", "x"),
                pub(port)]

    _, said = with_both(box, conf, port, behave)
    assert said == [True, False, False, False], said


def test_rules_of_an_acl_file(box):
    port = free_port()
    conf, rules = box.dir / "m.conf", box.dir / "rules"
    rules.write_text("topic read news/#\ntopic readwrite open/#\n")
    conf.write_text(f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nacl_file {rules}\n")
    if not has_setting(box, "mqtt.acl_file"):
        r = wayside("hub", "--mosquitto-conf", str(conf), cwd=box.dir)
        assert r.returncode == 3 and f"{conf}:4:1: " in r.stderr and "needs the setting mqtt.acl_file" in r.stderr, r
        return

    def behave():
        for topic in ("open/a", "news/a", "other/a"):
            pub(port, "-q", "1", "-r", topic=topic, message=topic)
        return [get(port, topic) for topic in ("open/a", "news/a", "other/a")]

    _, said = with_both(box, conf, port, behave)
    assert said == ["open/a", None, None], said


def refused_for_now(box, line, setting, warning=False):
    """What is said while the setting is not there."""
    conf = box.dir / "m.conf"
    conf.write_text(f"listener 18830 127.0.0.1\nallow_anonymous true\n{line}\n")
    r = wayside("config", "import", "--mosquitto-conf", str(conf), cwd=box.dir)
    assert r.returncode == (0 if warning else 3) and f"it needs the setting {setting}" in r.stdout, r


def test_what_one_listener_may(box):
    lines = {"connections_max": "max_connections 1", "mount_point": "mount_point site/", "qos_max": "max_qos 0",
             "retain_available": "retain_available false"}
    there = {key: line for key, line in lines.items() if has_setting(box, f"mqtt.listeners[].{key}")}
    for key in lines.keys() - there.keys():
        refused_for_now(box, lines[key], f"mqtt.listeners[].{key}", warning=key == "qos_max")
    for key, line in there.items():
        narrow, wide = free_port(), free_port()
        conf = box.dir / f"{key}.conf"
        conf.write_text(f"user root\nallow_anonymous true\nlistener {wide} 127.0.0.1\nlistener {narrow} 127.0.0.1\n{line}\n")

        def behave():
            if key != "connections_max":
                return [pub(narrow), pub(narrow, "-q", "1"), pub(narrow, "-r", topic="kept", message="k"), get(wide, "kept"),
                        get(wide, "site/kept"), get(narrow, "kept")]
            pub(wide, "-r", topic="kept", message="k")
            waiting = box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(narrow), "-t", "kept", stdout=subprocess.PIPE)
            assert waiting.stdout.readline() == b"k\n"
            said = [pub(narrow), pub(wide)]
            waiting.kill()
            waiting.wait()
            return said

        p = mosquitto_of(box, conf, wide)
        theirs = behave()
        p.terminate()
        p.wait(20 * SLOW)
        hub = hub_of(box, conf, name=key)
        ours = behave()
        hub.stop()
        assert ours == theirs, f"{line}\nmosquitto: {theirs}\nhub:       {ours}"
        assert ours not in ([True, True, True, "k", None, "k"], [True, True]), f"{line} has no effect"


def test_clients_with_certificates(box):
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    if not has_setting(box, "mqtt.listeners[].client_ca"):
        refused_for_now(box, "require_certificate true\ncertfile /dev/null\nkeyfile /dev/null\ncafile /dev/null",
                        "mqtt.listeners[].require_certificate")
        return
    for name in ("server", "ca", "stranger"):
        openssl(box, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
                f"{name}.crt", "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    for ca in ("ca", "stranger"):
        openssl(box, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"of-{ca}.key", "-out", "c.csr",
                "-subj", "/CN=t1")
        openssl(box, "x509", "-req", "-in", "c.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial", "-out", f"of-{ca}.crt",
                "-days", "1")
    port = free_port()
    conf = box.dir / "m.conf"
    conf.write_text(f"user root\nlistener {port} 127.0.0.1\ncertfile {box.dir}/server.crt\nkeyfile {box.dir}/server.key\n"
                    f"cafile {box.dir}/ca.crt\nrequire_certificate true\nuse_identity_as_username true\n")
    trust = ("--cafile", str(box.dir / "server.crt"))

    def behave():
        return [pub(port, *trust, "--cert", str(box.dir / f"of-{ca}.crt"), "--key", str(box.dir / f"of-{ca}.key"), "-q", "1")
                for ca in ("ca", "stranger")] + [pub(port, *trust, "-q", "1")]

    _, said = with_both(box, conf, port, behave)
    assert said == [True, False, False], said


def test_a_file_of_ours_is_laid_over_it_and_both_reload(box):
    port = free_port()
    conf = box.dir / "m.conf"
    text = f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 5\nlog_type all\n"
    conf.write_text(text)
    hub = hub_of(box, conf, start=False)
    hub.config.write_text(hub.config.read_text() + "limits: {mqtt_queue_max_messages: 7}\n")
    hub.start()
    assert pub(port)
    conf.write_text(text.replace("type all", "type louder"))
    hub.process.send_signal(signal.SIGHUP)
    bad = until(lambda: hub.logged(msg="not reloaded; the running configuration stays"), "a word about the mistake")[0]
    assert bad["file"] == str(conf) and bad["line"] == 4 and "'louder' is no type" in bad["why"], bad
    conf.write_text(text.replace("type all", "type error").replace("max_queued_messages 5", "max_queued_messages 6"))
    hub.process.send_signal(signal.SIGHUP)
    until(lambda: [l for l in hub.lines() if l.get("setting") == "log.level"], "the reload")
    # The file of ours says the other one, so it has not changed.
    assert not [l for l in hub.lines() if l.get("setting") == "limits.mqtt_queue_max_messages"]
    assert pub(port)


def test_what_moves_over_loads_again(box):
    files = [GOLDEN / "two-listeners.conf", GOLDEN / "certificates.conf", GOLDEN / "debian.conf"]
    installed = pathlib.Path("/etc/mosquitto/mosquitto.conf")
    checked = 0
    for f in files + ([installed] if installed.exists() else []):
        conf, yaml = box.dir / "m.conf", box.dir / "moved.yaml"
        # Files that they name are not here; whether they can be read is told elsewhere.
        keep = [l for l in f.read_text().splitlines() if not l.startswith(("certfile", "keyfile", "cafile", "acl_file", "password_file",
                                                                          "include_dir"))]
        conf.write_text("\n".join(keep) + "\n")
        r = wayside("config", "import", "--mosquitto-conf", str(conf), cwd=box.dir)
        yaml.write_text(r.stdout)
        # A line may be refused; what was understood still stands there, and nothing but that.
        assert r.returncode == (3 if " is refused: " in r.stderr or "needs" in r.stderr else 0), r
        again = wayside("config", "check", str(yaml), cwd=box.dir)
        assert again.returncode == 0, again
        checked += 1
    assert checked >= 3


def test_a_connection_is_a_bridge(box):
    """Two brokers, one of them wayside from mosquitto's own file, with its bridge."""
    far = Mosquitto(box)
    (box.dir / "hub").mkdir()
    (box.dir / "hub" / "mosquitto.conf").write_text(
        f"listener {free_port()} 127.0.0.1\nallow_anonymous true\nconnection up\naddress 127.0.0.1:{far.port}\n"
        "topic t/# both 1 here/ there/\ncleansession false\nkeepalive_interval 5\nremote_clientid site7\n")
    hub = hub_of(box, "mosquitto.conf")
    port = hub.port("mqtt")
    sub = box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(far.port), "-t", "there/#", "-q", "1", "-C", "1", "-W", "20",
                  stdout=subprocess.PIPE, text=True)
    until(lambda: "site7" in (far.dir / "log").read_text() and "there/#" in (far.dir / "log").read_text(), "both at the far side")
    r = subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", "here/t/1", "-m", "x"], timeout=30 * SLOW)
    assert r.returncode == 0
    assert sub.communicate(timeout=30 * SLOW)[0] == "x\n"
    back = subprocess.run(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(far.port), "-t", "$SYS/broker/connection/site7/state", "-C", "1",
                           "-W", "10"], capture_output=True, text=True, timeout=30 * SLOW)
    assert back.stdout == "1\n", back


main(globals())
