"""What every end-to-end test stands on: starts the real binary in a scratch folder, finds its ports
in its log, waits for conditions with a deadline (never by sleeping for a result), ends only the
processes it started, and counts.

A test file has functions named test_…(box); `main(globals())` at its end runs them. The binary is
WAYSIDE_BIN (default build/release/wayside)."""
import atexit
import contextlib
import ctypes
import fcntl
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = os.environ.get("WAYSIDE_BIN", str(ROOT / "build/release/wayside"))
# Sanitizers make everything several times slower; deadlines grow, conditions stay the same.
SLOW = float(os.environ.get("WAYSIDE_SLOW", "1"))


class Skip(Exception):
    """Raised when something that may be missing here is missing; says what."""


def until(condition, what, seconds=10.0):
    """The first true value of condition(), or a failure that names what was waited for."""
    end = time.monotonic() + seconds * SLOW
    last = None
    while time.monotonic() < end:
        try:
            value = condition()
            if value:
                return value
        except (OSError, http.client.HTTPException, json.JSONDecodeError, KeyError, IndexError) as e:
            last = e
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds * SLOW:.0f} s for: {what}" + (f" (last error: {last!r})" if last else ""))


class Link:
    """Two hosts of this test's own, each a network namespace, with a wire between them that can be cut so
    that nobody is told: packets vanish."""
    CLONE_NEWNET = 0x40000000

    def __init__(self, box):
        if os.geteuid() != 0:
            raise Skip("network namespaces need root")
        tag = f"{os.getpid() % 100000:x}"
        self.names = [f"ws{tag}a", f"ws{tag}b"]
        self.addresses = ["10.213.77.1", "10.213.77.2"]
        self.made = []
        try:
            for n in self.names:
                self.ip("netns", "add", n)
                self.made.append(n)
            self.ip("link", "add", "wsa", "netns", self.names[0], "type", "veth", "peer", "name", "wsb", "netns", self.names[1])
            for n, dev, address in zip(self.names, ("wsa", "wsb"), self.addresses):
                self.ip("-n", n, "address", "add", f"{address}/24", "dev", dev)
                self.ip("-n", n, "link", "set", dev, "up")
                self.ip("-n", n, "link", "set", "lo", "up")
        except (OSError, subprocess.CalledProcessError) as e:
            self.close()
            raise Skip(f"no network namespaces here: {e}")
        box.links.append(self)

    @staticmethod
    def ip(*args):
        subprocess.run(["ip", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def cut(self):
        """Each side sends to a station that does not exist."""
        for i, dev in enumerate(("wsa", "wsb")):
            self.ip("-n", self.names[i], "neighbour", "replace", self.addresses[1 - i], "lladdr", "02:00:00:00:00:99", "dev", dev,
                    "nud", "permanent")

    def mend(self):
        for i, dev in enumerate(("wsa", "wsb")):
            self.ip("-n", self.names[i], "neighbour", "delete", self.addresses[1 - i], "dev", dev)

    def close(self):
        for n in self.made:
            subprocess.run(["ip", "netns", "delete", n], stderr=subprocess.DEVNULL, check=False)
        self.made = []

    @staticmethod
    @contextlib.contextmanager
    def inside(name):
        """This thread is in the namespace of that name meanwhile; None: stays where it is."""
        if not name:
            yield
            return
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{name}") as there:
            if libc.setns(there.fileno(), Link.CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(home.fileno(), Link.CLONE_NEWNET)


class Node:
    """One running wayside."""
    netns = None  # the network namespace it runs in
    before = ()  # words in front of its command: what runs it

    def __init__(self, box, name, command, config, env=None):
        self.box, self.name, self.command = box, name, command
        self.dir = box.dir / name
        self.dir.mkdir(exist_ok=True)
        self.config = self.dir / f"{name}.yaml"
        self.log = self.dir / f"{name}.log"
        self.env = env or {}
        self.process = None
        if config is not None:
            self.config.write_text(config)

    def configure(self, text):
        """Replaces the file in one step, so that a reload under way never sees half of it."""
        fresh = self.config.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.config)

    def start(self, ready=True):
        self.offset = self.log.stat().st_size if self.log.exists() else 0
        out = open(self.log, "ab")
        self.process = subprocess.Popen([*(["ip", "netns", "exec", self.netns] if self.netns else []), *self.before, BIN, *self.command, "-c", str(self.config)], stdout=out, stderr=out,
                                        stdin=subprocess.DEVNULL, env={**os.environ, **self.env}, cwd=self.dir)
        out.close()
        if ready:
            self.wait_ready()
        return self

    def lines(self, all_runs=False):
        """The log's JSON lines, of this run unless all are asked for."""
        with open(self.log, "rb") as f:
            f.seek(0 if all_runs else self.offset)
            text = f.read().decode("utf-8", "replace")
        found = []
        for line in text.splitlines():
            if line.startswith("{"):
                try:
                    found.append(json.loads(line))
                except json.JSONDecodeError:
                    pass
        return found

    def logged(self, **fields):
        return [l for l in self.lines() if all(l.get(k) == v for k, v in fields.items())]

    def wait_ready(self):
        def check():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with status {self.process.returncode}:\n{self.tail()}")
            return self.logged(msg="ready")
        until(check, f"{self.name} to be ready", 20)

    def address(self, service):
        """(host, port) that a service listens on."""
        line = self.logged(msg="listening", service=service)[-1]
        host, _, port = line["address"].rpartition(":")
        return host.strip("[]"), int(port)

    def port(self, service):
        return self.address(service)[1]

    def keep_port(self):
        """Its MQTT port stays the same when it starts again. Returns the port."""
        port = self.port("mqtt")
        self.config.write_text(self.config.read_text().replace('{address: "127.0.0.1:0"}', f'{{address: "127.0.0.1:{port}"}}', 1))
        return port

    def data(self):
        """Its data folder, as its configuration says."""
        return pathlib.Path(re.search(r"\bdata: ([^,}\s]+)", self.config.read_text()).group(1))

    def postgres(self):
        """The box's server on which it keeps its rows; None when that is SQLite."""
        config = self.config.read_text()
        return next((s for s in self.box.servers if s.conninfo in config), None)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=15):
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds * SLOW)

    def tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    # ---- talking to it ----
    def request(self, method, path, body=None, headers=None, service="api", timeout=30 * SLOW):
        host, port = self.address(service)
        c = http.client.HTTPConnection(host, port, timeout=timeout)
        with Link.inside(self.netns):
            c.connect()
        try:
            h = dict(headers or {})
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
                h.setdefault("Content-Type", "application/json")
            c.request(method, path, body=body, headers=h)
            r = c.getresponse()
            data = r.read()
            return r.status, dict(r.getheaders()), data
        finally:
            c.close()

    def get(self, path, service="api"):
        status, _, data = self.request("GET", path, service=service)
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {data[:300]!r}")
        return json.loads(data)

    def metric(self, name, service="health"):
        """The sum of a metric over its labels; None when it does not exist."""
        _, _, data = self.request("GET", "/metrics", service=service)
        total = None
        for line in data.decode().splitlines():
            if line.startswith(name) and line[len(name):len(name) + 1] in (" ", "{"):
                total = (total or 0) + float(line.rsplit(" ", 1)[1])
        return total

    def get_status(self):
        """What `wayside status` says of it."""
        return json.loads(self.cli("status", "--json", "--control", str(self.box.dir / f"{self.name}.sock")).stdout)

    def cli(self, *args, check=True):
        r = subprocess.run([BIN, *args], capture_output=True, text=True, timeout=60 * SLOW, cwd=self.dir)
        if check and r.returncode != 0:
            raise AssertionError(f"wayside {' '.join(args)}: status {r.returncode}\n{r.stdout}{r.stderr}")
        return r


class Box:
    """A scratch folder and what was started in it; everything is ended and removed with it."""

    def __init__(self, name):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"wayside-{name}-"))
        self.nodes, self.processes, self.links, self.servers = [], [], [], []

    def hub(self, extra="", name="hub", mqtt=None, start=True, node="", ready=True):
        config = f"""node: {{id: {name}, data: {self.dir / name / 'data'}{node}}}
log: {{level: info, format: json}}
mqtt:
  listeners:
{mqtt or '''    - {address: "127.0.0.1:0"}
    - {address: "127.0.0.1:0", protocol: websocket}'''}
api: {{address: "127.0.0.1:0"}}
health: {{address: "127.0.0.1:0"}}
control: {{socket: {self.dir / name}.sock}}
{extra}
"""
        return self._node(name, ["hub"], config, start, ready)

    def edge(self, hub_port, extra="", name="edge", start=True, host="enabled: false", node="", ready=True):
        config = f"""node: {{id: {name}, data: {self.dir / name / 'data'}{node}}}
log: {{level: info, format: json}}
health: {{address: "127.0.0.1:0"}}
control: {{socket: {self.dir / name}.sock}}
edge:
  host: {{{host}}}
  socket: {{path: {self.dir / name}.ingest}}
  uplink: {{hub: "127.0.0.1:{hub_port}"}}
{extra}
"""
        return self._node(name, ["edge"], config, start, ready)

    def _node(self, name, command, config, start, ready):
        n = Node(self, name, command, config)
        self.nodes.append(n)
        if start:
            n.start(ready)
        return n

    def run(self, *args, **kw):
        """A client program that is ended with the box."""
        p = subprocess.Popen(args, **kw)
        self.processes.append(p)
        return p

    def close(self):
        problems = []
        for n in self.nodes:
            if n.process and n.process.poll() is None:
                try:
                    status = n.stop()
                    if status != 0:
                        problems.append(f"{n.name} ended with status {status} on SIGTERM\n{n.tail()}")
                except subprocess.TimeoutExpired:
                    n.kill()
                    problems.append(f"{n.name} did not end on SIGTERM\n{n.tail()}")
            if n.log.exists():
                text = n.log.read_text(errors="replace")
                for mark in ("ERROR: AddressSanitizer", "WARNING: ThreadSanitizer", "runtime error:", "ERROR: LeakSanitizer",
                             "Assertion `", "impossible state change"):
                    if mark in text:
                        at = text.index(mark)
                        problems.append(f"{n.name}: {text[at:at + 6000]}")
                        break
        for p in self.processes:
            if p.poll() is None:
                p.kill()
                p.wait()
        for other in self.links + self.servers:
            other.close()
        if os.environ.get("WAYSIDE_KEEP"):
            print(f"    kept {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        return problems


class Postgres:
    """A PostgreSQL server of the test's own, on a Unix socket in the box."""
    fresh = None  # data of a server that never ran: initdb takes seconds, a copy of what it made does not

    def __init__(self, box):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not found:
            raise AssertionError("PostgreSQL is not installed: tools/setup does that")
        self.bin = found[-1].parent
        # The path of a Unix socket is short, and the server runs as another user.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ws-pg-"))
        self.as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.as_user:
            shutil.chown(self.dir, "postgres", "postgres")
        self.log = open(self.dir / "log", "ab")
        if not Postgres.fresh:
            self.run("initdb", "-D", self.dir / "fresh", "-U", "wayside", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
            Postgres.fresh = pathlib.Path(tempfile.mkdtemp(prefix="ws-pg-fresh-"))
            atexit.register(shutil.rmtree, Postgres.fresh, ignore_errors=True)
            shutil.move(self.dir / "fresh", Postgres.fresh / "data")
        subprocess.run(["cp", "-a", Postgres.fresh / "data", self.dir / "data"], check=True)
        self.process = None
        self.conninfo = f"host={self.dir} user=wayside dbname=postgres"
        box.servers.append(self)
        self.start()

    def run(self, program, *args):
        subprocess.run([*self.as_user, str(self.bin / program), *map(str, args)], check=True, stdout=self.log, stderr=self.log, cwd="/")

    def start(self):
        self.process = subprocess.Popen([*self.as_user, str(self.bin / "postgres"), "-D", str(self.dir / "data"), "-k", str(self.dir),
                                         "-c", "listen_addresses="], stdout=self.log, stderr=self.log, cwd="/")
        until(lambda: self.psql("SELECT 1") == "1", "PostgreSQL to answer", 30)

    def stop(self, how=signal.SIGQUIT):
        """At once, as in a crash; it recovers at its next start."""
        pid = int((self.dir / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, how)
        self.process.wait(30 * SLOW)

    def copy(self, what, to):
        """Of the stopped server's files."""
        subprocess.run([*self.as_user, "rm", "-rf", str(self.dir / to)], check=True, cwd="/")
        subprocess.run([*self.as_user, "cp", "-a", str(self.dir / what), str(self.dir / to)], check=True, cwd="/")

    def psql(self, sql):
        r = subprocess.run([str(self.bin / "psql"), "-X", "-A", "-t", "-q", self.conninfo, "-c", sql], capture_output=True, text=True)
        if r.returncode != 0:
            raise OSError(r.stderr.strip())
        return r.stdout.strip()

    def close(self):
        if self.process and self.process.poll() is None:
            self.stop(signal.SIGINT)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def free_port():
    """A port that nobody has, and that nobody is given until its user listens: below those that the system gives to who asks
    for any, and the next one at each call in any process."""
    first, end = 12000, int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with open(pathlib.Path(tempfile.gettempdir()) / f"wayside-ports-{os.geteuid()}", "a+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        f.seek(0)
        port = int(f.read() or first)
        for _ in range(first, end):
            port = port + 1 if port + 1 < end else first
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("127.0.0.1", port))
                except OSError:
                    continue
            f.truncate(0)
            f.write(str(port))
            f.flush()
            return port
    raise AssertionError(f"no port is free from {first} to {end}")


class LineSocket:
    """A client of the local ingest socket."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(30 * SLOW)
        self.s.connect(str(path))
        self.buffer = b""

    def send(self, obj):
        self.s.sendall((obj if isinstance(obj, bytes) else json.dumps(obj).encode()) + b"\n")

    def answer(self):
        while b"\n" not in self.buffer:
            got = self.s.recv(65536)
            if not got:
                raise ConnectionError("the socket was closed")
            self.buffer += got
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def close(self):
        self.s.close()


def main(names):
    tests = [(n, f) for n, f in names.items() if n.startswith("test_") and callable(f)]
    passed = failed = skipped = 0
    # Whoever starts this in the background of a shell has it ignore Ctrl-C, and all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name, test in tests:
        box, problems, tails, start = Box(name[5:30]), [], [], time.monotonic()
        try:
            test(box)
        except Skip as e:
            skipped += 1
            print(f"  skip {name}: {e}")
            box.close()
            continue
        except Exception as e:
            text = "".join(traceback.format_exception_only(e)).strip()
            problems.append(f"{text}\n{traceback.format_exc()}")
            tails = [f"--- {n.name}\n{n.tail()}" for n in box.nodes if n.log.exists()]
        problems += box.close()
        if problems:
            failed += 1
            # On this line too, since lists of what failed are made of these lines alone.
            print(f"  FAIL {name}: " + "; ".join(p.splitlines()[0][:300] for p in problems))
            for p in problems + tails:
                print("    " + p.replace("\n", "\n    "))
        else:
            passed += 1
            print(f"  ok   {name} ({time.monotonic() - start:.1f} s)")
        sys.stdout.flush()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not tests else 0)
