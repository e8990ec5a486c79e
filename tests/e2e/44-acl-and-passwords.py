"""The access and password files that mosquitto users have: who logs in, who may publish and subscribe what,
what clients are told; a reload under open connections; mistakes with their place."""
import base64
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import time

from harness import LineSocket, SLOW, Skip, free_port, main, until

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 9, 13, 14
NOT_AUTHORIZED = 0x87


def text(s):
    s = s.encode() if isinstance(s, str) else s
    return struct.pack(">H", len(s)) + s


def length(n):
    out = b""
    while True:
        n, digit = n >> 7, n & 127
        out += bytes([digit | (0x80 if n else 0)])
        if not n:
            return out


class Client:
    """MQTT by hand, so that every code can be looked at."""

    def __init__(self, address, client_id, user=None, password=None, version=5, expiry=0, clean=True, will=None):
        self.version, self.buffer, self.packet_id, self.early = version, b"", 0, []
        self.s = socket.create_connection(address, timeout=20 * SLOW)
        flags = (2 if clean else 0) | (0x80 if user is not None else 0) | (0x40 if password is not None else 0) | (4 if will else 0)
        body = text("MQTT") + bytes([version, flags]) + b"\x00\x3c"
        body += (b"\x05\x11" + struct.pack(">I", expiry) if expiry else b"\x00") if version == 5 else b""
        body += text(client_id)
        body += ((b"\x00" if version == 5 else b"") + text(will) + text("gone")) if will else b""
        body += b"".join(text(x) for x in (user, password) if x is not None)
        self.send(0x10, body)
        kind, _, data = self.packet()
        assert kind == CONNACK, (kind, data)
        self.present, self.code = data[0], data[1]

    def send(self, first, body):
        self.s.sendall(bytes([first]) + length(len(body)) + body)

    def bytes(self, n):
        while len(self.buffer) < n:
            got = self.s.recv(65536)
            if not got:
                raise ConnectionError("the connection was closed")
            self.buffer += got
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def packet(self):
        first, n, shift = self.bytes(1)[0], 0, 0
        while True:
            b = self.bytes(1)[0]
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                break
        return first >> 4, first & 15, self.bytes(n)

    def expect(self, kind):
        """Messages that come before it are kept for received()."""
        while True:
            got, flags, data = self.packet()
            if got == PUBLISH and kind != PUBLISH:
                self.early.append(self.message(flags, data))
                continue
            assert got == kind, f"packet {got} {data!r} instead of {kind}"
            return self.message(flags, data) if kind == PUBLISH else data

    def message(self, flags, data):
        n = struct.unpack(">H", data[:2])[0]
        return data[2:2 + n].decode(), data[2 + n + (2 if flags & 6 else 0) + (1 if self.version == 5 else 0):].decode()

    def publish(self, topic, payload="x"):
        """QoS 1; the code of its PUBACK (None: 3.1.1 has none)."""
        self.packet_id += 1
        self.send(0x32, text(topic) + struct.pack(">H", self.packet_id) + (b"\x00" if self.version == 5 else b"") + payload.encode())
        data = self.expect(PUBACK)
        if self.version != 5:
            return None
        return data[2] if len(data) > 2 else 0

    def subscribe(self, *filters, qos=0):
        """The codes of its SUBACK."""
        self.packet_id += 1
        self.send(0x82, struct.pack(">H", self.packet_id) + (b"\x00" if self.version == 5 else b"") + b"".join(text(f) + bytes([qos]) for f in filters))
        data = self.expect(SUBACK)
        return list(data[3 if self.version == 5 else 2:])

    def received(self):
        """(topic, payload) of the next message."""
        return self.early.pop(0) if self.early else self.expect(PUBLISH)

    def nothing(self):
        """No message came that nobody looked at."""
        self.send(0xc0, b"")
        self.expect(PINGRESP)
        return not self.early

    def ended(self):
        """DISCONNECT's code when one came, and then the end."""
        code = None
        try:
            while True:
                kind, _, data = self.packet()
                assert kind == DISCONNECT, kind
                code = data[0] if data else 0
        except ConnectionError:
            return code

    def close(self):
        self.s.close()


def passwd(path, name, password, *how):
    subprocess.run(["mosquitto_passwd", *how, *([] if path.exists() else ["-c"]), "-b", str(path), name, password], check=True,
                   stderr=subprocess.DEVNULL)


def rewrite(path, content):
    """In one step, so that a reload under way never sees half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(content)
    fresh.replace(path)


LISTENERS = """    - {address: "127.0.0.1:0"}
    - {address: "127.0.0.1:0", protocol: websocket}
"""


def hub_with(box, rules=None, users=(), mqtt="", start=True, extra="", **kw):
    """users: (name, password, options of mosquitto_passwd …)"""
    acl, pw = box.dir / "acl", box.dir / "pw"
    if rules is not None:
        acl.write_text(rules)
        mqtt += f"  acl_file: {acl}\n"
    for name, password, *how in users:
        passwd(pw, name, password, *how)
    if users:
        mqtt += f"  password_file: {pw}\n"
    hub = box.hub(mqtt=LISTENERS + mqtt, start=start, extra=extra, **kw)
    return hub, acl, pw


def hup(hub, what="reloaded"):
    before = len(hub.logged(msg=what))
    hub.process.send_signal(signal.SIGHUP)
    until(lambda: len(hub.logged(msg=what)) > before, what)
    return hub.logged(msg=what)[-1]


def log_in(hub, user, password, version=5):
    c = Client(hub.address("mqtt"), f"c-{user}", user, password, version)
    c.close()
    return c.code


# ---- logins ----

def test_users_of_mosquitto_passwd_log_in(box):
    hub, _, _ = hub_with(box, users=[("ann", "correct horse"), ("old", "sha512 of 1.6", "-H", "sha512"), ("jörg", "pässwörd")],
                         mqtt="  users: [{name: pi, password: \"of the file\"}, {name: ann2, password: \"of the file\"}]\n")
    for version, wrong in ((5, 0x86), (4, 4)):
        for user, password in (("ann", "correct horse"), ("old", "sha512 of 1.6"), ("jörg", "pässwörd"), ("pi", "of the file")):
            assert log_in(hub, user, password, version) == 0, user
        for user, password in (("ann", "correct horsf"), ("ann", ""), ("ann", "sha512 of 1.6"), ("old", "correct horse"), ("Ann", "correct horse"),
                               ("nobody", "correct horse"), ("", ""), ("pi", "correct horse"), ("ann", "of the file")):
            assert log_in(hub, user, password, version) == wrong, (user, password)
        assert log_in(hub, "ann", None, version) == wrong, "a name without password"
        assert log_in(hub, None, None, version) == 0, "without a name, from this machine"
    for user, password, want in (("ann", "correct horse", 0), ("ann", "wrong", 4)):
        r = subprocess.run(["mosquitto_pub", "-p", str(hub.port("mqtt")), "-u", user, "-P", password, "-q", "1", "-t", "x", "-m", "y"],
                           capture_output=True, text=True, timeout=30 * SLOW)
        assert (r.returncode == 0) == (want == 0), r
    log = hub.log.read_text()
    assert "correct horse" not in log and "$7$" not in log, "a password is in the log"


def test_clients_that_leave_while_their_password_is_looked_at(box):
    hub, _, _ = hub_with(box, users=[("ann", "correct horse")])
    hello = text("MQTT") + bytes([5, 0xc2]) + b"\x00\x3c\x00" + text("c") + text("ann") + text("correct horse")
    for n in range(300):
        with socket.create_connection(hub.address("mqtt"), timeout=20 * SLOW) as s:
            s.sendall(bytes([0x10]) + length(len(hello)) + hello)
            if n % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert log_in(hub, "ann", "correct horse") == 0
    until(lambda: hub.metric("wayside_mqtt_connections") == 0, "them to be gone")


def slow_passwords(box, seconds):
    """A password file whose only user, ann, costs about so long."""
    salt = b"twelve bytes"
    began = time.monotonic()
    hashlib.pbkdf2_hmac("sha512", b"x", salt, 100000)
    count = int(100000 * seconds / (time.monotonic() - began))
    b64 = lambda b: base64.b64encode(b).decode()
    (box.dir / "pw").write_text(f"ann:$7${count}${b64(salt)}${b64(hashlib.pbkdf2_hmac('sha512', b'correct horse', salt, count))}\n")
    return f"  password_file: {box.dir}/pw\n", "password_iterations_max: 10000000"


def ask_to_log_in(hub, version=5):
    s = socket.create_connection(hub.address("mqtt"), timeout=60 * SLOW)
    hello = text("MQTT") + bytes([version, 0xc2]) + b"\x00\x3c" + (b"\x00" if version == 5 else b"") + text("") + text("ann") + text("correct horse")
    s.sendall(bytes([0x10]) + length(len(hello)) + hello)
    return s


def test_nobody_waits_for_the_logins_of_who_has_gone(box):
    mqtt, limit = slow_passwords(box, 0.5)
    hub, _, _ = hub_with(box, mqtt=mqtt, extra=f"limits: {{{limit}}}")
    crowd = [ask_to_log_in(hub) for _ in range(60)]  # half a minute of work
    until(lambda: hub.metric("wayside_mqtt_logins_pending") > 50, "them to wait")
    for s in crowd:
        s.close()
    began = thread_ms(hub.process.pid).get("passwords", 0)
    assert log_in(hub, "ann", "correct horse") == 0
    assert thread_ms(hub.process.pid)["passwords"] - began < 10000 * SLOW
    until(lambda: hub.metric("wayside_mqtt_logins_pending") == 0, "nobody to wait")
    assert hub.metric("wayside_mqtt_logins_turned_away_total") == 0


def test_what_follows_a_connect_at_once_is_not_lost(box):
    mqtt, limit = slow_passwords(box, 0.5)
    hub, _, _ = hub_with(box, mqtt=mqtt, extra=f"limits: {{{limit}}}")
    sub = Client(hub.address("mqtt"), "sub", "ann", "correct horse")
    sub.subscribe("a/b")
    for version in (4, 5):
        s = ask_to_log_in(hub, version)
        s.sendall(b"\x30" + length(7 + (version == 5)) + text("a/b") + (b"\x00" if version == 5 else b"") + b"hi" + b"\xe0\x00")
        s.close()
        assert sub.received() == ("a/b", "hi")


def test_logins_beyond_the_limit_are_told_at_once(box):
    mqtt, limit = slow_passwords(box, 1)
    hub, _, _ = hub_with(box, mqtt=mqtt, extra=f"limits: {{{limit}, mqtt_logins_pending_max: 2}}")
    waiting = [ask_to_log_in(hub) for _ in range(2)]
    until(lambda: hub.metric("wayside_mqtt_logins_pending") == 2, "them to wait")
    for version, code in ((5, 0x88), (4, 3)):
        s = ask_to_log_in(hub, version)
        assert s.recv(100)[3] == code
        assert s.recv(100) == b""
    assert hub.metric("wayside_mqtt_logins_turned_away_total") == 2
    for s in waiting:
        assert s.recv(100)[3] == 0
    assert log_in(hub, "ann", "correct horse") == 0


def thread_ms(pid):
    """CPU milliseconds of each thread so far: {name: ms}, of one name together."""
    out = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name, rest = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        fields = rest.split()
        out[name] = out.get(name, 0) + (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")
    return out


def test_slow_hashes_keep_no_loop_busy_and_tell_nothing(box):
    salt, count = b"twelve bytes", 10000
    b64 = lambda b: base64.b64encode(b).decode()
    (box.dir / "pw").write_text(f"slow:$7${count}${b64(salt)}${b64(hashlib.pbkdf2_hmac('sha512', b'correct horse', salt, count))}\n"
                                f"old:$6${b64(salt)}${b64(hashlib.sha512(b'battery staple' + salt).digest())}\n")
    hub, _, _ = hub_with(box, mqtt=f"  password_file: {box.dir}/pw\n")
    cost = collections.Counter()
    before = thread_ms(hub.process.pid)
    for _ in range(40):  # in turn: a moment in which the machine is slow is one for all of them
        for user, password, want in (("slow", "correct horse", 0), ("old", "battery staple", 0), ("slow", "wrong", 0x86), ("nobody", "correct horse", 0x86)):
            start = thread_ms(hub.process.pid).get("passwords", 0)
            assert log_in(hub, user, password) == want
            cost[user, password] += thread_ms(hub.process.pid)["passwords"] - start
    after = thread_ms(hub.process.pid)
    others = sum(ms - before.get(name, 0) for name, ms in after.items() if name != "passwords")
    total = sum(cost.values())
    assert total > 100 and others < total / 2, (cost, before, after)
    assert min(cost.values()) * 2 > max(cost.values()), f"the time of an answer tells who exists: {cost}"


def test_an_iteration_count_that_would_stall_is_refused_by_its_limit(box):
    hub, _, pw = hub_with(box, users=[("ann", "correct horse")], extra="limits: {password_iterations_max: 100}", start=False)
    r = hub.cli("hub", "-c", str(hub.config), check=False)
    assert r.returncode != 0 and f"{pw}:1:8: 'ann' has 101 iterations, more than limits.password_iterations_max (100)" in r.stderr, r.stderr
    hub.config.write_text(hub.config.read_text().replace("password_iterations_max: 100", "password_iterations_max: 101"))
    hub.start()
    assert log_in(hub, "ann", "correct horse") == 0
    hub.stop()
    hub.config.write_text(hub.config.read_text().replace("password_iterations_max: 101", "access_file_max: 64"))
    r = hub.cli("hub", "-c", str(hub.config), check=False)
    assert r.returncode != 0 and f"{pw}: {pw} is larger than 64 bytes" in r.stderr, r.stderr


# ---- rules ----

RULES = """# who may what
topic read public/#
topic deny public/secret

user ann
topic in/ann
topic read out/+
topic readwrite a topic of words

pattern write dev/%c/#
pattern read users/%u/#
"""


def test_only_what_the_rules_grant(box):
    hub, _, _ = hub_with(box, RULES, [("ann", "correct horse"), ("bob", "battery staple")])
    address = hub.address("mqtt")
    ann = Client(address, "c1", "ann", "correct horse")
    assert ann.subscribe("in/ann", "out/+", "out/x", "#", "out/#", "+/ann", "public/a", "users/ann/x/#", "users/+/x", "a topic of words") == \
        [0, 0, 0, NOT_AUTHORIZED, NOT_AUTHORIZED, NOT_AUTHORIZED, NOT_AUTHORIZED, 0, NOT_AUTHORIZED, 0]
    assert ann.publish("in/ann") == 0 and ann.received() == ("in/ann", "x")
    assert ann.publish("in/bob") == NOT_AUTHORIZED
    assert ann.publish("out/x") == NOT_AUTHORIZED
    assert ann.publish("dev/c1/t") == 0
    assert ann.publish("dev/c2/t") == NOT_AUTHORIZED
    assert ann.nothing()
    anonymous = Client(address, "c2")
    assert anonymous.subscribe("public/a", "public/+", "public/secret", "public/#", "in/ann", "public/a/#") == \
        [0, NOT_AUTHORIZED, NOT_AUTHORIZED, NOT_AUTHORIZED, NOT_AUTHORIZED, 0]
    assert anonymous.publish("public/a") == NOT_AUTHORIZED and anonymous.publish("dev/c2/t") == 0
    bob = Client(address, "c/3", "bob", "battery staple", version=4)  # an id that patterns are not for
    assert bob.subscribe("users/bob/x", "public/a") == [0x80, 0x80]
    bob.publish("dev/c/3/t")  # 3.1.1 knows no refusal: acknowledged, and not taken
    assert hub.metric("wayside_mqtt_denied_total") == 5 + 3 + 4 + 1 + 2 + 1, hub.metric("wayside_mqtt_denied_total")
    for c in (ann, anonymous, bob):
        c.close()


def test_real_clients(box):
    import paho.mqtt.client as mqtt
    hub, _, _ = hub_with(box, RULES + "user bob\ntopic write out/+\n", [("ann", "correct horse"), ("bob", "battery staple")])
    port = str(hub.port("mqtt"))
    sub = box.run("mosquitto_sub", "-V", "5", "-p", port, "-i", "s", "-u", "ann", "-P", "correct horse", "-t", "out/+", "-C", "1", "-W", "20",
                  stdout=subprocess.PIPE, text=True)
    until(lambda: hub.metric("wayside_mqtt_subscriptions") == 1, "the subscription")
    for topic, want in (("elsewhere", "Not authorized"), ("out/1", "")):
        r = subprocess.run(["mosquitto_pub", "-V", "5", "-p", port, "-i", "p", "-u", "bob", "-P", "battery staple", "-q", "1", "-t", topic, "-m", "hello"],
                           capture_output=True, text=True, timeout=30 * SLOW)
        assert (want in r.stderr) if want else not r.stderr, (topic, r)
    assert sub.communicate(timeout=30 * SLOW)[0] == "hello\n"
    r = subprocess.run(["mosquitto_sub", "-V", "5", "-p", port, "-u", "bob", "-P", "battery staple", "-t", "out/+", "-C", "1", "-W", "20"],
                       capture_output=True, text=True, timeout=30 * SLOW)
    assert "denied" in r.stderr + r.stdout, r
    granted = []
    c = mqtt.Client(client_id="paho", protocol=mqtt.MQTTv5, transport="websockets")
    c.ws_set_options(path="/mqtt")
    c.username_pw_set("ann", "correct horse")
    c.on_connect = lambda *a: c.subscribe([("users/ann/#", 0), ("users/#", 0)])
    c.on_subscribe = lambda c_, u, mid, codes, props=None: granted.extend(x.value for x in codes)
    c.connect("127.0.0.1", hub.port("mqtt-websocket"))
    c.loop_start()
    until(lambda: len(granted) == 2, "the answer over websocket")
    c.disconnect()
    c.loop_stop()
    assert granted == [0, NOT_AUTHORIZED], granted


def test_refusals_are_logged_once_a_client_and_minute(box):
    hub, _, _ = hub_with(box, "topic read x\n", node=", workers: 1")  # each worker has a table of its own
    clients = [Client(hub.address("mqtt"), f"c{n}") for n in range(2)]
    for c in clients:
        for n in range(20):
            assert c.publish(f"no/{n}") == NOT_AUTHORIZED
        assert c.subscribe("y", "z") == [NOT_AUTHORIZED] * 2
        c.close()
    again = Client(hub.address("mqtt"), "c0")  # a new connection is no new client
    assert again.publish("no/x") == NOT_AUTHORIZED
    again.close()
    lines = hub.logged(msg="not allowed")
    assert [(l["client"], l["topic"], l["level"], l["action"]) for l in lines] == [(f"c{n}", "no/0", "warn", "publish") for n in range(2)], lines
    assert hub.metric("wayside_mqtt_denied_total") == 45


def test_an_edge_needs_a_login_and_no_rule(box):
    hub, acl, _ = hub_with(box, "topic read wayside/#\n", [("edge", "the right one")])
    edge = box.edge(hub.port("mqtt"), start=False)
    edge.config.write_text(edge.config.read_text().replace("uplink: {", 'uplink: {user: edge, password: "the right one", '))
    edge.start()
    live = Client(hub.address("mqtt"), "dashboard")
    assert live.subscribe("wayside/+/reading/+") == [0]
    s = LineSocket(box.dir / "edge.ingest")
    s.send({"stream": "door", "value": 1, "id": "a"})
    assert s.answer() == {"ack": "a"}
    until(lambda: hub.get("/api/v1/readings?device=edge&stream=door")["items"], "the record", 20)
    assert live.received()[0] == "wayside/edge/reading/door"
    assert not hub.logged(msg="not allowed"), hub.logged(msg="not allowed")
    # Its subscription to what the hub has of it (below $wayside/have/) needs no rule either.
    assert not [l for l in edge.lines() if l["level"] in ("warn", "error")], edge.tail()
    live.close()


# ---- reload ----

def test_new_rules_hold_for_open_connections(box):
    hub, acl, _ = hub_with(box, "topic readwrite a/#\ntopic readwrite b/#\n", node=", workers: 2")
    address = hub.address("mqtt")
    subs = [Client(address, f"s{n}") for n in range(6)]  # on both workers
    for s in subs:
        assert s.subscribe("a/#", "b/#") == [0, 0]
    away = Client(address, "away", expiry=300)
    assert away.subscribe("a/#", "b/x", qos=1) == [1, 1]
    away.close()
    until(lambda: hub.metric("wayside_mqtt_connections") == len(subs), "it to be away")
    pub = Client(address, "pub")
    assert pub.publish("a/x") == 0 and pub.publish("b/x") == 0
    for s in subs:
        assert [s.received()[0], s.received()[0]] == ["a/x", "b/x"]
    assert hub.metric("wayside_mqtt_subscriptions") == 14
    rewrite(acl, "topic readwrite b/#\ntopic write a/y\n")
    hup(hub)
    assert hub.metric("wayside_mqtt_subscriptions") == 7
    assert pub.publish("a/x") == NOT_AUTHORIZED
    assert pub.publish("a/y") == 0  # may be published, and nobody has it any more
    assert pub.publish("b/x") == 0
    for s in subs:
        assert s.received()[0] == "b/x" and s.nothing()
        assert s.subscribe("a/#") == [NOT_AUTHORIZED]
    assert len(hub.logged(msg="subscriptions ended: no longer allowed")) >= 1
    back = Client(address, "away", expiry=300, clean=False)
    assert back.present == 1
    # Of what was queued for it before the rules changed, what it may receive still comes.
    assert [back.received()[0] for _ in range(2)] == ["b/x"] * 2 and back.nothing()
    # And wider again: what ended does not come back by itself.
    rewrite(acl, "topic readwrite #\n")
    hup(hub)
    assert pub.publish("a/x") == 0
    for s in subs:
        assert s.nothing() and s.subscribe("a/#") == [0]
    assert pub.publish("a/x") == 0
    for s in subs:
        assert s.received()[0] == "a/x"
    # Another file, and then none: the settings reload as well.
    other = box.dir / "other"
    other.write_text("topic deny a/#\ntopic b/#\n")
    hub.configure(hub.config.read_text().replace(f"acl_file: {acl}", f"acl_file: {other}"))
    hup(hub)
    assert pub.publish("a/x") == NOT_AUTHORIZED
    hub.configure(hub.config.read_text().replace(f"  acl_file: {other}\n", ""))
    hup(hub)
    assert pub.publish("a/x") == 0 and pub.publish("anything") == 0
    for c in (*subs, pub, back):
        c.close()


def test_a_broker_that_ends_at_the_next_start_keeps_its_rules_until_then(box):
    hub, acl, _ = hub_with(box, "topic a/#\n")
    c = Client(hub.address("mqtt"), "c")
    text_ = hub.config.read_text()
    at, end = text_.index("mqtt:\n"), text_.index("api:")
    hub.configure(text_[:at] + "mqtt: false\n" + text_[end:])
    hup(hub)
    assert c.publish("a/x") == 0 and c.publish("b/x") == NOT_AUTHORIZED
    c.close()


def test_who_is_gone_or_has_another_password_is_disconnected(box):
    hub, _, pw = hub_with(box, users=[("ann", "correct horse"), ("bob", "battery staple"), ("carl", "stays here")],
                          mqtt="  users: [{name: pi, password: \"of the file\"}]\n")
    address = hub.address("mqtt")
    watch = Client(address, "watch")
    assert watch.subscribe("will") == [0]
    ann = Client(address, "ann", "ann", "correct horse", will="will", expiry=300)
    ann4 = Client(address, "ann4", "ann", "correct horse", version=4)
    bob = Client(address, "bob", "bob", "battery staple")
    stays = [Client(address, "carl", "carl", "stays here"), Client(address, "pi", "pi", "of the file"), watch]
    assert ann.code == ann4.code == bob.code == 0
    fresh = box.dir / "fresh"
    shutil.copy(pw, fresh)
    subprocess.run(["mosquitto_passwd", "-D", str(fresh), "ann"], check=True)
    passwd(fresh, "bob", "another one")
    fresh.replace(pw)
    hup(hub)
    assert ann.ended() == NOT_AUTHORIZED
    assert ann4.ended() is None
    assert bob.ended() == NOT_AUTHORIZED
    assert all(c.nothing() for c in stays), "and no will of who is gone"
    assert log_in(hub, "ann", "correct horse") == 0x86
    assert log_in(hub, "bob", "battery staple") == 0x86
    assert log_in(hub, "bob", "another one") == 0
    assert log_in(hub, "carl", "stays here") == 0
    passwd(fresh, "ann", "correct horse")  # a file of her alone
    fresh.replace(pw)
    hup(hub)
    assert Client(address, "ann", "ann", "correct horse", clean=False, expiry=300).present == 0, "her session ended with her"
    assert stays[0].ended() == NOT_AUTHORIZED and stays[1].nothing()


def test_reloads_under_logins_and_traffic(box):
    rules = "topic readwrite b/#\npattern readwrite p/%c/#\n"
    hub, acl, pw = hub_with(box, rules + "topic a/#\n", [("ann", "correct horse"), ("bob", "battery staple")], node=", workers: 2")
    address = hub.address("mqtt")
    c = Client(address, "steady", "ann", "correct horse")
    assert c.subscribe("p/steady/#") == [0]
    for n in range(60):
        rewrite(acl, rules + ("topic a/#\n" if n % 2 else ""))
        hub.process.send_signal(signal.SIGHUP)
        assert c.publish("p/steady/x", str(n)) == 0 and c.received() == ("p/steady/x", str(n))
        assert log_in(hub, "bob", "battery staple") == 0
        assert log_in(hub, "bob", "wrong") == 0x86
    assert c.nothing()
    assert not hub.logged(msg="not reloaded; the running configuration stays")
    c.close()


# ---- mistakes ----

def test_mistakes_have_their_place_and_change_nothing(box):
    hub, acl, pw = hub_with(box, "topic read a\nuser ann\ntopic  reed b\n", [("ann", "correct horse")], start=False)
    want = f"{acl}:3:8: 'reed' is no access"
    r = hub.cli("hub", "-c", str(hub.config), check=False)
    assert r.returncode != 0 and want in r.stderr, r.stderr
    r = hub.cli("config", "check", str(hub.config), check=False)
    assert r.returncode != 0 and want in r.stdout + r.stderr, r
    r = hub.cli("config", "check", "--json", str(hub.config), check=False)
    problem = json.loads(r.stdout)["problems"][0]
    assert (problem["file"], problem["line"], problem["column"]) == (str(acl), 3, 8), problem
    good = "topic write a\nuser ann\ntopic b\n"
    rewrite(acl, good)
    assert "no mistakes" in hub.cli("config", "check", str(hub.config)).stdout
    hub.start()
    c = Client(hub.address("mqtt"), "c")
    ann = Client(hub.address("mqtt"), "c2", "ann", "correct horse")
    assert c.publish("a") == 0
    said = "not reloaded; the running configuration stays"
    users = pw.read_text()
    for path, content, line, column, why in (
            (acl, "topic write x\nbogus a\n", 2, 1, "this is no rule"),
            (acl, "topic read a/#/b\n", 1, 14, "is no topic filter"),
            (pw, users + "bob:hunter2\n", 2, 5, f"mosquitto_passwd -U {pw}"),
            (pw, users + "bob\n", 2, 1, "no ':'")):
        before = path.read_text()
        rewrite(path, content)
        l = hup(hub, said)
        assert (l["file"], l["line"], l["column"]) == (str(path), line, column) and why in l["why"], l
        assert c.publish("a") == 0 and c.publish("x") == NOT_AUTHORIZED and ann.publish("b") == 0
        rewrite(path, before)
    acl.rename(box.dir / "away")
    l = hup(hub, said)
    assert str(acl) in l["why"], l
    assert c.publish("a") == 0 and c.publish("x") == NOT_AUTHORIZED
    rewrite(acl, good + "topic deny b\n")
    hup(hub)
    assert ann.publish("b") == NOT_AUTHORIZED
    assert "hunter2" not in hub.log.read_text(), "a password is in the log"
    c.close()
    ann.close()


# ---- beside mosquitto ----

def test_publications_are_decided_as_mosquitto_decides_them(box):
    if not shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin"):
        raise Skip("mosquitto is not installed")
    rng = random.Random(44)
    levels = ["a", "b", "c1", "ann"]

    def a_filter(pattern):
        parts = [rng.choice(levels + ["+"] + (["%c", "%u"] if pattern else [])) for _ in range(rng.randint(1, 3))]
        return "/".join(parts + (["#"] if rng.random() < 0.3 else []))

    def a_rule(pattern):
        # A deny of a pattern stands above everything here, and below topic lines there.
        access = rng.choice(["read ", "write ", "readwrite ", ""] + ([] if pattern else ["deny "]))
        return f"{'pattern' if pattern else 'topic'} {access}{a_filter(pattern)}\n"

    topics = ["/".join(rng.choice(levels) for _ in range(rng.randint(1, 4))) for _ in range(60)] + ["$aws/a", "$aws/b", "$aws/a/b"]
    compared = granted = 0
    for round_ in range(4):
        rules = "".join(a_rule(False) for _ in range(3)) + "user ann\n" + "".join(a_rule(rng.random() < 0.4) for _ in range(5))
        rules += rng.choice(["topic $aws/+\n", "topic write $aws/a\n", "topic read $aws/#\n"])
        folder = box.dir / f"m{round_}"
        folder.mkdir()
        folder.chmod(0o755)
        box.dir.chmod(0o755)
        passwd(folder / "pw", "ann", "correct horse")
        (folder / "pw").chmod(0o644)
        (folder / "acl").write_text(rules)
        port = free_port()
        (folder / "m.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nacl_file {folder}/acl\npassword_file {folder}/pw\n")
        box.run("/usr/sbin/mosquitto" if os.path.exists("/usr/sbin/mosquitto") else "mosquitto", "-c", str(folder / "m.conf"),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        hub = box.hub(name=f"h{round_}", mqtt=LISTENERS + f"  acl_file: {folder}/acl\n  password_file: {folder}/pw\n")

        def up():
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return True
        until(up, "mosquitto")
        for user, password, client_id in ((None, None, "c1"), ("ann", "correct horse", "c1"), ("ann", "correct horse", "a+b"), (None, None, "x")):
            mine = Client(hub.address("mqtt"), client_id, user, password)
            theirs = Client(("127.0.0.1", port), client_id, user, password)
            assert mine.code == theirs.code == 0
            for topic in topics:
                a, b = mine.publish(topic), theirs.publish(topic)
                # 0x10: nobody subscribes there, which mosquitto says and we do not
                assert (a == NOT_AUTHORIZED) == (b == NOT_AUTHORIZED), (rules, user, client_id, topic, a, b)
                compared += 1
                granted += a == 0
            mine.close()
            theirs.close()
        hub.stop()
    assert 50 < granted < compared - 50, (granted, compared)


main(globals())
