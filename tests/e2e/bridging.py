"""For tests of bridges: a real mosquitto as the far side, and a path to it that fails in every way."""
import os
import signal
import socket
import subprocess
import threading
import time

from harness import SLOW, free_port, until

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


class Path:
    """A proxy in front of a broker, packet by packet. `down`: nobody is let through. `swallow`: nothing passes and
    nothing is said. `cut_every`: the connection is reset when so many packets came from the client.
    `lose`: a function of each packet's type from the broker; true: it vanishes. `cut_at`: the same, and the
    connection is reset in its place."""

    def __init__(self, target):
        self.target = target
        self.down = self.swallow = False
        self.cut_every = 0
        self.lose = self.cut_at = None
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
            near, _ = self.listener.accept()
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
            threading.Thread(target=self.pump, args=(pair, near, far, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(pair, far, near, False), daemon=True).start()

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

    def pump(self, pair, come, go, from_client):
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
                    count += 1
                    kind = p[0] >> 4
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
                    out += p
                go.sendall(out)
        except OSError:
            pass
        self.reset(pair)

    def close(self):
        self.listener.close()
        self.reset()


def bridge(port, topics, extra="", name="far"):
    """The settings of a bridge, for a hub's `mqtt:`."""
    return (f'  bridges:\n    - name: {name}\n      address: "mqtt://127.0.0.1:{port}"\n      keep_alive: 2s\n'
            f'      ack_timeout: 1s\n{extra}      topics:\n' + "".join(f"        - {{{t}}}\n" for t in topics))

