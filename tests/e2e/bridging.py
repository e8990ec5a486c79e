"""For tests of bridges: a real mosquitto as the far side, and a path to it that fails in every way."""
import os
import signal
import socket
import subprocess
import threading
import time

from harness import SLOW, free_port, until
from mqtt_peers import LIMITS

PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 3, 4, 5, 6, 7
LISTENERS = '    - {address: "127.0.0.1:0"}\n'


class Mosquitto:
    """A mosquitto of this test's own."""

    def __init__(self, box, name="far", extra="", port=None, start=True):
        self.box, self.port, self.process = box, port or free_port(), None
        self.dir = box.dir / name
        self.dir.mkdir(exist_ok=True)
        self.config = self.dir / "mosquitto.conf"
        self.config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
                               f"persistence_location {self.dir}/\nmax_queued_messages 0\n"
                               f"{'user root' if os.geteuid() == 0 else ''}\n{extra}\n")
        if start:
            self.start()

    def start(self):
        log = open(self.dir / "log", "ab")
        self.process = self.box.run("mosquitto", "-v", "-c", str(self.config), stdout=log, stderr=log)
        log.close()
        until(self.answers, "mosquitto to listen")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("mosquitto ended: " + (self.dir / "log").read_text(errors="replace")[-2000:])
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def stop(self):
        """In order, so that it saves what it has."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20 * SLOW)

    def freeze(self, on):
        self.process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)


class FarHub:
    """A hub of this test's own, in the place of a mosquitto."""

    def __init__(self, box, name="far"):
        self.node = box.hub(mqtt=LISTENERS, name=name, extra=LIMITS)
        self.port = self.node.keep_port()

    def stop(self):
        assert self.node.stop() == 0


class Path:
    """A proxy in front of a broker, packet by packet. `down`: nobody is let through. `swallow`: nothing passes and
    nothing is said. `cut_every`: the connection is reset when so many packets came from the client; `cut_new`: so many
    that had not come before.
    `lose`: a function of each packet's type from the broker; true: it vanishes. `cut_at`: the same, and the
    connection is reset in its place. `trace`: (connection, from the client, packet) for all that passed, or may have."""

    def __init__(self, target):
        self.target = target
        self.down = self.swallow = False
        self.cut_every, self.cut_new, self.seen = 0, False, set()
        self.lose = self.cut_at = None
        self.trace = []
        self.connections, self.lost, self.cuts = 0, 0, 0
        self.pairs = set()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return  # closed
            try:
                if self.down:
                    raise OSError("down")
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            pair = (near, far)
            self.pairs.add(pair)
            for come, go, from_client in ((near, far, True), (far, near, False)):
                threading.Thread(target=self.pump, args=(self.connections, pair, come, go, from_client), daemon=True).start()

    def reset(self, pair=None):
        for one in [pair] if pair else list(self.pairs):
            self.pairs.discard(one)
            for s in one:
                try:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()

    @staticmethod
    def packets(buffer):
        """The whole packets in it, and what is left."""
        found = []
        while len(buffer) >= 2:
            n, shift, at = 0, 0, 1
            while at < len(buffer):
                n |= (buffer[at] & 127) << shift
                shift, at = shift + 7, at + 1
                if not buffer[at - 1] & 128:
                    break
            else:
                break
            if len(buffer) < at + n:
                break
            found.append(buffer[:at + n])
            buffer = buffer[at + n:]
        return found, buffer

    def pump(self, number, pair, come, go, from_client):
        buffer, count = b"", 0
        try:
            while True:
                got = come.recv(65536)
                if not got:
                    break
                while self.swallow:
                    time.sleep(0.01)
                whole, buffer = self.packets(buffer + got)
                out = b""
                for p in whole:
                    kind = p[0] >> 4
                    if from_client:
                        said = bytes([p[0] & ~8]) + p[1:]  # with or without DUP
                        count += not self.cut_new or said not in self.seen
                        self.seen.add(said)
                    if from_client and self.cut_every and count > self.cut_every:
                        self.cuts += 1
                        go.sendall(out)
                        self.reset(pair)
                        return
                    if not from_client and self.cut_at and self.cut_at(kind):
                        self.cuts += 1
                        go.sendall(out)
                        self.reset(pair)
                        return
                    if not from_client and self.lose and self.lose(kind):
                        self.lost += 1
                        continue
                    self.trace.append((number, from_client, p))
                    out += p
                go.sendall(out)
        except OSError:
            pass
        self.reset(pair)

    def publications(self, version):
        """What passed of messages whose payload is a number: (from the client, type, number, qos), in its order."""
        names = {}
        for _, from_client, p in list(self.trace):
            kind, at = p[0] >> 4, 1
            while p[at] & 128:
                at += 1
            body = p[at + 1:]
            if kind == PUBLISH and p[0] & 6:
                at = 2 + int.from_bytes(body[:2], "big")
                packet_id, at = body[at:at + 2], at + 2
                if version == "5":
                    assert body[at] < 128, "short properties"
                    at += 1 + body[at]
                names[from_client, packet_id] = int(body[at:]), p[0] >> 1 & 3
                yield from_client, kind, *names[from_client, packet_id]
            elif kind == PUBREL and (from_client, body[:2]) in names:
                yield from_client, kind, *names[from_client, body[:2]]

    def published_again(self, version):
        """Messages of QoS 2 that the broker published again after it had said PUBREL for them: it must not (MQTT 4.3.3),
        and whoever gets them cannot know them from new ones."""
        released, again = set(), set()
        for from_client, kind, n, _ in self.publications(version):
            if not from_client:
                if kind == PUBREL:
                    released.add(n)
                elif n in released:
                    again.add(n)
        return again

    def close(self):
        self.listener.close()
        self.reset()


def bridge(port, topics, extra="", name="far"):
    """The settings of a bridge, for a hub's `mqtt:`."""
    return (f'  bridges:\n    - name: {name}\n      address: "mqtt://127.0.0.1:{port}"\n      keep_alive: 2s\n'
            f'      ack_timeout: 1s\n{extra}      topics:\n' + "".join(f"        - {{{t}}}\n" for t in topics))

