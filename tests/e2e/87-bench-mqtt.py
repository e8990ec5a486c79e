"""`wayside bench mqtt`, against our hub and against Debian's mosquitto: what it counts is what was sent, nothing is
lost at QoS 1 and 2, what is lost or refused is told, and a server that never answers is not waited for."""
import json
import os
import pathlib
import pty
import select
import signal
import socket
import subprocess
import threading
import time

from harness import BIN, SLOW, Skip, free_port, main, until

MOSQUITTO = "/usr/sbin/mosquitto"


def hub(box):
    """Its port and its process. Limits that no mode meets."""
    h = box.hub(extra="limits: {mqtt_queue_max_messages: 100000, mqtt_inflight_max: 1000}")
    return h.port("mqtt"), h.process.pid, h


def mosquitto(box):
    if not os.access(MOSQUITTO, os.X_OK):
        raise Skip("mosquitto is not installed")
    port, config = free_port(), box.dir / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\nuser root\nmax_queued_messages 0\n")
    p = box.run(MOSQUITTO, "-c", str(config), stderr=subprocess.DEVNULL)
    until(lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None, "mosquitto to listen")
    return port, p.pid, None


def bench(*args, seconds=60, env=None):
    r = subprocess.run([BIN, "bench", "mqtt", *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds * SLOW, text=True,
                       env={**os.environ, **(env or {})})
    return r.returncode, r.stdout, r.stderr


def measured(*args, status=0, **kw):
    code, out, err = bench(*args, "--json", **kw)
    assert code == status, f"{args}: status {code}\n{out}{err}"
    return json.loads(out)


def test_every_mode_counts_right(box):
    for port, pid, h in (hub(box), mosquitto(box)):
        for version in "5", "3.1.1":
            for qos in 0, 1, 2:
                common = ["-p", port, "-V", version, "-q", qos]
                for mode, clients, fan in ("fan-in", 7, 1), ("fan-out", 7, 7), ("pairs", 7, 1):
                    r = measured(mode, *common, "-c", clients, "-n", 2003)
                    assert (r["sent"], r["expected"], r["received"], r["lost"], r["repeated"]) == (2003, 2003 * fan, 2003 * fan, 0, 0), r
                    assert r["phases"][0]["per_s"] > 0 and r["phases"][0]["latency_us"]["p50"] > 0, r
                r = measured("publish", *common, "-c", 3, "-n", 2003)
                assert (r["sent"], r["received"], r["lost"]) == (2003, 2003, 0), r
                r = measured("retained", *common, "-n", 1003)
                assert [p["count"] for p in r["phases"]] == [1003] * 3 and r["received"] == 1003 and r["lost"] == 0, r
                if qos > 0:
                    r = measured("queue", *common, "-c", 7, "-n", 1003)
                    assert [p["count"] for p in r["phases"]] == [7, 1003, 1003] and r["received"] == 1003 and r["repeated"] == 0, r
            if version == "5":
                r = measured("pairs", *common, "-c", 3, "-n", 503, "--persistent")  # of the last QoS
                assert (r["received"], r["lost"]) == (503, 0), r
            r = measured("connect", "-p", port, "-V", version, "-n", 500, "-c", 20)
            assert 1 <= r["phases"][0]["count"] <= 500, r
            r = measured("ping", "-p", port, "-V", version, "-n", 500)
            assert r["sent"] == r["received"] == 500, r
            r = measured("idle", "-p", port, "-V", version, "-c", 400, "--pid", pid)
            assert r["phases"][0]["count"] == 400 and r["server_memory_bytes"] > 100000, r
        r = measured("pairs", "-p", port, "-c", 2, "-q", 1, "-s", 200000, "-n", 100, "-w", 2)  # longer than a read and a write
        assert r["received"] == 100 and r["lost"] == 0, r
        if h:  # all was taken away again
            until(lambda: not json.loads(h.cli("sessions", "--json", "--control", str(box.dir / "hub.sock")).stdout)["sessions"], "no session")
            r = subprocess.run([BIN, "mqtt", "sub", f"mqtt://127.0.0.1:{port}", "bench-+/#", "+/#", "--retained-only", "-C", "1", "-W", "2"], capture_output=True)
            assert r.stdout == b"", r


def test_memory_of_each(box):
    if SLOW > 1:
        raise Skip("sanitizers take memory of their own")
    port, pid, _ = hub(box)  # a fresh one: what was freed before is used again, and costs nothing
    r = measured("idle", "-p", port, "-c", 2000, "--pid", pid, "--base", 500)
    assert 200 < r["bytes_each"] < 20000, r
    r = measured("queue", "-p", port, "-c", 10, "-n", 20000, "-s", 200, "--pid", pid)
    assert 150 < r["bytes_each"] < 2000, r
    r = measured("idle", "-p", port, "-c", 20)
    assert "bytes_each" not in r and "server_memory_bytes" not in r, r


def test_workers_share_the_clients(box):
    port, pid, _ = hub(box)
    for mode, clients, fan in ("fan-in", 9, 1), ("fan-out", 9, 3), ("pairs", 9, 1):
        r = measured(mode, "-p", port, "-q", 1, "-c", clients, "-n", 3001, "--workers", 3, "--pid", pid)
        assert (r["sent"], r["received"], r["lost"], r["workers"]) == (3001, 3001 * fan, 0, 3), r
        assert r["phases"][0]["server_cpu_s_per_m"] > 0, r
    r = measured("idle", "-p", port, "-c", 100, "--workers", 3)
    assert r["phases"][0]["count"] == 100, r


def test_time_and_rate_are_kept(box):
    port, pid, _ = hub(box)
    begin = time.monotonic()
    r = measured("pairs", "-p", port, "-c", 4, "-q", 1, "--rate", 500, "-d", "2s")
    took = time.monotonic() - begin
    assert took >= 2 and r["lost"] == 0 and r["received"] == r["sent"], r
    # By the clock: never more than were due. How many fewer is up to the machine.
    assert 100 < r["sent"] <= 500 * took + 1, r
    begin = time.monotonic()
    r = measured("pairs", "-p", port, "-c", 4, "-q", 1, "--rate", 500, "--tick", "20ms", "-d", "2s")
    took = time.monotonic() - begin
    assert r["lost"] == 0 and r["received"] == r["sent"], r
    assert 100 < r["sent"] <= 500 * took + 1, r
    r = measured("fan-in", "-p", port, "-c", 3, "-d", "1s")
    assert 0.5 < r["phases"][0]["seconds"] < 3 * SLOW and r["received"] == r["sent"] > 0, r


def test_a_table_for_people(box):
    port, pid, _ = hub(box)
    status, out, err = bench("fan-in", "-p", port, "-n", 20000, "--pid", pid)
    assert status == 0 and err == "", err
    for what in "fan-in, 127.0.0.1:", "100 publishers, QoS 0, 64 bytes", "delivered", "server's CPU", "our own CPU", "p99.9", "up to", "####", "lost             0 of 20,000":
        assert what in out, f"{what}\n{out}"
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(BIN, [BIN, "bench", "mqtt", "pairs", "-p", str(port), "-d", "1s"])
    seen, end = b"", time.monotonic() + 30 * SLOW
    while time.monotonic() < end and select.select([fd], [], [], end - time.monotonic())[0]:
        try:
            seen += os.read(fd, 65536)
        except OSError:
            break
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen
    assert b"] " in seen and b" % " in seen and b"delivered" in seen, seen  # the bar, then the table


def test_tls_and_a_login(box):
    key, cert, word = box.dir / "k.pem", box.dir / "c.pem", box.dir / "word"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    word.write_text("correct horse\n")
    h = box.hub(mqtt=f"""    - {{address: "127.0.0.1:0", cert: {cert}, key: {key}}}
  users: [{{name: ann, password: "correct horse"}}]
""")
    url = f"mqtts://ann@localhost:{h.port('mqtt')}"
    r = measured("pairs", url, "--ca", cert, "-P", word, "-n", 1000, "-q", 1, "-c", 5)
    assert r["received"] == 1000 and r["lost"] == 0, r
    word.write_text("wrong\n")
    status, out, err = bench("pairs", url, "--ca", cert, "-P", word, "-n", 1000)
    assert (status, out) == (1, "") and "refused the connection" in err and "--password-file" in err, (status, out, err)
    status, out, err = bench("pairs", url.replace("mqtts", "mqtt"), "-P", word, "-n", 1000)
    assert status == 1 and "TLS" in err, err
    status, out, err = bench("pairs", url, "-P", word, "-n", 1000)
    assert status == 1 and "--ca" in err, err


def test_failures_lead_on(box):
    nobody = free_port()
    status, out, err = bench("fan-in", "-p", nobody, "-n", 10)
    assert (status, out) == (1, "") and f"nobody listens at 127.0.0.1:{nobody}" in err and err.count("\n") == 1, err
    status, _, err = bench("idle", "-c", 900000, "-p", nobody)
    assert status == 1 and "ulimit -Hn" in err, err
    status, _, err = bench("fan-in", "-p", nobody, "--pid", "2147483647")
    assert status == 1 and "no process 2147483647" in err, err
    status, _, err = bench("fan-inn")
    assert status == 2 and "there is no mode 'fan-inn'" in err and "wayside help bench mqtt" in err, err

    silent = socket.create_server(("127.0.0.1", 0))  # takes connections and says nothing
    for mode in "fan-in", "connect", "queue":
        begin = time.monotonic()
        status, out, err = bench(mode, "-p", silent.getsockname()[1], "-n", 10, "--timeout", "0.5")
        assert (status, out) == (1, "") and ("has not answered for 0.5 s" in err or "does not answer" in err), (mode, err)
        assert time.monotonic() - begin < 10 * SLOW

    def server(after_connect):
        s = socket.create_server(("127.0.0.1", 0))

        def one(c):
            try:
                c.recv(1000)
                after_connect(c)
            except OSError:
                pass

        def accept():
            while True:
                threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        return s.getsockname()[1]

    def deaf(c):  # answers the CONNECT, and nothing else
        c.sendall(b"\x20\x03\x00\x00\x00")
        while c.recv(100000):
            pass
    status, _, err = bench("publish", "-q", 1, "-c", 2, "-p", server(deaf), "-n", 10, "--timeout", "0.5")
    assert status == 1 and "10 of 10 are without an answer" in err, err

    def refuses(c):
        c.sendall(b"\x20\x03\x00\x87\x00")
        c.recv(1000)
    status, _, err = bench("publish", "-p", server(refuses), "-n", 10)
    assert status == 1 and "0x87 not authorized" in err, err

    def other(c):
        c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    status, _, err = bench("publish", "-p", server(other), "-n", 10)
    assert status == 1 and "is not MQTT" in err, err


class Thief:
    """Hands bytes on to a server and back; drops the second PUBLISH towards a subscriber, and sends the fourth twice."""

    def __init__(self, to):
        self.to = to
        self.s = socket.create_server(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            c = self.s.accept()[0]
            up = socket.create_connection(("127.0.0.1", self.to))
            threading.Thread(target=self.plain, args=(c, up), daemon=True).start()
            threading.Thread(target=self.steal, args=(up, c), daemon=True).start()

    @staticmethod
    def plain(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    @staticmethod
    def steal(a, b):
        seen, rest = 0, b""
        try:
            while data := a.recv(65536):
                rest += data
                while len(rest) > 1 and len(rest) >= 2 + rest[1]:  # packets of at most 127 bytes
                    packet, rest = rest[:2 + rest[1]], rest[2 + rest[1]:]
                    if packet[0] >> 4 == 3:
                        seen += 1
                        if seen == 2:
                            continue
                        if seen == 4:
                            b.sendall(packet)
                    b.sendall(packet)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_what_is_lost_or_comes_twice_is_told(box):
    port, _, _ = hub(box)
    thief = Thief(port)
    r = measured("pairs", "-p", thief.port, "-c", 1, "-n", 10, "-w", 1, "--timeout", 1, status=3)
    assert (r["lost"], r["received"], r["expected"]) == (1, 1, 2), r  # nothing came behind the lost one
    r = measured("pairs", "-p", Thief(port).port, "-c", 1, "-n", 10, "-w", 10, "--timeout", 1, status=3)
    assert (r["lost"], r["repeated"], r["received"]) == (1, 1, 9), r
    status, out, _ = bench("pairs", "-p", Thief(port).port, "-c", 1, "-n", 10, "-w", 10, "--timeout", 1)
    assert status == 3 and "lost             1 of 10" in out and "twice or late    1" in out, out


def test_ctrl_c_shows_what_was_measured(box):
    port, _, _ = hub(box)
    for mode in "fan-in", "pairs":
        p = box.run(BIN, "bench", "mqtt", mode, "-p", str(port), "-d", "600s", "-q", "1", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until(lambda: int(subprocess.run([BIN, "sessions", "--json", "--control", str(box.dir / "hub.sock")], capture_output=True, text=True).stdout.count("bench-")) >= 100,
              "its connections")
        ticks = pathlib.Path(f"/proc/{p.pid}/stat")
        until(lambda: int(ticks.read_text().rsplit(")", 1)[1].split()[11]) > 10, "its messages")  # CPU time: it sends
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=30 * SLOW)
        r = json.loads(out)
        assert p.returncode == 0 and r["interrupted"] and r["lost"] == 0 and r["received"] == r["sent"] > 0, (r, err)


def test_a_broken_server_is_told(box):
    port, _, h = hub(box)
    p = box.run(BIN, "bench", "mqtt", "fan-in", "-p", str(port), "-d", "600s", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ticks = pathlib.Path(f"/proc/{p.pid}/stat")
    until(lambda: int(ticks.read_text().rsplit(")", 1)[1].split()[11]) > 10, "its messages")
    h.kill()
    out, err = p.communicate(timeout=30 * SLOW)
    assert (p.returncode, out) == (1, b"") and b"broke" in err and err.count(b"\n") == 1, err
    h.start()


main(globals())
