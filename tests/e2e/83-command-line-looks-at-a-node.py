"""The commands that look at a running node and at its journal, for people and with --json."""
import json
import subprocess

from harness import BIN, main, until
from mqtt_raw import Client


def test_status_sessions_and_journal(box):
    hub = box.hub()
    control = str(box.dir / "hub.sock")
    for n in range(10):
        assert hub.request("POST", "/api/v1/data", {"device_id": "d", "n": n})[0] == 200
    text = hub.cli("status", "--control", control).stdout
    assert "state     ready" in text and "mqtt-websocket" in text and "records 1 to 10" in text, text
    status = json.loads(hub.cli("status", "--json", "--control", control).stdout)
    assert status["ready"] and status["journal"]["head"] == 10 and status["id"] == "hub", status
    sub = box.run("mosquitto_sub", "-h", "127.0.0.1", "-p", str(hub.port("mqtt")), "-i", "looker", "-t", "x")
    until(lambda: "looker" in hub.cli("sessions", "--control", control).stdout, "the session")
    session = [s for s in json.loads(hub.cli("sessions", "--json", "--control", control).stdout)["sessions"] if s["client"] == "looker"][0]
    assert session["connected"] and session["subscriptions"] == 1, session
    sub.kill()
    journal = str(hub.dir / "data/journal")
    assert "good" in hub.cli("journal", "ls", journal).stdout
    found = json.loads(hub.cli("journal", "verify", "--json", journal).stdout)
    assert found["records"] == 10 and not found["damaged"], found
    lines = [json.loads(l) for l in hub.cli("journal", "cat", journal).stdout.splitlines()]
    assert [l["payload"]["n"] for l in lines] == list(range(10)), lines


def test_clients_of_long_names_and_in_numbers(box):
    hub = box.hub()
    control = str(box.dir / "hub.sock")
    # More than one answer holds (16 MiB), and more than one page.
    names = [f"{n:04}" + "x" * 16_200 for n in range(1000)] + [f"{n:04}" for n in range(1000, 2010)]
    for name in names:
        c = Client(hub, 5, name, props={"session_expiry": 3600})
        c.close()
    sessions = json.loads(hub.cli("sessions", "--json", "--control", control).stdout)["sessions"]
    assert [s["client"] for s in sessions] == names
    lines = hub.cli("sessions", "--control", control).stdout.splitlines()
    assert len(lines) == 1 + len(names) and lines[0].startswith("CLIENT ") and lines[2010].startswith("2009 "), (len(lines), lines[0], lines[-1])
    assert json.loads(hub.cli("sessions", "--json", "--search", "nobody", "--control", control).stdout) == {"sessions": []}
    assert "no such MQTT client" in hub.cli("sessions", "--search", "nobody", "--control", control).stdout
    # A request with such a name is a long one.
    odd = Client(hub, 5, "\u0001" * 8000)
    hub.cli("sessions", "--kick", "\u0001" * 8000, "--control", control)
    odd.ended(0x98)


def test_a_damaged_journal_is_a_problem(box):
    hub = box.hub()
    for n in range(50):
        assert hub.request("POST", "/api/v1/data", {"device_id": "d", "n": n})[0] == 200
    hub.stop()
    journal = hub.dir / "data/journal"
    segment = max((p for p in journal.iterdir() if p.is_file() and p.stat().st_size > 60000), key=lambda p: p.read_bytes().count(b'"n"'))
    data = bytearray(segment.read_bytes())
    at = data.index(b'{"device_id": "d", "n": 20}')
    data[at + 3] ^= 0x40
    segment.write_bytes(data)
    r = hub.cli("journal", "verify", str(journal), check=False)
    assert r.returncode == 3 and "DAMAGED" in r.stdout, r
    hub.start()  # starts all the same, and takes more
    assert hub.request("POST", "/api/v1/data", {"device_id": "d", "n": 50})[0] == 200


def test_nobody_there_leads_on(box):
    hub = box.hub(start=False)
    r = hub.cli("status", "--control", str(box.dir / "none.sock"), check=False)
    assert r.returncode == 1 and "no wayside answers" in r.stderr, r
    r = hub.cli("statsu", check=False)
    assert r.returncode == 2 and "did you mean 'status'?" in r.stderr, r
    r = hub.cli("journal", "verify", str(box.dir / "nothing"), check=False)
    assert r.returncode == 1 and "nothing" in r.stderr, r
    out = subprocess.run(["bash", "-c", f"source <({BIN} completion bash) && complete -p wayside"], capture_output=True, text=True)
    assert out.returncode == 0 and "_wayside" in out.stdout, out


main(globals())
