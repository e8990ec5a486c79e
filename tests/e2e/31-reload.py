"""SIGHUP and `wayside reload` read the file again: what reloads takes effect at once, what needs a restart
is named, a file with a mistake changes nothing, and no connection notices."""
import signal
import socket
import subprocess
import time

from harness import BIN, SLOW, main, until


def edit(hub, old, new):
    text = hub.config.read_text()
    assert old in text
    hub.configure(text.replace(old, new, 1))


def hup(hub):
    hub.process.send_signal(signal.SIGHUP)


def connected(hub):
    """An MQTT 3.1.1 connection by hand that answers pings."""
    s = socket.create_connection(hub.address("mqtt"), timeout=10 * SLOW)
    s.sendall(bytes.fromhex("100e00044d5154540402003c0002") + b"ka")
    assert s.recv(4) == b"\x20\x02\x00\x00"
    return s


def pings(s):
    s.sendall(b"\xc0\x00")
    return s.recv(2) == b"\xd0\x00"


def test_the_log_level_changes_live_and_connections_stay(box):
    hub = box.hub()
    client = connected(hub)
    web = socket.create_connection(hub.address("api"), timeout=10 * SLOW)
    web.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert web.recv(4096).startswith(b"HTTP/1.1 200")
    edit(hub, "level: info", "level: warn")
    hup(hub)
    # "reloaded" itself is below the new level: what is seen is that nothing of level info comes any more.
    until(lambda: pings(client), "a ping")
    edit(hub, "level: warn", "level: debug")
    hup(hub)
    until(lambda: hub.logged(msg="reloaded"), "the second reload, which is logged again")
    assert len(hub.logged(msg="reloaded")) <= 2
    assert hub.logged(msg="changed", setting="log.level"), hub.tail()
    assert pings(client), "the MQTT connection is gone"
    web.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert web.recv(4096).startswith(b"HTTP/1.1 200"), "the HTTP connection is gone"
    client.close()
    web.close()


def test_a_warn_level_silences_info_lines(box):
    hub = box.hub()
    edit(hub, "level: info", "level: error")
    hup(hub)
    before = None

    def quiet():
        nonlocal before
        n = len(hub.lines())
        with socket.create_connection(hub.address("mqtt")) as s:  # refused connections are logged as warnings
            s.sendall(b"\x10\x0e\x00\x04XXXX\x04\x02\x00\x3c\x00\x02ka")
            try:
                s.recv(10)
            except OSError:
                pass
        now, before = n == before, len(hub.lines())
        return now
    until(quiet, "warnings to end")


def test_a_file_with_a_mistake_changes_nothing_and_is_named(box):
    hub = box.hub()
    client = connected(hub)
    good = hub.config.read_text()
    edit(hub, "level: info", "level: loud")
    r = hub.cli("reload", "--control", str(box.dir / "hub.sock"), check=False)
    assert r.returncode == 1 and "not reloaded: " in r.stderr and "hub.yaml:2:" in r.stderr and "loud" in r.stderr and not r.stdout, r
    line = until(lambda: hub.logged(msg="not reloaded; the running configuration stays"), "the complaint")[0]
    assert line["file"].endswith("hub.yaml") and line["line"] == 2 and line["column"] > 1, line
    assert "loud" in line["why"], line
    assert pings(client)
    assert not hub.logged(msg="changed")
    hub.config.unlink()
    hup(hub)
    until(lambda: len(hub.logged(msg="not reloaded; the running configuration stays")) == 2, "a missing file named")
    hub.configure(good)
    hup(hub)
    until(lambda: hub.logged(msg="reloaded", changes=0), "the good file again")
    assert hub.get("/health")["status"] == "healthy"
    assert pings(client)
    client.close()


def test_what_needs_a_restart_is_said(box):
    hub = box.hub()
    with open(hub.config, "a") as f:
        f.write("store: {readers: 3}\n")
    edit(hub, "level: info", "level: debug")
    r = hub.cli("reload", "--control", str(box.dir / "hub.sock"))
    assert r.returncode == 0 and r.stdout.startswith("reloaded"), r
    assert hub.logged(msg="reloaded", changes=2), "it is over when the command ends"
    assert hub.logged(msg="changed; takes effect at the next start", setting="store.readers"), hub.tail()
    assert hub.logged(msg="changed", setting="log.level"), hub.tail()


def test_many_reloads_under_traffic_disturb_nothing(box):
    hub = box.hub()
    client = connected(hub)
    end = time.monotonic() + 2
    count = 0
    while time.monotonic() < end:
        hup(hub)
        assert hub.request("POST", "/api/v1/data", {"device_id": "r", "n": count})[0] == 200
        assert pings(client)
        count += 1
    until(lambda: hub.logged(msg="reloaded"), "a reload")
    items = hub.get("/api/v1/readings?device=r&limit=10000")["items"]
    assert len(items) == count
    client.close()


def test_everybody_who_asks_is_answered(box):
    hub = box.hub()
    args = [BIN, "reload", "--control", str(box.dir / "hub.sock")]
    asking = [subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(10)]
    assert {p.communicate(timeout=60 * SLOW) for p in asking} == {("reloaded; the log says what changed\n", "")}
    assert not any(p.returncode for p in asking)
    # Also at a stop, which may come in between.
    asking = [subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(10)]
    hub.stop()
    for p in asking:
        p.communicate(timeout=60 * SLOW)


def test_reload_of_a_node_that_does_not_run_says_so(box):
    hub = box.hub(start=False)
    r = hub.cli("reload", "--control", str(box.dir / "nobody.sock"), check=False)
    assert r.returncode == 1 and "nobody.sock" in r.stderr, r


main(globals())
