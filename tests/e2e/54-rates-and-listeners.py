"""What a listener allows its clients: rates, whether anything is kept while they are away, how long sessions last and
wills wait; what happens when a queue is full."""
import json
import time

from harness import SLOW, main, until
from mqtt_raw import Client, connect, publish


def two(box, second, extra="", more=""):
    hub = box.hub(mqtt=f'    - {{address: "127.0.0.1:0"}}\n    - {{address: "127.0.0.1:0", {second}}}{more}', extra=extra)
    return hub, [int(line["address"].rpartition(":")[2]) for line in hub.logged(msg="listening", service="mqtt")]


class At:
    """The hub by another of its listeners."""

    def __init__(self, hub, port):
        self.hub, self.at = hub, port

    def address(self, service):
        return "127.0.0.1", self.at


def test_a_rate_of_one_listener(box):
    hub, ports = two(box, "message_rate_max: 20, byte_rate_max: 1MiB")
    free, bound = Client(At(hub, ports[0]), 4, "free"), Client(At(hub, ports[1]), 4, "bound")
    sub = Client(hub, 4)
    sub.subscribe("r/#")
    began = time.monotonic()
    for n in range(40):
        bound.send(publish(4, "r/bound", str(n)))
    for n in range(40):
        free.send(publish(4, "r/free", str(n)))
    got = [sub.message() for _ in range(80)]
    assert time.monotonic() - began > 0.9, "nobody was slowed down"
    assert [m.payload for m in got if m.topic == "r/bound"] == [str(n).encode() for n in range(40)], "nothing is lost"
    assert {m.topic for m in got[-10:]} == {"r/bound"}, "the other listener's client was slowed down, too"
    assert hub.metric("wayside_mqtt_throttled_total") > 5
    found = json.loads(hub.cli("sessions", "--json", "--control", str(box.dir / "hub.sock")).stdout)["sessions"]
    assert {s["client"]: s["throttled"] > 0 for s in found if s["client"] in ("free", "bound")} == {"free": False, "bound": True}


def test_what_one_listener_keeps_and_how_long(box):
    hub, ports = two(box, "offline_messages: false, session_expiry_max: 90s, will_delay_max: 0s", extra="limits: {mqtt_session_expiry_max: 2h}")
    pub, w = Client(hub, 5), Client(hub, 5)
    w.subscribe("will")
    for port, expiry, kept in ((ports[0], 7200, 3), (ports[1], 90, 0)):
        at, name = At(hub, port), f"c{port}"
        c = Client(at, 5, name, props={"session_expiry": 100000},
                   will={"topic": "will", "payload": name, "props": {"will_delay": 0 if kept else 3600}})
        assert c.connack.props["session_expiry"] == expiry, c.connack
        c.subscribe(("k", 1))
        c.close()
        w.message("will", name)  # also the one with a delay
        for n in range(3):
            pub.publish("k", str(n), 1)
        c = Client(at, 5, name, clean=False, props={"session_expiry": 100000})
        assert c.connack.present
        for n in range(kept):
            c.message("k", str(n))
        c.quiet(pub)
        c.stop()


def test_policies_of_a_full_queue(box):
    for policy, kept in (("drop_newest", ["0", "1", "2"]), ("drop_oldest_qos0", ["0", "3", "4"])):
        hub = box.hub(mqtt=f'    - {{address: "127.0.0.1:0"}}\n  queue_policy: {policy}\n  queue_qos0_messages: true', name=policy,
                      extra="limits: {mqtt_queue_max_messages: 3}")
        c, pub = Client(hub, 5, "c", props={"session_expiry": 1000}), Client(hub, 5)
        c.subscribe(("q", 1))
        c.close()
        until(lambda: hub.metric("wayside_mqtt_connections") == 1, "it to be away")
        for n, qos in enumerate((1, 0, 0, 1, 1, 1)):
            pub.publish("q", str(n), qos)
        c = Client(hub, 5, "c", clean=False, props={"session_expiry": 1000})
        for text in kept:
            c.message("q", text)
        c.quiet(pub)
        assert hub.metric("wayside_mqtt_messages_dropped_total") == 3


def test_a_listener_is_never_wider_than_the_whole(box):
    for key, value, limit in (("message_rate_max", "0", "mqtt_message_rate_max: 5"), ("byte_rate_max", "2MiB", "mqtt_byte_rate_max: 1MiB"),
                              ("session_expiry_max", "3h", "mqtt_session_expiry_max: 2h"), ("will_delay_max", "2s", "mqtt_will_delay_max: 1s")):
        hub = box.hub(mqtt=f'    - {{address: "127.0.0.1:0", {key}: {value}}}', extra=f"limits: {{{limit}}}", start=False, name=key)
        r = hub.cli("config", "check", str(hub.config), check=False)
        assert r.returncode != 0 and f"listeners[0].{key}" in r.stdout + r.stderr, r


main(globals())
