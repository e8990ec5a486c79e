"""MQTT 5, statement by statement: mqtt_statements.py says which test stands for which. What 3.1.1 asks as well is in
mqtt_cases.py; here is what only MQTT 5 knows. One hub serves all."""
import itertools
import json
import time

from harness import SLOW, until
from mqtt_cases import MALFORMED, MAX_INFLIGHT, PROTOCOL
from mqtt_raw import (AUTH, CONNECT, DISCONNECT, NAMES, PINGREQ, PROPERTIES, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, REASONS, SEEN, SUBSCRIBE,
                      UNSUBSCRIBE, Client, Raw, ack, connect, disconnect, packet, properties, publish, subscribe, text, unsubscribe, value, varint)
from mqtt_statements import run

V = 5
# What a client may put where; a will has its own list.
CLIENT_PROPERTIES = {
    CONNECT: "session_expiry receive_max max_packet topic_alias_max request_response_info request_problem_info user auth_method auth_data",
    "will": "will_delay payload_format message_expiry content_type response_topic correlation_data user",
    PUBLISH: "payload_format message_expiry topic_alias response_topic correlation_data user subscription_id content_type",
    PUBACK: "reason_string user", PUBREC: "reason_string user", PUBREL: "reason_string user", PUBCOMP: "reason_string user",
    SUBSCRIBE: "subscription_id user", UNSUBSCRIBE: "user", DISCONNECT: "session_expiry reason_string user server_reference",
    AUTH: "auth_method auth_data reason_string user",
}
SAMPLE = {"u8": 1, "u16": 1, "u32": 1, "varint": 1, "text": "t", "bytes": b"b", "pair": ("k", "v")}


def with_properties(kind, p):
    """A packet of that kind that is right but for its properties, and the connection on which it may be sent."""
    if kind == CONNECT:
        return connect(V, "props", props=p)
    if kind == "will":
        return connect(V, "props", will={"topic": "w", "props": p})
    return {PUBLISH: lambda: publish(V, "t", props=p), SUBSCRIBE: lambda: subscribe(V, 1, [("t", 0)], p), UNSUBSCRIBE: lambda: unsubscribe(V, 1, ["t"], p),
            DISCONNECT: lambda: disconnect(V, 0, p), AUTH: lambda: packet(AUTH, b"\x19" + properties(p))}.get(
        kind, lambda: ack(V, kind, 1, 0, p))()


def refused(hub, kind, p, *codes):
    if kind in (CONNECT, "will"):
        Raw(hub, V).send(with_properties(kind, p)).ended()
    else:
        Client(hub, V).send(with_properties(kind, p)).ended(*codes)


def one(name, v=None):
    i, kind = PROPERTIES[name]
    return bytes([i]) + value(kind, SAMPLE[kind] if v is None else v)


def test_numbers_are_in_their_shortest_form(hub):
    Raw(hub, V).send(connect(V, "c", length_size=2)).ended()
    for size in (2, 3, 4):
        Client(hub, V).send(packet(PINGREQ, length_size=size)).ended(MALFORMED)
        Client(hub, V).send(packet(PUBLISH, text("t") + varint(0, size))).ended(MALFORMED)
        Client(hub, V).send(packet(SUBSCRIBE, b"\0\1" + varint(1 + size) + b"\x0b" + varint(1, size) + text("t") + b"\0")).ended(MALFORMED)
    Client(hub, V).send(packet(PUBLISH, text("t") + b"\xff\xff\xff\xff\x01")).ended(MALFORMED)


def test_each_property_belongs_to_its_packets(hub):
    for kind, allowed in CLIENT_PROPERTIES.items():
        for name in PROPERTIES:
            if name not in allowed.split():
                refused(hub, kind, one(name), MALFORMED)
            elif name != "user":
                # Twice. (The subscription identifier of a client's PUBLISH and an AUTH are refused anyhow.)
                extra = one("auth_method") if name == "auth_data" else b""
                refused(hub, kind, one(name) * 2 + extra, PROTOCOL)
        for unknown in (b"\x00\x01", b"\x04\x01", b"\x2b\x01", b"\x7f\x01", b"\x80\x01\x01", b"\xff"):
            refused(hub, kind, unknown, MALFORMED)


def test_property_values_in_their_range(hub):
    for kind, name, v in ((CONNECT, "receive_max", 0), (CONNECT, "max_packet", 0), (CONNECT, "request_problem_info", 2),
                          (CONNECT, "request_response_info", 2), ("will", "payload_format", 2), ("will", "response_topic", "a/#"), (PUBLISH, "payload_format", 2),
                          (PUBLISH, "topic_alias", 0), (PUBLISH, "response_topic", "a/+"), (PUBLISH, "response_topic", "#"), (SUBSCRIBE, "subscription_id", 0)):
        refused(hub, kind, one(name, v), PROTOCOL)
    for bad in (b"\xc0\x80", b"\xed\xa0\x80", b"a\0b", b"\xff"):
        for kind, allowed in CLIENT_PROPERTIES.items():
            for name in allowed.split():
                if PROPERTIES[name][1] == "text":
                    refused(hub, kind, one(name, bad), MALFORMED, PROTOCOL)
            refused(hub, kind, one("user", (bad, b"v")), MALFORMED)
            refused(hub, kind, one("user", (b"k", bad)), MALFORMED)


def test_properties_cut_short(hub):
    for kind, allowed in CLIENT_PROPERTIES.items():
        for name in allowed.split():
            whole = one(name)
            for n in range(1, len(whole)):
                refused(hub, kind, whole[:n], MALFORMED)
    # The length runs out of the packet, or is missing where it must be.
    for body, kind in ((text("t") + b"\x05\x01\x01", PUBLISH), (text("t"), PUBLISH), (b"\0\1\x7f" + text("t") + b"\0", SUBSCRIBE), (b"\0\1", SUBSCRIBE),
                       (b"\0\1\x7f" + text("t"), UNSUBSCRIBE), (b"\0\1", UNSUBSCRIBE), (b"\0\1\0\x05", PUBACK), (b"\0\x01", DISCONNECT)):
        Client(hub, V).send(packet(kind, body)).ended(MALFORMED)


def test_reason_codes_of_a_client_belong_to_their_packets(hub):
    right = {**{k: REASONS[k] for k in (PUBACK, PUBREC, PUBREL, PUBCOMP)}, DISCONNECT: REASONS[DISCONNECT] | {4, 0x8C}}
    for kind, codes in right.items():
        for code in range(256):
            if code not in codes:
                p = disconnect(V, code) if kind == DISCONNECT else ack(V, kind, 1, code)
                try:
                    Client(hub, V).send(p).ended(PROTOCOL)
                except AssertionError as e:
                    raise AssertionError(f"{NAMES[kind]} with {code:#x}: {e}") from e
        for code in codes - {0}:
            # All forms: without and with properties.
            for props in (None, {}, {"reason_string": "why", "user": [("a", "b"), ("a", "b")]}):
                c = Client(hub, V)
                if kind == DISCONNECT:
                    c.send(disconnect(V, code, props)).ended()
                    continue
                c.send(ack(V, kind, 9, code, props))
                if kind == PUBREL:
                    assert c.get(PUBCOMP).code == 0x92
                if kind == PUBREC and (q := c.ping()):
                    assert [(p.kind, p.code) for p in q] == [(PUBREL, 0x92)], q
                c.quiet()
                c.close()


def test_connack_says_what_the_server_does(hub):
    c = Client(hub, V)
    p = c.connack.props
    assert (p["receive_max"], p["max_packet"]) == (MAX_INFLIGHT, 65536), p
    assert p["topic_alias_max"] > 0
    # Absent: all QoS, retained messages, wildcards and subscription identifiers are there (and other tests use them).
    assert not {"max_qos", "retain_available", "wildcard_available", "subscription_id_available"} & set(p), p
    for info in (None, 0, 1):
        d = Client(hub, V, props={} if info is None else {"request_response_info": info})
        assert not {"response_info", "auth_method", "auth_data", "assigned_client_id"} & set(d.connack.props)
        d.stop()
    c.stop()


def test_session_expiry_is_told_when_it_is_less(hub):
    for asked, told in ((0, None), (1, None), (86400, None), (0xFFFFFFFF, 30 * 86400), (0xFFFFFFFE, 30 * 86400)):
        c = Client(hub, V, props={"session_expiry": asked})
        assert c.connack.props.get("session_expiry") == told, c.connack
        c.stop(0, {"session_expiry": 0})


def test_server_keep_alive_is_told_and_counts(hub):
    """limits.mqtt_keepalive_max_s of the hub is 600."""
    for asked, told in ((0, 600), (601, 600), (65535, 600), (600, None), (1, None)):
        c = Client(hub, V, keep_alive=asked)
        assert c.connack.props.get("server_keep_alive") == told, c.connack
        c.stop()


def test_a_session_ends_when_its_time_is_over(hub):
    # By name: of those before, some may still be on their way out, so a number says nothing.
    def sessions():
        listed = json.loads(hub.cli("sessions", "--json", "--control", str(hub.box.dir / f"{hub.name}.sock")).stdout)["sessions"]
        return {s["client"] for s in listed} & {"expires", "expires2", "expires3", "ends"}
    for i, kw, leave in (("expires", {"session_expiry": 1}, None), ("expires2", {"session_expiry": 100}, 1), ("expires3", {"session_expiry": 1}, 100)):
        c = Client(hub, V, i, clean=False, props=kw)
        c.subscribe((i, 1))
        c.stop(0, {"session_expiry": leave}) if leave is not None else c.close()
    # Ends with its connection: without an expiry, with 0, and when 0 was said at the end.
    for kw, leave in ((None, None), ({"session_expiry": 0}, None), ({"session_expiry": 100}, {"session_expiry": 0})):
        c = Client(hub, V, "ends", clean=False, props=kw)
        assert not c.connack.present
        c.stop(0, leave)
    until(lambda: sessions() == {"expires3"}, "all but one to be over", 5)
    for i, present in (("expires", False), ("expires2", False), ("expires3", True), ("ends", False)):
        c = Client(hub, V, i, clean=False)
        assert c.connack.present is present, i
        c.stop()
    # While the connection is open its session does not end, however short the expiry.
    c = Client(hub, V, "short", clean=False, props={"session_expiry": 1})
    c.subscribe(("short", 1))
    begin = time.monotonic()
    until(lambda: time.monotonic() - begin > 1.2 and not c.ping(), "more than the expiry", 5)
    c.publish("short", "still", 1)
    c.message("short", "still")
    c.stop()
    Client(hub, V, "short").stop()


def test_an_expiry_set_at_the_end_only_is_an_error(hub):
    for kw in (None, {"session_expiry": 0}):
        Client(hub, V, props=kw).send(disconnect(V, 0, {"session_expiry": 10})).ended(PROTOCOL)
        Client(hub, V, props=kw).send(disconnect(V, 0, {"session_expiry": 0})).ended()


def test_no_authentication_but_by_name(hub):
    for props in ({"auth_method": "SCRAM-SHA-1"}, {"auth_method": "", "auth_data": b"x"}):
        c = Client(hub, V, "auth", expect=0x8C, props=props)
        assert "auth_method" not in c.connack.props
        c.ended()
    Raw(hub, V).send(connect(V, "auth", props={"auth_data": b"x"})).ended()
    for body in (b"", b"\x00", b"\x18" + properties({"auth_method": "x"}), b"\x19" + properties({"auth_method": "x", "auth_data": b"y"}), b"\x19\x00",
                 b"\x01" + properties({"auth_method": "x"})):
        Client(hub, V).send(packet(AUTH, body)).ended(PROTOCOL)
    for flags in range(1, 16):
        Client(hub, V).send(packet(AUTH, b"\x19" + properties({"auth_method": "x"}), flags)).ended(MALFORMED)
    Raw(hub, V).send(packet(AUTH, b"\x19" + properties({"auth_method": "x"}))).ended()


def test_a_will_that_may_not_be_published_is_refused(hub):
    for topic, code in (("$SYS/x", 0x87), ("$share/g/x", 0x87), ("/".join("d" * 100), 0x90), ("d" * 2000, 0x90)):
        Client(hub, V, expect=code, will={"topic": topic}).ended()


def test_receive_maximum_of_the_server(hub):
    c = Client(hub, V)
    for i in range(1, MAX_INFLIGHT + 1):
        c.send(publish(V, "in/max", b"x", 2, i))
        assert c.get(PUBREC).code == 0
    # What is refused or repeated does not count, and all other packets go on.
    c.send(publish(V, "in/max", b"x", 2, 1, dup=True))
    assert c.get(PUBREC).id == 1
    c.quiet()
    c.subscribe("in/max")
    c.publish("in/max", "qos 0")
    c.message("in/max", "qos 0")
    c.send(ack(V, PUBREL, 3))
    assert c.get(PUBCOMP).id == 3
    c.ids = itertools.count(1000)
    for _ in range(MAX_INFLIGHT):
        assert c.publish("$share/x", "x", 2) == 0x87
    c.send(publish(V, "in/max", b"x", 2, 3))
    assert c.answer(PUBREC).id == 3
    c.message("in/max", "x")
    c.send(publish(V, "in/max", b"one too many", 2, 999)).ended(0x93)
    c = Client(hub, V)
    for i in range(3 * MAX_INFLIGHT):
        assert c.publish("in/max", "x", 1) == 0
    c.stop()
    # What comes again over a new connection counts once, also while its answers wait for those before them: retained
    # messages have to be written first.
    back = lambda: Client(hub, V, "back", clean=False, props={"session_expiry": 60})
    half = MAX_INFLIGHT // 2
    c = back()
    for i in range(1, half + 1):
        c.send(publish(V, "in/max", b"x", 2, i))
        assert c.get(PUBREC).id == i
    c.close()
    c = back()
    news = [publish(V, "in/max", b"x", 1, i, retain=True) for i in range(half + 1, MAX_INFLIGHT + 1)]
    again = [publish(V, "in/max", b"x", 2, i, dup=True) for i in range(1, half + 1)]
    c.send(*news[:2], *again, *news[2:])
    for i in [half + 1, half + 2, *range(1, half + 1), *range(half + 3, MAX_INFLIGHT + 1)]:
        assert c.get(PUBREC if i <= half else PUBACK).id == i
    c.publish("in/max", "", 1, retain=True)  # others share the hub
    c.stop()


def test_receive_maximum_of_the_client(hub):
    p = Client(hub, V)
    for window, qos in ((1, 1), (3, 1), (3, 2), (1, 2)):
        c = Client(hub, V, props={"receive_max": window})
        c.subscribe(("out/max", 2), ("out/other", 0))
        for n in range(8):
            p.publish("out/max", str(n), qos)
        held = [c.get(PUBLISH) for _ in range(window)]
        # Everything else goes on.
        c.quiet()
        p.publish("out/other", "qos 0", 0)
        c.message("out/other", "qos 0", qos=0)
        assert c.subscribe(("out/third", 1)) == [1]
        c.quiet(p)
        for n in range(8):
            m = held.pop(0)
            assert int(m.payload) == n
            if qos == 2 and n == 2:
                c.send(ack(V, PUBREC, m.id, 0x80))  # refused: done, without a PUBREL
            elif qos == 2:
                c.send(ack(V, PUBREC, m.id))
                assert c.get(PUBREL).id == m.id
                c.quiet()  # not done before PUBCOMP
                c.send(ack(V, PUBCOMP, m.id))
            else:
                c.send(ack(V, PUBACK, m.id, 0x97 if n == 2 else 0))
            if n + window < 8:
                held.append(c.get(PUBLISH))
            c.quiet()
        c.stop()
    # And after a new connection, with another number.
    c = Client(hub, V, "window", clean=False, props={"receive_max": 3, "session_expiry": 100})
    c.subscribe(("out/max", 1))
    for n in range(6):
        p.publish("out/max", str(n), 1)
    assert [int(c.get(PUBLISH).payload) for _ in range(3)] == [0, 1, 2]
    c.close()
    c = Client(hub, V, "window", clean=False, props={"receive_max": 2, "session_expiry": 100})
    held = [c.get(PUBLISH) for _ in range(2)]
    for n in range(6):
        m = held.pop(0)
        assert (int(m.payload), m.dup) == (n, n < 3)
        c.quiet()
        c.acknowledge(m)
        if n < 4:
            held.append(c.get(PUBLISH))
    c.quiet()
    c.close()
    Client(hub, V, "window").stop()
    p.stop()


def test_maximum_packet_size_of_the_client(hub):
    p = Client(hub, V)
    p.publish("size/kept", b"k" * 200, 1, retain=True)
    for qos, keep in itertools.product((0, 1, 2), (False, True)):
        c = Client(hub, V, "size", clean=not keep, props={"max_packet": 100, "session_expiry": 100})
        assert c.retained(("size/#", qos)) == []
        limit = 100 - len(publish(V, "size/a", b"", qos, 1 if qos else None))
        for n, comes in ((limit, True), (limit + 1, False), (limit + 1000, False), (1, True), (limit, True)):
            p.publish("size/a", b"x" * n, qos)
            if comes:
                assert c.message("size/a", b"x" * n, qos=qos).size <= 100
            c.quiet(p)
        p.publish("size/a", b"", qos, props={"user": [("k", "v" * 100)]})
        c.quiet(p)
        if qos:
            # What is too large counts as sent: it does not come in another session either.
            c.close()
            p.publish("size/a", b"x" * 200, qos)
            p.publish("size/a", b"small", qos)
            c = Client(hub, V, "size", clean=False, props={"max_packet": 100, "session_expiry": 100})
            c.message("size/a", b"small", qos=qos)
            c.quiet(p)
            c.close()
            c = Client(hub, V, "size", clean=False)
            c.quiet(p)
        c.close()
    Client(hub, V, "size").stop()
    p.publish("size/kept", b"", retain=True)
    p.stop()


def test_no_answer_is_larger_than_the_client_takes(hub):
    """CONNACK, SUBACK, UNSUBACK: rather no connection than a packet that is too large."""
    size = Client(hub, V, "small").connack.size
    for limit in range(1, size):
        Raw(hub, V).send(connect(V, "small", props={"max_packet": limit})).ended()
    c = Client(hub, V, "small", props={"max_packet": size})
    assert len(c.connack.raw) == size
    filters = [(f"f/{n}", 0) for n in range(size)]
    c.send(subscribe(V, 1, filters)).ended(0x95)
    c = Client(hub, V, "small", props={"max_packet": size})
    c.send(unsubscribe(V, 1, [f for f, _ in filters])).ended(0x95)
    c = Client(hub, V, "small", props={"max_packet": size})
    assert c.subscribe(*filters[:size - 5]) == [0] * (size - 5)
    assert c.unsubscribe(*[f for f, _ in filters[:size - 5]]) == [0] * (size - 5)
    c.stop()
    Raw(hub, V).send(connect(V, "", props={"max_packet": size + 10})).ended()
    # The text of a refusal is left out.
    c = Client(hub, V, props={"max_packet": 40})
    assert "reason_string" not in wrong_reading(c, 1).props
    c.stop()


def wrong_reading(c, qos):
    """A value that no reading may have is refused with 0x99."""
    i = next(c.ids)
    c.send(publish(V, "sensor/data", b'{"device_id":"t1","temperature":"warm"}', qos, i))
    p = c.get(PUBACK if qos == 1 else PUBREC)
    assert (p.id, p.code) == (i, 0x99), p
    return p


def test_reason_strings_only_for_those_who_want_them(hub):
    for props, told in ((None, True), ({"request_problem_info": 1}, True), ({"request_problem_info": 0}, False)):
        c = Client(hub, V, props=props)
        for qos in (1, 2):
            assert ("reason_string" in wrong_reading(c, qos).props) is told
        assert c.publish("$share/x", "x", 1) == 0x87
        c.send(ack(V, PUBREL, 9), ack(V, PUBREC, 9))
        assert (c.get(PUBCOMP).props, c.get(PUBREL).props) == ({}, {})
        c.stop()


def test_a_refused_message_leaves_its_id_free(hub):
    c, w = Client(hub, V), Client(hub, V)
    w.subscribe(("free", 2))
    c.send(publish(V, "$share/x", b"no", 2, 7))
    assert c.get(PUBREC).code == 0x87
    c.send(publish(V, "free", b"yes", 2, 7))
    assert c.get(PUBREC).code == 0
    c.send(ack(V, PUBREL, 7))
    assert c.get(PUBCOMP).code == 0
    w.message("free", b"yes")
    w.quiet(c)
    c.stop()
    w.stop()


def test_topic_aliases_of_the_client(hub):
    c, w = Client(hub, V), Client(hub, V)
    most = c.connack.props["topic_alias_max"]
    w.subscribe(("alias/#", 2))

    def alias(n, topic=""):
        return publish(V, topic, f"{n}{topic}", props={"topic_alias": n})
    for n in range(1, most + 1):
        c.send(alias(n, f"alias/{n}"))
        w.message(f"alias/{n}", f"{n}alias/{n}")
    for n in range(most, 0, -1):
        c.send(alias(n))
        assert "topic_alias" not in w.message(f"alias/{n}", f"{n}").props
    # Set anew; also by a message that goes nowhere, by one of QoS 2 or retained.
    c.send(alias(1, "alias/new"), alias(1))
    w.message("alias/new", "1alias/new")
    w.message("alias/new", "1")
    c.publish("alias/two", "q2", 2, props={"topic_alias": 2})
    w.message("alias/two", "q2", qos=2)
    c.publish("", "q2 again", 2, props={"topic_alias": 2})
    w.message("alias/two", "q2 again", qos=2)
    assert c.publish("$share/x", "x", 1, props={"topic_alias": 3}) == 0x87
    assert c.publish("", "x", 1, props={"topic_alias": 3}) == 0x87
    # It is the client's own, and of this connection only.
    other = Client(hub, V)
    other.send(alias(1)).ended(PROTOCOL)
    c.stop()
    Client(hub, V, c.client_id, clean=False).send(alias(1)).ended(PROTOCOL)
    for n in (most + 1, 65535):
        Client(hub, V).send(alias(n, "alias/x")).ended(0x94)
    Client(hub, V).send(alias(0, "alias/x")).ended(PROTOCOL, 0x94)
    Client(hub, V).send(publish(V, "", b"x")).ended(PROTOCOL)
    w.quiet(Client(hub, V))
    w.stop()


def test_what_belongs_to_a_message_is_passed_on(hub):
    users = [("k", "v"), ("a", "1"), ("k", "v"), ("", ""), ("k", "other"), ("ü", "ß")]
    props = {"payload_format": 1, "content_type": "text/plain", "response_topic": "answer/here", "correlation_data": b"\0\xff\1", "user": users}
    p = Client(hub, V)
    live = Client(hub, V, "live")
    away = Client(hub, V, "passed", clean=False, props={"session_expiry": 100})
    old = Client(hub, 4)
    for c in (live, away, old):
        c.subscribe(("passed/#", 1))
    away.close()
    for qos in (0, 1, 2):
        p.publish("passed/a", "text", qos, retain=True, props=props)
        assert live.message("passed/a", "text").props == props
        old.message("passed/a", "text")
    late = Client(hub, V)
    assert [m.props for m in late.retained("passed/a")] == [props]
    away = Client(hub, V, "passed", clean=False)
    for _ in range(2):
        assert away.message("passed/a", "text").props == props
    # Each alone, its extreme values too; what a client says of itself stays away.
    for alone in ({"payload_format": 0}, {"content_type": ""}, {"content_type": "c" * 2000}, {"correlation_data": b""}, {"correlation_data": bytes(4000)},
                  {"user": [("n" * 500, "v" * 500)] * 20}, {}):
        p.publish("passed/b", "x", 1, props={**alone, "topic_alias": 1})
        assert live.message("passed/b", "x").props == alone
        old.message("passed/b", "x")
    old.publish("passed/b", "from 3.1.1", 1)
    assert live.message("passed/b", "from 3.1.1").props == {}
    # A will's as well.
    for c in (live, away, late, old):
        c.close()
    live = Client(hub, V)
    live.subscribe("passed/w")
    Client(hub, V, will={"topic": "passed/w", "payload": "gone", "props": {**props, "will_delay": 0}}).close()
    assert live.message("passed/w", "gone").props == props
    p.publish("passed/a", b"", retain=True)
    live.stop()
    p.stop()


def test_messages_expire(hub):
    p = Client(hub, V)
    live = Client(hub, V)
    live.subscribe(("expire/#", 1))
    away = Client(hub, V, "expire", clean=False, props={"session_expiry": 100})
    away.subscribe(("expire/#", 2))
    away.close()
    for qos in (0, 1):
        for seconds in (1, 100, 0xFFFFFFFF):
            p.publish("expire/a", "x", qos, props={"message_expiry": seconds})
            assert live.message("expire/a", "x").props == {"message_expiry": seconds}, "at once: what was said"
    p.publish("expire/b", "last", 2, retain=True, props={"message_expiry": 1})
    p.publish("expire/c", "stays", 2, retain=True, props={"message_expiry": 50})
    p.publish("expire/d", "ever", 2, retain=True)
    begin = time.monotonic()
    for _ in range(3):
        live.message()
    # A QoS 2 message that was begun is finished even when its time is over meanwhile.
    begun = Client(hub, V, "begun", clean=False, props={"session_expiry": 100})
    begun.subscribe(("expire/e", 2))
    p.publish("expire/e", "begun", 2, props={"message_expiry": 1})
    m = begun.get(PUBLISH)
    probe = Client(hub, V)
    until(lambda: time.monotonic() - begin > 1.3 and not probe.retained("expire/b"), "the expiry", 5)
    probe.stop()
    waited = time.monotonic() - begin
    begun.acknowledge(m)
    begun.quiet()
    begun.stop()
    found = {k.topic: k.props for k in Client(hub, V).retained(("expire/#", 2))}
    left = found["expire/c"]["message_expiry"]
    assert set(found) == {"expire/c", "expire/d"} and found["expire/d"] == {}, found
    assert 50 - waited - 1.5 <= left <= 49, (left, waited)
    away = Client(hub, V, "expire", clean=False)
    found = []
    while not found or found[-1].topic != "expire/d":
        found.append(away.message())
    got = [(k.topic, k.props.get("message_expiry")) for k in found]
    assert [k[0] for k in got] == ["expire/a", "expire/a", "expire/c", "expire/d"], got
    assert got[0][1] in range(100 - int(waited) - 2, 100) and 50 - waited - 1.5 <= got[2][1] <= 49 and got[3][1] is None, got
    away.quiet()
    away.stop()
    Client(hub, V, "expire").stop()
    Client(hub, V, "begun").stop()
    for t in "bcd":
        p.publish(f"expire/{t}", b"", retain=True)
    p.stop()


def test_a_will_expires_from_its_publication_on(hub):
    w = Client(hub, V)
    w.subscribe("late/will")
    for seconds in (0, 1, 7):
        Client(hub, V, will={"topic": "late/will", "payload": "x", "props": {"message_expiry": seconds}}).close()
        assert w.message("late/will", "x").props == {"message_expiry": seconds}
    w.stop()


def test_will_delay(hub):
    w = Client(hub, V)
    w.subscribe(("delay/#", 1))

    def client(name, delay, expiry, clean=True):
        return Client(hub, V, name, clean=clean, will={"topic": f"delay/{name}", "payload": "gone", "props": {"will_delay": delay}},
                      props={"session_expiry": expiry})
    # The session ends with its connection, or is begun anew: at once.
    client("atonce", 100, 0).close()
    w.message("delay/atonce", "gone")
    client("anew", 100, 100).close()
    anew = Client(hub, V, "anew", clean=True)
    w.message("delay/anew", "gone")
    # Said goodbye with 0x04, and the session with it.
    client("bye", 100, 100).stop(4, {"session_expiry": 0})
    w.message("delay/bye", "gone")
    # Back in time, politely or not: no will. Its session ends first: then.
    begin = time.monotonic()
    client("delayed", 1, 100).close()
    client("ends", 100, 1).close()
    for n in range(3):
        back = client("back", 100, 100, clean=n == 0)
        assert back.connack.present == (n > 0)
        back.close()
    back = Client(hub, V, "back", clean=False)
    polite = client("polite", 100, 100)
    polite.stop()
    # Taken over: the delay counts from the old connection's end, and the new one cancels it.
    taken = client("taken", 100, 100)
    taker = Client(hub, V, "taken", clean=False)
    taken.ended(0x8E)
    # On a busy machine the two may come before the others are through: so one look at the end is for all.
    got = {w.message().topic, w.message().topic}
    assert got == {"delay/delayed", "delay/ends"}, got
    assert 0.9 < time.monotonic() - begin < 1 + 2 * SLOW
    w.quiet(Client(hub, V))
    for c in (back, anew, taker, w):
        c.stop()


def test_disconnect_with_a_reason(hub):
    """Only 0x00 takes the will back."""
    w = Client(hub, V)
    w.subscribe("bye")
    for code in sorted(REASONS[DISCONNECT] | {4}):
        for props in (None, {"reason_string": "enough", "user": [("a", "b")]}):
            Client(hub, V, will={"topic": "bye", "payload": f"{code:#x}"}).stop(code, props)
            if code:
                w.message("bye", f"{code:#x}")
    w.quiet(Client(hub, V))
    Client(hub, V, will={"topic": "bye", "payload": "no"}).stop()
    w.quiet(Client(hub, V))
    # An end that is itself an error is no goodbye.
    Client(hub, V, will={"topic": "bye", "payload": "error"}).send(disconnect(V, 0, {"session_expiry": 5})).ended(PROTOCOL)
    w.message("bye", "error")
    w.stop()


def test_subscription_identifiers(hub):
    c, p = Client(hub, V, "ids", clean=False, props={"session_expiry": 100}), Client(hub, V)

    def ids(topic, n=1):
        """Of all copies, sorted."""
        p.publish(topic, "x", 1)
        found = []
        while len(found) < n:
            found += c.message(topic, "x").props.get("subscription_id", [None])
        c.quiet(p)
        return sorted(found, key=str)
    for i in (1, 127, 128, 16384, 268435455):
        c.subscribe(("id/a", 1), props={"subscription_id": i})
        assert ids("id/a") == [i], "the last one of a filter holds"
    c.subscribe(("id/a", 1))
    assert ids("id/a") == [None], "or none"
    c.subscribe(("id/+", 1), ("id/b", 1), props={"subscription_id": 5})
    assert set(ids("id/b")) == {5}, "one identifier for all filters of a packet"
    assert ids("id/a") == [5]
    c.subscribe(("id/#", 0), props={"subscription_id": 6})
    c.subscribe(("id/c", 2), props={"subscription_id": 7})
    assert ids("id/c", 3) == [5, 6, 7]
    c.unsubscribe("id/+", "id/b")
    assert ids("id/c", 2) == [6, 7]
    # Retained messages have that of their subscription; a session keeps them.
    p.publish("id/kept", "x", 1, retain=True)
    assert c.message("id/kept").props == {"subscription_id": [6]}
    kept = c.retained(("id/kept", 1), props={"subscription_id": 8})
    assert [(m.topic, m.props) for m in kept] == [("id/kept", {"subscription_id": [8]})], kept
    c.close()
    p.publish("id/c", "away", 2)
    c = Client(hub, V, "ids", clean=False)
    found = []
    while 7 not in found:  # that of a subscription of QoS 0 may have come before
        found += c.message("id/c", "away").props["subscription_id"]
    c.quiet(p)
    c.stop()
    p.publish("id/kept", b"", retain=True)
    p.send(publish(V, "id/a", b"x", props={"subscription_id": 1})).ended(PROTOCOL)
    Client(hub, V).send(subscribe(V, 1, [("a", 0)], one("subscription_id", 1) + one("subscription_id", 2))).ended(PROTOCOL)


def test_overlapping_subscriptions_each_with_its_identifier(hub):
    """One copy with the highest QoS and the identifiers of all, one of them twice when two subscriptions
    have it; live, and out of the queue."""
    p = Client(hub, V)
    granted = {1: 0, 2: 2, 3: 1}
    for order in itertools.permutations(granted):
        c = Client(hub, V, "many", props={"session_expiry": 100})
        for i in order:
            c.subscribe((("many/a", "many/+", "many/#")[i - 1], granted[i]), props={"subscription_id": i})
        c.subscribe(("+/a", 1), props={"subscription_id": 3})
        c.subscribe(("+/+", 1))
        for qos in (0, 1, 2):
            p.publish("many/a", "x", qos)
            m = c.message("many/a", "x")
            assert sorted(m.props["subscription_id"]) == [1, 2, 3, 3] and m.qos == qos, m
            c.quiet(p)
        c.unsubscribe("+/a")
        c.close()
        p.publish("many/a", "later", 1)
        c = Client(hub, V, "many", clean=False, props={"session_expiry": 100})
        m = c.message("many/a", "later")
        assert sorted(m.props["subscription_id"]) == [1, 2, 3] and m.qos == 1, m
        c.quiet(p)
        c.stop()
    p.stop()


def test_no_local(hub):
    c, p = Client(hub, V, "local", clean=False, props={"session_expiry": 100}), Client(hub, V)
    c.subscribe(("local/#", 1 | 4))
    for qos in (0, 1, 2):
        c.publish("local/a", "own", qos)
        c.publish("local/kept", "own", qos, retain=True)
        c.quiet(p)
        p.publish("local/a", "other's", qos)
        c.message("local/a", "other's")
    # Another subscription of its own that does not mind.
    c.subscribe(("local/a", 0))
    c.publish("local/a", "own")
    c.message("local/a", "own")
    c.unsubscribe("local/a")
    # The same client on another connection.
    c.close()
    c = Client(hub, V, "local", clean=False, props={"session_expiry": 100})
    c.publish("local/a", "own", 1)
    c.quiet(p)
    # What it has retained itself is not sent to it either, to others it is.
    assert c.retained(("local/#", 1 | 4)) == []
    assert [m.payload for m in c.retained(("local/#", 1))] == [b"own"]
    assert [m.payload for m in p.retained(("local/#", 1 | 4))] == [b"own"]
    p.publish("local/kept", b"", retain=True)
    c.close()
    Client(hub, V, "local").stop()
    p.stop()


def test_retain_as_published(hub):
    p = Client(hub, V)
    for option in (0, 8):
        c = Client(hub, V)
        c.subscribe(("rap/#", 1 | option))
        for qos, retain in itertools.product((0, 1, 2), (False, True)):
            p.publish("rap/a", "x", qos, retain=retain)
            c.message("rap/a", "x", retain=bool(option) and retain)
        p.publish("rap/a", b"", 1, retain=True)
        c.message("rap/a", b"", retain=bool(option))
        c.stop()
        # Both, overlapping.
        c = Client(hub, V)
        c.subscribe(("rap/#", option), ("rap/a", 8 - option))
        p.publish("rap/a", "x", 1, retain=True)
        c.message("rap/a", "x", retain=True)
        c.stop()
        # A will is passed on as it was published.
        c = Client(hub, V)
        c.subscribe(("rap/w", option))
        for retain in (False, True):
            Client(hub, V, will={"topic": "rap/w", "payload": "w", "retain": retain}).close()
            c.message("rap/w", "w", retain=bool(option) and retain)
        # What comes because of the subscription has it always.
        found = c.retained(("rap/#", option))
        assert sorted(m.topic for m in found) == ["rap/a", "rap/w"]
        c.stop()
        for t in "aw":
            p.publish(f"rap/{t}", b"", 1, retain=True)
    p.stop()


def test_retain_handling(hub):
    p = Client(hub, V)
    p.publish("rh/a", "kept", 1, retain=True)
    for handling, first, again in ((0, 1, 1), (1, 1, 0), (2, 0, 0)):
        c = Client(hub, V, f"rh{handling}", clean=False, props={"session_expiry": 100})
        assert len(c.retained(("rh/#", handling << 4))) == first
        for options in (handling << 4, handling << 4 | 1, handling << 4 | 8):
            assert len(c.retained(("rh/#", options))) == again, (handling, options)
        # Also when it exists from an earlier connection; gone, it is new.
        c.close()
        c = Client(hub, V, f"rh{handling}", clean=False, props={"session_expiry": 100})
        assert c.connack.present
        assert len(c.retained(("rh/#", handling << 4))) == again
        c.unsubscribe("rh/#")
        assert len(c.retained(("rh/#", handling << 4))) == first
        c.close()
        c = Client(hub, V, f"rh{handling}", clean=True)
        assert len(c.retained(("rh/#", handling << 4))) == first
        # Each filter of a packet has its own.
        assert len(c.retained(("rh/a", 0), ("rh/+", 2 << 4), ("+/a", 1 << 4))) == 2
        c.stop()
    p.publish("rh/a", b"", 1, retain=True)
    p.stop()
    for options, code in ((0x30, PROTOCOL), (0x31, PROTOCOL), (0x40, MALFORMED), (0x80, MALFORMED), (0x03, PROTOCOL)):
        Client(hub, V).send(subscribe(V, 1, [("a", 0), ("b", options)])).ended(code)


def test_subscriptions_beyond_the_limit(hub):
    """limits.mqtt_subscriptions_max of the hub is 50."""
    c = Client(hub, V)
    assert c.subscribe(*[f"s/{n}" for n in range(49)]) == [0] * 49
    assert c.subscribe("s/x", "s/y", "s/0") == [0, 0x97, 0]
    assert c.unsubscribe("s/y", "s/x") == [0x11, 0]
    assert c.subscribe("s/y") == [0]
    c.send(subscribe(V, 1, [(f"t/{n}", 0) for n in range(51)])).ended(0x97)


def test_what_the_client_refuses_is_not_sent_again(hub):
    p = Client(hub, V)
    c = Client(hub, V, "refuses", clean=False, props={"session_expiry": 100})
    c.subscribe(("refuses", 2))
    for kind, qos in ((PUBACK, 1), (PUBREC, 2)):
        for code in (0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99):
            p.publish("refuses", "x", qos)
            c.send(ack(V, kind, c.get(PUBLISH).id, code, {"reason_string": "no"} if code & 1 else None))
    for code in (0x10,):
        p.publish("refuses", "x", 2)
        m = c.get(PUBLISH)
        c.send(ack(V, PUBREC, m.id, code))
        assert c.get(PUBREL).id == m.id
        c.send(ack(V, PUBCOMP, m.id))
    c.quiet(p)
    c.close()
    c = Client(hub, V, "refuses", clean=False)
    c.quiet(p)
    c.stop()
    p.stop()


def test_topic_aliases_of_the_server(hub):
    topics = [f"aliases/of/the/server/{i}" for i in range(5)]
    for most in (0, 1, 3):
        c, p = Client(hub, V, props={"topic_alias_max": most}), Client(hub, V)
        c.subscribe(("aliases/#", 1))
        known = {}
        for i, topic in enumerate(topics * 3):
            p.publish(topic, str(i), i % 2)
            m = c.get(PUBLISH)
            c.acknowledge(m)
            alias = m.props.get("topic_alias")
            assert alias is None or 1 <= alias <= most, m
            if m.topic and alias:
                known[alias] = m.topic
            assert (m.topic or known[alias]) == topic and m.payload == str(i).encode(), m
        assert len(known) <= most
        c.stop()
        p.stop()


def test_names_of_shared_subscriptions(hub):
    for wrong in ("$share/g", "$share//t", "$share/g/", "$share/+/t", "$share/g+/t", "$share/#/t", "$share/"):
        Client(hub, V).send(subscribe(V, 1, [(wrong, 0)])).ended(MALFORMED, 0x8F)
    Client(hub, V).send(subscribe(V, 1, [("$share/g/t", 4)])).ended(PROTOCOL)  # no local
    c = Client(hub, V)
    assert c.subscribe("$share/g/names/#", ("$share/ü g/names/+", 1), "$shared/x") == [0, 1, 0]
    assert c.unsubscribe("$share/g/names/#", "$share/ü g/names/+", "$share/h/names/#") == [0, 0, 0x11]
    c.quiet()
    c.stop()


def test_a_shared_subscription_goes_to_one_with_its_qos(hub):
    p, a, b = Client(hub, V), Client(hub, V), Client(hub, V)
    a.subscribe(("$share/g/one/+", 0))
    b.subscribe(("$share/g/one/+", 1))
    for i in range(10):
        p.publish("one/x", str(i), 2, retain=False)
    found = {0: [m for m in a.ping() if m.kind == PUBLISH], 1: []}
    while len(found[0]) + len(found[1]) < 10:
        found[1].append(b.message(qos=1))
        found[0] += [m for m in a.ping() if m.kind == PUBLISH]
    assert all(m.qos == 0 for m in found[0])
    assert sorted(int(m.payload) for m in found[0] + found[1]) == list(range(10)), "each to one"
    assert min(len(found[0]), len(found[1])) >= 4, "in turn, as far as each had room"
    b.quiet(p)
    for c in (a, b, p):
        c.stop()


def test_shared_qos_2_stays_with_its_client(hub):
    p = Client(hub, V)
    a = Client(hub, V, "member-a", clean=False, props={"session_expiry": 60})
    a.subscribe(("$share/g/two/+", 2))
    p.publish("two/x", "begun", 2)
    first = a.get(PUBLISH)
    b = Client(hub, V)
    b.subscribe(("$share/g/two/+", 2))
    a.stop()
    p.publish("two/x", "next", 2)
    b.message(payload="next")
    b.quiet(p)
    a = Client(hub, V, "member-a", clean=False, props={"session_expiry": 60})
    again = a.message(payload="begun", dup=True)
    assert again.id == first.id
    p.publish("two/x", "given", 2)
    p.publish("two/x", "given", 2)
    lost = a.get(PUBLISH)
    assert lost.payload == b"given"
    a.send(disconnect(V, 0, {"session_expiry": 0})).ended()  # its session is over: nobody gets it
    b.message(payload="given")
    b.quiet(p)
    b.stop()
    p.stop()


def test_what_a_member_refuses_goes_to_no_other(hub):
    for qos in (1, 2):
        p, a, b = Client(hub, V), Client(hub, V), Client(hub, V)
        a.subscribe(("$share/g/no/+", qos))
        p.publish("no/x", "refused", qos)
        m = a.get(PUBLISH)
        b.subscribe(("$share/g/no/+", qos))
        a.send(ack(V, PUBACK if qos == 1 else PUBREC, m.id, 0x83)).quiet()
        a.close()
        b.quiet(p)
        b.stop()
        p.stop()


def test_a_disconnect_of_the_server_is_its_last_word(hub):
    """And never comes before a CONNACK: other tests see the connection end without a word until then."""
    c = Client(hub, V)
    c.send(publish(V, "a/#"), packet(PINGREQ) * 3, publish(V, "a", b"x", 1, 1)).ended(0x90)


def test_every_reason_that_can_be_caused_was_given(hub):
    """By the tests before this one. What they cannot cause, with the file that does: CONNACK 0x88 (no login now) and 0x97
    (81: sessions), PUBACK 0x97 (35: journal full), DISCONNECT 0x8B (32: stop); 0x9E: shared."""
    expected = {"CONNACK": {0, 0x86, 0x87, 0x8C, 0x90}, "PUBACK": {0, 0x87, 0x99}, "PUBREC": {0, 0x87, 0x99}, "PUBREL": {0, 0x92}, "PUBCOMP": {0, 0x92},
                "SUBACK": {0, 1, 2, 0x8F, 0x97}, "UNSUBACK": {0, 0x11},
                "DISCONNECT": {0x81, 0x82, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x97}}
    seen = {}
    for version, name, code in SEEN:
        if version == V:
            seen.setdefault(name, set()).add(code)
    for name, codes in expected.items():
        assert seen.get(name, set()) == codes, (name, {hex(k) for k in seen.get(name, set()) ^ codes})


run(globals(), 5)
