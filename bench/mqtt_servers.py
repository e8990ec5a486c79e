"""The servers that bench/mqtt measures: each is started on a core of its own in a scratch folder, and ended by its id."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

root = pathlib.Path(__file__).resolve().parent.parent
build = root / "build" / "release"
WAYSIDE = str(build / "wayside")
SERVER_CORE, LOAD_CORE = "0", "1"


class Failed(Exception):
    """A measurement that could not be made. Never a number."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connack(port, client="bench-probe"):
    """Whether a CONNECT is answered."""
    with socket.create_connection(("127.0.0.1", port), 1) as s:
        s.settimeout(5)
        name = client.encode()
        s.sendall(b"\x10" + bytes([12 + len(name)]) + b"\x00\x04MQTT\x04\x02\x00\x00" + bytes([0, len(name)]) + name)
        return s.recv(4)[:1] == b"\x20"


class Server:
    """cores: where it may run. The process is started again by start()."""
    scheme, ca = "mqtt", None

    def __init__(self, cores=SERVER_CORE):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-mqtt-"))
        self.port, self.cores, self.process = free_port(), cores, None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end()

    def answers(self):
        return connack(self.port)

    def start(self, seconds=30):
        """Returns how long it took until a client was accepted, in s."""
        begin = time.monotonic()
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(["taskset", "-c", self.cores, *self.command()], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        while True:
            try:
                if self.answers():
                    return time.monotonic() - begin
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() - begin > seconds:
                text = (self.folder / "log").read_text(errors="replace")[-2000:]
                self.end()
                raise Failed(f"{self.name} does not start: {text}")
            time.sleep(0.005)

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def bench(self, *args, cores=LOAD_CORE, seconds=300):
        """One run of the load generator: its JSON."""
        return load(self.port, *args, "--pid", self.pid, cores=cores, seconds=seconds, scheme=self.scheme, ca=self.ca)


def load_command(port, *args, cores=LOAD_CORE, scheme="mqtt", ca=None):
    url = f"{scheme}://{'localhost' if ca else '127.0.0.1'}:{port}"
    return ["taskset", "-c", cores, WAYSIDE, "bench", "mqtt", url, "--json", *map(str, args), *(["--ca", str(ca)] if ca else [])]


def result(args, code, out, err):
    if code != 0:
        raise Failed(f"bench mqtt {' '.join(map(str, args))}: status {code} {err.strip()} {out.strip()[-400:]}")
    return json.loads(out)


def load(port, *args, seconds=300, **kw):
    try:
        r = subprocess.run(load_command(port, *args, **kw), capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise Failed(f"bench mqtt {' '.join(map(str, args))}: not at its end after {seconds} s") from None
    return result(args, r.returncode, r.stdout, r.stderr)


class Background:
    """A run of the load generator beside another one."""

    def __init__(self, port, *args, **kw):
        self.args = args
        self.p = subprocess.Popen(load_command(port, *args, **kw), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)

    def stop(self):
        """Its result up to now."""
        self.p.send_signal(signal.SIGINT)
        return self.wait(60)

    def wait(self, seconds=300):
        try:
            out, err = self.p.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.p.kill()
            raise Failed(f"bench mqtt {' '.join(map(str, self.args))}: not at its end after {seconds} s") from None
        return result(self.args, self.p.returncode, out, err)


STILL = """
import os, signal, sys, time
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
gaps, before = [], time.monotonic()
try:
    while True:
        time.sleep(0.001)
        now = time.monotonic()
        gaps.append(now - before)
        before = now
finally:
    gaps.sort()
    left = sum(gaps) / 100
    while left > 0:
        worst = gaps.pop()
        left -= worst
    print(worst * 1e3)
"""


class Stillness:
    """How long the machine itself stands still while a block runs: somebody with real-time priority sleeps for 1 ms again and again.
    .ms is the 99th percentile over the moments of how long that took, 1.1 on a machine that nobody stops; a virtual machine whose
    host rations its CPU time stands still for some ms of each tenth of a second once it asks for more. None: not allowed to look."""

    def __enter__(self):
        self.ms = None
        self.p = subprocess.Popen(["taskset", "-c", SERVER_CORE, sys.executable, "-c", STILL], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return self

    def __exit__(self, *_):
        self.p.terminate()
        out, _ = self.p.communicate(timeout=20)
        self.ms = float(out) if out else None


class Mosquitto(Server):
    name = "mosquitto"

    def __init__(self, more="persistence false", **kw):
        super().__init__(**kw)
        self.more = more

    def command(self):
        conf = self.folder / "mosquitto.conf"
        conf.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nlog_dest none\nuser root\nmax_queued_messages 0\n"
                        f"max_inflight_messages 0\nmax_connections -1\n{self.more.format(folder=self.folder)}\n")
        return [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", str(conf)]


class Hub(Server):
    """The whole program, as users run it."""
    name = "wayside"

    def __init__(self, durability="memory", workers=1, tls=None, **kw):
        super().__init__(**kw)
        self.durability, self.workers, self.tls = durability, workers, tls
        if tls:
            self.scheme, self.ca = "mqtts", tls[0]

    def answers(self):
        if not self.tls:
            return super().answers()
        return socket.create_connection(("127.0.0.1", self.port), 1).close() is None

    def command(self):
        pair = f", cert: {self.tls[0]}, key: {self.tls[1]}" if self.tls else ""
        conf = self.folder / "hub.yaml"
        conf.write_text(f"""node: {{id: bench, data: {self.folder}/data, workers: {self.workers}}}
log: {{level: warn}}
limits: {{mqtt_queue_max_messages: 10000000, mqtt_queue_max: 16GiB, mqtt_inflight_max: 65535, mqtt_retained_max: 1000000,
  mqtt_sessions_max: 1000000, connections_max: 20000}}
mqtt: {{durability: {self.durability}, listeners: [{{address: "127.0.0.1:{self.port}"{pair}}}]}}
api: {{address: "127.0.0.1:0"}}
health: {{address: "127.0.0.1:0"}}
control: {{socket: {self.folder}/control.sock}}
""")
        return [WAYSIDE, "hub", "-c", str(conf)]


class Echo(Server):
    """Answers pings, and nothing else."""
    name = "bench_echo"

    def command(self):
        return [str(build / "bench_echo"), str(self.port)]


class Nginx(Server):
    name = "nginx"

    def __init__(self, tls, **kw):
        super().__init__(**kw)
        self.tls = tls

    def answers(self):
        return socket.create_connection(("127.0.0.1", self.port), 1).close() is None

    def command(self):
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        if not os.access(program, os.X_OK):
            raise Failed("nginx is not installed: apt-get install nginx-light")
        conf = self.folder / "nginx.conf"
        conf.write_text(f"""daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {self.folder}/pid; error_log stderr crit; user root;
events {{ worker_connections 30000; }} # it begins to close idle ones when a sixteenth of those is left
http {{ access_log off; keepalive_timeout 1h; client_header_timeout 1h; client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f;
  uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  server {{ listen 127.0.0.1:{self.port} ssl backlog=1024; ssl_certificate {self.tls[0]}; ssl_certificate_key {self.tls[1]}; return 200 "ok"; }} }}
""")
        return [program, "-c", str(conf), "-e", "stderr"]

    @property
    def worker(self):
        """The process that has the connections: the master's child."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
                try:
                    if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == self.pid:
                        return int(stat.parent.name)
                except OSError:
                    pass  # it ended meanwhile
            time.sleep(0.05)
        raise Failed("nginx has no worker")


def certificate(folder):
    """(certificate, key) for localhost, signed by itself."""
    pair = pathlib.Path(folder) / "cert.pem", pathlib.Path(folder) / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", pair[1], "-out", pair[0],
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return pair
