"""How MQTT clients reach the broker, and what holds for them there: PROXY headers, Unix sockets, client
certificates, rules of one listener, redirection, topic aliases towards them; by raw bytes and real clients."""
import contextlib
import json
import shutil
import socket
import ssl
import stat
import struct
import subprocess

from harness import SLOW, Skip, main, until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


# ---- MQTT by hand ----
def text(s):
    b = s.encode() if isinstance(s, str) else s
    return struct.pack(">H", len(b)) + b


def varint(n):
    out = b""
    while True:
        n, low = n >> 7, n & 127
        out += bytes([low | (128 if n else 0)])
        if not n:
            return out


def packet(first, body):
    return bytes([first]) + varint(len(body)) + body


class Raw:
    """One MQTT connection by raw bytes."""

    def __init__(self, s, version=5, prefix=b""):
        self.s, self.version, self.buffer, self.held = s, version, b"", []
        self.s.settimeout(20 * SLOW)
        if prefix:
            self.s.sendall(prefix)

    def props(self, props):
        return varint(len(props)) + props if self.version == 5 else b""

    def send(self, first, body):
        self.s.sendall(packet(first, body))

    def connect(self, client_id="c", props=b"", keepalive=60, will=None, user=None, password=None, clean=True,
                will_props=b""):
        """The CONNACK as (code, properties by identifier)."""
        flags, tail = 2 if clean else 0, b""
        if will:
            topic, payload, qos, retain = will
            flags |= 4 | qos << 3 | (32 if retain else 0)
            tail += self.props(will_props) + text(topic) + text(payload)
        if user is not None:
            flags |= 128
            tail += text(user)
        if password is not None:
            flags |= 64
            tail += text(password)
        self.send(0x10, text("MQTT") + bytes([self.version, flags]) + struct.pack(">H", keepalive) + self.props(props) +
                  text(client_id) + tail)
        first, body = self.read()
        assert first == 0x20, f"not a CONNACK: {first} {body!r}"
        return body[1], properties(body[2:])[0] if self.version == 5 else {}

    def subscribe(self, topic, qos=0, sub_id=None):
        self.send(0x82, struct.pack(">H", 7) + self.props(b"\x0b" + varint(sub_id) if sub_id else b"") + text(topic) + bytes([qos]))
        first, body = self.read()
        assert first == 0x90, f"not a SUBACK: {first}"
        return body[-1]

    def unsubscribe(self, topic):
        self.send(0xa2, struct.pack(">H", 8) + self.props(b"") + text(topic))
        first, body = self.read()
        assert first == 0xb0, f"not an UNSUBACK: {first:#x}"
        return body[-1]

    def publish(self, topic, payload=b"x", qos=0, retain=False, packet_id=1, props=b""):
        self.send(0x30 | qos << 1 | (1 if retain else 0),
                  text(topic) + (struct.pack(">H", packet_id) if qos else b"") + self.props(props) + payload)

    def wait_for(self, first):
        """The next packet of that first byte; what comes before it is kept for read()."""
        between = []
        while True:
            got = self.read()
            if got[0] in (first, None):
                break
            between.append(got)
        self.held = between + self.held
        assert got[0] == first, "the connection ended"
        return got[1]

    def read(self):
        """(first byte, body) of the next packet; (None, b"") at the end."""
        if self.held:
            return self.held.pop(0)
        while True:
            if len(self.buffer) >= 2:
                n, at = 0, 1
                for shift in range(0, 28, 7):
                    if at >= len(self.buffer):
                        break
                    byte = self.buffer[at]
                    n |= (byte & 127) << shift
                    at += 1
                    if not byte & 128:
                        if len(self.buffer) >= at + n:
                            first, body = self.buffer[0], self.buffer[at:at + n]
                            self.buffer = self.buffer[at + n:]
                            return first, body
                        break
            try:
                got = self.s.recv(65536)
            except (ConnectionError, ssl.SSLError):
                got = b""
            if not got:
                return None, b""
            self.buffer += got

    def message(self):
        """The next PUBLISH as (topic, payload, qos, retain, dup, properties, packet id)."""
        first, body = self.read()
        assert first is not None and first >> 4 == 3, f"not a PUBLISH: {first}"
        n = struct.unpack(">H", body[:2])[0]
        topic, rest, packet_id = body[2:2 + n].decode(), body[2 + n:], 0
        if first & 6:
            packet_id, rest = struct.unpack(">H", rest[:2])[0], rest[2:]
        found, rest = properties(rest) if self.version == 5 else ({}, rest)
        return topic, rest, first >> 1 & 3, bool(first & 1), bool(first & 8), found, packet_id

    def ping(self):
        """Everything that was to come before is in front of the answer."""
        self.s.sendall(b"\xc0\x00")
        assert self.read() == (0xd0, b""), "something came before the answer"

    def close(self):
        self.s.close()


def properties(data):
    """({identifier: value}, what follows) of a packet's properties."""
    n, at = 0, 0
    for shift in range(0, 28, 7):
        byte = data[at]
        n |= (byte & 127) << shift
        at += 1
        if not byte & 128:
            break
    end, found = at + n, {}
    while at < end:
        which, at = data[at], at + 1
        if which in (0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a):
            found[which], at = data[at], at + 1
        elif which in (0x13, 0x21, 0x22, 0x23):
            found[which], at = struct.unpack(">H", data[at:at + 2])[0], at + 2
        elif which in (0x02, 0x11, 0x18, 0x27):
            found[which], at = struct.unpack(">I", data[at:at + 4])[0], at + 4
        elif which == 0x0b:
            assert not data[at] & 128
            found[which], at = data[at], at + 1
        else:
            size = struct.unpack(">H", data[at:at + 2])[0]
            found[which], at = data[at + 2:at + 2 + size].decode(), at + 2 + size
            if which == 0x26:
                size = struct.unpack(">H", data[at:at + 2])[0]
                at += 2 + size
    return found, data[end:]


def raw(hub, version=5, service="mqtt", prefix=b""):
    return Raw(socket.create_connection(hub.address(service), timeout=20 * SLOW), version, prefix)


def proxy_v2(command=0x21, family=0x11, body=b"\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\x07\x5b"):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


def peer_of(hub, client):
    """The peer as the broker sees it: the client breaks the protocol, and the log names it."""
    before = len(hub.logged(msg="connection ended by us"))
    client.s.sendall(b"\x00\x00")
    assert client.read()[0] in (0xe0, None)
    client.close()
    return until(lambda: hub.logged(msg="connection ended by us")[before:], "a word about it")[0]["peer"]


# ---- PROXY headers ----
def test_a_proxy_header_names_the_peer(box):
    hub = box.hub(mqtt='    - {address: "127.0.0.1:0", proxy_protocol: true, anonymous: allow}\n')
    for header, peer in (
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 1883\r\n", "192.0.2.7:56324"),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 1883\r\n", "[2001:db8::7]:56324"),
            (b"PROXY UNKNOWN\r\n", "127.0.0.1:"),
            (proxy_v2(), "192.0.2.7:56324"),
            (proxy_v2(body=b"\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\x07\x5b\x01\x00\x02h2"), "192.0.2.7:56324"),
            (proxy_v2(command=0x20), "127.0.0.1:"),
            (proxy_v2(family=0x31, body=b"\0" * 216), "unix")):
        c = raw(hub, 4, prefix=header)
        assert c.connect("ka")[0] == 0
        assert peer_of(hub, c).startswith(peer), (header, peer)


def test_without_a_header_nobody_comes_in(box):
    hub = box.hub(mqtt='    - {address: "127.0.0.1:0", proxy_protocol: true, anonymous: allow}\n',
                  extra="limits: {proxy_timeout: 300ms, proxy_header_max: 300}")
    connect = packet(0x10, text("MQTT") + b"\x04\x02\x00\x3c" + text("c"))
    bad = (connect, b"PROXY TCP4 192.0.2.7\r\n" + connect, proxy_v2(family=0x12), proxy_v2(command=0x25),
           proxy_v2(body=b"\0" * 400), b"\x16\x03\x01\x02\x00\x01", b"PROXY TCP4 1", b"")
    for data in bad:
        with socket.create_connection(hub.address("mqtt"), timeout=20 * SLOW) as s:
            s.sendall(data)
            with contextlib.suppress(ConnectionError):
                assert s.recv(100) == b"", data
    until(lambda: hub.metric("wayside_proxy_refused_total") == len(bad), "all of them to be counted")
    said = hub.logged(msg="connection without a valid PROXY header")
    assert 1 <= len(said) <= len(bad), said
    c = raw(hub, prefix=proxy_v2(body=proxy_v2()[16:] + b"\x04\x00\xfd" + b"\0" * 253))  # 284 bytes: within the limit
    assert c.connect()[0] == 0


def test_only_trusted_proxies_are_believed(box):
    hub = box.hub(mqtt='    - {address: "127.0.0.1:0", proxy_protocol: true, trusted_proxies: ["10.0.0.0/8", "2001:db8::1"]}\n')
    c = raw(hub)
    with contextlib.suppress(ConnectionError):
        c.s.sendall(proxy_v2())
        assert c.s.recv(10) == b""
    assert hub.logged(msg="connection without a valid PROXY header")[0]["why"] == "it comes from none of trusted_proxies"
    hub = box.hub(name="other", mqtt='    - {address: "127.0.0.1:0", proxy_protocol: true, trusted_proxies: ["127.0.0.0/8"], anonymous: allow}\n')
    assert raw(hub, prefix=proxy_v2()).connect()[0] == 0


def test_who_comes_by_a_proxy_is_not_local(box):
    hub = box.hub(mqtt='    - {address: "127.0.0.1:0", proxy_protocol: true}\n')
    for header in (proxy_v2(), proxy_v2(command=0x20), b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", b"PROXY UNKNOWN\r\n"):
        assert raw(hub, prefix=header).connect()[0] in (0x86, 0x87), header
    assert hub.logged(msg="nobody can log in from the network: no users are configured")


# ---- Unix sockets ----
def unix_raw(path, version=5):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(path))
    return Raw(s, version)


def mosquitto(program, *args, code=0):
    if not shutil.which(program):
        raise Skip(f"{program} is not installed")
    r = subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=30 * SLOW)
    assert (r.returncode == 0) == (code == 0), r
    return r


def test_a_unix_socket_takes_clients(box):
    path = box.dir / "mqtt.sock"
    hub = box.hub(mqtt=f'    - {{address: "unix:{path}", mode: "0600"}}\n    - {{address: "127.0.0.1:0"}}\n')
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    subscribers = []
    for _ in range(4):  # on every worker
        subscribers.append(unix_raw(path))
        assert subscribers[-1].connect(f"s{len(subscribers)}")[0] == 0
        assert subscribers[-1].subscribe("a/b") == 0
    mosquitto("mosquitto_pub", "--unix", path, "-t", "a/b", "-m", "by file", "-q", "1")
    for s in subscribers:
        assert s.message()[:2] == ("a/b", b"by file")
    sub = box.run("mosquitto_sub", "--unix", str(path), "-t", "c/d", "-C", "1", stdout=subprocess.PIPE, text=True)
    until(lambda: hub.metric("wayside_mqtt_subscriptions") == 5, "the subscription")
    mosquitto("mosquitto_pub", "-p", hub.port("mqtt"), "-t", "c/d", "-m", "by port")
    assert sub.communicate(timeout=20 * SLOW)[0] == "by port\n"
    assert peer_of(hub, subscribers[0]) == "unix"
    # What a killed one left behind is replaced; a graceful stop takes it away.
    for s in subscribers[1:]:
        s.close()
    hub.kill()
    assert path.exists()
    hub.start()
    assert unix_raw(path).connect()[0] == 0
    hub.stop()
    assert not path.exists()


def test_a_unix_socket_is_local_unless_said_otherwise(box):
    rules = {"local": 0, "allow": 0, "deny": 0x86}
    listeners = "".join(f'    - {{address: "unix:{box.dir}/{rule}", anonymous: {rule}}}\n' for rule in rules)
    hub = box.hub(mqtt=listeners)
    for rule, code in rules.items():
        assert unix_raw(box.dir / rule).connect()[0] == code, rule
        assert stat.S_IMODE((box.dir / rule).stat().st_mode) == 0o660
    hub.stop()


def test_a_unix_socket_may_have_proxies_and_websockets_behind_it(box):
    hub = box.hub(mqtt=f"""    - {{address: "unix:{box.dir}/p", proxy_protocol: true, anonymous: allow}}
    - {{address: "unix:{box.dir}/w", mode: "0640", protocol: websocket}}
""")
    assert stat.S_IMODE((box.dir / "w").stat().st_mode) == 0o640
    c = unix_raw(box.dir / "p")
    c.s.sendall(proxy_v2())
    assert c.connect()[0] == 0
    assert peer_of(hub, c) == "192.0.2.7:56324"
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20 * SLOW)
    s.connect(f"{box.dir}/w")
    s.sendall(b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
              b"dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += s.recv(1)
    assert head.startswith(b"HTTP/1.1 101"), head
    connect = packet(0x10, text("MQTT") + b"\x04\x02\x00\x3c" + text("w"))
    s.sendall(b"\x82" + bytes([0x80 | len(connect)]) + b"\0\0\0\0" + connect)
    assert s.recv(6, socket.MSG_WAITALL) == b"\x82\x04\x20\x02\x00\x00"


# ---- client certificates ----
class Authority:
    """A certificate authority in the box, with server.crt for 127.0.0.1 and a revocation list."""

    def __init__(self, box, name="ca"):
        if not shutil.which("openssl"):
            raise Skip("openssl is not installed")
        self.box, self.name, self.dir = box, name, box.dir / name
        self.dir.mkdir()
        (self.dir / "index").touch()
        (self.dir / "conf").write_text(f"[ca]\ndefault_ca=c\n[c]\ndatabase={self.dir}/index\ndefault_md=sha256\ndefault_crl_days=1\n"
                                       f"crlnumber={self.dir}/number\n")
        (self.dir / "number").write_text("01\n")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                     "-out", "ca.crt", "-days", "2", "-subj", f"/CN={name}")
        self.issue("server", "/CN=server", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self.list_revoked()

    def openssl(self, *args):
        r = subprocess.run(["openssl", *args], cwd=self.dir, capture_output=True, text=True, timeout=60 * SLOW)
        assert r.returncode == 0, r.stderr

    def issue(self, name, subject, extensions="extendedKeyUsage=clientAuth\n"):
        (self.dir / "ext").write_text(extensions)
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-keyout", f"{name}.key", "-out",
                     f"{name}.csr", "-subj", subject)
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.crt",
                     "-days", "1", "-extfile", "ext")

    def revoke(self, name):
        self.openssl("ca", "-config", "conf", "-keyfile", "ca.key", "-cert", "ca.crt", "-revoke", f"{name}.crt")

    def list_revoked(self):
        self.openssl("ca", "-config", "conf", "-keyfile", "ca.key", "-cert", "ca.crt", "-gencrl", "-out", "ca.crl")

    def server(self):
        return f"cert: {self.dir}/server.crt, key: {self.dir}/server.key"

    def connect(self, hub, name=None, by=None, service="mqtt", prefix=b"", version=5, newest=ssl.TLSVersion.TLSv1_3):
        """A TLS connection with the named certificate; its MQTT side. None: refused (under TLS 1.3 the client
        learns of it only when it reads)."""
        c = ssl.create_default_context(cafile=str(self.dir / "ca.crt"))
        c.maximum_version = newest
        if name:
            c.load_cert_chain((by or self).dir / f"{name}.crt", (by or self).dir / f"{name}.key")
        s = socket.create_connection(hub.address(service), timeout=20 * SLOW)
        s.sendall(prefix)
        try:
            return Raw(c.wrap_socket(s, server_hostname="127.0.0.1"), version)
        except (ssl.SSLError, ConnectionError):
            return None

    def client_args(self, name=None):
        return ["--cafile", self.dir / "ca.crt", *(["--cert", self.dir / f"{name}.crt", "--key", self.dir / f"{name}.key"] if name else [])]


def refused(client):
    """True when it came no further than the handshake."""
    if client is None:
        return True
    with contextlib.suppress(OSError):
        client.send(0x10, text("MQTT") + b"\x05\x02\x00\x3c\x00" + text("c"))
        return client.read()[0] is None
    return True


def test_a_client_certificate_can_be_required(box):
    ca, other = Authority(box), Authority(box, "other")
    ca.issue("t1", "/CN=t1")
    ca.issue("web", "/CN=web", "extendedKeyUsage=serverAuth\n")
    other.issue("foreign", "/CN=t1")
    hub = box.hub(mqtt=f'    - {{address: "127.0.0.1:0", {ca.server()}, client_ca: {ca.dir}/ca.crt, require_certificate: true}}\n')
    for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert ca.connect(hub, "t1", newest=newest).connect()[0] == 0
        assert refused(ca.connect(hub, newest=newest)), "without a certificate"
        assert refused(ca.connect(hub, "foreign", other, newest=newest)), "of another authority"
        assert refused(ca.connect(hub, "web", newest=newest)), "of a server"
    mosquitto("mosquitto_pub", "-h", "127.0.0.1", "-p", hub.port("mqtt"), *ca.client_args("t1"), "-t", "a", "-m", "x", "-q", "1")
    mosquitto("mosquitto_pub", "-h", "127.0.0.1", "-p", hub.port("mqtt"), *ca.client_args(), "-t", "a", "-m", "x", "-q", "1", code=1)
    assert until(lambda: hub.logged(module="tls", msg="handshake failed"), "a word about it")


def user_of(hub, client_id):
    found = json.loads(hub.cli("sessions", "--json", "--control", str(hub.box.dir / f"{hub.name}.sock")).stdout)["sessions"]
    return next(s["user"] for s in found if s["client"] == client_id)


def test_a_certificate_says_who_the_client_is(box):
    ca = Authority(box)
    ca.issue("t1", "/CN=t1/O=Wörks, and more")
    ca.issue("two", "/CN=a/CN=b")
    ca.issue("nameless", "/O=Works")
    rules = f"{ca.server()}, client_ca: {ca.dir}/ca.crt, anonymous: deny"
    hub = box.hub(mqtt=f"""    - {{address: "127.0.0.1:0", {rules}, identity_from: common_name}}
  users: [{{name: pi, password: s3cret-enough}}]
""")
    # A name from the certificate: no password is asked for, and a wrong one does not matter.
    first = ca.connect(hub, "t1")
    assert first.connect("c1")[0] == 0
    assert user_of(hub, "c1") == "t1"
    owner = ca.connect(hub, "t1")
    assert owner.connect("c2", user="pi", password="wrong", clean=False, props=b"\x11\x00\x00\x01\x00")[0] == 0
    assert user_of(hub, "c2") == "t1"
    old = ca.connect(hub, "t1", version=4)
    assert old.connect("c3")[0] == 0
    assert user_of(hub, "c3") == "t1"
    for name in (None, "two", "nameless"):
        assert ca.connect(hub, name).connect(user="pi", password="s3cret-enough")[0] == 0x86, name
    assert ca.connect(hub, "two", version=4).connect()[0] == 4
    assert hub.logged(msg="connection refused", reason="no certificate names the client")
    # The session belongs to that user: the same certificate continues it.
    owner.close()
    again = ca.connect(hub, "t1")
    again.send(0x10, text("MQTT") + b"\x05\x00\x00\x3c" + varint(5) + b"\x11\x00\x00\x01\x00" + text("c2"))
    assert again.read()[1][:2] == b"\x01\x00", "the session was not continued"


def test_the_subject_can_be_the_user(box):
    ca = Authority(box)
    ca.issue("t1", "/O=Wörks, and more/CN=t1")
    hub = box.hub(mqtt=f"""    - {{address: "127.0.0.1:0", {ca.server()}, client_ca: {ca.dir}/ca.crt, identity_from: subject}}
    - {{address: "127.0.0.1:0", protocol: websocket, {ca.server()}, client_ca: {ca.dir}/ca.crt, require_certificate: true, identity_from: common_name}}
""")
    t1 = ca.connect(hub, "t1")
    assert t1.connect("s1")[0] == 0
    assert user_of(hub, "s1") == "CN=t1,O=Wörks\\, and more"
    assert ca.connect(hub).connect()[0] == 0x86
    # By a secure WebSocket as well.
    for name, good in (("t1", True), (None, False)):
        c = ca.connect(hub, name, service="mqtt-websocket")
        if not good:
            assert refused(c)
            continue
        c.s.sendall(b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
                    b"dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += c.s.recv(1)
        assert head.startswith(b"HTTP/1.1 101"), head
        connect = packet(0x10, text("MQTT") + b"\x04\x02\x00\x3c" + text("w"))
        c.s.sendall(b"\x82" + bytes([0x80 | len(connect)]) + b"\0\0\0\0" + connect)
        got = b""
        while len(got) < 6:
            got += c.s.recv(6)
        assert got == b"\x82\x04\x20\x02\x00\x00", got
        assert user_of(hub, "w") == "t1"


def test_a_revoked_certificate_does_not_count(box):
    ca = Authority(box)
    for name in ("good", "lost"):
        ca.issue(name, f"/CN={name}")
    hub = box.hub(mqtt=f"""    - {{address: "127.0.0.1:0", {ca.server()}, client_ca: {ca.dir}/ca.crt, require_certificate: true, client_crl: {ca.dir}/ca.crl}}
""")
    for name in ("good", "lost"):
        assert ca.connect(hub, name).connect()[0] == 0, name
    ca.revoke("lost")
    ca.list_revoked()
    hub.cli("reload", "--control", str(box.dir / "hub.sock"))
    until(lambda: hub.logged(msg="reloaded"), "the reload")
    assert refused(ca.connect(hub, "lost"))
    assert ca.connect(hub, "good").connect()[0] == 0
    assert any("revoked" in l["why"] for l in hub.logged(module="tls", msg="handshake failed"))


def test_a_proxy_header_comes_before_tls(box):
    ca = Authority(box)
    ca.issue("t1", "/CN=t1")
    hub = box.hub(mqtt=f"""    - {{address: "127.0.0.1:0", {ca.server()}, client_ca: {ca.dir}/ca.crt, identity_from: common_name, proxy_protocol: true}}
""")
    c = ca.connect(hub, "t1", prefix=proxy_v2())
    assert c.connect()[0] == 0
    assert peer_of(hub, c) == "192.0.2.7:56324"
    assert refused(ca.connect(hub, "t1"))


# ---- rules of a listener ----
RULES = "packet_max: 1KiB, inflight_max: 5, keepalive_max_s: 30, qos_max: 1, retain_available: false, topic_alias_max: 3"


def two_listeners(box, rules, extra=""):
    """A hub whose first listener has the rules; (hub, connect to the first, connect to the second)."""
    hub = box.hub(mqtt=f'    - {{address: "unix:{box.dir}/r", {rules}}}\n    - {{address: "127.0.0.1:0"}}\n', extra=extra)
    return hub, lambda version=5: unix_raw(box.dir / "r", version), lambda version=5: raw(hub, version)


def ended_with(client, code):
    """DISCONNECT with that code under MQTT 5, then the end."""
    if client.version == 5:
        first, body = client.read()
        assert (first, body[:1]) == (0xe0, bytes([code])), (first, body)
    assert client.read() == (None, b"")
    return True


def test_each_listener_tells_its_own_rules(box):
    _, narrow, wide = two_listeners(box, RULES)
    code, props = narrow().connect("n")
    assert code == 0
    assert {k: props.get(k) for k in (0x27, 0x21, 0x13, 0x24, 0x25, 0x22)} == \
        {0x27: 1024, 0x21: 5, 0x13: 30, 0x24: 1, 0x25: 0, 0x22: 3}, props
    assert 0x13 not in narrow().connect("k", keepalive=20)[1]
    assert narrow().connect("z", keepalive=0)[1][0x13] == 30
    assert [narrow(4).connect("old", keepalive=s)[0] for s in (0, 30, 31)] == [2, 0, 2]
    props = wide().connect("w")[1]
    assert {k: props.get(k) for k in (0x27, 0x21, 0x13, 0x24, 0x25, 0x22)} == \
        {0x27: 1 << 20, 0x21: 100, 0x13: None, 0x24: None, 0x25: None, 0x22: 16}, props


def test_limits_are_the_rules_of_all(box):
    hub = box.hub(mqtt='    - {address: "127.0.0.1:0"}\n', extra="limits: {mqtt_qos_max: 1, mqtt_topic_alias_max: 2, mqtt_retained_max: 0}")
    code, props = raw(hub).connect("n")
    assert (code, props[0x24], props[0x22], props[0x25]) == (0, 1, 2, 0), props


def test_each_listener_keeps_its_own_rules(box):
    _, narrow, wide = two_listeners(box, RULES)
    for version in (4, 5):
        for what, code in ((dict(qos=2), 0x9b), (dict(retain=True), 0x9a), (dict(payload=b"x" * 1100), 0x95)):
            c = narrow(version)
            assert c.connect("n", keepalive=30)[0] == 0
            c.publish("a", **what)
            assert ended_with(c, code), (version, what)
            c = wide(version)
            assert c.connect("w")[0] == 0
            c.publish("a", **what)
            if what.get("qos"):
                assert c.read()[0] == 0x50
            c.ping()
        for will, code in ((("w", "x", 2, False), 0x9b if version == 5 else 3), (("w", "x", 0, True), 0x9a if version == 5 else 3),
                           (("w", "x", 1, False), 0)):
            assert narrow(version).connect("will", keepalive=30, will=will)[0] == code, (version, will)
        c = narrow(version)
        assert c.connect("s", keepalive=30)[0] == 0
        assert [c.subscribe("q", qos) for qos in (0, 1, 2)] == [0, 1, 1]
    for alias, good in ((3, True), (4, False)):
        c = narrow()
        assert c.connect("alias")[0] == 0
        c.publish("t", props=b"\x23" + struct.pack(">H", alias))
        if good:
            c.ping()
        else:
            assert ended_with(c, 0x94)


def test_the_window_to_a_client_is_its_listeners(box):
    _, narrow, wide = two_listeners(box, RULES)
    sub, pub = narrow(), wide()
    assert sub.connect("sub")[0] == pub.connect("pub")[0] == 0
    assert sub.subscribe("w", 1) == 1
    for n in range(8):
        pub.publish("w", b"%d" % n, qos=1, packet_id=n + 1)
        assert pub.read()[0] == 0x40
    got = [sub.message() for _ in range(5)]
    sub.ping()  # no sixth before one is acknowledged
    sub.send(0x40, struct.pack(">H", got[0][6]))
    assert sub.message()[1] == b"5"


def test_connections_of_a_listener_are_bounded(box):
    _, narrow, wide = two_listeners(box, "connections_max: 2")
    kept = [narrow(), narrow()]
    assert [c.connect(f"c{n}")[0] for n, c in enumerate(kept)] == [0, 0]
    more = narrow()
    with contextlib.suppress(OSError):
        more.send(0x10, b"")
    assert more.read() == (None, b"")
    assert wide().connect("w")[0] == 0
    kept[0].close()

    def lets_in():
        with contextlib.suppress(AssertionError):
            return narrow().connect("late")[0] == 0

    until(lets_in, "the place to be free again")


def test_a_mount_point_is_a_world_of_its_own(box):
    _, inside, outside = two_listeners(box, "mount_point: site1/")
    for version in (4, 5):
        a, b, all_ = inside(version), inside(version), outside(version)
        for n, c in enumerate((a, b, all_)):
            assert c.connect(f"m{version}{n}")[0] == 0
        assert all_.subscribe("#", 1) == 1
        for filter_ in ("a/+", "$SYS/broker/version"):
            assert a.subscribe(filter_, 1) == 1
        assert a.message()[0] == "$SYS/broker/version"
        b.publish("a/b", b"1", qos=1)
        assert b.read()[0] == 0x40
        got = a.message()
        assert got[:2] == ("a/b", b"1")
        a.send(0x40, struct.pack(">H", got[6]))
        got = all_.message()
        assert got[:2] == ("site1/a/b", b"1")
        all_.send(0x40, struct.pack(">H", got[6]))
        # Only what is below it is seen; not the name of the mount point itself either.
        assert a.subscribe("#") == 0
        all_.publish("a/b", b"not theirs")
        all_.publish("site1", b"not theirs")
        all_.publish("site1/c", b"2")
        assert a.message()[:2] == ("c", b"2")
        assert [all_.message()[0] for _ in range(3)] == ["a/b", "site1", "site1/c"]
        # Unsubscribing names the same filter.
        assert a.unsubscribe("#") in (0, 8)
        assert a.unsubscribe("a/+") in (0, 8)
        assert a.subscribe("mark") == 0
        b.publish("a/b", b"3")
        b.publish("kept/x", b"4", retain=True)
        b.publish("mark", b"")
        assert a.message()[0] == "mark"
        assert [all_.message()[0] for _ in range(3)] == ["site1/a/b", "site1/kept/x", "site1/mark"]
        # Retained messages and wills.
        assert a.subscribe("kept/#") == 0
        got = a.message()
        assert got[:4] == ("kept/x", b"4", 0, True), got
        w = inside(version)
        assert w.connect(f"w{version}", will=("last/words", "5", 0, False))[0] == 0
        assert a.subscribe("last/#") == 0
        w.s.close()
        assert a.message()[:2] == ("last/words", b"5")
        assert all_.message()[:2] == ("site1/last/words", b"5")
        b.publish("kept/x", b"", retain=True)
        assert all_.message()[:2] == ("site1/kept/x", b"")
        # $SYS is nobody's to write, prefixed or not; but a client's own state is, and $SYS is the same for all.
        b.publish("$SYS/x", b"6")
        b.publish("end", b"7")
        assert all_.message()[:2] == ("site1/end", b"7")
        state = f"$SYS/broker/connection/s{version}/state"
        assert all_.subscribe("$SYS/broker/connection/#") == 0
        w = inside(version)
        assert w.connect(f"s{version}", will=(state, "0", 0, False))[0] == 0
        w.publish(state, b"1")
        assert all_.message()[:2] == (state, b"1")
        w.s.close()
        assert all_.message()[:2] == (state, b"0")
        for c in (a, b, all_):
            c.close()


def test_answers_find_their_way_out_of_a_mount_point_and_in(box):
    _, inside, outside = two_listeners(box, "mount_point: site1/")
    a, b = inside(), outside()
    for name, c in (("a", a), ("b", b)):
        assert c.connect(name)[0] == 0
        assert c.subscribe("#") == 0

    def asks(client, topic, reply, seen):
        client.publish(topic, props=b"\x08" + text(reply) + b"\x09" + text("7"))
        for c, reply in seen:
            assert c.message()[5] == {0x09: "7"} | ({0x08: reply} if reply else {}), (topic, reply)

    asks(a, "ask", "re/x", ((a, "re/x"), (b, "site1/re/x")))
    b.publish("site1/re/x", b"answer")
    assert a.message()[:2] == ("re/x", b"answer")
    assert b.message()[0] == "site1/re/x"
    asks(b, "site1/ask", "site1/re/y", ((a, "re/y"), (b, "site1/re/y")))
    asks(b, "site1/ask", "re/z", ((a, None), (b, "re/z")))  # it could not answer there
    w = inside()
    assert w.connect("w", will=("last", "5", 0, False), will_props=b"\x08" + text("re/w"))[0] == 0
    w.s.close()
    assert a.message()[5] == {0x08: "re/w"}
    assert b.message()[5] == {0x08: "site1/re/w"}


def test_a_session_from_elsewhere_brings_nothing_from_outside(box):
    _, inside, outside = two_listeners(box, "mount_point: site1/")
    keep = b"\x11\x00\x00\x01\x00"
    c = outside()
    assert c.connect("mover", props=keep)[0] == 0
    assert c.subscribe("#", 1) == 1
    c.close()
    p = outside()
    assert p.connect("p")[0] == 0
    for topic in ("secret", "site1/open"):
        p.publish(topic, b"x", qos=1)
        assert p.read()[0] == 0x40
    c = inside()
    assert c.connect("mover", clean=False, props=keep)[0] == 0
    assert c.message()[0] == "open"
    c.ping()
    # Live, and of QoS 0, it is the same.
    p.publish("secret", b"y")
    p.publish("site1/open", b"z")
    got = c.message()
    assert got[:2] == ("open", b"z"), got


def test_topics_of_a_mount_point_are_held_against_the_limits(box):
    _, inside, _ = two_listeners(box, "mount_point: 0123456789/", extra="limits: {mqtt_topic_max: 20}")
    c = inside()
    assert c.connect("c")[0] == 0
    assert c.subscribe("123456789") == 0
    assert c.subscribe("1234567890") == 0x8f
    c.publish("123456789")
    assert c.message()[0] == "123456789"
    c.publish("1234567890")
    assert ended_with(c, 0x90)
    assert inside().connect("w", will=("1234567890", "", 0, False))[0] == 0x90


# ---- another server ----
def test_clients_are_sent_to_another_server(box):
    for word, code in (("permanent", 0x9d), ("temporary", 0x9c)):
        hub = box.hub(name=word, mqtt=f"""    - {{address: "unix:{box.dir}/to-{word}", redirect: {word}, server_reference: "b.example:1883 [2001:db8::1]:8883"}}
    - {{address: "127.0.0.1:0"}}
""")
        # Nobody is asked who he is, nor for anything else.
        assert unix_raw(box.dir / f"to-{word}").connect(user="x", password="y", will=("w", "x", 1, True)) == \
            (code, {0x1c: "b.example:1883 [2001:db8::1]:8883"})
        c = unix_raw(box.dir / f"to-{word}", 4)
        assert c.connect("") == (3, {})
        assert c.read() == (None, b"")
        # One that takes no more bytes is told the code alone.
        assert unix_raw(box.dir / f"to-{word}").connect(props=b"\x27\x00\x00\x00\x20") == (code, {})
        assert raw(hub).connect()[0] == 0
        assert hub.metric("wayside_mqtt_connects_redirected_total") == 3
        mosquitto("mosquitto_pub", "--unix", box.dir / f"to-{word}", "-t", "a", "-m", "x", code=1)


# ---- topic aliases towards a client ----
ALLOWS = b"\x22\x00\x03"  # Topic Alias Maximum: 3
LONG = "a/topic/that/is/long/enough/"


def test_aliases_stand_for_topics_that_come_again(box):
    hub = box.hub()
    sub, plain, old, pub = raw(hub), raw(hub), raw(hub, 4), raw(hub)
    assert sub.connect("sub", props=ALLOWS)[0] == plain.connect("plain")[0] == old.connect("old")[0] == pub.connect("pub")[0] == 0
    pub.publish(LONG + "kept", b"k", qos=1, retain=True)
    assert pub.read()[0] == 0x40
    for c in (sub, plain, old):
        assert c.subscribe("a/#", 2) == 2

    def answer(c, got):
        if got[2] == 1:
            c.send(0x40, struct.pack(">H", got[6]))
        elif got[2] == 2:
            c.send(0x50, struct.pack(">H", got[6]))
            c.wait_for(0x62)
            c.send(0x70, struct.pack(">H", got[6]))
        return got

    def alias_of(got):
        return got[5].get(0x23)

    # The retained one is the first; then each QoS, by turns; a fourth topic and a short one have none.
    got = answer(sub, sub.message())
    assert (got[0], got[3], alias_of(got)) == (LONG + "kept", True, 1)
    sent = [("kept", 0), ("one", 1), ("one", 0), ("kept", 2), ("two", 2), ("one", 1), ("two", 2), ("three", 1), ("kept", 1), ("three", 0)]
    for n, (name, qos) in enumerate(sent):
        pub.publish(LONG + name, b"%d" % n, qos=qos, packet_id=n + 1)
        if qos == 1:
            assert pub.read()[0] == 0x40
        elif qos == 2:
            assert pub.read()[0] == 0x50
            pub.send(0x62, struct.pack(">H", n + 1))
            assert pub.read()[0] == 0x70
    pub.publish("a/short")
    pub.publish("a/short")
    names, whole = {1: LONG + "kept"}, 1
    for n, (name, qos) in enumerate(sent):
        got = answer(sub, sub.message())
        if got[0] and alias_of(got):
            assert alias_of(got) not in names, "an alias was told twice"
            names[alias_of(got)] = got[0]
        whole += bool(got[0])
        assert (got[0] or names[alias_of(got)], got[1], got[2]) == (LONG + name, b"%d" % n, qos), (n, got)
    assert names == {1: LONG + "kept", 2: LONG + "one", 3: LONG + "two"}
    assert whole == 1 + 2 + 2, "one, two; three twice, which has no place"
    assert [(m[0], alias_of(m)) for m in (sub.message(), sub.message())] == [("a/short", None)] * 2
    # Who allows none gets none.
    for c in (plain, old):
        got = [answer(c, c.message()) for _ in range(len(sent) + 3)]
        assert all(m[0] and 0x23 not in m[5] for m in got)


def test_aliases_end_with_the_connection(box):
    hub = box.hub()
    keep = b"\x11\x00\x00\x01\x00"
    pub, sub = raw(hub), raw(hub)
    assert pub.connect("pub")[0] == sub.connect("sub", props=ALLOWS + keep)[0] == 0
    assert sub.subscribe("a/#", 2) == 2
    for n in range(4):
        pub.publish(LONG + "x", b"%d" % n, qos=2 if n % 2 else 1, packet_id=n + 1)
        assert pub.read()[0] in (0x40, 0x50)
        if n % 2:
            pub.send(0x62, struct.pack(">H", n + 1))
            assert pub.read()[0] == 0x70
    first = [sub.message() for _ in range(4)]
    assert [m[0] for m in first] == [LONG + "x", "", "", ""]
    sub.send(0x40, struct.pack(">H", first[0][6]))  # the one that told the topic is done with
    sub.ping()
    sub.close()
    # What was not answered comes again: the topic is told again, and the alias used behind it.
    sub = raw(hub)
    assert sub.connect("sub", props=ALLOWS + keep, clean=False)[0] == 0
    again = [sub.message() for _ in range(3)]
    assert [(m[0], m[1], m[4], m[5][0x23]) for m in again] == \
        [(LONG + "x", b"1", True, 1), ("", b"2", True, 1), ("", b"3", True, 1)]
    sub.close()
    # Without aliases this time.
    sub = raw(hub)
    assert sub.connect("sub", props=keep, clean=False)[0] == 0
    assert [(m[0], m[5]) for m in (sub.message(), sub.message(), sub.message())] == [(LONG + "x", {})] * 3


def test_an_alias_never_makes_a_packet_too_large(box):
    hub = box.hub()
    size = 2 + 2 + len(LONG) + 1 + 10  # fixed header, topic, no properties, payload
    sub, pub = raw(hub), raw(hub)
    assert sub.connect("sub", props=ALLOWS + b"\x27" + struct.pack(">I", size))[0] == pub.connect("pub")[0] == 0
    assert sub.subscribe("a/#") == 0
    for n in (11, 10, 7, 7, 11):
        pub.publish(LONG, b"x" * n)
    got = [sub.message() for _ in range(4)]
    # 11 does not fit; 10 fits without an alias only; 7 is told with one, which then leaves room for 11.
    assert [(m[0], m[5].get(0x23), len(m[1])) for m in got] == [(LONG, None, 10), (LONG, 1, 7), ("", 1, 7), ("", 1, 11)]


def test_aliases_towards_clients_are_bounded(box):
    for most, want in ((0, [None, None, None]), (1, [1, None, None]), (2, [1, 2, None])):
        hub = box.hub(name=f"hub{most}", extra=f"limits: {{mqtt_alias_out_max: {most}}}")
        c = raw(hub)
        assert c.connect(props=b"\x22\xff\xff")[0] == 0
        assert c.subscribe("a/#") == 0
        for n in range(3):
            c.publish(LONG + str(n))
        assert [c.message()[5].get(0x23) for _ in range(3)] == want
        c.close()
    hub = box.hub(name="mounted", mqtt='    - {address: "127.0.0.1:0", mount_point: site1/}\n')
    c = raw(hub)
    assert c.connect(props=ALLOWS)[0] == 0
    assert c.subscribe("a/#") == 0
    c.publish(LONG)
    c.publish(LONG)
    assert [(m[0], m[5]) for m in (c.message(), c.message())] == [(LONG, {0x23: 1}), ("", {0x23: 1})]


def test_mistakes_in_the_settings_are_said(box):
    for text_, word in (('proxy_protocol: true, trusted_proxies: ["10.0.0.1/8"]', "bits behind its length"),
                        ('proxy_protocol: true, trusted_proxies: ["proxy.example"]', "is no address or range"),
                        ('trusted_proxies: ["10.0.0.0/8"]', "proxy_protocol: true only"),
                        ('client_ca: /x', "client_ca"), ('require_certificate: true', "needs client_ca"),
                        ('identity_from: subject', "needs client_ca"), ('client_crl: /x', "needs client_ca"),
                        ("hosts: [a.example]", "websocket only"), ("origins: ['http://a.example']", "websocket only"),
                        ("mount_point: site1", "ends with '/'"), ("mount_point: a/+/", "without wildcards"),
                        ("mount_point: $SYS/", "without '$'"), ("qos_max: 3", "qos_max"), ("packet_max: 2MiB", "listeners[0].packet_max is above"),
                        ("redirect: permanent", "give server_reference"), ("server_reference: a:1", "redirect: temporary"),
                        ("redirect: permanent, server_reference: 'a:b'", "is no host:port"),
                        ('mode: "0600"', "for a Unix socket only"),
                        ('address: "unix:/x", mode: "0698"', "octal digits")):
        where = "" if "address:" in text_ else 'address: "127.0.0.1:0", '
        hub = box.hub(name="bad", start=False, mqtt=f"    - {{{where}{text_}}}\n")
        r = hub.cli("config", "check", str(hub.config), check=False)
        assert r.returncode != 0 and word in r.stdout + r.stderr, (text_, r)


main(globals())
