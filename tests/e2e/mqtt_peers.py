"""Clients of MQTT 3.1.1 whose sessions last, with the state that such a client keeps, and the load that they make together:
publishers of QoS 1 and 2 in turn, and one that takes it all. Whatever happens to the broker meanwhile, in the end nothing that
was acknowledged is missing, nothing of QoS 2 came twice, and each publisher's messages kept their order."""
import socket
import struct
import threading
import time

from harness import SLOW, until

LIMITS = "limits: {mqtt_queue_max_messages: 1000000, mqtt_queue_max: 256MiB}"


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

    def __init__(self, hub, name, window=20, most=0):
        super().__init__(hub, name)
        self.window, self.most, self.n, self.acked = window, most, 0, []
        self.open = {}  # packet id -> [number, qos, state]; in the order in which they began

    def talk(self):
        for packet_id, (n, qos, state) in list(self.open.items()):
            self.send(packet_id, n, qos, 8) if state == "sent" else self.say(0x62, packet_id)
        while not self.end or self.open:
            while len(self.open) < self.window and not self.end:
                if self.most and self.n == self.most:
                    self.end = True
                    break
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


class Load:
    """Three publishers and a subscriber of hub.mqtt_port, at work; or several that share one subscription."""

    def __init__(self, hub, sharing=0):
        self.sharing = sharing > 0
        self.takers = [Subscriber(hub, f"taker{i}", "$share/crew/line/#" if sharing else "line/#") for i in range(max(1, sharing))]
        for t in self.takers:
            t.start()
        until(lambda: all(t.standing for t in self.takers), "the subscription")
        self.publishers = [Publisher(hub, f"giver{i}") for i in range(3)]
        for p in self.publishers:
            p.start()

    def errors(self):
        return [e for p in [*self.takers, *self.publishers] for e in p.errors]

    def got(self, qos):
        return [one for t in self.takers for one in list(t.got[qos])]

    def count(self):
        return sum(len(p.acked) for p in self.publishers)

    def await_more(self, what):
        before = self.count()
        until(lambda: self.errors() or self.count() > before + 20, what, 60)

    def missing(self):
        return {q: {(f"line/{p.name_}", n) for p in self.publishers for n in p.acked if 1 + n % 2 == q} - set(self.got(q))
                for q in (1, 2)}

    def finish(self):
        """Everything has been said and taken, or nothing has come for some seconds. However much there is: as long as it comes."""
        last, looked = [0, time.monotonic()], [0]
        for p in self.publishers:
            p.end = True
        for p in self.publishers:
            p.join(60 * SLOW)

        def arrived():
            now, at = sum(len(g) for t in self.takers for g in t.got.values()), time.monotonic()
            if now != last[0]:
                last[:] = [now, at]
            if self.errors() or at > last[1] + 5 * SLOW:
                return True
            if now < self.count() or at < looked[0] + 1:  # to look for what is missing takes its time from those who take it
                return False
            looked[0] = at
            return not any(self.missing().values())

        until(arrived, "every acknowledged message", 300 + self.count() / 100)

    def check(self):
        missing = self.missing()
        assert not self.errors() and not any(p.is_alive() for p in self.publishers), self.errors()
        assert not any(missing.values()), {q: (len(m), sorted(m)[:5]) for q, m in missing.items()}
        twice = len(self.got(2)) - len(set(self.got(2)))
        assert twice == 0, f"{twice} of QoS 2 came twice"
        for p in self.publishers if not self.sharing else ():
            for q in (1, 2):
                numbers = first_of_each([n for t, n in self.got(q) if t == f"line/{p.name_}"])
                assert numbers == sorted(numbers), f"{p.name_}, QoS {q}: out of order"
        for t in self.takers:
            assert t.present[0] == 0 and all(t.present[1:]), t.present
        return self.count()
