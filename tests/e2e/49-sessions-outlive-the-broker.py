"""kill -9 of the broker at any moment, many times in a row, under load of QoS 1 and 2 between clients whose sessions last:
nothing that was acknowledged is lost, nothing of QoS 2 comes twice, and each publisher's messages keep their order. Then what
else outlives a broker: retained messages, subscriptions, a log that stays in proportion."""
import os
import random
import socket
import struct
import threading
import time

from harness import SLOW, free_port, main, until

KILLS = int(os.environ.get("WAYSIDE_KILLS", "8"))


def text(s):
    return struct.pack(">H", len(s)) + s.encode()


class Peer(threading.Thread):
    """A client of MQTT 3.1.1 with a lasting session, and the state that such a client keeps."""

    def __init__(self, hub, name):
        super().__init__(daemon=True)
        self.hub, self.name_, self.end, self.errors = hub, name, False, []
        self.s, self.buffer, self.present = None, b"", []

    def run(self):
        while not self.end:
            try:
                self.connect()
                self.talk()
            except OSError:
                time.sleep(0.01)  # it is being killed: try again
            except Exception as e:  # pylint: disable=broad-except
                self.errors.append(repr(e))
                return

    def connect(self):
        self.s, self.buffer = socket.create_connection(("127.0.0.1", self.hub.mqtt_port), timeout=20 * SLOW), b""
        body = text("MQTT") + b"\x04\x00\x00\x3c" + text(self.name_)
        self.s.sendall(bytes([0x10, len(body)]) + body)
        kind, _, body = self.packet()
        assert kind == 2 and body[1] == 0, body
        self.present.append(body[0])

    def need(self, n):
        while len(self.buffer) < n:
            got = self.s.recv(65536)
            if not got:
                raise OSError("closed")
            self.buffer += got

    def packet(self):
        self.need(2)
        n, shift, at = 0, 0, 1
        while True:
            self.need(at + 1)
            n |= (self.buffer[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if not self.buffer[at - 1] & 128:
                break
        self.need(at + n)
        head, body, self.buffer = self.buffer[0], self.buffer[at:at + n], self.buffer[at + n:]
        return head >> 4, head & 15, body

    def say(self, head, packet_id):
        self.s.sendall(struct.pack(">BBH", head, 2, packet_id))


class Publisher(Peer):
    """Numbers on one topic, QoS 1 and 2 in turn; what is not answered is said again in its state."""

    def __init__(self, hub, name, window=20):
        super().__init__(hub, name)
        self.window, self.n, self.acked = window, 0, []
        self.open = {}  # packet id -> [number, qos, state]; in the order in which they began

    def talk(self):
        for packet_id, (n, qos, state) in list(self.open.items()):
            self.send(packet_id, n, qos, 8) if state == "sent" else self.say(0x62, packet_id)
        while not self.end or self.open:
            while len(self.open) < self.window and not self.end:
                n, self.n = self.n, self.n + 1
                packet_id, qos = n % 65535 + 1, 1 + n % 2
                self.open[packet_id] = [n, qos, "sent"]
                self.send(packet_id, n, qos, 0)
            kind, _, body = self.packet()
            packet_id = struct.unpack(">H", body[:2])[0]
            if kind == 5:  # PUBREC: it is the broker's now
                if self.open[packet_id][2] == "sent":
                    self.acked.append(self.open[packet_id][0])
                self.open[packet_id][2] = "released"
                self.say(0x62, packet_id)
                continue
            n, qos, state = self.open.pop(packet_id)
            assert kind == (4 if qos == 1 else 7), (kind, qos)
            if qos == 1:
                self.acked.append(n)

    def send(self, packet_id, n, qos, dup):
        body = text(f"line/{self.name_}") + struct.pack(">H", packet_id) + str(n).encode()
        self.s.sendall(bytes([0x30 | qos << 1 | dup, len(body)]) + body)


class Subscriber(Peer):
    def __init__(self, hub, name, topic):
        super().__init__(hub, name)
        self.topic, self.got, self.ids, self.standing = topic, {1: [], 2: []}, set(), False

    def talk(self):
        if not self.present[-1]:
            body = b"\x00\x01" + text(self.topic) + b"\x02"
            self.s.sendall(bytes([0x82, len(body)]) + body)
        while True:
            kind, flags, body = self.packet()
            if kind == 9:
                assert body[2] == 2, body
                self.standing = True
            elif kind == 6:
                self.ids.discard(struct.unpack(">H", body[:2])[0])
                self.say(0x70, struct.unpack(">H", body[:2])[0])
            else:
                assert kind == 3, kind
                self.take(flags >> 1 & 3, body)

    def take(self, qos, body):
        n = struct.unpack(">H", body[:2])[0]
        topic, packet_id, number = body[2:2 + n].decode(), struct.unpack(">H", body[2 + n:4 + n])[0], int(body[4 + n:])
        if qos == 1 or packet_id not in self.ids:
            self.got[qos].append((topic, number))
        if qos == 2:
            self.ids.add(packet_id)
        self.say(0x40 if qos == 1 else 0x50, packet_id)


def first_of_each(numbers):
    seen = set()
    return [n for n in numbers if not (n in seen or seen.add(n))]


def kill_again_and_again(box, kills, mqtt=""):
    port = free_port()
    hub = box.hub(node=", workers: 2", mqtt=f'    - {{address: "127.0.0.1:{port}"}}{mqtt}',
                  extra="limits: {mqtt_queue_max_messages: 1000000, mqtt_queue_max: 256MiB}")
    hub.mqtt_port = port
    subscriber = Subscriber(hub, "taker", "line/#")
    subscriber.start()
    until(lambda: subscriber.standing, "the subscription")
    publishers = [Publisher(hub, f"giver{i}") for i in range(3)]
    for p in publishers:
        p.start()
    rng = random.Random(int(os.environ.get("WAYSIDE_SEED", "1")))
    alive = lambda: [e for p in [subscriber, *publishers] for e in p.errors] == []
    for kill in range(kills):
        before = sum(len(p.acked) for p in publishers)
        until(lambda: not alive() or sum(len(p.acked) for p in publishers) > before + 20, f"acknowledgements before kill {kill}", 60)
        assert alive(), [p.errors for p in [subscriber, *publishers]]
        time.sleep(rng.random() * 0.4)  # any moment
        hub.kill()
        hub.start()
    for p in publishers:
        p.end = True
    for p in publishers:
        p.join(60 * SLOW)
        assert not p.is_alive() and not p.errors, p.errors
    acked = {q: {(f"line/{p.name_}", n) for p in publishers for n in p.acked if 1 + n % 2 == q} for q in (1, 2)}
    missing = lambda: {q: acked[q] - set(subscriber.got[q]) for q in (1, 2)}
    last = [0, time.monotonic()]

    def arrived():
        """Or nothing more has come for some seconds."""
        now = sum(len(g) for g in subscriber.got.values())
        if now != last[0]:
            last[:] = [now, time.monotonic()]
        return subscriber.errors or not any(missing().values()) or time.monotonic() > last[1] + 5 * SLOW

    until(arrived, "every acknowledged message", 300)
    assert not any(missing().values()), {q: (len(m), sorted(m)[:5]) for q, m in missing().items()}
    assert not subscriber.errors, subscriber.errors
    twice = len(subscriber.got[2]) - len(set(subscriber.got[2]))
    assert twice == 0, f"{twice} of QoS 2 came twice"
    for p in publishers:
        for q in (1, 2):
            numbers = first_of_each([n for t, n in subscriber.got[q] if t == f"line/{p.name_}"])
            assert numbers == sorted(numbers), f"{p.name_}, QoS {q}: out of order"
    assert subscriber.present[0] == 0 and all(subscriber.present[1:]), subscriber.present
    print(f"    {kills} kills, {len(acked[1])} of QoS 1 and {len(acked[2])} of QoS 2 acknowledged, 0 lost, 0 of QoS 2 twice", flush=True)


def test_kill_9_at_any_moment(box):
    kill_again_and_again(box, KILLS)


def test_kill_9_loses_nothing_that_is_only_written(box):
    kill_again_and_again(box, max(3, KILLS // 4), mqtt='\n  durability: interval\n  flush_interval: 1h')


def test_topics_and_listeners_say_what_outlives_the_broker(box):
    hub = box.hub(mqtt='    - {address: "127.0.0.1:0"}\n  durability: memory\n'
                       '  topics: [{filter: kept/memory/#, durability: memory}, {filter: kept/#, durability: interval}]')
    for topic in ("kept/memory/1", "kept/2", "other/3"):
        box.run("mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", topic, "-m", topic, "-r", "-q", "1").wait(20)
    hub.kill()
    hub.start()
    out = box.dir / "retained"
    with open(out, "w") as f:
        box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "#", "-v", "-W", "2", stdout=f).wait(20)
    assert out.read_text() == "kept/2 kept/2\n", out.read_text()


def test_what_is_retained_outlives_the_broker(box):
    hub = box.hub()
    for i in range(50):
        box.run("mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", f"kept/{i % 5}", "-m", str(i), "-r", "-q", str(i % 3)).wait(20)
    box.run("mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "kept/4", "-n", "-r", "-q", "1").wait(20)
    hub.kill()
    hub.start()
    out = box.dir / "retained"
    with open(out, "w") as f:
        box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "kept/#", "-v", "-C", "4", "-W", "10", stdout=f).wait(20)
    assert sorted(out.read_text().split("\n")[:-1]) == [f"kept/{i} {45 + i}" for i in range(4)], out.read_text()


def test_without_durability_they_end_with_the_broker(box):
    hub = box.hub(mqtt='    - {address: "127.0.0.1:0"}\n  durability: memory')
    box.run("mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "kept/1", "-m", "x", "-r", "-q", "1").wait(20)
    assert not (box.dir / "hub" / "data" / "mqtt").exists()
    hub.kill()
    hub.start()
    sub = box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-t", "kept/1", "-C", "1", "-W", "2")
    assert sub.wait(20) == 27, "nothing is there within its 2 s"
    assert not (box.dir / "hub" / "data" / "mqtt").exists()


main(globals())
