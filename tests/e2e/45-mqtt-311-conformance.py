"""MQTT 3.1.1, statement by statement: mqtt_statements.py says which test stands for which. Most are in mqtt_cases.py, which
MQTT 5 shares; here is what only 3.1.1 asks. One hub serves all."""
from mqtt_raw import (AUTH, CONNACK, CONNECT, DISCONNECT, PINGREQ, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SEEN, SUBACK, UNSUBACK, Client, Raw, Wrong,
                      ack, connect, decode, packet, publish, subscribe, text, unsubscribe)
from mqtt_statements import run

V = 4


def test_the_decoder_takes_nothing_that_a_server_may_not_send(_):
    """All other tests stand on it."""
    t, before = text("t"), set(SEEN)
    right = {4: [(CONNACK, b"\0\0"), (CONNACK, b"\1\0"), (CONNACK, b"\0\5"), (PUBLISH, t + b"x"), (PUBACK, b"\0\1"), (PUBREL, b"\0\1"),
                 (SUBACK, b"\0\1\2\x80"), (UNSUBACK, b"\0\1"), (PINGRESP, b"")],
             5: [(CONNACK, b"\0\0\0"), (CONNACK, b"\0\x8c\0"), (PUBLISH, t + b"\0x"), (PUBLISH, t + b"\4\x0b\1\x0b\2x"), (PUBACK, b"\0\1"),
                 (PUBACK, b"\0\1\x10"), (PUBREL, b"\0\1\x92\0"), (SUBACK, b"\0\1\0\x9e"), (UNSUBACK, b"\0\1\0\x11"), (DISCONNECT, b""),
                 (DISCONNECT, b"\x8e"), (DISCONNECT, b"\x8e\4\x1f\0\1w"), (AUTH, b"\x18\4\x15\0\1m")]}
    wrong = {4: [(CONNACK, b"\2\0"), (CONNACK, b"\1\5"), (CONNACK, b"\0\6"), (CONNACK, b"\0\0\0"), (PUBLISH, b"\0\2t"), (PUBLISH, text("a/#")),
                 (PUBLISH, text(b"\xed\xa0\x80")), (PUBLISH, b"\0\0x"), (PUBACK, b"\0\0"), (PUBACK, b"\0\1\0"), (SUBACK, b"\0\1\3"), (SUBACK, b"\0\1"),
                 (UNSUBACK, b"\0\1\0"), (PINGRESP, b"\0"), (DISCONNECT, b""), (AUTH, b""), (CONNECT, b""), (PINGREQ, b"")],
             5: [(CONNACK, b"\0\0"), (CONNACK, b"\1\x87\0"), (CONNACK, b"\0\x92\0"), (CONNACK, b"\0\0\3\x21\0\0"), (CONNACK, b"\0\0\2\x01\1"),
                 (CONNACK, b"\0\0\6\x21\0\1\x21\0\1"), (PUBLISH, t), (PUBLISH, t + b"\2\1\2"), (PUBLISH, t + b"\2\x0b\0"), (PUBLISH, t + b"\x80\0"),
                 (PUBLISH, text("") + b"\0"), (PUBACK, b"\0\1\x92"), (PUBACK, b"\0\1\0\2\1\1"), (PUBREL, b"\0\1\x10"), (SUBACK, b"\0\1\0\3"),
                 (SUBACK, b"\0\1\0"), (UNSUBACK, b"\0\1\0"), (UNSUBACK, b"\0\1\0\1"), (DISCONNECT, b"\x84"), (DISCONNECT, b"\4"),
                 (DISCONNECT, b"\0\5\x11\0\0\0\1"), (AUTH, b"\x19"), (PINGREQ, b"")]}
    flags = [(v, packet(kind, body, bits)) for v in right for kind, body in right[v] if kind != PUBLISH for bits in range(16)
             if bits != (2 if kind == PUBREL else 0)]
    flags += [(4, packet(PUBLISH, t + b"\0\1", bits)) for bits in (6, 7, 8, 9, 14, 15)] + [(4, packet(PUBLISH, t + b"\0\0", 2))]
    for v in right:
        for kind, body in right[v]:
            p = packet(kind, body)
            decode(v, p[0], p[2:])
    for v, p in flags + [(v, packet(*k)) for v in wrong for k in wrong[v]]:
        try:
            decode(v, p[0], p[2:])
        except Wrong:
            continue
        raise AssertionError(f"taken: version {v}, {p.hex()}")
    SEEN.intersection_update(before)


def test_an_empty_client_id_needs_a_clean_session(hub):
    c = Client(hub, V, "", clean=False, expect=2)
    assert not c.connack.present
    c.ended()
    Client(hub, V, "", clean=True).stop()


def test_a_length_need_not_be_in_its_shortest_form(hub):
    """MQTT 5 is the first to ask for that."""
    c = Client(hub, V)
    for size in (2, 3, 4):
        c.send(packet(PINGREQ, length_size=size))
        c.get(PINGRESP)
    c.stop()
    c = Raw(hub, V).send(connect(V, "longer", length_size=3))
    assert c.next().code == 0
    c.close()


def test_no_auth_and_no_disconnect_from_the_server(hub):
    """AUTH is a reserved type, and a session that is taken over just ends (see mqtt_cases.py: ended())."""
    for body in (b"", b"\x18\x00"):
        Client(hub, V).send(packet(15, body)).ended()


def test_a_will_that_may_not_be_published_is_refused(hub):
    for topic, code in (("$share/x", 5), ("/".join("d" * 100), 3)):
        Client(hub, V, expect=code, will={"topic": topic}).ended()


def test_mqtt_31_is_spoken_as_311(hub):
    """But for DUP in all that is sent again, and a CONNACK that does not tell of a session."""
    hello = connect(V, "old", clean=False, name="MQIsdp", level=3)
    c = Raw(hub, V).send(hello)
    assert c.get(CONNACK).code == 0
    c.send(subscribe(V, 1, [("old/#", 2)], flags=10), publish(V, "old/x", "y", 2, 2))
    assert [(c.next().kind) for _ in range(2)] == [SUBACK, PUBREC]
    c.close()
    c = Raw(hub, V).send(hello)
    p = c.get(CONNACK)
    assert (p.code, p.present) == (0, False), p
    c.send(ack(V, PUBREL, 2, flags=10), unsubscribe(V, 3, ["old/#"], flags=10))
    assert {PUBCOMP, UNSUBACK} <= {c.next().kind for _ in range(3)}
    c.send(ack(V, PUBREL, 2, flags=6)).ended()
    Client(hub, V, "old", clean=True).stop()


def test_every_return_code_that_can_be_caused_was_given(hub):
    """By the tests before this one."""
    codes = {(name, code) for version, name, code in SEEN if version == V}
    assert {code for name, code in codes if name == "CONNACK"} == {0, 1, 2, 3, 4, 5}
    assert {code for name, code in codes if name == "SUBACK"} == {0, 1, 2, 0x80}


run(globals(), V)
