"""What crosses a bridge and how: names, retained messages, properties, no loops, TLS, a queue that is full, a far
side that forgot us, a bridge that is taken out of the settings, and mistakes."""
import json
import shutil
import socket
import subprocess
import threading
import time
import types

from bridging import LISTENERS, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, FarHub, Mosquitto, Path, bridge
from certs import authority, certificate
from harness import SLOW, main, until
from mqtt_peers import Publisher, Subscriber


def pub(port, topic, text, *more):
    return subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-t", topic, "-m", text, *more], capture_output=True,
                          text=True, timeout=30 * SLOW)


def listen(box, port, topic, *more):
    """A mosquitto_sub with its lines in a file, when it has subscribed."""
    out = box.dir / f"sub{len(box.processes)}"
    with open(out, "wb") as f:
        box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", topic, "-t", "ready/#", "-q", "2", *more, stdout=f, stderr=f)

    def ready():
        pub(port, "ready/x", "-")
        return b"-" in out.read_bytes()
    until(ready, "the listener to hear")
    return lambda: [l for l in out.read_text().splitlines() if not l.endswith("-") and l]


def burst(port, clients, each, size):
    """Publications of QoS 1 by MQTT 5, all of all clients at once; the topics of those that were acknowledged with success."""
    packets = [b"".join(publish_5(f"line/{c}/{i}", i + 1, bytes(size)) for i in range(each)) for c in range(clients)]
    connect = bytes([16, 13]) + b"\0\4MQTT\5\2\0\0\0\0\0"
    sockets = []
    for _ in packets:
        s = socket.create_connection(("127.0.0.1", port), timeout=30 * SLOW)
        s.sendall(connect)
        assert s.recv(1000)[3] == 0
        sockets.append(s)
    for s, p in zip(sockets, packets):
        threading.Thread(target=s.sendall, args=(p,), daemon=True).start()
    acked = []
    for c, s in enumerate(sockets):
        got, answers = b"", 0
        while answers < each:
            whole, got = Path.packets(got + s.recv(65536))
            answers += sum(p[0] >> 4 == PUBACK for p in whole)
            acked += [f"line/{c}/{int.from_bytes(p[2:4], 'big') - 1}" for p in whole if p[0] >> 4 == PUBACK and (len(p) < 5 or p[4] < 128)]
        s.close()
    return acked


def publish_5(topic, packet_id, payload):
    body = len(topic).to_bytes(2, "big") + topic.encode() + packet_id.to_bytes(2, "big") + b"\0" + payload
    n, length = len(body), b""
    while True:
        length += bytes([n & 127 | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            return b"\x32" + length + body


def wait_open(hub, name="far"):
    until(lambda: [b for b in hub.get_status()["bridges"] if b["name"] == name and b["connected"]], "the bridge to be open", 20)


def test_names_on_both_sides(box):
    far = Mosquitto(box)
    hub = box.hub(mqtt=LISTENERS + bridge(far.port, ['filter: "#", direction: out, local_prefix: "up/", remote_prefix: "site/"',
                                                     'filter: "x/+", direction: in, remote_prefix: "cmd/", local_prefix: "down/", qos: 2',
                                                     'direction: both, local_prefix: "one", remote_prefix: "two"']))
    wait_open(hub)
    there, here = listen(box, far.port, "#", "-v"), listen(box, hub.port("mqtt"), "#", "-v")
    for topic in ("up/a/b", "other", "one"):
        assert pub(hub.port("mqtt"), topic, "from-here", "-q", "1").returncode == 0
    until(lambda: {"site/a/b from-here", "two from-here"} <= set(there()), "the names there")
    for topic in ("cmd/x/1", "cmd/y/1", "two"):
        assert pub(far.port, topic, "from-there", "-q", "2").returncode == 0
    until(lambda: {"down/x/1 from-there", "one from-there"} <= set(here()), "the names here")
    assert sorted(there()) == sorted(["site/a/b from-here", "two from-here", "cmd/x/1 from-there", "cmd/y/1 from-there",
                                      "two from-there"]), there()
    assert sorted(here()) == sorted(["up/a/b from-here", "other from-here", "one from-here", "down/x/1 from-there",
                                     "one from-there"]), here()


def test_nothing_goes_round(box):
    """Everything both ways: each message comes once on each side, with MQTT 5 and as mosquitto has it with 3.1.1."""
    for version in ("5", "3.1.1"):
        tag = version.replace(".", "")
        far = Mosquitto(box, f"far{tag}")
        hub = box.hub(name=f"hub{tag}", mqtt=LISTENERS + bridge(far.port, ['filter: "#", direction: both'], f'      version: "{version}"\n'))
        wait_open(hub)
        there, here = listen(box, far.port, "t/#", "-v"), listen(box, hub.port("mqtt"), "t/#", "-v")
        pub(hub.port("mqtt"), "t/h", "1", "-q", "1")
        pub(far.port, "t/f", "1", "-q", "1")
        pub(far.port, "t/end", "1", "-q", "1")
        until(lambda: "t/h 1" in there() and "t/end 1" in here(), "both")
        pub(hub.port("mqtt"), "t/end2", "1", "-q", "1")
        until(lambda: "t/end2 1" in there() and "t/end2 1" in here(), "the last one")
        assert sorted(there()) == sorted(here()) == ["t/end 1", "t/end2 1", "t/f 1", "t/h 1"], (there(), here())


def test_a_mosquitto_of_311_is_known_as_a_bridge(box):
    """The other way round: mosquitto's bridge to our broker, both ways, with its `try_private`."""
    hub = box.hub(mqtt=LISTENERS)
    far = Mosquitto(box, extra=f"connection up\naddress 127.0.0.1:{hub.port('mqtt')}\ntopic t/# both 1\nnotifications false\n")
    there, here = listen(box, far.port, "t/#", "-v"), listen(box, hub.port("mqtt"), "t/#", "-v")
    until(lambda: pub(far.port, "t/f", "1", "-q", "1").returncode == 0 and "t/f 1" in here(), "mosquitto's bridge")
    pub(hub.port("mqtt"), "t/h", "1", "-q", "1")
    until(lambda: "t/h 1" in there(), "the way back")
    pub(far.port, "t/end", "1", "-q", "1")
    until(lambda: "t/end 1" in here(), "the last one")
    assert here().count("t/h 1") == 1 and here().count("t/end 1") == 1, here()
    assert there().count("t/h 1") == 1 and there().count("t/end 1") == 1, there()


def test_mosquitto_bridges_to_us_with_its_defaults(box):
    """They say whether they are connected (`notifications true`), here and with a will; and need no rule for it."""
    acl = box.dir / "acl"
    acl.write_text("topic readwrite t/#\ntopic read $SYS/#\ntopic readwrite ready/#\n")
    hub = box.hub(mqtt=LISTENERS + f"  acl_file: {acl}\n")
    states = listen(box, hub.port("mqtt"), "$SYS/broker/connection/#", "-v")
    here = listen(box, hub.port("mqtt"), "t/#", "-v")
    for name, version in (("old", "mqttv311"), ("new", "mqttv50")):
        state = f"$SYS/broker/connection/site-{name}/state"
        far = Mosquitto(box, name, extra=f"connection {name}\naddress 127.0.0.1:{hub.port('mqtt')}\nremote_clientid site-{name}\n"
                                         f"bridge_protocol_version {version}\ntopic t/# both 1\n")
        until(lambda state=state: states()[-1:] == [f"{state} 1"], f"{name} to say that it is there")
        late = listen(box, hub.port("mqtt"), state, "-v")
        until(lambda late=late, state=state: late() == [f"{state} 1"], f"the retained state of {name}")
        until(lambda far=far, name=name: pub(far.port, f"t/{name}", "1", "-q", "1").returncode == 0 and f"t/{name} 1" in here(),
              "a message of " + name)
        far.process.kill()
        until(lambda state=state: states()[-1] == f"{state} 0", f"the will of {name}")


def test_a_hub_tells_another_whether_it_is_there(box):
    """`notifications: both`, with each version; its path breaks, and is there again."""
    acl = box.dir / "acl"
    acl.write_text("topic readwrite t/#\ntopic read $SYS/#\ntopic readwrite ready/#\n")
    far = box.hub(name="far", mqtt=LISTENERS + f"  acl_file: {acl}\n")
    states = listen(box, far.port("mqtt"), "$SYS/broker/connection/#", "-v")
    for version in ("5", "3.1.1"):
        name = "hub" + version.replace(".", "")
        state = f"$SYS/broker/connection/{name}/state"
        path = Path(far.port("mqtt"))
        hub = box.hub(name=name, mqtt=LISTENERS + bridge(path.port, ['filter: "t/#", direction: out, qos: 1'], f'      version: "{version}"\n'
                                                         f"      client_id: {name}\n      notifications: both\n"))
        wait_open(hub)
        until(lambda state=state: states()[-1:] == [f"{state} 1"], "the bridge to say that it is there")
        path.down = True
        path.reset()
        until(lambda state=state: states()[-1] == f"{state} 0", "its will")
        path.down = False
        until(lambda state=state: states()[-1] == f"{state} 1", "it to be back")
        assert hub.stop() == 0
        until(lambda state=state: states()[-1] == f"{state} 0", "its end")


def test_what_a_bridge_counts_is_told_at_once(box):
    """Not only when acknowledgements may be overdue."""
    far = Mosquitto(box)
    settings = bridge(far.port, ['filter: "t/#", direction: out, qos: 1']).replace("ack_timeout: 1s", "ack_timeout: 10m")
    hub = box.hub(mqtt=LISTENERS + settings)
    wait_open(hub)
    assert pub(hub.port("mqtt"), "t/1", "x", "-q", "1").returncode == 0
    until(lambda: hub.metric("wayside_bridge_sent_total") == 1, "the message in the metrics")
    until(lambda: hub.get_status()["bridges"][0]["sent"] == 1, "the same in the status")


def test_retained_messages_and_properties(box):
    far = Mosquitto(box)
    path = Path(far.port)
    path.down = True
    hub = box.hub(mqtt=LISTENERS + bridge(path.port, ['filter: "r/#", direction: out']), node=", workers: 2")
    port = hub.port("mqtt")
    pub(port, "r/1", "old", "-q", "1", "-r")
    pub(port, "r/1", "new", "-q", "1", "-r")
    pub(port, "r/2", "plain", "-q", "1", "-V", "5", "-D", "publish", "user-property", "unit", "mm", "-D", "publish", "content-type", "text/x",
        "-D", "publish", "message-expiry-interval", "1000")
    pub(port, "r/3", "over", "-q", "1", "-V", "5", "-D", "publish", "message-expiry-interval", "1")
    published = time.monotonic()
    state = listen(box, port, "$SYS/broker/connection/#", "-v")
    until(lambda: state() == ["$SYS/broker/connection/far/state 0"], "the state of the bridge")
    everything = listen(box, far.port, "r/#", "-V", "5", "-F", "%j")
    until(lambda: time.monotonic() > published + 2.5, "the time of one message to be over")
    path.down = False
    wait_open(hub)
    until(lambda: len(everything()) >= 3, "what was published meanwhile")
    found = [json.loads(l) for l in everything()]
    assert [(m["topic"], m["payload"]) for m in found if m["topic"] == "r/1"][:2] == [("r/1", "old"), ("r/1", "new")], found
    plain = next(m for m in found if m["topic"] == "r/2")
    assert plain["properties"]["content-type"] == "text/x", plain
    assert 0 < plain["properties"]["message-expiry-interval"] < 1000, plain
    assert not [m for m in found if m["topic"] == "r/3"], found
    until(lambda: state()[-1] == "$SYS/broker/connection/far/state 1", "the state of the bridge")
    r = subprocess.run(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(far.port), "-t", "r/+", "-v", "-W", "5", "-C", "1"], capture_output=True,
                       text=True, timeout=20 * SLOW)
    assert r.stdout == "r/1 new\n", r  # it is retained there, with its flag


def test_what_was_retained_before_goes_to_a_server_that_does_not_know_us(box):
    far = Mosquitto(box)
    hub = box.hub(mqtt=LISTENERS)
    for i in range(3):
        pub(hub.port("mqtt"), f"r/{i}", str(i), "-q", "1", "-r")
    assert hub.stop() == 0
    hub.configure(hub.config.read_text().replace(LISTENERS, LISTENERS + bridge(far.port, ['filter: "r/#", direction: out'])))
    there = listen(box, far.port, "r/#", "-v")
    hub.start()
    until(lambda: sorted(there()) == ["r/0 0", "r/1 1", "r/2 2"], "what is retained")


def test_a_full_queue_refuses_and_loses_nothing(box):
    far = Mosquitto(box)
    path = Path(far.port)
    path.down = True
    hub = box.hub(mqtt=LISTENERS + bridge(path.port, ['filter: "line/#", direction: out'], "      queue_max: 100\n"))
    end = types.SimpleNamespace(mqtt_port=hub.port("mqtt"))
    taker = Subscriber(types.SimpleNamespace(mqtt_port=far.port), "taker", "line/#")
    taker.start()
    until(lambda: taker.standing, "the subscription")
    giver = Publisher(end, "giver", 20, 500)
    giver.start()
    until(lambda: hub.get_status()["bridges"][0]["full"], "the queue to be full")
    r = pub(end.mqtt_port, "line/v5", "1", "-q", "1", "-V", "5", "-d")
    assert "151" in r.stdout + r.stderr or "uota" in r.stdout + r.stderr, r  # 0x97
    assert pub(end.mqtt_port, "elsewhere", "1", "-q", "1", "-V", "5").returncode == 0
    assert len(giver.acked) < 200, len(giver.acked)  # 3.1.1 waits
    path.down = False
    giver.join(60 * SLOW)
    assert len(giver.acked) == 500 and not giver.errors, (len(giver.acked), giver.errors)
    until(lambda: {n for q in (1, 2) for _, n in taker.got[q]} == set(range(500)), "all of them", 60)
    taker.end = True


def test_what_was_taken_before_the_queue_was_full_is_kept(box):
    """However much it is that was on its way to the disk just then, and however large one message is."""
    for queue, size in (("quota: 64KiB", 200000), ("queue_max: 100", 10)):
        tag = queue[:5]
        far = FarHub(box, f"far{tag}")
        path = Path(far.port)
        path.down = True
        hub = box.hub(name=f"hub{tag}", mqtt=LISTENERS + bridge(path.port, ['filter: "line/#", direction: out'], f"      {queue}\n"))
        there = listen(box, far.port, "line/#", "-F", "- %t %l")
        acked = burst(hub.port("mqtt"), 12, 100, size)
        status = hub.get_status()["bridges"][0]
        assert status["full"] and status["queued"] == len(acked) > 0, (status, len(acked))
        path.down = False
        until(lambda: {f"- {t} {size}" for t in acked} <= set(there()), "all that were acknowledged", 60)
        path.close()


def test_what_is_too_large_for_us_holds_nothing_up(box):
    """A server of 3.1.1 cannot be told how large a packet may be."""
    for version in ("3.1.1", "5"):
        tag = version.replace(".", "")
        far = Mosquitto(box, f"far{tag}")
        hub = box.hub(name=f"hub{tag}", mqtt=LISTENERS + bridge(far.port, ['filter: "line/#", direction: in, qos: 2'], f'      version: "{version}"\n'))
        wait_open(hub)
        here = listen(box, hub.port("mqtt"), "line/#", "-v")
        big = box.dir / "big"
        big.write_bytes(bytes(2 << 20))
        for qos in "012":
            assert subprocess.run(["mosquitto_pub", "-p", str(far.port), "-t", "line/big", "-q", qos, "-f", str(big)], timeout=30 * SLOW).returncode == 0
            pub(far.port, f"line/{qos}", "small", "-q", "2")
        until(lambda: here() == ["line/0 small", "line/1 small", "line/2 small"], "what was behind them", 30)
        status = hub.get_status()["bridges"][0]
        assert status["connects"] == 1, status
        if version == "3.1.1":
            until(lambda: hub.get_status()["bridges"][0]["dropped"] == 3, "them to be counted")


def test_what_is_too_large_for_the_far_side_holds_nothing_up(box):
    """mosquitto has two limits. With 3.1.1 it can say neither: one ends the connection, which `packet_max` is for."""
    for version, limit, ours in (("5", "max_packet_size", ""), ("5", "message_size_limit", ""), ("3.1.1", "message_size_limit", ""),
                                 ("3.1.1", "max_packet_size", "      packet_max: 10000\n")):
        tag = version.replace(".", "") + limit[:3]
        far = Mosquitto(box, f"far{tag}", extra=f"{limit} 10000")
        hub = box.hub(name=f"hub{tag}", mqtt=LISTENERS + bridge(far.port, ['filter: "line/#", direction: out, qos: 2'],
                                                               f'      version: "{version}"\n{ours}'))
        wait_open(hub)
        there = listen(box, far.port, "line/#", "-v")
        for qos in "012":
            pub(hub.port("mqtt"), "line/big", "x" * 20000, "-q", qos)
            pub(hub.port("mqtt"), f"line/{qos}", "small", "-q", "2")
        until(lambda: there() == ["line/0 small", "line/1 small", "line/2 small"], f"what was behind them, {version}, {limit}", 30)
        until(lambda: hub.get_status()["bridges"][0]["queued"] == 0, "nothing to wait")
        if limit == "max_packet_size":
            assert hub.get_status()["bridges"][0]["connects"] == 1


def test_when_full_drop_newest_counts(box):
    hub = box.hub(mqtt=LISTENERS + bridge(1, ['filter: "#", direction: out'], "      queue_max: 100\n      when_full: drop_newest\n"))
    giver = Publisher(types.SimpleNamespace(mqtt_port=hub.port("mqtt")), "giver", 20, 150)
    giver.start()
    giver.join(60 * SLOW)
    assert len(giver.acked) == 150
    assert hub.get_status()["bridges"][0]["queued"] == 100
    assert hub.metric("wayside_mqtt_messages_dropped_total") >= 50


def test_a_far_side_that_forgot_us(box):
    """Its ids begin again, and what of it was on the way here must not be taken for a repeat of the new."""
    far = Mosquitto(box, extra="persistence false")
    far.config.write_text(far.config.read_text().replace("persistence true\n", ""))
    far.stop()
    far.start()
    path = Path(far.port)
    hub = box.hub(mqtt=LISTENERS + bridge(path.port, ['filter: "line/#", direction: in, qos: 2']))
    wait_open(hub)
    end = types.SimpleNamespace(mqtt_port=far.port)
    taker = Subscriber(types.SimpleNamespace(mqtt_port=hub.port("mqtt")), "taker", "line/#")
    taker.start()
    until(lambda: taker.standing, "the subscription")
    path.lose = None
    giver = Publisher(end, "first", 20, 60)
    giver.start()
    giver.join(30 * SLOW)
    until(lambda: len(taker.got[2]) == 30, "the first ones")
    # The far side dies between PUBLISH and PUBREL of what it sends.
    killed = []

    def cut(kind):
        if kind == 6 and not killed:
            killed.append(far.process.kill())
            return True
        return False
    path.cut_at = cut
    giver = Publisher(end, "second", 20, 60)
    giver.start()
    until(lambda: killed, "the far side to be killed")
    giver.end = True
    path.cut_at = None
    far.process.wait()
    far.start()
    wait_open(hub)
    before = len(taker.got[2])
    giver = Publisher(end, "third", 20, 60)
    giver.start()
    giver.join(30 * SLOW)
    assert len(giver.acked) == 60
    until(lambda: {n for t, n in taker.got[2] if t == "line/third"} == set(range(1, 60, 2)), "all of the third ones", 20)
    assert len([1 for t, _ in taker.got[2] if t == "line/third"]) == 30, before
    taker.end = True


def test_this_side_that_forgot_and_was_started_again_before_it_could_tell(box):
    """Our ids begin again. The far side holds one of the session before, and takes the next message under it for a repeat, unless
    the second start knows of what the first could not do."""
    far = FarHub(box)
    path = Path(far.port)
    hub = box.hub(mqtt=LISTENERS + bridge(path.port, ['filter: "line/#", direction: out, qos: 2']))
    wait_open(hub)
    port = hub.keep_port()
    taker = Subscriber(types.SimpleNamespace(mqtt_port=far.port), "taker", "line/#")
    taker.start()
    until(lambda: taker.standing, "the subscription")
    path.lose = lambda kind: kind == PUBREC
    pub(port, "line/before", "1", "-q", "2")
    until(lambda: taker.got[2], "the first one")
    assert hub.stop() == 0
    shutil.rmtree(hub.dir / "data" / "mqtt")
    path.lose, path.down = None, True
    path.reset()
    for _ in range(2):
        hub.start()
        assert not hub.get_status()["bridges"][0]["connected"]
        assert hub.stop() == 0
    # What asks for that may go unanswered: it is asked again.
    path.lose, path.down, before = lambda kind: kind == PUBCOMP, False, path.connections
    hub.start()
    until(lambda: path.lost and path.connections > before + 1, "the silence to be noticed")
    path.lose = None
    wait_open(hub)
    pub(port, "line/after", "2", "-q", "2")
    until(lambda: ("line/after", 2) in taker.got[2], "what came after")
    # From then on a restart sweeps nothing.
    assert hub.stop() == 0
    path.trace.clear()
    hub.start()
    wait_open(hub)
    pub(port, "line/last", "3", "-q", "2")
    until(lambda: ("line/last", 3) in taker.got[2], "the last one")
    kinds = [p[0] >> 4 for _, from_client, p in path.trace if from_client]
    # A sweep is thousands of them. One is of the last message, and one of that before it, if the hub was stopped before its PUBCOMP.
    assert kinds.count(PUBREL) <= 2 and kinds.count(PUBLISH) == 1, kinds[:20]
    assert len(taker.got[2]) == 3, taker.got
    taker.end = True


def test_a_filter_that_is_refused_is_told(box):
    """mosquitto grants every filter, so another hub does it."""
    acl = box.dir / "acl"
    acl.write_text("topic readwrite open/#\n")
    far = box.hub(name="far", mqtt=LISTENERS + f"  acl_file: {acl}\n")
    hub = box.hub(mqtt=LISTENERS + bridge(far.port("mqtt"), ['filter: "open/#", direction: in', 'filter: "closed/#", direction: in, qos: 2']))
    wait_open(hub)
    until(lambda: hub.get_status()["bridges"][0]["filters_refused"] == 1, "the refusal in the status")
    assert hub.logged(bridge="far", filter="closed/#", reason=0x87), hub.tail()
    assert "1 filters are refused there" in hub.cli("status", "--control", str(box.dir / "hub.sock")).stdout
    here = listen(box, hub.port("mqtt"), "open/#", "-v")
    pub(far.port("mqtt"), "open/x", "1", "-q", "1")
    until(lambda: here() == ["open/x 1"], "what the other rule brings in")


def test_a_bridge_that_is_gone_ends(box):
    hub = box.hub(mqtt=LISTENERS + bridge(1, ['filter: "a/#", direction: out', 'filter: "b/#", direction: out']))
    port = hub.keep_port()
    config = hub.config.read_text()
    pub(port, "a/1", "x", "-q", "1")
    pub(port, "b/1", "x", "-q", "1")
    until(lambda: hub.get_status()["bridges"][0]["queued"] == 2, "both to wait")
    r = pub(port, "a/1", "x", "-q", "1", "-i", "$bridge/far")
    assert r.returncode != 0, "nobody may be a bridge"
    assert hub.stop() == 0
    # One filter less: what waits stays, nothing more of it comes.
    hub.configure(config.replace('        - {filter: "b/#", direction: out}\n', ""))
    hub.start()
    pub(port, "a/2", "x", "-q", "1")
    pub(port, "b/2", "x", "-q", "1")
    until(lambda: hub.get_status()["bridges"][0]["queued"] == 3, "the third to wait")
    assert hub.stop() == 0
    at = config.index("  bridges:")
    hub.configure(config[:at] + config[config.index("api:"):])
    hub.start()
    assert "bridges" not in hub.get_status()
    assert hub.logged(client="$bridge/far", messages=3), hub.tail()
    assert "$bridge" not in hub.cli("sessions", "--control", str(box.dir / "hub.sock")).stdout
    assert hub.stop() == 0
    hub.configure(config)
    hub.start()
    assert hub.get_status()["bridges"][0]["queued"] == 0


def test_tls_and_login(box):
    authority(box)
    certificate(box, "server")
    certificate(box, "site")
    passwords = box.dir / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "site", "correct horse"], check=True, capture_output=True)
    far = Mosquitto(box, start=False)
    far.config.write_text(far.config.read_text().replace("allow_anonymous true", "allow_anonymous false") +
                          f"password_file {passwords}\ncafile {box.dir}/ca.crt\ncertfile {box.dir}/server.crt\nkeyfile {box.dir}/server.key\n"
                          "require_certificate true\n")
    far.start()
    settings = bridge(far.port, ['filter: "#", direction: out'], f"      ca: {box.dir}/ca.crt\n      cert: {box.dir}/site.crt\n      key: {box.dir}/site.key\n"
                      "      user: site\n      password: \"correct horse\"\n      alpn: mqtt\n").replace("mqtt://", "mqtts://")
    hub = box.hub(mqtt=LISTENERS + settings)
    wait_open(hub)
    assert "correct horse" not in hub.log.read_text()
    assert "far" in hub.cli("status", "--control", str(box.dir / "hub.sock")).stdout


main(globals())
