"""What MQTT 3.1.1 and MQTT 5 ask of a server alike: each case is run for both, as test_<its name> of the conformance files.

A case is a function of (hub, v); its topics begin with a name of its own, since all share one hub."""
import itertools
import struct

from mqtt_raw import (CONNACK, NAMES, PINGREQ, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, SUBSCRIBE, UNSUBACK, UNSUBSCRIBE,
                      CONNECT, DISCONNECT, Client, Raw, ack, connect, disconnect, packet, publish, subscribe, text, took, unsubscribe, varint)
from harness import SLOW

MALFORMED, PROTOCOL, BAD_FILTER, BAD_TOPIC = 0x81, 0x82, 0x8F, 0x90
MAX_INFLIGHT = 20  # limits.mqtt_inflight_max of the hub
USER = {"user": "ann", "password": "secretive"}

# Ill-formed by RFC 3629: overlong forms, surrogates, above U+10FFFF, stray and missing bytes; and U+0000.
BAD_UTF8 = [b"\xc0\x80", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
            b"\xff", b"\x80", b"a\xe2\x82", b"\xc3(", b"a\0b", b"\0"]
# The byte order mark, control characters, non-characters, the last code point: all may be in a string.
GOOD_UTF8 = ["\ufeff", "a\ufeffb", "\x01", "\x7f\x85", "\ufffe", "\uffff", "\ufdd0", "\U0001ffff", "\U0010ffff", "\ud7ff\ue000", "ü€😀"]
BAD_FILTERS = ["", "a#", "#a", "#/a", "a/#/b", "a/b#", "+a", "a+", "a/+b", "a/b+/c", "++", "##", "+#"]


def topic_of(v, name):
    """A topic of this case and version only."""
    return f"{name}{v}"


def strings_must_be_utf_8(hub, v):
    for bad in BAD_UTF8:
        for hello in (connect(v, bad), connect(v, "c", will={"topic": bad}), connect(v, "c", user=bad, password="secretive")):
            Raw(hub, v).send(hello).ended()
        for p in (publish(v, bad), publish(v, bad, qos=1, packet_id=1), subscribe(v, 1, [(bad, 0)]), subscribe(v, 1, [("a", 0), (bad, 0)]),
                  unsubscribe(v, 1, [bad]), unsubscribe(v, 1, ["a", bad])):
            Client(hub, v).send(p).ended(MALFORMED)


def strings_arrive_unaltered(hub, v):
    a, b = Client(hub, v), Client(hub, v)
    for s in GOOD_UTF8:
        for other in ("x", "x\ufeff", "\ufeffx"):
            if other != s:
                b.subscribe(f"utf{v}/{other}")
        a.subscribe((f"utf{v}/{s}", 1))
        b.publish(f"utf{v}/{s}", s.encode(), 1)
        a.message(f"utf{v}/{s}", s.encode(), qos=1)
    b.quiet(a)
    for s in GOOD_UTF8:
        c = Client(hub, v, client_id=f"{v}{s}", will={"topic": f"utf{v}/{s}", "payload": "gone"})
        c.close()
        a.message(f"utf{v}/{s}", "gone")
    # No normalisation: the same letter in two forms is two topics.
    a.subscribe("\u00e9")
    b.publish("e\u0301", "x", 1)
    a.quiet(b)
    a.stop()
    b.stop()


def strings_are_bounded(hub, v):
    """Two bytes of length cannot say more; a length that runs out of its packet is malformed."""
    c = Client(hub, v)
    long = "l" * 1000
    c.subscribe((long, 1))
    c.publish(long, "x", 0)
    c.message(long, "x")
    c.send(packet(PUBLISH, struct.pack(">H", 65535) + b"t" * 60)).ended(MALFORMED)


def reserved_flags_must_be_right(hub, v):
    bodies = {PUBACK: b"\0\1", PUBREC: b"\0\1", PUBREL: b"\0\1", PUBCOMP: b"\0\1", SUBSCRIBE: subscribe(v, 1, [("a", 0)])[2:],
              UNSUBSCRIBE: unsubscribe(v, 1, ["a"])[2:], PINGREQ: b"", DISCONNECT: b""}
    for kind, body in bodies.items():
        right = 2 if kind in (PUBREL, SUBSCRIBE, UNSUBSCRIBE) else 0
        for flags in range(16):
            if flags != right:
                Client(hub, v).send(packet(kind, body, flags)).ended(MALFORMED)
    for flags in range(1, 16):
        Raw(hub, v).send(packet(CONNECT, connect(v, "c")[2:], flags)).ended()


def packets_of_a_server_are_refused(hub, v):
    for p in (packet(CONNACK, b"\0\0" + (b"\0" if v == 5 else b"")), packet(SUBACK, b"\0\1" + (b"\0" if v == 5 else b"") + b"\0"),
              packet(UNSUBACK, b"\0\1" + (b"\0\0" if v == 5 else b"")), packet(PINGRESP)):
        Client(hub, v).send(p).ended(PROTOCOL)
    Client(hub, v).send(b"\0\0").ended(MALFORMED)


def remaining_length_has_one_to_four_bytes(hub, v):
    c = Client(hub, v)
    c.subscribe((f"len{v}", 1))
    overhead = len(publish(v, f"len{v}", b"", 1, 1)) - 2
    for n in (127, 128, 16383, 16384, 60000):
        payload = bytes(i & 255 for i in range(n - overhead))
        assert len(publish(v, f"len{v}", payload, 1, 1)) - len(varint(n)) - 1 == n
        c.send(publish(v, f"len{v}", payload, 1, 1))
        got = [c.next(), c.next()]
        got.sort(key=lambda p: p.kind)
        assert got[0].payload == payload and got[1].id == 1
        c.acknowledge(got[0])
    for p in (publish(v, f"len{v}", b"slow"), packet(PINGREQ)):
        for i in range(len(p)):
            c.send(p[i:i + 1])
    c.message(f"len{v}", "slow")
    c.get(PINGRESP)
    c.send(b"\xc0\x80\x80\x80\x80").ended(MALFORMED)
    Client(hub, v).send(b"\x30\xff\xff\xff\xff\x01").ended(MALFORMED)
    Raw(hub, v).send(b"\x10\xff\xff\xff\xff").ended()


def packet_ids_are_never_zero(hub, v):
    for p in (publish(v, "a", b"", 1, 0), publish(v, "a", b"", 2, 0), subscribe(v, 0, [("a", 0)]), unsubscribe(v, 0, ["a"]), ack(v, PUBACK, 0),
              ack(v, PUBREC, 0), ack(v, PUBREL, 0), ack(v, PUBCOMP, 0)):
        Client(hub, v).send(p).ended(PROTOCOL)


def answers_carry_the_packet_id(hub, v):
    c = Client(hub, v)
    for i in (1, 2, 255, 256, 65535):
        c.send(subscribe(v, i, [("a", 0)]), unsubscribe(v, i, ["a"]), publish(v, topic_of(v, "id"), b"", 1, i), publish(v, topic_of(v, "id"), b"", 2, i))
        for kind in (SUBACK, UNSUBACK, PUBACK, PUBREC):
            assert c.get(kind).id == i, NAMES[kind]
        c.send(ack(v, PUBREL, i))
        assert c.get(PUBCOMP).id == i
    c.stop()


def the_first_packet_is_a_connect(hub, v):
    """Anything else ends the connection, and nothing is answered; not even what follows in the same segment."""
    for p in (publish(v, "a", b"x"), publish(v, "a", b"x", 1, 1), ack(v, PUBACK, 1), ack(v, PUBREC, 1), ack(v, PUBREL, 1), ack(v, PUBCOMP, 1),
              subscribe(v, 1, [("a", 0)]), unsubscribe(v, 1, ["a"]), packet(PINGREQ), disconnect(v), packet(CONNACK, b"\0\0"), packet(SUBACK, b"\0\1\0"),
              packet(PINGRESP), b"\xf0\x00", b"\x00\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
        for behind in (b"", connect(v, "first")):
            Raw(hub, v).send(p, behind).ended()


def a_second_connect_ends_the_connection(hub, v):
    w = Client(hub, v)
    w.subscribe((topic_of(v, "second"), 1))
    for again in (connect(v, "second", will={"topic": "other"}), connect(v, "third"), connect(9 - v, "second"), connect(v, "second", level=9)):
        c = Client(hub, v, "second", will={"topic": topic_of(v, "second"), "payload": "gone", "qos": 1})
        c.send(again).ended(PROTOCOL)
        w.message(topic_of(v, "second"), "gone")
    c = Raw(hub, v).send(connect(v, "twice"), connect(v, "twice"), publish(v, topic_of(v, "second"), b"no"))
    assert c.get(CONNACK).code == 0
    c.ended(PROTOCOL)
    w.quiet(Client(hub, v))
    w.stop()


def the_protocol_name_is_mqtt(hub, v):
    for name in ("", "mqtt", "Mqtt", "MQT", "MQTTT", "MQTT ", "MQIsdq", b"\xff", b"MQT\0"):
        Raw(hub, v).send(connect(v, "c", name=name)).ended()


def another_protocol_level_is_answered_in_the_form_of_all(hub, v):
    for level in (0, 1, 2, 3, 6, 7, 0x83, 0x85, 255):
        c = Raw(hub, 4).send(connect(v, "c", level=level))
        p = c.get(CONNACK)
        assert (p.code, p.present) == (1, False), p
        c.ended()
    for level in (0, 2, 4, 5, 0x84, 255):  # MQTT 3.1 has one level, and is spoken as 3.1.1
        c = Raw(hub, 4).send(connect(4, "c", name="MQIsdp", level=level))
        assert c.get(CONNACK).code == 1
        c.ended()
    for level in (3, 0x83):
        c = Raw(hub, 4).send(connect(4, "c" * 24, name="MQIsdp", level=level))
        assert c.get(CONNACK).code == 0
        c.send(disconnect(4)).ended()


def every_combination_of_connect_flags(hub, v):
    for flags in range(256):
        will, user, password = flags & 4, flags & 0x80, flags & 0x40
        qos, retain = flags >> 3 & 3, flags & 0x20
        body = text("flags") + ((b"\0" if v == 5 else b"") + text("will/flags") + text("x") if will else b"")
        body += (text("ann") if user else b"") + (text("secretive") if password else b"")
        c = Raw(hub, v).send(packet(CONNECT, text("MQTT") + bytes([v, flags]) + b"\0\x3c" + (b"\0" if v == 5 else b"") + body))
        if flags & 1 or qos == 3 or (not will and (qos or retain)) or (v == 4 and password and not user):
            c.ended()
            continue
        p = c.get(CONNACK)
        if user and not password:
            assert p.code == (4 if v == 4 else 0x86), (flags, p)
            c.ended()
        else:
            assert p.code == 0, (flags, p)
            c.send(disconnect(v)).ended()
    Client(hub, v, "flags", clean=True).stop()


def connect_has_the_fields_that_its_flags_say(hub, v):
    """In their order, none missing, none more."""
    none = b"\0" if v == 5 else b""

    def hello(flags, payload):
        return packet(CONNECT, text("MQTT") + bytes([v, flags]) + b"\0\x3c" + none + payload)
    will = none + text("w") + text("x")
    for flags, payload in ((0x02, b""), (0x02, text("c") + text("more")), (0x02, text("c") + b"\0"), (0x02, text("c") + will), (0x06, text("c")),
                           (0x06, text("c") + none + text("w")), (0x82, text("c")), (0x82, text("c") + text("ann") + text("secretive")),
                           (0xC2, text("c") + text("ann")), (0xC6, text("c") + will + text("ann")), (0x02, b"\0"), (0x02, b"\0\5c"),
                           (0x06, text("c") + none + text("") + text("x")), (0x06, text("c") + none + text("a/#") + text("x")),
                           (0x06, text("c") + none + text("+") + text("x"))):
        Raw(hub, v).send(hello(flags, payload)).ended()
    # Truncated anywhere, the fixed header being right for what is there.
    whole = connect(v, "c", will={"topic": "w", "payload": "x"}, user="ann", password="secretive")[2:]
    for n in range(len(whole)):
        Raw(hub, v).send(packet(CONNECT, whole[:n])).ended()
    w = Client(hub, v)
    w.subscribe((topic_of(v, "field/w"), 1))
    c = Client(hub, v, "c", will={"topic": topic_of(v, "field/w"), "payload": b"\0\xff binary"}, **USER)
    c.close()
    w.message(topic_of(v, "field/w"), b"\0\xff binary")
    w.stop()


def client_ids_of_all_letters_and_lengths(hub, v):
    letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for i in [letters[n:n + 23] for n in range(0, len(letters), 23)] + [letters[:n] for n in range(1, 24)] + ["c" * 200, "a b/c+#$ü"]:
        c = Client(hub, v, i)
        c.quiet()
        c.stop()
    # The id names the state, by its case.
    keep = {"props": {"session_expiry": 100}} if v == 5 else {}
    for name in ("State", "state"):
        Client(hub, v, f"{name}{v}", clean=False, **keep).stop()
    assert Client(hub, v, f"state{v}", clean=False, **keep).connack.present
    assert not Client(hub, v, f"STATE{v}", clean=False, **keep).connack.present
    for name in ("State", "state", "STATE"):
        Client(hub, v, f"{name}{v}").stop()


def an_empty_client_id_gets_one_of_its_own(hub, v):
    clients = [Client(hub, v, "") for _ in range(5)]
    for c in clients:
        assert not c.connack.present
        c.quiet()
    if v == 5:
        ids = {c.connack.props["assigned_client_id"] for c in clients}
        assert len(ids) == 5 and "" not in ids
        again = Client(hub, v, ids.pop(), props={"session_expiry": 10})
        assert "assigned_client_id" not in again.connack.props
        ended = [c for c in clients if c.connack.props["assigned_client_id"] == again.client_id]
        ended[0].ended(0x8E)
        clients = [c for c in clients if c not in ended] + [again]
    for c in clients:
        c.stop()


def a_wrong_password_is_refused(hub, v):
    for kw in ({"user": "ann", "password": "wrong"}, {"user": "nobody", "password": "secretive"}, {"user": "ann"}):
        c = Client(hub, v, "login", expect=4 if v == 4 else 0x86, clean=False, **kw)
        assert not c.connack.present
        c.ended()
    Client(hub, v, "login", **USER).stop()


def a_refused_client_is_not_listened_to(hub, v):
    w = Client(hub, v)
    t = topic_of(v, "refused")
    w.subscribe((t, 1))
    c = Raw(hub, v).send(connect(v, "no", user="ann", password="wrong"), subscribe(v, 1, [(t, 1)]), publish(v, t, b"no", 1, 1, retain=True), packet(PINGREQ))
    assert c.get(CONNACK).code != 0
    c.ended()
    w.quiet()
    assert w.retained((t, 1)) == []
    w.quiet(Client(hub, v))
    w.stop()


def connack_comes_first(hub, v):
    """Also for a client that does not wait for it, and whose session has messages."""
    keep = {"props": {"session_expiry": 100}} if v == 5 else {}
    t = topic_of(v, "connack")
    c = Client(hub, v, t, clean=False, **keep)
    c.subscribe((t, 1))
    c.stop()
    p = Client(hub, v)
    p.publish(t, "waits", 1)
    c = Raw(hub, v).send(connect(v, t, clean=False, **keep), publish(v, t, b"own", 1, 7), packet(PINGREQ))
    assert c.get(CONNACK).present
    kinds = [c.next() for _ in range(4)]
    assert sorted(k.kind for k in kinds) == sorted([PUBLISH, PUBLISH, PUBACK, PINGRESP]), kinds
    assert [k.payload for k in kinds if k.kind == PUBLISH] == [b"waits", b"own"]
    c.close()
    Client(hub, v, t).stop()
    c = Raw(hub, v).send(connect(v, ""), subscribe(v, 1, [(t, 0)]), publish(v, t, b"x"), disconnect(v))
    c.get(CONNACK)
    while (q := c.next()):
        assert q.kind in (SUBACK, PUBLISH), q
    p.stop()


def session_present_tells_what_is_kept(hub, v):
    keep = {"props": {"session_expiry": 100}} if v == 5 else {}
    i = topic_of(v, "present")

    def once(clean, **kw):
        c = Client(hub, v, i, clean=clean, **kw)
        present = c.connack.present
        c.stop()
        return present
    assert once(True) is False
    assert once(False, **keep) is False, "a session that ended with its connection"
    assert once(False, **keep) is True
    assert once(False, **keep) is True
    assert once(True, **keep) is False
    assert once(False) is (v == 5), "3.1.1: a clean session has ended with its connection"
    if v == 5:
        assert once(False) is False, "without an expiry it ended with its connection"
    assert once(True) is False


def a_new_session_has_nothing_of_the_old(hub, v):
    keep = {"props": {"session_expiry": 100}} if v == 5 else {}
    i = topic_of(v, "anew")
    p = Client(hub, v)
    c = Client(hub, v, i, clean=False, **keep)
    c.subscribe((i, 2))
    p.publish(i, "unacknowledged", 2)
    assert c.get(PUBLISH).payload == b"unacknowledged"
    c.close()
    p.publish(i, "queued", 1)
    for n in range(2):
        c = Client(hub, v, i, clean=n == 0, **keep)
        assert c.connack.present == (n == 1 and v == 5), "3.1.1: a clean session has ended with its connection"
        p.publish(i, "nobody", 1)
        c.quiet(p)
        c.stop()
    Client(hub, v, i).stop()


def a_session_keeps_messages_for_its_absent_client(hub, v):
    keep = {"props": {"session_expiry": 100}} if v == 5 else {}
    i = topic_of(v, "away")
    p = Client(hub, v)
    c = Client(hub, v, i, clean=False, **keep)
    c.subscribe((f"{i}/1", 1), (f"{i}/2", 2), (f"{i}/gone", 2))
    c.unsubscribe(f"{i}/gone")
    c.stop()
    for n in range(6):
        p.publish(f"{i}/{n % 2 + 1}", str(n), 1 + n % 2)
        p.publish(f"{i}/gone", "x", 2)
    c = Client(hub, v, i, clean=False, **keep)
    assert c.connack.present
    # As many as may be in flight come at once, in order; each is acknowledged to its end.
    for n, m in enumerate([c.get(PUBLISH) for _ in range(6)]):
        assert (m.topic, m.payload, m.qos, m.dup, m.retain) == (f"{i}/{n % 2 + 1}", str(n).encode(), 1 + n % 2, False, False), m
        c.acknowledge(m)
    c.quiet(p)
    c.stop()
    c = Client(hub, v, i, clean=False, **keep)
    c.quiet(p)
    p.publish(f"{i}/2", "live", 2)
    c.message(f"{i}/2", "live", qos=2)
    c.stop()
    Client(hub, v, i).stop()


def retained_messages_are_not_of_a_session(hub, v):
    t = topic_of(v, "survives")
    c = Client(hub, v)
    c.publish(t, "kept", 1, retain=True)
    c.stop()
    c = Client(hub, v, c.client_id)
    c.subscribe(t)
    c.message(t, "kept", retain=True)
    c.publish(t, b"", 1, retain=True)
    c.message(t, b"")
    c.stop()


def taking_over_ends_the_other_connection(hub, v):
    keep = {"props": {"session_expiry": 100}} if v == 5 else {}
    i = topic_of(v, "over")
    w = Client(hub, v)
    w.subscribe((f"{i}/will", 1))
    old = Client(hub, v, i, clean=False, will={"topic": f"{i}/will", "payload": "0"}, **keep)
    old.subscribe((f"{i}/t", 1))
    for n in range(1, 8):
        new = Client(hub, v, i, clean=False, will={"topic": f"{i}/will", "payload": str(n)}, **keep)
        assert new.connack.present
        old.ended(0x8E)
        w.message(f"{i}/will", str(n - 1))
        w.publish(f"{i}/t", str(n), 1)
        new.message(f"{i}/t", str(n))
        new.quiet()  # the acknowledgement has arrived
        old = new
    new = Client(hub, v, i, clean=True)
    assert not new.connack.present
    old.ended(0x8E)
    w.message(f"{i}/will", "7")
    w.publish(f"{i}/t", "nobody", 1)
    new.quiet(w)
    new.stop()
    w.quiet()
    w.stop()


def will_of_each_qos_retained_or_not(hub, v):
    t = topic_of(v, "will")
    for qos, retain, granted in itertools.product((0, 1, 2), (False, True), (0, 2)):
        w = Client(hub, v)
        w.subscribe((f"{t}/+", granted))
        c = Client(hub, v, will={"topic": f"{t}/a", "payload": f"{qos}{retain}", "qos": qos, "retain": retain})
        c.close()
        w.message(f"{t}/a", f"{qos}{retain}", qos=min(qos, granted), retain=False, dup=False)
        late = Client(hub, v)
        kept = [(m.topic, m.payload, m.qos) for m in late.retained((f"{t}/a", granted))]
        assert kept == ([(f"{t}/a", f"{qos}{retain}".encode(), min(qos, granted))] if retain else []), kept
        late.publish(f"{t}/a", b"", 1, retain=True)
        late.message()
        w.message(payload=b"")
        late.stop()
        w.quiet()
        w.stop()
    w = Client(hub, v)
    w.subscribe((t, 1))
    Client(hub, v, will={"topic": t, "payload": b""}).close()
    w.message(t, b"")
    w.stop()


def a_will_is_published_unless_the_client_says_goodbye(hub, v):
    t = topic_of(v, "goodbye")
    will = {"topic": t, "payload": "gone", "qos": 1}
    w = Client(hub, v)
    w.subscribe((t, 1))
    c = Client(hub, v, will=will)
    c.stop()
    w.quiet(Client(hub, v))
    # Neither the goodbye nor the will leaves anything behind in the session.
    keep = {"props": {"session_expiry": 100}} if v == 5 else {}
    c = Client(hub, v, t, clean=False, will=will, **keep)
    c.close()
    w.message(t, "gone")
    c = Client(hub, v, t, clean=False, **keep)
    c.close()
    Client(hub, v, t, clean=False, **keep).stop()
    w.quiet(Client(hub, v))
    Client(hub, v, t).stop()
    # Every other end publishes it.
    for end, code in ((b"\xc1\x00", MALFORMED), (publish(v, "a/#"), BAD_TOPIC), (connect(v, "x"), PROTOCOL)):
        c = Client(hub, v, will=will)
        c.send(end).ended(code)
        w.message(t, "gone")
    Client(hub, v).close()
    w.quiet(Client(hub, v))
    w.stop()


def keep_alive_is_one_and_a_half_times(hub, v):
    t = topic_of(v, "keep")
    # Where limits.mqtt_keepalive_max_s is 600; MQTT 5 that asks for none is told so.
    w, busy, free = Client(hub, v), Client(hub, v, keep_alive=1), Client(hub, v, keep_alive=600 if v == 4 else 0)
    w.subscribe((t, 1))
    busy.subscribe(t)
    silent = Client(hub, v, keep_alive=1, will={"topic": t, "payload": "silent"})

    def until_it_ends():
        n = itertools.count()
        silent.s.settimeout(0.2)
        while True:
            try:
                silent.data += (got := silent.s.recv(100))
                if not got:
                    return
            except TimeoutError:
                # Any packet tells of life, not only a PINGREQ.
                busy.ping() if next(n) % 2 else busy.send(ack(v, PUBACK, 9))
    seconds = took(until_it_ends)
    assert 1.2 < seconds < 1.5 + 1.5 * SLOW, seconds
    silent.ended(0x8D)
    w.message(t, "silent")
    assert [p.topic for p in busy.ping()] == [t]
    free.quiet()
    for c in (w, busy, free):
        c.stop()


def a_publish_has_a_topic_name(hub, v):
    for topic, code in (("a/#", BAD_TOPIC), ("#", BAD_TOPIC), ("a/+/b", BAD_TOPIC), ("+", BAD_TOPIC), ("a+b", BAD_TOPIC), ("a#b", BAD_TOPIC),
                        ("", BAD_TOPIC if v == 4 else PROTOCOL)):
        for qos in (0, 1, 2):
            Client(hub, v).send(publish(v, topic, b"x", qos, 1 if qos else None)).ended(code)
    for topic in ("t" * 1025, "/" * 64):  # limits.mqtt_topic_max, limits.mqtt_topic_levels_max
        Client(hub, v).send(publish(v, topic, b"x")).ended(BAD_TOPIC)
    for body in (b"", b"\0", b"\0\5a/b", text("a") if v == 5 else b"\0\2a"):
        Client(hub, v).send(packet(PUBLISH, body)).ended(MALFORMED)
    for body in (text("a"), text("a") + b"\0"):
        Client(hub, v).send(packet(PUBLISH, body, 2)).ended(MALFORMED)


def a_publish_has_qos_0_1_or_2(hub, v):
    for flags in range(16):
        if flags & 6 == 6:
            Client(hub, v).send(publish(v, "a", b"x", 1, 1, flags=flags)).ended(MALFORMED)
    # DUP has no meaning without acknowledgement.
    for flags in (8, 9):
        Client(hub, v).send(publish(v, "a", b"x", flags=flags)).ended(MALFORMED)


def dup_is_not_passed_on(hub, v):
    t = topic_of(v, "dup")
    c, p = Client(hub, v), Client(hub, v)
    c.subscribe((t, 2))
    for qos in (1, 2):
        p.publish(t, "x", qos, dup=True)
        c.message(t, "x", qos=qos, dup=False)
    c.stop()
    p.stop()


def the_last_retained_message_is_for_new_subscribers(hub, v):
    t = topic_of(v, "retain")
    p, live = Client(hub, v), Client(hub, v)
    live.subscribe((f"{t}/#", 2))

    def kept(granted=2):
        c = Client(hub, v)
        found = c.retained((f"{t}/#", granted))
        c.stop()
        return [(m.topic, m.payload, m.qos) for m in found]
    for qos, payload in ((1, b"one"), (2, b"two"), (0, b"three"), (1, b"four")):
        p.publish(f"{t}/a", payload, qos, retain=True)
        live.message(f"{t}/a", payload, qos=qos, retain=False)
        for granted in (0, 1, 2):
            assert kept(granted) == [(f"{t}/a", payload, min(qos, granted))]
    # Without the flag nothing is kept, replaced or removed.
    for payload in (b"passing", b""):
        p.publish(f"{t}/a", payload, 1)
        live.message(f"{t}/a", payload, retain=False)
        p.publish(f"{t}/b", payload, 1)
        live.message(f"{t}/b", payload, retain=False)
        assert kept() == [(f"{t}/a", b"four", 1)]
    # A retained message without a payload is passed on, and removes.
    for qos in (1, 0):
        p.publish(f"{t}/a", b"again", 1, retain=True)
        live.message(f"{t}/a", b"again")
        assert kept() == [(f"{t}/a", b"again", 1)]
        p.publish(f"{t}/a", b"", qos, retain=True)
        live.message(f"{t}/a", b"", qos=qos, retain=False)
        assert kept() == []
    p.publish(f"{t}/never", b"", 1, retain=True)
    live.message(f"{t}/never", b"", retain=False)
    assert kept() == []
    live.quiet(p)
    live.stop()
    p.stop()


def subscribing_again_replaces_and_sends_retained_again(hub, v):
    t = topic_of(v, "replace")
    p, c = Client(hub, v), Client(hub, v)
    p.publish(t, "kept", 2, retain=True)
    for qos in (0, 1, 2, 1):
        assert c.subscribe((t, qos)) == [qos]
        c.message(t, "kept", retain=True, qos=qos)
        p.publish(t, "live", 2)
        c.message(t, "live", retain=False, qos=qos)
        c.quiet(p)
    c.unsubscribe(t)
    p.publish(t, "nobody", 1)
    c.quiet(p)
    p.publish(t, b"", retain=True)
    c.stop()
    p.stop()


def nothing_is_lost_while_a_subscription_is_replaced(hub, v):
    t = topic_of(v, "flow")
    p, c = Client(hub, v), Client(hub, v)
    c.subscribe((t, 1))
    for n in range(0, 200, 10):
        p.send(*[publish(v, t, str(i), 1, 1 + i) for i in range(n, n + 10)])
        c.send(subscribe(v, 1 + n, [(t, 1)]))
        for _ in range(10):
            p.get(PUBACK)
    got = []
    while len(got) < 200:
        m = c.next()
        if m.kind == PUBLISH:
            got.append(int(m.payload))
            c.acknowledge(m)
    assert got == list(range(200)), got
    c.stop()
    p.stop()


def incoming_qos_1(hub, v):
    """Acknowledged; what comes after the acknowledgement is a new message, whatever its id and DUP."""
    t = topic_of(v, "in1")
    p, c = Client(hub, v), Client(hub, v)
    c.subscribe((t, 2))
    for dup in (False, False, True):
        p.send(publish(v, t, "same id", 1, 77, dup=dup))
        assert p.get(PUBACK).id == 77
        c.message(t, "same id", qos=1, dup=False)
    c.quiet(p)
    c.stop()
    p.stop()


def incoming_qos_2(hub, v):
    """Delivered once until PUBREL, over a new connection too; then the id is free again."""
    t = topic_of(v, "in2")
    keep = {"props": {"session_expiry": 100}} if v == 5 else {}
    c, p = Client(hub, v), Client(hub, v, t, clean=False, **keep)
    c.subscribe((t, 2))
    for round in range(3):
        p.send(publish(v, t, str(round), 2, 5))
        assert p.get(PUBREC).id == 5
        c.message(t, str(round), qos=2, dup=False)
        for dup in (True, False):
            p.send(publish(v, t, str(round), 2, 5, dup=dup))
            q = p.get(PUBREC)
            assert (q.id, q.code) == (5, 0)
        if round == 1:
            p.close()
            p = Client(hub, v, t, clean=False, **keep)
            assert p.connack.present
            p.send(publish(v, t, str(round), 2, 5, dup=True))
            assert p.get(PUBREC).id == 5
        p.quiet()
        for n in range(2):
            p.send(ack(v, PUBREL, 5))
            q = p.get(PUBCOMP)
            assert (q.id, q.code) == (5, 0x92 if n and v == 5 else 0)
        c.quiet(Client(hub, v))
    # Several at a time, released in any order.
    for i in (11, 12, 13):
        p.send(publish(v, t, str(i), 2, i))
        assert p.get(PUBREC).id == i
    for i in (12, 11, 13):
        p.send(ack(v, PUBREL, i))
        assert p.get(PUBCOMP).id == i
    for i in (11, 12, 13):
        c.message(t, str(i))
    c.stop()
    p.stop()
    Client(hub, v, t).stop()


def incoming_qos_2_that_is_ingested(hub, v):
    """The journal answers later: copies that come before its answer are the same message all the same."""
    t = f"wayside/qos2-{v}/reading/n"
    c, p = Client(hub, v), Client(hub, v)
    c.subscribe((t, 2))
    for n in range(10):
        p.send(*[publish(v, t, str(n), 2, 5, dup=k > 0) for k in range(3)])
        for _ in range(3):
            q = p.get(PUBREC)
            assert (q.id, q.code) == (5, 0)
        p.send(ack(v, PUBREL, 5))
        assert p.get(PUBCOMP).code == 0
        c.message(t, str(n))
    c.quiet(p)
    assert len(hub.get(f"/api/v1/readings?device=qos2-{v}&stream=n")["items"]) == 10
    # Over a new connection as well, when the old one broke before the answer.
    keep = {"props": {"session_expiry": 100}} if v == 5 else {}
    p.stop()
    for n in range(10, 30):
        p = Client(hub, v, topic_of(v, "broken"), clean=False, **keep)
        p.send(publish(v, t, str(n), 2, 5)).close()
        p = Client(hub, v, topic_of(v, "broken"), clean=False, **keep)
        p.send(publish(v, t, str(n), 2, 5, dup=True))
        assert p.get(PUBREC).code == 0
        p.send(ack(v, PUBREL, 5))
        assert p.get(PUBCOMP).code == 0
        p.stop()
        c.message(t, str(n))
    c.quiet(Client(hub, v))
    assert len(hub.get(f"/api/v1/readings?device=qos2-{v}&stream=n")["items"]) == 30
    Client(hub, v, topic_of(v, "broken")).stop()
    c.stop()


def acknowledgements_keep_their_order(hub, v):
    """Also where the journal answers later for some, and other workers for others."""
    p = Client(hub, v)
    parts, expected = [], []
    for i in range(1, MAX_INFLIGHT + 1):
        topic = (f"wayside/order{v}/reading/n", f"plain/{v}", "$not/allowed")[i % 3]
        qos = 1 + i // 3 % 2
        parts.append(publish(v, topic, str(i), qos, i))
        expected.append((PUBACK if qos == 1 else PUBREC, i))
        if i % 5 == 0:
            parts.append(subscribe(v, 100 + i, [(f"acks/{v}/{i}", 1)]))
            parts.append(unsubscribe(v, 200 + i, [f"acks/{v}/{i}"]))
            expected += [(SUBACK, 100 + i), (UNSUBACK, 200 + i)]
    p.send(*parts)
    got = [p.next() for _ in expected]
    assert [(q.kind, q.id) for q in got] == expected, got
    p.close()


def a_session_goes_from_one_version_to_the_other(hub, v):
    """It is the client's, and knows messages, not packets."""
    i, other = topic_of(v, "versions"), 9 - v
    keep = {4: {"clean": False}, 5: {"clean": False, "props": {"session_expiry": 100}}}
    c, p = Client(hub, v, i, **keep[v]), Client(hub, 5)
    c.subscribe((i, 2))
    props = {"content_type": "x/y", "user": [("a", "b")]}
    p.publish(i, "sent", 1, props=props)
    p.publish(i, "received", 2, props=props)
    sent, received = c.get(PUBLISH), c.get(PUBLISH)
    c.send(ack(v, PUBREC, received.id))
    assert c.get(PUBREL).id == received.id
    c.stop()
    p.publish(i, "waits", 1, props=props)
    c = Client(hub, other, i, **keep[other])
    assert c.connack.present
    again = c.message(i, "sent", dup=True)
    assert again.id == sent.id and again.props == (props if other == 5 else {})
    assert c.get(PUBREL).id == received.id
    c.send(ack(other, PUBCOMP, received.id))
    assert c.message(i, "waits", dup=False).props == (props if other == 5 else {})
    c.quiet(p)
    c.stop()
    Client(hub, v, i).stop()
    p.stop()


def the_lower_qos_of_the_two(hub, v):
    t = topic_of(v, "min")
    p = Client(hub, v)
    for granted in (0, 1, 2):
        c = Client(hub, v)
        assert c.subscribe((t, granted)) == [granted]
        for qos in (0, 1, 2):
            p.publish(t, f"{qos}", qos)
            c.message(t, f"{qos}", qos=min(qos, granted), dup=False)
        c.quiet(p)
        c.stop()
    p.stop()


def outgoing_ids_are_unused_ones(hub, v):
    t = topic_of(v, "out")
    p, c = Client(hub, v), Client(hub, v)
    c.subscribe((t, 2))
    for n in range(MAX_INFLIGHT):
        p.publish(t, str(n), 1 + n % 2)
    held = [c.get(PUBLISH) for _ in range(MAX_INFLIGHT)]
    assert len({m.id for m in held}) == MAX_INFLIGHT
    assert all(not m.dup for m in held)
    assert [int(m.payload) for m in held] == list(range(MAX_INFLIGHT))
    # Each is acknowledged on its own, in any order; nothing is sent twice meanwhile.
    for m in held[::-2] + held[::2] if MAX_INFLIGHT % 2 == 0 else held:
        c.acknowledge(m)
    c.quiet(p)
    c.stop()
    p.stop()


def what_is_not_acknowledged_comes_again(hub, v):
    """After a new connection only: in its order, with DUP and its id; PUBREL in place of what was received."""
    t = topic_of(v, "again")
    keep = {"props": {"session_expiry": 100}} if v == 5 else {}
    p, c = Client(hub, v), Client(hub, v, t, clean=False, **keep)
    c.subscribe((t, 2))
    for n in range(8):
        p.publish(t, str(n), 1 + n % 2)
    m = [c.get(PUBLISH) for _ in range(8)]
    c.quiet(p)
    c.send(ack(v, PUBACK, m[2].id))  # 2 is done, 3 is received, 5 is done
    for n in (3, 5):
        c.send(ack(v, PUBREC, m[n].id))
        assert c.get(PUBREL).id == m[n].id
    c.send(ack(v, PUBCOMP, m[5].id))
    c.quiet(p)
    for round in range(3):
        c.close() if round else c.stop()
        c = Client(hub, v, t, clean=False, **keep)
        assert c.connack.present
        for n in (0, 1, 3, 4, 6, 7):
            q = c.next()
            if n == 3:
                assert (q.kind, q.id) == (PUBREL, m[3].id), q
            else:
                assert (q.kind, q.id, q.payload, q.qos, q.dup) == (PUBLISH, m[n].id, str(n).encode(), 1 + n % 2, True), q
        c.quiet(p)
    c.send(ack(v, PUBCOMP, m[3].id))
    for n in (0, 1, 4, 6, 7):
        c.acknowledge(m[n])
    c.quiet(p)  # the last one has arrived
    c.close()
    c = Client(hub, v, t, clean=False, **keep)
    c.quiet(p)
    c.stop()
    Client(hub, v, t).stop()
    p.stop()


def acknowledgements_of_the_wrong_kind(hub, v):
    t = topic_of(v, "kind")
    p = Client(hub, v)
    for qos, wrong in ((1, PUBREC), (1, PUBCOMP), (2, PUBACK), (2, PUBCOMP)):
        c = Client(hub, v)
        c.subscribe((t, qos))
        p.publish(t, "x", qos)
        m = c.get(PUBLISH)
        c.send(ack(v, wrong, m.id)).ended(PROTOCOL)
    # For an id of which nothing is known, as after a lost answer.
    c = Client(hub, v)
    c.send(ack(v, PUBACK, 9), ack(v, PUBCOMP, 9), ack(v, PUBREC, 9))
    q = c.get(PUBREL)
    assert (q.id, q.code) == (9, 0x92 if v == 5 else 0)
    c.send(ack(v, PUBREL, 9))
    q = c.get(PUBCOMP)
    assert (q.id, q.code) == (9, 0x92 if v == 5 else 0)
    c.quiet()
    c.stop()
    p.stop()


def malformed_subscriptions(hub, v):
    for f in BAD_FILTERS:
        Client(hub, v).send(subscribe(v, 1, [(f, 0)])).ended(BAD_FILTER)
        Client(hub, v).send(subscribe(v, 1, [("a", 0), (f, 0)])).ended(BAD_FILTER)
        Client(hub, v).send(unsubscribe(v, 1, [f])).ended(BAD_FILTER)
    for options in [3, 0x40, 0x80, 0xC0] + ([4, 8, 16, 32] if v == 4 else []):
        Client(hub, v).send(subscribe(v, 1, [("a", 0), ("b", options)])).ended(PROTOCOL if options == 3 else MALFORMED)
    Client(hub, v).send(subscribe(v, 1, [])).ended(PROTOCOL)
    Client(hub, v).send(unsubscribe(v, 1, [])).ended(PROTOCOL)


def bodies_cut_short_or_too_long(hub, v):
    for p in (subscribe(v, 1, [("a/b", 1)]), unsubscribe(v, 1, ["a/b"]), ack(v, PUBACK, 1), ack(v, PUBREC, 1), ack(v, PUBREL, 1), ack(v, PUBCOMP, 1)):
        kind, flags, body = p[0] >> 4, p[0] & 15, p[2:]
        for n in range(len(body)):
            codes = (MALFORMED, PROTOCOL) if kind in (SUBSCRIBE, UNSUBSCRIBE) else (MALFORMED,)
            Client(hub, v).send(packet(kind, body[:n], flags)).ended(*codes)
        if kind in (SUBSCRIBE, UNSUBSCRIBE):
            Client(hub, v).send(packet(kind, body + b"\0", flags)).ended(MALFORMED)
        elif v == 4:
            Client(hub, v).send(packet(kind, body + b"\0", flags)).ended()
    for p in (packet(PINGREQ, b"\0"), packet(DISCONNECT, b"\0" if v == 4 else b"\0\0\0")):
        Client(hub, v).send(p).ended(MALFORMED)


def suback_answers_each_filter_in_order(hub, v):
    t = topic_of(v, "suback")
    c, p = Client(hub, v), Client(hub, v)
    deep = "/".join("d" * 100)
    assert c.subscribe((f"{t}/2", 2), (f"{t}/0", 0), (deep, 1), (f"{t}/1", 1), (f"{t}/2", 1)) == [2, 0, 0x80 if v == 4 else BAD_FILTER, 1, 1]
    # As a sequence of its own packets: the last one of the same filter holds.
    for n, qos in ((2, 1), (0, 0), (1, 1)):
        p.publish(f"{t}/{n}", "x", 2)
        c.message(f"{t}/{n}", "x", qos=qos)
    c.quiet(p)
    c.stop()
    p.stop()


def filters_match_what_they_should(hub, v):
    t = topic_of(v, "match")
    table = (("s/#", ("s", "s/", "s/a", "s/a/b"), ("S", "sa", "", "x/s")), ("s/t/#", ("s/t", "s/t/u"), ("s", "s/tt")),
             ("s/+", ("s/a", "s/"), ("s", "s/a/b", "s/a/")), ("s/+/u", ("s/t/u", "s//u"), ("s/u", "s/t/v", "s/t/u/v")),
             ("+/+", ("/a", "a/b", "/", "a/"), ("a", "a/b/c")), ("/+", ("/a", "/"), ("a", "a/b")), ("+", ("a", ""), ("/a", "a/")),
             ("s/+/#", ("s/a", "s/a/b", "s/"), ("s",)), ("+/s/#", ("a/s", "a/s/b", "/s"), ("s", "s/s/x/"[:1])),
             ("a//b", ("a//b",), ("a/b", "a/x/b")), ("a b", ("a b",), ("a  b", "ab")), ("Ä/ß", ("Ä/ß",), ("ä/ß", "A/ß")), ("*/?", ("*/?",), ("a/b",)))
    c, p = Client(hub, v), Client(hub, v)
    for f, yes, no in table:
        c.subscribe((f"{t}/{f}", 1))
        for name in no:
            p.publish(f"{t}/{name}", "no", 0)
        for name in yes:
            p.publish(f"{t}/{name}", f, 0)
            c.message(f"{t}/{name}", f)
        c.quiet(p)
        c.unsubscribe(f"{t}/{f}")
    c.stop()
    p.stop()


def wildcards_at_the_front(hub, v):
    """Match all but what begins with $, live and retained."""
    t = topic_of(v, "front")
    p = Client(hub, v)
    p.publish(f"x/{t}", "kept", 1, retain=True)
    for f in ("#", "+/#", "+/+", f"+/{t}"):
        c = Client(hub, v)
        found = [m.topic for m in c.retained(f)]
        assert f"x/{t}" in found and not [name for name in found if name.startswith("$")], found
        assert p.publish(f"$front/{t}", "hidden", 1, retain=True) == 0
        c.quiet(p)
        c.stop()
    p.publish(f"x/{t}", b"", 1, retain=True)
    # What is meant to be seen there is seen by its name.
    c = Client(hub, v)
    c.subscribe("$SYS/#")
    assert c.message(retain=True).topic.startswith("$SYS/")
    c.close()
    c = Client(hub, v)
    c.subscribe("$front/+")
    c.message(f"$front/{t}", "hidden", retain=True)
    p.publish(f"$front/{t}", b"", 1, retain=True)
    c.message(f"$front/{t}", "")
    c.stop()
    p.stop()


def what_may_not_be_published_is_acknowledged_and_goes_nowhere(hub, v):
    c, p = Client(hub, v), Client(hub, v)
    c.subscribe(("$wayside/have/x", 2), ("$SYS/x", 2))
    for topic in ("$wayside/have/x", "$SYS/x"):
        for qos in (0, 1, 2):
            code = p.publish(topic, "x", qos, retain=True)
            assert code == (0x87 if v == 5 and qos else 0), code
    c.quiet(p)
    assert c.retained("$wayside/have/x", "$SYS/x") == []
    p.quiet()
    c.stop()
    p.stop()


def overlapping_subscriptions_give_the_highest_qos(hub, v):
    t = topic_of(v, "overlap")
    c, p = Client(hub, v), Client(hub, v)
    c.subscribe((f"{t}/a", 0), (f"{t}/+", 2), (f"{t}/#", 1))
    for qos in (0, 1, 2):
        p.publish(f"{t}/a", "x", qos)
        c.message(f"{t}/a", "x", qos=qos)
        c.quiet(p)
    c.stop()
    p.stop()


def unsubscribing_by_the_very_filter(hub, v):
    t = topic_of(v, "unsub")
    c, p = Client(hub, v), Client(hub, v)
    c.subscribe((f"{t}/a", 1), (f"{t}/+", 1), (f"{t}/#", 1), (f"{t}/b", 1))

    def codes(*k):
        return list(k) if v == 5 else []
    assert c.unsubscribe(f"{t}/x", f"{t}/A", t, f"{t}/a/", "#", "+") == codes(*[0x11] * 6)
    p.publish(f"{t}/a", "1", 1)
    c.message(f"{t}/a", "1")
    c.quiet(p)
    assert c.unsubscribe(f"{t}/+", f"{t}/x", f"{t}/#") == codes(0, 0x11, 0)
    p.publish(f"{t}/c", "2", 1)
    c.quiet(p)
    p.publish(f"{t}/a", "3", 1)
    c.message(f"{t}/a", "3")
    assert c.unsubscribe(f"{t}/a") == codes(0)
    assert c.unsubscribe(f"{t}/a") == codes(0x11)
    p.publish(f"{t}/a", "4", 1)
    c.quiet(p)
    p.publish(f"{t}/b", "5", 1)
    c.message(f"{t}/b", "5")
    c.stop()
    p.stop()


def what_was_begun_is_finished_after_unsubscribing(hub, v):
    t = topic_of(v, "begun")
    keep = {"props": {"session_expiry": 100}} if v == 5 else {}
    c, p = Client(hub, v, t, clean=False, **keep), Client(hub, v)
    c.subscribe((t, 2))
    p.publish(t, "one", 1)
    p.publish(t, "two", 2)
    one, two = c.get(PUBLISH), c.get(PUBLISH)
    c.unsubscribe(t)
    p.publish(t, "three", 2)
    c.quiet(p)
    c.close()
    c = Client(hub, v, t, clean=False, **keep)
    for m in (one, two):
        again = c.message(t, m.payload, dup=True, qos=m.qos)
        assert again.id == m.id
    c.quiet(p)
    c.stop()
    Client(hub, v, t).stop()
    p.stop()


def ping_is_answered(hub, v):
    c = Client(hub, v)
    c.send(packet(PINGREQ) * 100)
    for _ in range(100):
        c.get(PINGRESP)
    c.quiet()
    c.stop()


def nothing_is_read_behind_a_disconnect(hub, v):
    t = topic_of(v, "behind")
    w = Client(hub, v)
    w.subscribe((t, 1))
    c = Client(hub, v)
    c.send(disconnect(v), publish(v, t, b"late", 1, 1), packet(PINGREQ)).ended()
    w.quiet(Client(hub, v))
    w.stop()


def order_is_kept(hub, v):
    """For each publisher, topic and QoS, and for the acknowledgements of a connection."""
    t = topic_of(v, "order")
    subs = [Client(hub, v) for _ in range(3)]
    for qos, c in enumerate(subs):
        c.subscribe((f"{t}/#", qos))
    pubs = [Client(hub, v) for _ in range(2)]
    for k, p in enumerate(pubs):
        for n in range(0, 60, MAX_INFLIGHT):
            ids = range(n + 1, n + 1 + MAX_INFLIGHT)
            p.send(*[publish(v, f"{t}/{k}", f"{i}", 1 + i % 2, i) for i in ids])
            answers = [p.get(PUBREC if i % 2 else PUBACK) for i in ids]
            assert [a.id for a in answers] == list(ids)
            p.send(*[ack(v, PUBREL, i) for i in ids if i % 2])
            assert [p.get(PUBCOMP).id for i in ids if i % 2] == [i for i in ids if i % 2]
    for c in subs:
        got = {f"{t}/0": [], f"{t}/1": []}
        while sum(map(len, got.values())) < 120:
            m = c.next()
            if m.kind == PUBLISH:
                got[m.topic].append(int(m.payload))
                if m.qos:
                    c.send(ack(v, PUBACK if m.qos == 1 else PUBREC, m.id))
            elif m.kind == PUBREL:
                c.send(ack(v, PUBCOMP, m.id))
        for topic, numbers in got.items():
            assert numbers == list(range(1, 61)), (topic, numbers)
        c.close()
    for p in pubs:
        p.stop()


def large_packets_pass_and_too_large_ones_end(hub, v):
    """limits.mqtt_packet_max of the hub is 64 KiB."""
    t = topic_of(v, "large")
    c, p = Client(hub, v), Client(hub, v)
    c.subscribe((t, 1))
    room = 65536 - len(publish(v, t, b"", 1, 1)) - 2
    for n in (room, room - 1):
        payload = b"\xa5" * n
        p.publish(t, payload, 1)
        c.message(t, payload)
    p.send(publish(v, t, b"x" * (room + 1), 1, 1)).ended(0x95)
    c.quiet()
    c.stop()
