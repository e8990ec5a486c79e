"""Ordinary clients, paho and mosquitto, with MQTT 3.1.1 and 5: wildcards, retained messages, wills,
takeover, keep-alive, order, subscription options, sessions that outlive a connection."""
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import SLOW, Skip, main, until

try:
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.subscribeoptions import SubscribeOptions
except ImportError:
    mqtt = None

VERSIONS = (4, 5)


class Client:
    """A paho client with its messages in a queue."""

    def __init__(self, hub, version=4, client_id="", clean=True, keepalive=60, will=None, expiry=None, ws=False):
        if mqtt is None:
            raise Skip("python3-paho-mqtt is not installed")
        kw = {"clean_session": clean} if version == 4 else {}
        self.c = mqtt.Client(client_id=client_id, protocol=mqtt.MQTTv5 if version == 5 else mqtt.MQTTv311,
                             transport="websockets" if ws else "tcp", **kw)
        self.version, self.messages, self.connack, self.gone, self.subacks = version, queue.Queue(), [], [], []
        self.c.on_message = lambda c, u, m: self.messages.put(m)
        if version == 5:
            self.c.on_connect = lambda c, u, f, rc, p: self.connack.append((rc.value, f))
            self.c.on_disconnect = lambda c, u, rc, p=None: self.gone.append(getattr(rc, "value", rc))
            self.c.on_subscribe = lambda c, u, mid, codes, p: self.subacks.append([k.value for k in codes])
        else:
            self.c.on_connect = lambda c, u, f, rc: self.connack.append((rc, f))
            self.c.on_disconnect = lambda c, u, rc: self.gone.append(rc)
            self.c.on_subscribe = lambda c, u, mid, codes: self.subacks.append(list(codes))
        if will:
            self.c.will_set(*will)
        kw = {}
        if version == 5:
            kw["clean_start"] = clean
            if expiry is not None:
                kw["properties"] = Properties(PacketTypes.CONNECT)
                kw["properties"].SessionExpiryInterval = expiry
        self.c.connect("127.0.0.1", hub.port("mqtt-websocket" if ws else "mqtt"), keepalive, **kw)
        self.c.loop_start()
        until(lambda: self.connack, "CONNACK")

    def subscribe(self, *args, **kw):
        n = len(self.subacks)
        self.c.subscribe(*args, **kw)
        return until(lambda: self.subacks[n:], "SUBACK")[0]

    def publish(self, topic, payload=b"", qos=1, retain=False):
        self.c.publish(topic, payload, qos, retain).wait_for_publish(20 * SLOW)

    def get(self, seconds=10):
        try:
            return self.messages.get(timeout=seconds * SLOW)
        except queue.Empty:
            raise AssertionError(f"no message in {seconds * SLOW} s") from None

    def nothing_more(self, hub):
        """True when what is published now comes next."""
        other = Client(hub, client_id="marker")
        self.subscribe("marker", 1)
        other.publish("marker", "x")
        other.stop()
        m = self.get()
        assert m.topic == "marker", f"unexpected {m.topic} {m.payload}"
        return True

    def stop(self):
        self.c.disconnect()
        self.c.loop_stop()


def test_wildcards_reach_what_they_match(box):
    hub = box.hub()
    for version in VERSIONS:
        for ws in (False, True):
            pub = Client(hub, version)
            for pattern, topic, match in (("a/+/c", "a/b/c", True), ("a/+/c", "a/b/d", False), ("a/#", "a", True), ("a/#", "a/b/c", True),
                                          ("#", "$other/x", False), ("+/b", "/b", True), ("+", "/b", False), ("a//b", "a//b", True),
                                          ("+/+", "/x", True), ("A/b", "a/b", False), ("ü/+", "ü/ß", True)):
                sub = Client(hub, version, ws=ws)
                sub.subscribe(pattern, 1)
                pub.publish(topic, pattern)
                if match:
                    m = sub.get()
                    assert (m.topic, m.payload.decode()) == (topic, pattern)
                else:
                    sub.nothing_more(hub)
                sub.stop()
            pub.stop()


def test_retained_messages_wait_for_their_subscribers(box):
    hub = box.hub()
    for version in VERSIONS:
        pub = Client(hub, version)
        for i in range(20):
            pub.publish(f"kept/{version}/{i}", f"old{i}", retain=True)
            pub.publish(f"kept/{version}/{i}", f"v{i}", retain=True)
        pub.publish(f"kept/{version}/0", b"", retain=True)
        sub = Client(hub, version)
        sub.subscribe(f"kept/{version}/#", 1)
        got = {}
        while len(got) < 19:
            m = sub.get()
            assert m.retain
            got[m.topic] = m.payload.decode()
        assert got == {f"kept/{version}/{i}": f"v{i}" for i in range(1, 20)}, got
        pub.publish(f"kept/{version}/5", "live", retain=True)
        m = sub.get()
        assert not m.retain and m.payload == b"live"
        sub.nothing_more(hub)
        pub.stop()
        sub.stop()


def test_members_of_a_shared_subscription_divide_the_work(box):
    """mosquitto's own client is a member three times; one of them stops answering, then it is killed."""
    hub = box.hub()
    files = [open(box.dir / f"member{i}", "w+") for i in range(3)]
    members = [box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-V", "5", "-t", "$share/work/jobs/#", "-q", "1",
                       "-i", f"member{i}", stdout=f) for i, f in enumerate(files)]
    until(lambda: hub.metric("wayside_mqtt_subscriptions") == 3, "three members")
    pub = Client(hub, 5)
    got = lambda: [open(box.dir / f"member{i}").read().split() for i in range(3)]
    done = lambda: {x for lines in got() for x in lines}
    for i in range(150):
        pub.publish(f"jobs/{i % 7}", str(i))
    until(lambda: len(done()) == 150, "every job at somebody")
    assert all(35 <= len(lines) <= 65 for lines in got()), got()  # in turn, as far as each had room
    members[1].send_signal(signal.SIGSTOP)
    for i in range(150, 300):
        pub.publish(f"jobs/{i % 7}", str(i))
    until(lambda: len(done()) > 250, "the others to go on")
    members[1].kill()
    members[1].wait()
    until(lambda: len(done()) == 300, "what it held at the others")
    assert sum(len(lines) for lines in got()) == 300, "nothing twice"
    until(lambda: hub.metric("wayside_mqtt_subscriptions") == 2, "two members")
    for m in members:
        m.kill()
    until(lambda: hub.metric("wayside_mqtt_shared_subscriptions") == 0, "the group to end with its last member")
    pub.stop()


def test_a_killed_client_leaves_its_will_and_a_polite_one_does_not(box):
    hub = box.hub()
    sub = Client(hub, 5)
    sub.subscribe("will/#", 1)
    program = ("import sys,time,paho.mqtt.client as m\n"
               "c=m.Client(client_id=sys.argv[2],protocol=int(sys.argv[3]))\n"
               "c.will_set('will/'+sys.argv[2],'gone',1,True)\n"
               "c.on_connect=lambda *a: print('up',flush=True)\n"
               "c.connect('127.0.0.1',int(sys.argv[1]))\n"
               "c.loop_forever()\n")
    for version in VERSIONS:
        p = box.run("/usr/bin/python3", "-c", program, str(hub.port("mqtt")), f"w{version}", str(version), stdout=subprocess.PIPE)
        assert p.stdout.readline() == b"up\n"
        p.send_signal(signal.SIGKILL)
        p.wait()
        m = sub.get()
        assert (m.topic, m.payload) == (f"will/w{version}", b"gone")
        late = Client(hub, version)
        late.subscribe(f"will/w{version}", 1)
        assert late.get().retain
        late.stop()
        polite = Client(hub, version, will=("will/polite", "gone", 1))
        polite.stop()
    sub.nothing_more(hub)
    sub.stop()


def test_the_same_client_id_takes_over_on_any_worker(box):
    # By hand: a library's client would come back by itself and take over in turn.
    hub = box.hub(node=", workers: 4")
    connect = {4: bytes.fromhex("101000044d5154540400003c0004") + b"same",
               5: bytes.fromhex("101600044d5154540500003c05110000003c0004") + b"same"}
    subscribe = {4: bytes.fromhex("820a00010005") + b"inbox\x01", 5: bytes.fromhex("820b0001000005") + b"inbox\x01"}
    pub = Client(hub, 4)
    for version in VERSIONS:
        Client(hub, version, client_id="same").stop()
        old, number = None, 0
        for round in range(60):
            s = socket.create_connection(hub.address("mqtt"), timeout=20 * SLOW)
            s.sendall(connect[version])
            connack = s.recv(5)
            assert connack[0] == 0x20 and connack[2] == (1 if old else 0), (round, connack)
            if version == 5:
                s.recv(connack[1] - 3)
            if old:
                got = b""
                while more := old.recv(100):
                    got += more
                assert got == (b"" if version == 4 else b"\xe0\x01\x8e"), (round, got)
                old.close()
            else:
                s.sendall(subscribe[version])
                assert s.recv(100)[0] == 0x90
            if round % 10 == 9:
                pub.publish("inbox", str(round))
                got = s.recv(100)
                assert got[0] & 0xF6 == 0x32 and got.endswith(str(round).encode()), (round, got)
                at = got.index(b"inbox") + 5
                s.sendall(b"\x40\x02" + got[at:at + 2])
                s.sendall(b"\xc0\x00")
                assert s.recv(2) == b"\xd0\x00", "the message came twice"
            old = s
        old.sendall(b"\xe0\x00")
        old.close()
    pub.stop()
    until(lambda: hub.metric("wayside_mqtt_connections") == 0, "everybody to be gone")


def test_a_silent_client_is_ended_after_one_and_a_half_keep_alives(box):
    hub = box.hub()
    watcher = Client(hub, 4)
    watcher.subscribe("will/silent", 1)
    s = socket.create_connection(hub.address("mqtt"), timeout=20 * SLOW)
    s.sendall(bytes.fromhex("1025 0004 4d515454 04 0e 0001 0006".replace(" ", "")) + b"silent" + b"\x00\x0bwill/silent" + b"\x00\x04gone")
    assert s.recv(4) == b"\x20\x02\x00\x00"
    begin = time.monotonic()
    assert s.recv(4) == b""
    took = time.monotonic() - begin
    assert 1.3 < took < 2.5 * SLOW, took
    assert watcher.get().payload == b"gone"
    watcher.stop()


def test_qos_1_keeps_its_order_for_every_subscriber(box):
    hub = box.hub(node=", workers: 4")
    subs = [Client(hub, 4 + i % 2) for i in range(4)]
    for s in subs:
        s.subscribe("order/#", 1)
    pubs = [Client(hub, 4 + i % 2, client_id=f"pub{i}") for i in range(2)]

    def send(i):
        infos = [pubs[i].c.publish(f"order/{i}", str(n), 1) for n in range(500)]
        infos[-1].wait_for_publish(60 * SLOW)
    threads = [threading.Thread(target=send, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for s in subs:
        seen = {"order/0": [], "order/1": []}
        for _ in range(1000):
            m = s.get(20)
            seen[m.topic].append(int(m.payload))
        for topic, got in seen.items():
            assert got == list(range(500)), f"{topic} came out of order"
    for t in threads:
        t.join()
    for c in subs + pubs:
        c.stop()


def test_a_session_keeps_what_comes_while_its_client_is_away(box):
    hub = box.hub()
    for version in VERSIONS:
        away = Client(hub, version, client_id="away", clean=False, expiry=300)
        away.subscribe("for/away", 1)
        away.stop()
        pub = Client(hub, version)
        for n in range(50):
            pub.publish("for/away", str(n))
        back = Client(hub, version, client_id="away", clean=False, expiry=300)
        assert back.connack[0][1]["session present"] == 1
        assert [int(back.get().payload) for _ in range(50)] == list(range(50))
        back.stop()
        Client(hub, version, client_id="away", clean=True).stop()
        pub.stop()


def test_subscription_options_of_mqtt_5(box):
    hub = box.hub()
    c = Client(hub, 5)
    c.subscribe("own", options=SubscribeOptions(qos=1, noLocal=True))
    c.publish("own", "not to me")
    c.nothing_more(hub)
    c.publish("ret", "kept", retain=True)
    for handling, first, again in ((SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE, 1, 1),
                                   (SubscribeOptions.RETAIN_SEND_IF_NEW_SUB, 1, 0), (SubscribeOptions.RETAIN_DO_NOT_SEND, 0, 0)):
        s = Client(hub, 5)
        for want in (first, again):
            s.subscribe("ret", options=SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=handling))
            if want:
                assert s.get().payload == b"kept"
            s.nothing_more(hub)
        c.publish("ret", "kept", retain=True)
        assert s.get().retain, "retain as published"
        s.stop()
    assert c.subscribe([("ok/1", SubscribeOptions(qos=0)), ("ok/2", SubscribeOptions(qos=1))]) == [0, 1]
    c.stop()


def test_mosquitto_clients_and_large_payloads(box):
    hub = box.hub()
    big = os.urandom(700000)
    path = box.dir / "big"
    path.write_bytes(big)
    for version in ("mqttv31", "mqttv311", "mqttv5"):
        out = open(box.dir / "out", "wb")
        sub = box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "big/file", "-q", "1", "-C", "1", "-N",
                      "-V", version, stdout=out)
        until(lambda: hub.metric("wayside_mqtt_subscriptions") == 1, "the subscription")
        r = subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "big/file", "-q", "1", "-V", version,
                            "-f", str(path)], capture_output=True, text=True, timeout=60 * SLOW)
        assert r.returncode == 0, r
        assert sub.wait(30 * SLOW) == 0
        out.close()
        assert (box.dir / "out").read_bytes() == big
        until(lambda: hub.metric("wayside_mqtt_subscriptions") == 0, "the end of the subscription")
    r = subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "q2", "-q", "2", "-m", "x"],
                       capture_output=True, text=True, timeout=30 * SLOW)
    sessions = hub.cli("sessions", "--json", "--control", str(box.dir / "hub.sock"))
    assert '"sessions"' in sessions.stdout


def test_what_is_ingested_reaches_an_ordinary_subscriber_once(box):
    hub = box.hub()
    c = Client(hub, 5)
    c.subscribe("#", 1)
    c.publish("wayside/d1/reading/door", "1")
    m = c.get()
    assert m.topic == "wayside/d1/reading/door" and m.payload == b"1"
    c.nothing_more(hub)
    c.publish("wayside/d1/status", '{"up":true}', retain=True)
    assert c.get().topic == "wayside/d1/status"
    c.nothing_more(hub)
    assert len(hub.get("/api/v1/readings?device=d1&stream=door")["items"]) == 1
    c.stop()


main(globals())
