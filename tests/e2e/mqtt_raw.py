"""MQTT 3.1.1 and MQTT 5 by the byte, for tests of what a server may send and must refuse.

The decoder is strict: whatever a server sends that the standard does not allow (reserved bits, lengths that are not in
their shortest form, properties and reason codes where they do not belong, packet id 0, a DUP at QoS 0 …) is a failure of
the test that receives it. The encoder writes what it is told, right or wrong.

Nobody waits for silence by sleeping: `quiet()` sends a PINGREQ, or lets another client publish, and nothing may come before
the answer."""
import itertools
import socket
import struct
import time
from types import SimpleNamespace

from harness import SLOW

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, \
    DISCONNECT, AUTH = range(1, 16)
NAMES = ("RESERVED CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK PINGREQ PINGRESP "
         "DISCONNECT AUTH").split()

# ---- properties of MQTT 5: name -> (identifier, kind) ----
PROPERTIES = {
    "payload_format": (0x01, "u8"), "message_expiry": (0x02, "u32"), "content_type": (0x03, "text"), "response_topic": (0x08, "text"),
    "correlation_data": (0x09, "bytes"), "subscription_id": (0x0B, "varint"), "session_expiry": (0x11, "u32"),
    "assigned_client_id": (0x12, "text"), "server_keep_alive": (0x13, "u16"), "auth_method": (0x15, "text"), "auth_data": (0x16, "bytes"),
    "request_problem_info": (0x17, "u8"), "will_delay": (0x18, "u32"), "request_response_info": (0x19, "u8"), "response_info": (0x1A, "text"),
    "server_reference": (0x1C, "text"), "reason_string": (0x1F, "text"), "receive_max": (0x21, "u16"), "topic_alias_max": (0x22, "u16"),
    "topic_alias": (0x23, "u16"), "max_qos": (0x24, "u8"), "retain_available": (0x25, "u8"), "user": (0x26, "pair"), "max_packet": (0x27, "u32"),
    "wildcard_available": (0x28, "u8"), "subscription_id_available": (0x29, "u8"), "shared_available": (0x2A, "u8"),
}
BY_ID = {i: (name, kind) for name, (i, kind) in PROPERTIES.items()}
# What a server may put into each packet, and the reason codes that it may use there.
SERVER_PROPERTIES = {
    CONNACK: "session_expiry receive_max max_qos retain_available max_packet assigned_client_id topic_alias_max reason_string user "
             "wildcard_available subscription_id_available shared_available server_keep_alive response_info server_reference auth_method auth_data",
    PUBLISH: "payload_format message_expiry topic_alias response_topic correlation_data user subscription_id content_type",
    PUBACK: "reason_string user", PUBREC: "reason_string user", PUBREL: "reason_string user", PUBCOMP: "reason_string user",
    SUBACK: "reason_string user", UNSUBACK: "reason_string user", DISCONNECT: "reason_string user server_reference",
    AUTH: "auth_method auth_data reason_string user",
}
REASONS = {
    CONNACK: {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F},
    PUBACK: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}, PUBREC: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREL: {0x00, 0x92}, PUBCOMP: {0x00, 0x92}, SUBACK: {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    UNSUBACK: {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    DISCONNECT: {0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C,
                 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2},
    AUTH: {0x00, 0x18},
}
FLAGS = {PUBREL: 2}
# (version, packet, code) of all that was received.
SEEN = set()


# ---- writing ----
def varint(n, size=0):
    """At least `size` bytes long: more than are needed are wrong, and wanted by some tests."""
    out = bytearray()
    while n > 127 or len(out) + 1 < size:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def text(s):
    s = s.encode("utf-8", "surrogatepass") if isinstance(s, str) else s
    return struct.pack(">H", len(s)) + s


def value(kind, v):
    if kind == "pair":
        return text(v[0]) + text(v[1])
    if kind == "varint":
        return varint(v)
    if kind in ("text", "bytes"):
        return text(v)
    return struct.pack({"u8": ">B", "u16": ">H", "u32": ">I"}[kind], v)


def properties(p):
    """p: a dict (a list as a value: once for each), or the bytes behind the length."""
    if not isinstance(p, (bytes, bytearray)):
        out = b""
        for name, v in (p or {}).items():
            i, kind = PROPERTIES[name]
            out += b"".join(bytes([i]) + value(kind, one) for one in (v if isinstance(v, list) else [v]))
        p = out
    return varint(len(p)) + p


def packet(kind, body=b"", flags=None, length_size=0):
    if flags is None:
        flags = 2 if kind in (PUBREL, SUBSCRIBE, UNSUBSCRIBE) else 0
    return bytes([kind << 4 | flags]) + varint(len(body), length_size) + body


def connect(version, client_id="", clean=True, keep_alive=60, will=None, user=None, password=None, props=None, flags=None, name="MQTT",
            level=None, tail=b"", length_size=0):
    """will: dict of topic, payload, qos, retain, props. flags: in place of those that follow from the rest."""
    bits = (2 if clean else 0) | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = b""
    if will is not None:
        bits |= 4 | will.get("qos", 0) << 3 | (0x20 if will.get("retain") else 0)
        body = (properties(will.get("props")) if version == 5 else b"") + text(will["topic"]) + text(will.get("payload", b""))
    body += (text(user) if user is not None else b"") + (text(password) if password is not None else b"")
    head = text(name) + bytes([version if level is None else level, bits if flags is None else flags]) + struct.pack(">H", keep_alive)
    head += properties(props) if version == 5 else b""
    return packet(CONNECT, head + (text(client_id) if client_id is not None else b"") + body + tail, length_size=length_size)


def publish(version, topic, payload=b"", qos=0, packet_id=None, retain=False, dup=False, props=None, flags=None):
    payload = payload.encode() if isinstance(payload, str) else payload
    body = text(topic) + (struct.pack(">H", packet_id) if packet_id is not None else b"")
    body += properties(props) if version == 5 else b""
    return packet(PUBLISH, body + payload, flags=qos << 1 | (8 if dup else 0) | (1 if retain else 0) if flags is None else flags)


def ack(version, kind, packet_id, code=None, props=None, flags=None):
    body = struct.pack(">H", packet_id) + (bytes([code]) if code is not None else b"")
    return packet(kind, body + (properties(props) if props is not None else b""), flags)


def subscribe(version, packet_id, filters, props=None, flags=None):
    """filters: (filter, options byte) each."""
    return packet(SUBSCRIBE, struct.pack(">H", packet_id) + (properties(props) if version == 5 else b"") +
                  b"".join(text(f) + bytes([o]) for f, o in filters), flags)


def unsubscribe(version, packet_id, filters, props=None, flags=None):
    return packet(UNSUBSCRIBE, struct.pack(">H", packet_id) + (properties(props) if version == 5 else b"") + b"".join(map(text, filters)), flags)


def disconnect(version, code=None, props=None):
    return packet(DISCONNECT, (bytes([code]) if code is not None else b"") + (properties(props) if props is not None else b""))


# ---- reading ----
class Wrong(AssertionError):
    """The server sent what it may not."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise Wrong(f"a field runs out of its packet: {self.data.hex()}")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, n):
        return int.from_bytes(self.take(n), "big")

    def text(self):
        s = self.take(self.number(2))
        try:
            s = s.decode("utf-8")
        except UnicodeDecodeError as e:
            raise Wrong(f"not UTF-8: {s.hex()}") from e
        if "\0" in s:
            raise Wrong("U+0000 in a string")
        return s

    def varint(self):
        n = shift = 0
        for i in range(4):
            b = self.number(1)
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                if i and not b:
                    raise Wrong("a number that is not in its shortest form")
                return n
        raise Wrong("a number of more than four bytes")

    def left(self):
        return len(self.data) - self.at

    def properties(self, kind):
        inner = Reader(self.take(self.varint()))
        allowed, found = SERVER_PROPERTIES[kind].split(), {}
        while inner.left():
            name, what = BY_ID.get(inner.varint(), (None, None))
            if name not in allowed:
                raise Wrong(f"property {name} in {NAMES[kind]}")
            if what == "pair":
                v = (inner.text(), inner.text())
            else:
                v = {"u8": lambda: inner.number(1), "u16": lambda: inner.number(2), "u32": lambda: inner.number(4), "varint": inner.varint,
                     "text": inner.text, "bytes": lambda: inner.take(inner.number(2))}[what]()
            if name == "user" or (name == "subscription_id" and kind == PUBLISH):
                found.setdefault(name, []).append(v)
            elif name in found:
                raise Wrong(f"property {name} twice in {NAMES[kind]}")
            else:
                found[name] = v
            if name in ("subscription_id", "receive_max", "topic_alias", "max_packet") and v == 0:
                raise Wrong(f"property {name} is 0")
            if name in ("payload_format", "max_qos", "retain_available", "wildcard_available", "subscription_id_available", "shared_available") and v > 1:
                raise Wrong(f"property {name} is {v}")
        return found


def decode(version, first, body):
    """One packet of a server. Attributes: kind, size is set by the caller, and what the packet has."""
    kind, flags, r = first >> 4, first & 15, Reader(body)
    p = SimpleNamespace(kind=kind, name=NAMES[kind], props={}, code=0)
    if kind not in (CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP) and not (version == 5 and kind in (DISCONNECT, AUTH)):
        raise Wrong(f"a server of this version never sends {p.name}")
    if kind != PUBLISH and flags != FLAGS.get(kind, 0):
        raise Wrong(f"reserved bits of {p.name}: {flags:#x}")
    if kind == CONNACK:
        present = r.number(1)
        p.code = r.number(1)
        if present > 1 or (present and p.code):
            raise Wrong(f"CONNACK flags {present:#x}, code {p.code:#x}")
        p.present = bool(present)
        if version == 4 and p.code > 5:
            raise Wrong(f"CONNACK return code {p.code}")
        p.props = r.properties(kind) if version == 5 else {}
    elif kind == PUBLISH:
        p.dup, p.qos, p.retain = bool(flags & 8), flags >> 1 & 3, bool(flags & 1)
        p.topic = r.text()
        if p.qos == 3 or (p.dup and p.qos == 0) or "+" in p.topic or "#" in p.topic:
            raise Wrong(f"PUBLISH with flags {flags:#x}, topic {p.topic}")
        p.id = r.number(2) if p.qos else None
        p.props = r.properties(kind) if version == 5 else {}
        if not p.topic and "topic_alias" not in p.props:
            raise Wrong("PUBLISH without a topic")
        p.payload = r.take(r.left())
    elif kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
        p.id = r.number(2)
        if version == 5 and r.left():
            p.code = r.number(1)
            p.props = r.properties(kind) if r.left() else {}
    elif kind in (SUBACK, UNSUBACK):
        p.id = r.number(2)
        p.props = r.properties(kind) if version == 5 else {}
        p.codes = list(r.take(r.left())) if kind == SUBACK or version == 5 else []
        allowed = {0, 1, 2, 0x80} if version == 4 else REASONS[kind]
        if not set(p.codes) <= allowed or (not p.codes and (kind == SUBACK or version == 5)):
            raise Wrong(f"{p.name} with codes {p.codes}")
    elif kind in (DISCONNECT, AUTH) and r.left():
        p.code = r.number(1)
        p.props = r.properties(kind) if r.left() else {}
    if getattr(p, "id", None) == 0:
        raise Wrong(f"packet id 0 in {p.name}")
    if version == 5 and kind in REASONS and kind not in (SUBACK, UNSUBACK) and p.code not in REASONS[kind]:
        raise Wrong(f"reason code {p.code:#x} in {p.name}")
    if kind in (*REASONS, CONNACK):
        SEEN.update((version, p.name, code) for code in getattr(p, "codes", [p.code]))
    if r.left():
        raise Wrong(f"bytes behind the last field of {p.name}: {body.hex()}")
    return p


# ---- a client ----
class Raw:
    """A connection of which nothing is known yet."""

    def __init__(self, hub, version=4):
        self.version, self.data, self.aside = version, b"", []
        self.s = socket.create_connection(hub.address("mqtt"), timeout=10 * SLOW)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *parts):
        try:
            self.s.sendall(b"".join(parts))
        except (BrokenPipeError, ConnectionResetError):
            pass  # whoever reads next is told
        return self

    def more(self):
        try:
            got = self.s.recv(65536)
        except ConnectionResetError:
            got = b""
        except socket.timeout:
            raise AssertionError("nothing came, and the connection is still open") from None
        self.data += got
        return bool(got)

    def next(self):
        """The next packet; None at the end of the connection."""
        return self.aside.pop(0) if self.aside else self.fresh()

    def answer(self, kind):
        """The next packet that is no PUBLISH: those that came before it wait for next()."""
        while (p := self.fresh()) and p.kind == PUBLISH:
            self.aside.append(p)
        assert p and p.kind == kind, f"{NAMES[kind]} expected, got {p}"
        return p

    def fresh(self):
        while True:
            for header in range(2, min(len(self.data), 5) + 1):
                if self.data[header - 1] < 128:
                    n = Reader(self.data[1:header]).varint()
                    if len(self.data) >= header + n:
                        p = decode(self.version, self.data[0], self.data[header:header + n])
                        p.size = header + n
                        p.raw, self.data = self.data[:p.size], self.data[p.size:]
                        return p
                    break
            if not self.more():
                if self.data:
                    raise Wrong(f"the connection ended within a packet: {self.data.hex()}")
                return None

    def get(self, kind):
        p = self.next()
        if p is None or p.kind != kind:
            raise AssertionError(f"{NAMES[kind]} expected, got {p}")
        return p

    def ended(self, *codes):
        """The server ends the connection: MQTT 5 after a DISCONNECT with one of these codes, if any are given; otherwise
        without a word."""
        if codes and self.version == 5:
            p = self.get(DISCONNECT)
            assert p.code in codes, f"DISCONNECT with {p.code:#x}, expected one of {[hex(c) for c in codes]}"
        p = self.next()
        assert p is None, f"the connection goes on with {p}"
        self.s.close()

    def close(self):
        """Without a word."""
        self.s.close()


class Client(Raw):
    """A connection that is open. Packet ids are counted here."""
    serial = itertools.count(1)

    def __init__(self, hub, version, client_id=None, expect=0, **kw):
        super().__init__(hub, version)
        self.hub = hub
        self.ids = itertools.count(1)
        self.client_id = f"raw{next(self.serial)}" if client_id is None else client_id
        self.send(connect(version, self.client_id, **kw))
        self.connack = self.get(CONNACK)
        assert self.connack.code == expect, f"CONNACK with {self.connack.code:#x}"

    def ping(self):
        """What comes before the answer to a PINGREQ."""
        self.send(packet(PINGREQ))
        found = []
        while (p := self.next()) and p.kind != PINGRESP:
            found.append(p)
        assert p, f"no PINGRESP; before the end came {found}"
        return found

    def quiet(self, publisher=None):
        """Nothing more comes; publisher: not even what it has published until now."""
        if publisher:
            mark = f"mark/{next(self.serial)}"
            self.send(subscribe(self.version, 65535, [(mark, 0)]))
            p = self.get(SUBACK)
            assert p.codes == [0], p
            publisher.send(globals()["publish"](publisher.version, mark, "mark"))
            p = self.get(PUBLISH)
            assert p.topic == mark, f"unexpected {p}"
            self.send(unsubscribe(self.version, 65535, [mark]))
            self.get(UNSUBACK)
        assert not (found := self.ping()), f"unexpected {found}"
        return self

    def subscribe(self, *filters, props=None):
        """Each a filter (QoS 0) or (filter, options). The codes."""
        i = next(self.ids)
        self.send(subscribe(self.version, i, [f if isinstance(f, tuple) else (f, 0) for f in filters], props))
        p = self.get(SUBACK)
        assert p.id == i and len(p.codes) == len(filters), p
        return p.codes

    def retained(self, *filters, props=None):
        """Subscribes, and the retained messages that follow. Those of a filter come behind those of the filters before it, so
        a last filter with a known one tells the end."""
        last = "la/s/t"
        if not hasattr(self.hub, "last_is_kept"):
            self.hub.last_is_kept = True
            Client(self.hub, 4).publish(last, "here", 1, retain=True)
        ends = 1 + sum(f in ("#", "+/#") for f in filters)
        self.subscribe(*filters, last, props=props)
        found = []
        while ends:
            found.append(self.message(retain=True, dup=False))
            ends -= found[-1].topic == last
        self.unsubscribe(last)
        return [p for p in found if p.topic != last]

    def unsubscribe(self, *filters):
        i = next(self.ids)
        self.send(unsubscribe(self.version, i, filters))
        p = self.get(UNSUBACK)
        assert p.id == i, p
        return p.codes

    def publish(self, topic, payload=b"", qos=0, **kw):
        """To its end; the code of the first answer."""
        i = next(self.ids) if qos else None
        self.send(publish(self.version, topic, payload, qos, i, **kw))
        if qos == 0:
            return 0
        p = self.answer(PUBACK if qos == 1 else PUBREC)
        assert p.id == i, p
        if qos == 2 and p.code < 0x80:
            self.send(ack(self.version, PUBREL, i))
            assert self.answer(PUBCOMP).id == i
        return p.code

    def message(self, topic=None, payload=None, **attributes):
        """The next packet is a PUBLISH that is like this; it is acknowledged to its end."""
        p = self.get(PUBLISH)
        payload = payload.encode() if isinstance(payload, str) else payload
        assert topic in (None, p.topic) and payload in (None, p.payload), f"expected {topic} {payload}, got {p}"
        for name, v in attributes.items():
            assert getattr(p, name) == v, f"{name} is {getattr(p, name)}, expected {v}: {p}"
        self.acknowledge(p)
        return p

    def acknowledge(self, p):
        if p.qos == 1:
            self.send(ack(self.version, PUBACK, p.id))
        elif p.qos == 2:
            self.send(ack(self.version, PUBREC, p.id))
            assert self.answer(PUBREL).id == p.id
            self.send(ack(self.version, PUBCOMP, p.id))

    def stop(self, code=None, props=None):
        """DISCONNECT; until the server has closed."""
        self.send(disconnect(self.version, code, props))
        self.ended()


def took(f):
    begin = time.monotonic()
    f()
    return time.monotonic() - begin
