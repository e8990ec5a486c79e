"""A hub on PostgreSQL: rows once, the server away and back, two hubs on one database."""
import json
import os
import signal
import socket
import subprocess
import time

from faults import Feeder, check_all_there, stored_numbers
from harness import Node, Postgres, main, until


def hub_on(box, server, name="hub"):
    return box.hub(name=name, extra=f'store: {{postgres: "{server.conninfo}"}}')


def ready(node):
    status, _, body = node.request("GET", "/ready", service="health")
    return status == 200, body.decode()


def test_readings_become_rows_once(box):
    server = Postgres(box)
    hub = hub_on(box, server)
    subprocess.run(["mosquitto_pub", "-p", str(hub.port("mqtt")), "-q", "1", "-t", "sensor/data", "-m",
                    '{"device_id":"t1","temperature":21.5,"humidity":40,"timestamp":"2026-01-01T00:00:00Z"}'], check=True)
    status, _, _ = hub.request("POST", "/sensor-data", {"device_id": "t1", "temperature": 22, "humidity": 41,
                                                        "timestamp": "2026-01-01T00:01:00Z"})
    assert status == 200
    assert [r["temperature"] for r in hub.get("/sensor-data/t1")] == [22, 21.5], "a GET after a POST does not see it"
    assert server.psql("SELECT device, stream, time AT TIME ZONE 'UTC', value->>'temperature' FROM wayside.readings ORDER BY time"
                       ) == "t1|env|2026-01-01 00:00:00|21.5\nt1|env|2026-01-01 00:01:00|22"
    hub.stop()
    hub.start()
    assert len(hub.get("/sensor-data/t1")) == 2
    assert server.psql("SELECT count(*) FROM wayside.records") == "2"


def test_a_server_that_crashes_costs_nothing(box):
    server = Postgres(box)
    hub = hub_on(box, server)
    edge = box.edge(hub.port("mqtt"))
    feeder = Feeder(box.dir / "edge.ingest", rate=500)
    feeder.start()
    for _ in range(3):
        until(lambda: len(feeder.acked) > 0 and len(stored_numbers(hub, feeder.stream)) > 0, "readings to flow", 20)
        server.stop(signal.SIGQUIT)
        mark = len(feeder.acked)
        until(lambda: not ready(hub)[0], "the hub to say that its store is away")
        assert "store" in ready(hub)[1]
        until(lambda: len(feeder.acked) > mark + 300, "acknowledgements to go on without the database")
        status, headers, _ = hub.request("GET", "/api/v1/devices")
        assert status == 503 and headers.get("Retry-After"), status
        server.start()
        until(lambda: ready(hub)[0], "the hub to be ready again", 20)
    feeder.end = True
    feeder.join()
    check_all_there(hub, [feeder], "after three crashes of the server")
    assert edge.get_status()["uplink"]["backlog"] == 0


def test_a_hub_starts_without_its_server(box):
    server = Postgres(box)
    server.stop()
    hub = hub_on(box, server)
    box.edge(hub.port("mqtt"))
    feeder = Feeder(box.dir / "edge.ingest", rate=300)
    feeder.start()
    until(lambda: len(feeder.acked) > 300, "acknowledgements")
    until(lambda: hub.get_status()["nodes"] and hub.get_status()["nodes"][0]["have"] > 300, "the hub's journal to have them")
    assert not ready(hub)[0]
    server.start()
    until(lambda: ready(hub)[0], "the hub to be ready", 20)
    feeder.end = True
    feeder.join()
    check_all_there(hub, [feeder], "a late server")
    assert server.psql("SELECT count(*) FROM wayside.gaps") == "0"


def test_two_hubs_share_a_database(box):
    server = Postgres(box)
    one, two = hub_on(box, server, "one"), hub_on(box, server, "two")
    edges = [box.edge(h.port("mqtt"), name=f"edge-{h.name}") for h in (one, two)]
    feeders = [Feeder(box.dir / f"{e.name}.ingest", number=i, rate=400) for i, e in enumerate(edges)]
    for f in feeders:
        f.start()
    until(lambda: all(len(f.acked) > 1000 for f in feeders), "readings", 20)
    for f in feeders:
        f.end = True
        f.join()
    for e, f in zip(edges, feeders):
        for hub in (one, two):
            check_all_there(hub, [f], f"{e.name} seen from {hub.name}", device=e.name)


def test_the_same_records_by_two_ways_are_stored_once(box):
    """A regional hub and the cloud hub behind it write into one database."""
    server = Postgres(box)
    cloud = hub_on(box, server, "cloud")
    regional = box.hub(name="regional", extra=f"""store: {{postgres: "{server.conninfo}"}}
edge: {{host: {{enabled: false}}, uplink: {{hub: "127.0.0.1:{cloud.port("mqtt")}"}}}}""")
    box.edge(regional.port("mqtt"))
    feeder = Feeder(box.dir / "edge.ingest", rate=500)
    feeder.start()
    until(lambda: len(feeder.acked) > 1000, "readings", 20)
    feeder.end = True
    feeder.join()
    check_all_there(cloud, [feeder], "by two ways")
    until(lambda: (cloud.metric("wayside_store_skipped_total") or 0) + (regional.metric("wayside_store_skipped_total") or 0)
          >= len(feeder.acked), "the second way to have come")
    check_all_there(cloud, [feeder], "by two ways, both there")


def test_an_idle_hub_notices_that_its_database_is_gone_or_older(box):
    server = Postgres(box)
    hub = hub_on(box, server)

    def post(value):
        assert hub.request("POST", "/api/v1/data", {"device_id": "d", "n": value})[0] == 200

    def stored():
        return server.psql("SELECT value->>'n' FROM wayside.readings WHERE device = 'd' ORDER BY time").split()

    post(1)
    until(lambda: stored() == ["1"], "the first row")
    server.stop(signal.SIGINT)
    until(lambda: not ready(hub)[0], "/ready to say no")
    assert "store" in ready(hub)[1], ready(hub)
    server.copy("data", "older")
    server.start()
    until(lambda: ready(hub)[0], "/ready to say yes", 30)
    post(2)
    post(3)
    until(lambda: stored() == ["1", "2", "3"], "the next rows", 30)
    server.stop(signal.SIGINT)
    server.copy("older", "data")
    server.start()
    until(lambda: stored() == ["1", "2", "3"], "the rows to be written again", 30)


def test_a_database_that_is_locked_or_hangs_is_told_and_does_not_hold_up_a_stop(box):
    server = Postgres(box)
    hub = hub_on(box, server)
    numbers = iter(range(100))

    def post():
        n = next(numbers)
        assert hub.request("POST", "/api/v1/data", {"device_id": "d", "n": n})[0] == 200
        return n

    def stored():
        return [int(n) for n in server.psql("SELECT value->>'n' FROM wayside.readings WHERE device = 'd' ORDER BY seq").split()]

    post()
    until(lambda: stored() == [0], "the first row")
    lock = subprocess.Popen([str(server.bin / "psql"), "-X", "-q", server.conninfo], stdin=subprocess.PIPE, text=True)
    lock.stdin.write("BEGIN; LOCK TABLE wayside.records;\n")
    lock.stdin.flush()
    until(lambda: server.psql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'") == "1", "the lock")
    post()
    until(lambda: not ready(hub)[0], "/ready to tell of the lock", 20)
    lock.communicate("ROLLBACK;\n")
    until(lambda: stored() == [0, 1] and ready(hub)[0], "the row after the lock", 20)
    backends = [int(p) for p in server.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'wayside'").split()]
    try:
        for p in backends:
            os.kill(p, signal.SIGSTOP)
        post()
        until(lambda: not ready(hub)[0], "/ready to tell of the hang", 40)
        assert any("did not answer" in line["text"] for line in hub.logged(module="store", level="error"))
        assert hub.stop(60) == 0
    finally:
        for p in backends:
            os.kill(p, signal.SIGCONT)
    hub.start()
    until(lambda: stored() == [0, 1, 2], "the row after the hang", 40)


def test_questions_that_wait_do_not_hold_up_a_stop(box):
    server = Postgres(box)
    hub = hub_on(box, server)
    assert hub.request("POST", "/api/v1/data", {"device_id": "d", "n": 1})[0] == 200
    until(lambda: hub.get("/api/v1/readings?device=d")["items"], "the first row")
    stopped = [int(p) for p in server.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'wayside'").split()]
    stopped.append(int((server.dir / "data" / "postmaster.pid").read_text().split()[0]))
    asking = []
    try:
        for p in stopped:
            os.kill(p, signal.SIGSTOP)
        for _ in range(12):  # one behind the other they would wait for minutes
            s = socket.create_connection(hub.address("api"))
            s.sendall(b"GET /api/v1/readings?device=d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            asking.append(s)
        until(lambda: hub.metric("active_connections") >= 12, "the questions")
        assert hub.stop(50) == 0
    finally:
        for p in [*stopped, server.process.pid]:  # runuser stops when its child does
            os.kill(p, signal.SIGCONT)
        for s in asking:
            s.close()


def test_mistakes_are_named(box):
    node = Node(box, "bad", ["hub"], None)
    for text, word in (('store: {postgres: "postgresql://u:secret@h/db"}', "password_file"),
                       ('store: {postgres: "host=/nowhere nonsense=1"}', "nonsense")):
        node.config.write_text(f"node: {{data: {box.dir}/d}}\nmqtt:\n  listeners: [{{address: \"127.0.0.1:0\"}}]\napi: {{address: \"127.0.0.1:0\"}}\n"
                               f"health: {{address: \"127.0.0.1:0\"}}\n{text}\n")
        r = node.cli("hub", "-c", str(node.config), check=False)
        assert r.returncode != 0 and word in r.stderr, (r.returncode, r.stderr)
        assert "secret@" not in r.stdout + r.stderr.replace(text, ""), r.stderr


main(globals())
