"""MQTT 3.1.1, statement by statement: mqtt_statements.py says which test stands for which. Most are in mqtt_cases.py, which
MQTT 5 shares; here is what only 3.1.1 asks. One hub serves all."""
from mqtt_raw import PINGREQ, PINGRESP, SEEN, Client, Raw, connect, packet
from mqtt_statements import run

V = 4


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
    for topic, code in (("$other/x", 5), ("/".join("d" * 100), 3)):
        Client(hub, V, expect=code, will={"topic": topic}).ended()


def test_every_return_code_that_can_be_caused_was_given(hub):
    """By the tests before this one."""
    codes = {(name, code) for version, name, code in SEEN if version == V}
    assert {code for name, code in codes if name == "CONNACK"} == {0, 1, 2, 3, 4, 5}
    assert {code for name, code in codes if name == "SUBACK"} == {0, 1, 2, 0x80}


run(globals(), V)
